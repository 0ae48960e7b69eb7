"""γ, the weight of R1 and R2, over time: fixed, falling along a schedule, or kept where it should be.

Nobody can choose γ: published settings of one recipe go from 0.05 to 150, by resolution and variety of
the data. What it governs can be chosen. γ bounds how steep the discriminator may be; too high, and it can't
tell real from fake, too low, and it is sure of everything and teaches nothing. So the controller looks at
how well it tells them apart, the mean of softplus(D(fake) − D(real)) over pairs as a share of log 2, which
is what guessing comes to, and moves log γ until that is what was aimed at. It starts from the gradients
of the first batch: at a γ whose penalty weighs as much as the loss.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganwright.base.options import Field, options
from ganwright.game.schedule import cosine

REACH = 1000.0  # times, up or down, that γ is moved from where it begins: a mistake ends somewhere


@options
class GammaOptions:
    """How the weights of R1 and R2 change while a run lasts."""

    auto: bool = Field(
        default=False, description="moved so that D tells pairs apart as well as `target` says"
    )
    target: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="auto: the loss of D on pairs, as a share of log 2, which is guessing",
    )
    speed: float = Field(
        default=2.0, gt=0, description="auto: log γ moves by this × error in a thousand examples"
    )
    final: float = Field(
        default=1.0, gt=0, description="share of them left in the end, geometrically along a cosine"
    )
    decay_kimg: float = Field(
        default=0,
        ge=0,
        description="length of that fall, in thousand examples; 0: the run's budget",
    )

    def share(self, seen: int) -> float:
        """What the schedule leaves after `seen` examples."""
        if self.final == 1:
            return 1.0
        return math.exp(cosine(0.0, math.log(self.final), seen, round(self.decay_kimg * 1000)))


def telling(real: Tensor, fake: Tensor) -> Tensor:
    """How badly the discriminator tells pairs of logits apart: 0 is never wrong, 1 is guessing."""
    return softplus(fake.detach() - real.detach()).mean() / math.log(2)


class Gamma:
    """The factor that the weights of R1 and R2 have at the moment; nothing here waits for a device."""

    def __init__(self, o: GammaOptions, device: torch.device | str = "cpu") -> None:
        self.options = o
        self.start = torch.full((), math.nan, device=device)  # nothing is known before a batch
        self.log = self.start.clone()

    def scale(self, seen: int, penalty: Tensor) -> float | Tensor:
        """What R1 and R2 are multiplied by; `penalty` is what a batch would pay without it."""
        share = self.options.share(seen)
        if not self.options.auto:
            return share
        fresh = (math.log(2) / penalty.detach().clamp(min=1e-30)).log()  # at first: penalty = loss
        self.start = torch.where(self.start.isnan(), fresh.to(self.start), self.start)
        self.log = torch.where(self.log.isnan(), self.start, self.log)
        return share * self.log.exp()

    def follow(self, told: Tensor, count: int) -> None:
        """Moves by how badly (`telling`) the discriminator told a batch of `count` pairs apart."""
        if self.options.auto:
            step = self.options.speed * count / 1000
            moved = self.log + step * (self.options.target - told.to(self.log))
            away = math.log(REACH)
            self.log = moved.clamp(self.start - away, self.start + away)

    def state_dict(self) -> dict[str, Any]:
        return {"start": self.start.clone(), "log": self.log.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.start, self.log = (state[name].to(self.log.device) for name in ("start", "log"))
