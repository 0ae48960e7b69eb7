"""The stages of a discriminator from its input up, for methods that treat low and high ones differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import nn

from ganwright.nets.layers import WEIGHTED


@runtime_checkable
class Staged(Protocol):
    """A discriminator that defines its own stages."""

    def from_input(self) -> Sequence[Sequence[nn.Module]]:
        """The modules of each stage, the one nearest to the input first; the head is in none."""


def stages_of(discriminator: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of each stage, the one nearest to the example's own numbers first.

    What a net offers by `from_input`; otherwise one stage a layer of weights, in the order in which
    the net has them, with the norms that follow it. The `head`, which makes the logit, is in none.
    """
    if isinstance(discriminator, Staged):
        offered = discriminator.from_input()
        return [[p for module in stage for p in module.parameters()] for stage in offered]
    found: list[list[nn.Parameter]] = []
    for name, module in discriminator.named_modules():
        if "head" in name.split("."):
            continue
        if isinstance(module, WEIGHTED):  # each layer of weights begins a stage
            found.append([])
        if found:
            found[-1] += module.parameters(recurse=False)
    return found


def freeze(discriminator: nn.Module, count: int) -> None:
    """Freezes the first `count` stages (Freeze-D, Mo et al. 2020).

    A discriminator's low layers detect edges and textures, which hold for many kinds of images; trained on
    few examples, they would overfit to these.
    """
    for stage in stages_of(discriminator)[:count]:
        for parameter in stage:
            parameter.requires_grad_(False)
