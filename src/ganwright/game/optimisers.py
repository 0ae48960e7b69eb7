"""The optimisers to choose from, as options and a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import nn

from ganwright.base.errors import OptionError
from ganwright.base.names import Names
from ganwright.base.options import Field, options
from ganwright.game.schedule import cosine


@options
class OptimiserOptions:
    """How one player learns."""

    kind: Literal["adam", "adamw", "rmsprop", "sgd"] = Field(
        default="adam", description="optimiser"
    )
    rate: float = Field(default=2e-4, gt=0, description="learning rate at the start")
    final_rate: float | None = Field(
        default=None,
        ge=0,
        description="learning rate after decay_kimg, along a cosine; none keeps it constant",
    )
    decay_kimg: float = Field(
        default=0,
        ge=0,
        description="length of the decay, in thousand examples; 0: the run's budget",
    )
    decay_last: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="last share of that length, in which the rate decays; before, it is constant",
    )
    beta1: float = Field(default=0.5, ge=0, lt=1, description="momentum (Adam's β1, or SGD's)")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Adam's β2, or RMSprop's α")
    final_beta2: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="β2 after decay_kimg, likewise; none keeps it constant",
    )
    weight_decay: float = Field(default=0, ge=0, description="weight decay")

    def rate_at(self, seen: int) -> float:
        """The learning rate after `seen` examples."""
        return self._along(self.rate, self.final_rate, seen, self.decay_last)

    def beta2_at(self, seen: int) -> float:
        """β2 after `seen` examples: a short memory while gradients change quickly, then a long one."""
        return self._along(self.beta2, self.final_beta2, seen)

    @property
    def changes(self) -> bool:
        """Whether anything follows the schedule."""
        return self.final_rate is not None or self.final_beta2 is not None

    @property
    def begins_kimg(self) -> float:
        """How many thousand examples are seen before anything changes."""
        if not self.changes:
            return math.inf
        return 0.0 if self.final_beta2 is not None else (1 - self.decay_last) * self.decay_kimg

    def _along(self, base: float, final: float | None, seen: int, last: float = 1.0) -> float:
        if final is None or self.decay_kimg == 0:
            return base
        length = self.decay_kimg * 1000
        return cosine(base, final, round(seen - (1 - last) * length), round(last * length))


def _adam(o: OptimiserOptions) -> dict[str, Any]:
    return {"betas": (float(o.beta1), float(o.beta2)), "eps": 1e-8, "fused": True}


def _rmsprop(o: OptimiserOptions) -> dict[str, Any]:
    return {"alpha": o.beta2, "eps": 1e-8}


def _sgd(o: OptimiserOptions) -> dict[str, Any]:
    return {"momentum": o.beta1, "fused": True}


Row = tuple[Callable[..., torch.optim.Optimizer], Callable[[OptimiserOptions], dict[str, Any]]]
OPTIMISERS: Names[Row] = Names(
    "optimiser",
    {
        "adam": (torch.optim.Adam, _adam),
        "adamw": (torch.optim.AdamW, _adam),
        "rmsprop": (torch.optim.RMSprop, _rmsprop),
        "sgd": (torch.optim.SGD, _sgd),
    },
)


def optimiser(o: OptimiserOptions, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that `o` asks for. Raises OptionError for an incomplete decay or a β2 it lacks."""
    if o.decay_kimg and not o.changes:
        raise OptionError(
            f"decay_kimg: needs a final_rate or final_beta2; got {o.decay_kimg:g} alone"
        )
    if o.final_beta2 is not None and o.kind == "sgd":
        raise OptionError(f"final_beta2: sgd has no β2; got {o.final_beta2:g}")
    make, arguments = OPTIMISERS[o.kind]
    return make(list(parameters), lr=o.rate, weight_decay=o.weight_decay, **arguments(o))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def set_beta2(optimiser: torch.optim.Optimizer, beta2: float) -> None:
    """Sets Adam's β2, or RMSprop's α, of every group; SGD has none."""
    for group in optimiser.param_groups:
        if "betas" in group:
            group["betas"] = (group["betas"][0], beta2)
        elif "alpha" in group:
            group["alpha"] = beta2
