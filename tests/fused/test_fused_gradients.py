"""Without differentiating twice the gradients are those of differentiating twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import softplus

from ganwright.base.spec import Spec
from ganwright.game import Augment, AugmentOptions, GameOptions, PenaltyOptions
from ganwright.game.fused import Unfit, fits, judged_with_gradient
from ganwright.game.penalties import squared_gradient
from ganwright.game.round import Batch, Game
from ganwright.modalities.images import augment as part
from ganwright.nets import (
    DCGANDiscriminatorOptions,
    LatentSkipDiscriminatorOptions,
    MLPDiscriminatorOptions,
    MLPGeneratorOptions,
    R3GANDiscriminatorOptions,
)

CLASSES = ("a", "b", "c")
PLAIN = {
    "dcgan": DCGANDiscriminatorOptions(width=8),
    "dcgan, packs": DCGANDiscriminatorOptions(width=8, pack=2),
    "mlp": MLPDiscriminatorOptions(widths=(16, 8)),
    "r3gan": R3GANDiscriminatorOptions(size="xs"),
}
OTHERS = {
    "dropout": DCGANDiscriminatorOptions(width=8, dropout=0.3),
    "layer norm": DCGANDiscriminatorOptions(width=8, norm="layer"),
    "spectral norm": DCGANDiscriminatorOptions(width=8, norm="spectral"),
    "batch norm": DCGANDiscriminatorOptions(width=8, norm="batch"),
    "minibatch deviation": DCGANDiscriminatorOptions(width=8, minibatch_std=2),
    "silu": MLPDiscriminatorOptions(widths=(16,), activation="silu"),
}


def made(options: Any, classes: tuple[str, ...]) -> tuple[nn.Module, Tensor, Tensor | None]:
    spec = Spec(axes=("channel", "height", "width"), shape=(3, 12, 12), classes=classes)
    torch.manual_seed(0)
    network = options.build(spec, 4).double()
    with torch.no_grad():
        for weight in network.parameters():  # also those that begin at nought
            weight.add_(0.1 * torch.randn_like(weight))
    labels = torch.randint(len(classes), (8,)) if classes else None
    return network, torch.randn(8, 3, 12, 12, dtype=torch.float64), labels


def gradients(network: nn.Module, logits: Tensor, squares: Tensor) -> list[Tensor]:
    """Of a relativistic loss and R1 and R2 with γ = 0.7, by every weight."""
    real, fake = logits.chunk(2)
    whole = softplus(fake - real).mean() + 0.35 * squares.mean()
    found = torch.autograd.grad(whole, list(network.parameters()), allow_unused=True)
    weights = network.parameters()
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]


@pytest.mark.parametrize("classes", [(), CLASSES], ids=["alone", "classes"])
@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.parametrize("augmented", [False, True], ids=["as it is", "augmented"])
def test_equal_to_differentiating_twice(
    options: Any, classes: tuple[str, ...], augmented: bool
) -> None:
    network, x, labels = made(options, classes)
    augment = Augment.of(
        AugmentOptions(mode="fixed", p=0.9),
        part,
        Spec(axes=("channel", "height", "width"), shape=(3, 12, 12)),
    )
    see = augment.draw(x) if augmented else None

    def judge(x: Tensor) -> Tensor:
        return network(x, labels)

    logits, gradient = judged_with_gradient(judge, network, x, see)
    ours = gradients(network, logits, gradient.square().flatten(1).sum(1))
    at = x.clone().requires_grad_()
    direct = judge(at if see is None else see(at))
    squares = squared_gradient(direct, at)
    torch.testing.assert_close(logits, direct, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient.square().flatten(1).sum(1), squares, rtol=1e-11, atol=1e-12)
    for ours_, its in zip(ours, gradients(network, direct, squares), strict=True):
        torch.testing.assert_close(ours_, its, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN.keys())
def test_made_for_it(options: Any) -> None:
    network, x, labels = made(options, CLASSES)
    assert fits(lambda x: network(x, labels), x)


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_not_linear_between_kinks_is_left_alone(options: Any) -> None:
    network, x, labels = made(options, CLASSES)
    before = [tensor.clone() for tensor in network.state_dict().values()]
    state = torch.get_rng_state()
    assert not fits(lambda x: network(x, labels), x)
    assert torch.equal(torch.get_rng_state(), state)
    for old, new in zip(before, network.state_dict().values(), strict=True):
        assert torch.equal(old, new)


class ByLabel(nn.Module):
    """Judges by what a small net of its own makes of the label."""

    def __init__(self, bent: bool) -> None:
        super().__init__()
        self.first, self.embed = nn.Linear(5, 4), nn.Embedding(3, 4)
        self.told, self.head = nn.Linear(4, 4), nn.Linear(8, 1)
        self.bent = bent

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        told = self.embed(labels)
        told = self.told(functional.relu(told) if self.bent else told)
        return self.head(torch.cat([self.first(x), told], 1)).squeeze(1)


@pytest.mark.parametrize("bent", [False, True])
def test_layers_of_labels_are_no_layers_of_features(bent: bool) -> None:
    network, labels = ByLabel(bent), torch.tensor([0, 1, 2])
    assert not fits(lambda x: network(x, labels), torch.randn(3, 5))
    with pytest.raises(Unfit, match="something other than features"):
        judged_with_gradient(lambda x: network(x, labels), network, torch.randn(3, 5))


class Beside(nn.Module):
    """Judges features beside what is given, which has no slope."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(7, 6), nn.Linear(8, 1)

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        told = torch.cat([given, given.square()], 1)  # of no features at all
        h = functional.leaky_relu(self.first(torch.cat([x, told], 1)), 0.2)
        return self.head(torch.cat([told, h], 1)).squeeze(1)


