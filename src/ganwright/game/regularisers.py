"""Regularisers against mode collapse and for small data sets; all of them off by default.

Pure functions of logits, and the one small state, LeCam's anchors. They move after each whole batch, so
that LeCam is the same number with microbatches. Packs and the minibatch standard deviation are parts of
discriminators (`nets.layers`); that each player has a rate and a number of steps of its own (two time
scales, Heusel et al. 2017) is in their options.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganwright.base.options import Field, options
from ganwright.game.schedule import linear

FOLLOW = 0.01  # share of a batch's mean in the anchors; the paper's decay of 0.99

Logits = Float[Tensor, "batch"]
Scalar = Float[Tensor, ""]
Places = Int[Tensor, "kept"]


@options
class RegulariserOptions:
    """Terms added to the losses, and which fakes the generator learns from."""

    lecam: float = Field(
        default=0.0,
        ge=0,
        description="λ of λ(D(x)−ᾱ_fake)² + λ(D(G(z))−ᾱ_real)², for small data sets",
    )
    lecam_after_kimg: float = Field(
        default=0.0, ge=0, description="thousand examples after which LeCam starts"
    )
    consistency: float = Field(
        default=0.0, ge=0, description="λ of λ(D(x)−D(T(x)))², real and fake; the paper's is 10"
    )
    top_k: float = Field(
        default=1.0, gt=0, le=1, description="share of the best fakes that G learns from"
    )
    top_k_kimg: float = Field(
        default=20.0, ge=0, description="thousand examples over which that share falls from 1"
    )

    def lecam_at(self, seen: int) -> float:
        """λ of LeCam after `seen` examples."""
        return self.lecam if seen >= self.lecam_after_kimg * 1000 else 0.0

    def share_at(self, seen: int) -> float:
        """The share of fakes that the generator learns from after `seen` examples."""
        return linear(1.0, self.top_k, seen, round(self.top_k_kimg * 1000))


@dataclass
class Anchors:
    """Moving means of the discriminator's logits of real and fake; None before the first batch."""

    real: Tensor | None = None
    fake: Tensor | None = None
    device: torch.device | str = "cpu"

    def follow(self, real: Scalar, fake: Scalar) -> None:
        """Moves towards the mean logits of a batch; starts at those of the first."""
        if self.real is None or self.fake is None:
            self.real, self.fake = real.clone(), fake.clone()
        else:
            self.real.lerp_(real, FOLLOW)
            self.fake.lerp_(fake, FOLLOW)

    def state_dict(self) -> dict[str, Any]:
        return {
            name: None if value is None else value.clone()
            for name, value in (("real", self.real), ("fake", self.fake))
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.real, self.fake = (
            None if value is None else value.to(self.device, copy=True)
            for value in (state["real"], state["fake"])
        )


def lecam(real: Logits, fake: Logits, past_real: Scalar, past_fake: Scalar) -> Scalar:
    """E(D(x) − ᾱ_fake)² + E(D(G(z)) − ᾱ_real)² (Tseng et al. 2021, section 3.2).

    Pulls the logits of either side to the other side's moving mean, so that a discriminator with few
    data can't become overconfident. As printed; the authors' code clips each difference at zero,
    which differs only where real logits lie below the fakes' mean.
    """
    return (real - past_fake).square().mean() + (fake - past_real).square().mean()


def consistency(logits: Logits, moved: Logits) -> Scalar:
    """E(D(x) − D(T(x)))² (Zhang et al. 2020; of fakes too: Zhao et al. 2020, algorithm 1)."""
    return (logits - moved).square().mean()


def best(real: Logits, fake: Logits, share: float, *, relative: bool) -> Places:
    """Which ⌈share·b⌉ fakes look the most real (Sinha et al. 2020, section 3).

    By D's logit or, where the loss is `relative`, by how far it lies above the logit of the real
    example in its pair. Such a loss leaves a constant of the logits open, another for each class;
    pairs are of one class, so it cancels in their difference, and no class is favoured.
    """
    score = fake - real if relative else fake
    return score.topk(math.ceil(share * len(fake)), sorted=False).indices
