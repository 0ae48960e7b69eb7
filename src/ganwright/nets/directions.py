"""Directions in the latent along which a generator's samples change most, found without labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganwright.nets.layers import WEIGHTED, Generator

DEEP = (
    2  # the layer of weights, counted from 0, whose input is looked at: the first after activations
)


@torch.no_grad()
def pca(
    generator: Generator, z: Tensor, labels: Tensor | None, count: int
) -> tuple[Tensor, Tensor]:
    """Principal directions of early features (GANSpace, Härkönen et al. 2020): (count, dim), of length 1.

    The features are the input of the third layer of weights, the first ones with activations behind
    them: of a linear layer the directions would be those of `sefa`. Their principal components at
    latents `z` (n, dim) with `labels` are regressed onto `z`. Of classes, what differs between
    their means is left out. Also returns the share of the features' variance along each component.
    """
    parts = []
    for i in range(0, len(z), generator.block):
        here = slice(i, i + generator.block)
        found = _inputs(generator, z[here], None if labels is None else labels[here])
        parts.append(found[min(DEEP, len(found) - 1)][1].flatten(1).double())
    features = torch.cat(parts)
    for own in labels.unique() if labels is not None else ():
        features[labels == own] -= features[labels == own].mean(0)
    features -= features.mean(0)
    left, lengths, _ = torch.linalg.svd(features, full_matrices=False)
    fitted = torch.linalg.lstsq(z.double(), left[:, :count]).solution.T
    shares = lengths.square() / lengths.square().sum()
    return _unit(fitted).to(z), shares[:count].to(z)


@torch.no_grad()
def sefa(
    generator: Generator, z: Tensor, labels: Tensor | None, count: int
) -> tuple[Tensor, Tensor]:
    """Directions that the first layer stretches most (SeFa, Shen and Zhou 2021): (count, dim), of length 1.

    They are the eigenvectors of AᵀA, A the weights of that layer for the latent. Also returns the share of
    ‖A‖² along each. `z` and `labels`, of any latents, are only used to find the layer.
    """
    layer = _inputs(generator, z[:1], None if labels is None else labels[:1])[0][0]
    weights = layer.weight.flatten(1)[:, : z.shape[1]].double()  # type: ignore[operator]
    values, vectors = torch.linalg.eigh(weights.T @ weights)
    shares = values.flip(0) / values.sum()
    return _unit(vectors.T.flip(0)[:count]).to(z), shares[:count].to(z)


DIRECTIONS = {"pca": pca, "sefa": sefa}


def _unit(directions: Tensor) -> Tensor:
    """Of length 1, and of the two signs that with a positive largest coordinate."""
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return directions * largest.sign() / directions.norm(dim=1, keepdim=True)


def _inputs(network: nn.Module, z: Tensor, labels: Tensor | None) -> list[tuple[nn.Module, Tensor]]:
    """The layers of weights in the order in which they run, each with what it is given."""
    caught: list[tuple[nn.Module, Tensor]] = []
    layers = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    hooks = [
        layer.register_forward_pre_hook(lambda own, given: caught.append((own, given[0])))
        for layer in layers
    ]
    try:
        network(z, labels)
    finally:
        for hook in hooks:
            hook.remove()
    return caught
