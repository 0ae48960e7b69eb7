"""The exponential moving average of a generator's weights, with a half-life in examples.

Averaging damps the oscillation of the two players; samples come from the average (Yazici et al. 2018).
The half-life counts examples, so it means the same at any batch size (Karras et al. 2018).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def decay(examples: float, half_life: float) -> float:
    """The weight of the old average after `examples` more: ½^(examples / half-life)."""
    return 0.5 ** (examples / half_life) if half_life > 0 else 0.0


class Average:
    """A moving average of a network, including buffers such as batch statistics."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def update(self, network: nn.Module, examples: int, half_life: float) -> None:
        """Moves towards `network` by `examples` more; a half-life of 0 copies it."""
        self.follow(network, 1 - decay(examples, half_life))

    @torch.no_grad()
    def follow(self, network: nn.Module, share: float | Tensor) -> None:
        """Goes the `share` of the way to `network`."""
        mine, other = tensors(self.network), tensors(network)
        floats = [i for i, tensor in enumerate(mine) if tensor.is_floating_point()]
        ours, theirs = [mine[i] for i in floats], [other[i] for i in floats]
        if isinstance(share, Tensor):  # which torch's own would read, and so wait for
            way = torch._foreach_sub(theirs, ours)
            torch._foreach_mul_(way, share)
            torch._foreach_add_(ours, way)
        else:
            torch._foreach_lerp_(ours, theirs, share)
        for i, tensor in enumerate(mine):
            if not tensor.is_floating_point():  # batch counters, for instance
                tensor.copy_(other[i])


def tensors(network: nn.Module) -> list[Tensor]:
    """The parameters and buffers of a network, in its own order."""
    return [*network.parameters(), *network.buffers()]
