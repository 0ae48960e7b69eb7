"""The losses of the two players: pure functions of logits, one value per example.

Signs: both players minimise. `real` and `fake` are the discriminator's raw outputs (logits), never
probabilities, so nothing is clamped and no gradient is lost where a sigmoid saturates. Example i of
`real` and example i of `fake` form pair i; the caller averages.

New loss: one pair of functions and one row in `LOSSES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganwright.base.names import Names
from ganwright.base.options import Field, options

Logits = Float[Tensor, "batch"]


class Targets(NamedTuple):
    """The discriminator's targets for real and fake: 1 and 0, unless smoothed or noisy."""

    real: Tensor | float = 1.0
    fake: Tensor | float = 0.0


@options
class LabelOptions:
    """Smoothed or noisy targets for the discriminator; only for losses that have targets.

    Smoothing: Salimans et al. 2016, section 3.4 (one-sided: `fake` stays 0).
    """

    real: float = Field(
        default=1.0, gt=0.5, le=1, description="target of real examples; 0.9 smooths"
    )
    fake: float = Field(
        default=0.0, ge=0, lt=0.5, description="target of fakes; above 0 smooths both sides"
    )
    flip: float = Field(default=0.0, ge=0, lt=0.5, description="share of targets swapped at random")

    @property
    def plain(self) -> bool:
        return (self.real, self.fake, self.flip) == (1.0, 0.0, 0.0)

    def draw(self, like: Tensor) -> Targets:
        """Targets for one batch of logits; the flips come from torch's generator."""
        if self.flip == 0:
            return Targets(self.real, self.fake)

        def flipped(target: float, other: float) -> Tensor:
            swapped = torch.rand_like(like) < self.flip
            return torch.full_like(like, target).masked_fill(swapped, other)

        return Targets(flipped(self.real, self.fake), flipped(self.fake, self.real))


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One value function, as two functions of logits."""

    discriminator: Callable[[Logits, Logits, Targets], Logits]
    generator: Callable[[Logits, Logits], Logits]
    targets: bool = False  # takes targets other than (1, 0)
    relative: bool = False  # the generator's loss looks at real logits too
    equation: str
    paper: str


def _cross_entropy(logits: Logits, target: Tensor | float) -> Logits:
    # −t·log σ(x) − (1−t)·log(1−σ(x)), with log σ(x) = −softplus(−x)
    return softplus(logits) - target * logits


def _logistic_discriminator(real: Logits, fake: Logits, targets: Targets) -> Logits:
    return _cross_entropy(real, targets.real) + _cross_entropy(fake, targets.fake)


def _minimax_generator(fake: Logits, real: Logits) -> Logits:
    return -softplus(fake)


def _non_saturating_generator(fake: Logits, real: Logits) -> Logits:
    return softplus(-fake)


def _least_squares_discriminator(real: Logits, fake: Logits, targets: Targets) -> Logits:
    return ((real - targets.real).square() + (fake - targets.fake).square()) / 2


def _least_squares_generator(fake: Logits, real: Logits) -> Logits:
    return (fake - 1).square() / 2


def _wasserstein_discriminator(real: Logits, fake: Logits, targets: Targets) -> Logits:
    return fake - real


def _wasserstein_generator(fake: Logits, real: Logits) -> Logits:
    return -fake


def _hinge_discriminator(real: Logits, fake: Logits, targets: Targets) -> Logits:
    return relu(1 - real) + relu(1 + fake)


def _paired_discriminator(real: Logits, fake: Logits, targets: Targets) -> Logits:
    return softplus(fake - real)


def _paired_generator(fake: Logits, real: Logits) -> Logits:
    return softplus(real - fake)


def _average_discriminator(real: Logits, fake: Logits, targets: Targets) -> Logits:
    return softplus(fake.mean() - real) + softplus(fake - real.mean())


def _average_generator(fake: Logits, real: Logits) -> Logits:
    return softplus(real.mean() - fake) + softplus(real - fake.mean())


LOSSES: Names[Loss] = Names(
    "loss",
    {
        "minimax": Loss(
            discriminator=_logistic_discriminator,
            generator=_minimax_generator,
            targets=True,
            equation="D: −log σ(r) − log(1−σ(f));  G: log(1−σ(f)), saturating",
            paper="Goodfellow et al. 2014, equation 1",
        ),
        "non-saturating": Loss(
            discriminator=_logistic_discriminator,
            generator=_non_saturating_generator,
            targets=True,
            equation="D: −log σ(r) − log(1−σ(f));  G: −log σ(f)",
            paper="Goodfellow et al. 2014, section 3",
        ),
        "least-squares": Loss(
            discriminator=_least_squares_discriminator,
            generator=_least_squares_generator,
            targets=True,
            equation="D: ½(r−1)² + ½f²;  G: ½(f−1)²",
            paper="Mao et al. 2017, equation 9",
        ),
        "wasserstein": Loss(
            discriminator=_wasserstein_discriminator,
            generator=_wasserstein_generator,
            equation="D: f − r;  G: −f",
            paper="Arjovsky et al. 2017, algorithm 1",
        ),
        "hinge": Loss(
            discriminator=_hinge_discriminator,
            generator=_wasserstein_generator,
            equation="D: max(0, 1−r) + max(0, 1+f);  G: −f",
            paper="Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17",
        ),
        "relativistic-paired": Loss(
            discriminator=_paired_discriminator,
            generator=_paired_generator,
            relative=True,
            equation="D: softplus(f − r);  G: softplus(r − f), pair by pair",
            paper="Jolicoeur-Martineau 2018, section 4.1; Huang et al. 2024, equation 2",
        ),
        "relativistic-average": Loss(
            discriminator=_average_discriminator,
            generator=_average_generator,
            relative=True,
            equation="D: −log σ(r − mean f) − log(1−σ(f − mean r));  G: r and f swapped",
            paper="Jolicoeur-Martineau 2018, section 4.2",
        ),
    },
)
