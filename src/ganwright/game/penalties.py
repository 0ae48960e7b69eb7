"""Penalties on the discriminator's gradient, and bounds on its weights.

Every gradient penalty is a function of ‖∇ₓD(x)‖², one value per example, at points of its own:
at real examples, at fakes, between them, or around the real ones. New penalty: one row, and its
weight in `PenaltyOptions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganwright.base.names import Names

Examples = Float[Tensor, "batch *shape"]
Values = Float[Tensor, "batch"]
Judged = Float[Tensor, "judged"]


def squared_gradient(logits: Judged, at: Examples) -> Values:
    """‖∇ₓD(x)‖² of each example: summed over all its numbers, differentiable once more.

    `logits` (batch,) must come from `at` through a discriminator that treats examples one by one;
    batch statistics would mix their gradients. Where it judges packs, (batch / pack,), the gradient
    is that of the logit of an example's own pack. Where it judges patches, (batch · patches,), the value
    is divided by their number: as each has a gradient of its own, that is about the mean of a patch.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), at, create_graph=True)
    return gradient.square().flatten(1).sum(1) / max(1, len(logits) // len(at))


def _mix_shape(like: Tensor) -> tuple[int, ...]:
    return (len(like), *[1] * (like.dim() - 1))


def between(real: Examples, fake: Examples) -> Examples:
    """A point on the line between each pair, uniform (Gulrajani et al. 2017, algorithm 1)."""
    share = torch.rand(_mix_shape(real), device=real.device, dtype=real.dtype)
    return torch.lerp(real, fake, share)


def around(real: Examples, fake: Examples) -> Examples:
    """A point near each real example: x + ½·std(x)·u, u ~ U(0, 1) (Kodali et al. 2017).

    As in the authors' code: the point moves a uniform share α of the way to the perturbed one.
    """
    perturbed = real + 0.5 * real.std() * torch.rand_like(real)
    share = torch.rand(_mix_shape(real), device=real.device, dtype=real.dtype)
    return torch.lerp(real, perturbed, share)


def half(squared: Values) -> Values:
    """½‖∇D‖²: pulls the gradient towards zero."""
    return squared / 2


def to_one(squared: Values) -> Values:
    """(‖∇D‖ − 1)²: pulls the gradient's norm towards one."""
    # The root has no derivative at zero; a flat discriminator must not give NaN.
    return ((squared + 1e-12).sqrt() - 1).square()


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """Where the gradient is taken, and the function of its square."""

    at: Literal["real", "fake"] | Callable[[Examples, Examples], Examples]
    value: Callable[[Values], Values]
    paper: str


PENALTIES: Names[Penalty] = Names(
    "penalty",
    {
        "r1": Penalty(at="real", value=half, paper="Mescheder et al. 2018, equation 9"),
        "r2": Penalty(at="fake", value=half, paper="Mescheder et al. 2018, section 4.1"),
        "gradient-penalty": Penalty(
            at=between, value=to_one, paper="Gulrajani et al. 2017, equation 3"
        ),
        "dragan": Penalty(at=around, value=to_one, paper="Kodali et al. 2017, equation 3"),
    },
)


@torch.no_grad()
def clip_weights(network: nn.Module, bound: float) -> None:
    """Clips every trainable weight to [−bound, bound] (Arjovsky et al. 2017, algorithm 1)."""
    for parameter in network.parameters():
        if parameter.requires_grad:  # frozen weights stay as they are
            parameter.clamp_(-bound, bound)
