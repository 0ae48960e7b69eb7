"""γ, the weight of R1 and R2, over time: fixed, falling along a schedule, or kept where it should be.

Nobody can choose γ: published settings of one recipe go from 0.05 to 150, by resolution and variety of
the data. What it governs is more alike: how steep the discriminator is. For examples of d numbers the
best γ of hand sweeps had d·E‖∇D‖² between 350 and 1,700 on grey digits and colour pictures alike
(docs/benchmarks.md), at 600 a change by 0.04 in every number moves a logit by 1 at most. So γ starts at
d / 2000, a little above where it mostly ends up, and log γ moves against the error of log steepness.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ganwright.base.options import Field, options
from ganwright.game.schedule import cosine

NUMBERS = 2000.0  # in an example, for which γ starts at 1
REACH = 30.0  # times, up or down, that γ is moved from where it begins: a mistake ends somewhere


@options
class GammaOptions:
    """How the weights of R1 and R2 change while a run lasts."""

    auto: bool = Field(
        default=False,
        description="start γ from the size of an example and adapt it until D's gradient has the "
        "target norm; r1 and r2 are then shares of γ",
    )
    steepness: float = Field(
        default=600.0,
        gt=0,
        description="auto: target of E‖∇D‖² times the numbers in an example",
    )
    speed: float = Field(
        default=0.2,
        ge=0,
        description="auto: log γ moves by this × log error per thousand examples",
    )
    final: float = Field(
        default=1.0,
        gt=0,
        description="share of γ left at the end, reached geometrically along a cosine",
    )
    decay_kimg: float = Field(
        default=0,
        ge=0,
        description="length of that decay, in thousand examples; 0: the run's budget",
    )

    def share(self, seen: int) -> float:
        """What the schedule leaves after `seen` examples."""
        if self.final == 1 or self.decay_kimg == 0:  # of no length yet: as learning rates
            return 1.0
        return math.exp(cosine(0.0, math.log(self.final), seen, round(self.decay_kimg * 1000)))


class Gamma:
    """What R1 and R2 are multiplied by at the moment, for examples of `size` numbers.

    Nothing here waits for the device.
    """

    def __init__(self, o: GammaOptions, size: int = 1, device: torch.device | str = "cpu") -> None:
        self.options, self.size = o, size
        self.start = math.log(size / NUMBERS)
        self.log = torch.full((), self.start, device=device)

    def scale(self, seen: int) -> float | Tensor:
        """The factor after `seen` examples."""
        share = self.options.share(seen)
        return share * self.log.exp() if self.options.auto else share

    def steepness(self, squares: Tensor) -> Tensor:
        """d·E‖∇D‖² of a batch, from ‖∇D‖² of each example (n,)."""
        return self.size * squares.detach().mean()

    def follow(self, steepness: Tensor, count: int) -> None:
        """Moves by how steep the discriminator was at a batch of `count` pairs."""
        if self.options.auto:
            error = (steepness.to(self.log) / self.options.steepness).clamp(0.1, 10).log()
            moved = self.log + self.options.speed * count / 1000 * error
            away = math.log(REACH)
            self.log.copy_(moved.clamp(self.start - away, self.start + away))

    def state_dict(self) -> dict[str, Any]:
        return {"log": self.log.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.log.copy_(state["log"])