def test_what_is_given_beside_features_has_no_slope() -> None:
    network, x, given = Beside().double(), torch.randn(4, 5).double(), torch.randn(4, 1).double()
    logits, gradient = judged_with_gradient(lambda x: network(x, given), network, x)
    (logits.sum() + gradient.square().sum()).backward()
    found = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    x.requires_grad_()
    logits = network(x, given)
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    (logits.sum() + slope.square().sum()).backward()
    for one, weight in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(one, weight.grad)


def test_frozen_weights_get_nothing() -> None:
    network, x, _ = made(DCGANDiscriminatorOptions(width=8), ())
    first = next(network.parameters())
    first.requires_grad_(False)
    logits, gradient = judged_with_gradient(lambda x: network(x, None), network, x)
    (logits.sum() + gradient.square().sum()).backward()
    assert first.grad is None
    assert all(weight.grad is not None for weight in list(network.parameters())[1:])


PENALTIES = [
    PenaltyOptions(r1=1, r2=1),
    PenaltyOptions(r1=1),
    PenaltyOptions(r2=1),
    PenaltyOptions(gradient_penalty=10),
    PenaltyOptions(dragan=10),
    PenaltyOptions(r1=1, gradient_penalty=1),
]


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: "+".join(p.weights()))
def test_a_round_is_the_same_either_way(penalty: PenaltyOptions) -> None:
    spec = Spec(axes=("channel", "height", "width"), shape=(1, 12, 12))

    def play(fused: bool | None) -> tuple[list[Tensor], Game]:
        torch.manual_seed(0)
        generator = MLPGeneratorOptions(widths=(16,)).build(spec, 4).double()
        discriminator = DCGANDiscriminatorOptions(width=8).build(spec, 4).double()
        make: Callable[..., torch.optim.Optimizer] = torch.optim.SGD
        game = Game(
            options=replace(GameOptions(), loss="relativistic-paired", penalty=penalty),
            generator=generator,
            discriminator=discriminator,
            generator_optimiser=make(generator.parameters(), lr=0.1),
            discriminator_optimiser=make(discriminator.parameters(), lr=0.1),
            latents=lambda n: torch.randn(n, 4, dtype=torch.float64),
            fused=fused,
        )
        for _ in range(3):
            game.round(lambda: Batch(torch.rand(6, 1, 12, 12, dtype=torch.float64), None), 0)
        return [*generator.parameters(), *discriminator.parameters()], game

    ours, game = play(None)
    twice, _ = play(False)
    assert game.fused
    for one, other in zip(ours, twice, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_nothing_is_kept() -> None:
    """A step's memory is freed with its results: thousands of them follow each other."""
    import gc
    import weakref

    network, x, _ = made(MLPDiscriminatorOptions(widths=(16, 8)), ())
    logits, gradient = judged_with_gradient(lambda x: network(x, None), network, x)
    passes = weakref.ref(logits.grad_fn.passes)  # type: ignore[union-attr]
    gc.disable()
    try:
        (logits.sum() + gradient.square().sum()).backward()
        del logits, gradient
        assert passes() is None
    finally:
        gc.enable()


def test_layer_after_layer_with_the_latent_again() -> None:
    network, x, labels = made(LatentSkipDiscriminatorOptions(width=16, depth=3), CLASSES)
    assert fits(lambda x: network(x, labels), x)
