"""The optimisers to choose from, as options and a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

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


class ScheduledAdam(torch.optim.Adam):
    """Adam, or AdamW, whose 1 − β2 is the scalar `rest`: torch's own takes a number, which can't be captured.

    The rate is a scalar there, too. Weights and state are those of torch's.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, rest: Tensor, **arguments: Any
    ) -> None:
        super().__init__(parameters, **arguments)
        self.rest = rest

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients."""
        for group in self.param_groups:
            weights: list[Tensor] = []
            slopes: list[Tensor] = []
            means: list[Tensor] = []
            squares: list[Tensor] = []
            steps: list[Tensor] = []
            self._init_group(group, weights, slopes, means, squares, [], steps)
            if weights:
                self._move(group, weights, slopes, means, squares, steps)

    def _move(
        self,
        group: dict[str, Any],
        weights: list[Tensor],
        slopes: list[Tensor],
        means: list[Tensor],
        squares: list[Tensor],
        steps: list[Tensor],
    ) -> None:
        beta1, rate, decay = group["betas"][0], group["lr"], group["weight_decay"]
        if decay and group["decoupled_weight_decay"]:
            torch._foreach_mul_(weights, 1 - rate * decay)
        elif decay:
            slopes = list(torch._foreach_add(slopes, weights, alpha=decay))
        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(means, slopes, 1 - beta1)
        new = torch._foreach_mul(slopes, slopes)
        torch._foreach_mul_(new, self.rest)
        torch._foreach_mul_(squares, 1 - self.rest)
        torch._foreach_add_(squares, new)
        # 1 − β2ᵗ, and likewise below, without losing the digits of 1 − β2.
        begun = -torch.expm1(steps[0] * torch.log1p(-self.rest))
        sizes = torch._foreach_sqrt(squares)
        torch._foreach_div_(sizes, begun.sqrt())
        torch._foreach_add_(sizes, group["eps"])
        moves = torch._foreach_div(means, sizes)
        torch._foreach_mul_(moves, -rate / (1 - beta1 ** steps[0]))
        torch._foreach_add_(weights, moves)


def optimiser(
    o: OptimiserOptions,
    parameters: Iterable[nn.Parameter],
    held: Callable[[str], Tensor] | None = None,
) -> torch.optim.Optimizer:
    """The optimiser that `o` asks for. Raises OptionError for an incomplete decay or a β2 it lacks.

    With `held`, it reads its "rate" and, where that changes, 1 − β2, its "rest", from these scalars.
    """
    if o.decay_kimg and not o.changes:
        raise OptionError(
            f"decay_kimg: needs a final_rate or final_beta2; got {o.decay_kimg:g} alone"
        )
    if o.final_beta2 is not None and o.kind == "sgd":
        raise OptionError(f"final_beta2: sgd has no β2; got {o.final_beta2:g}")
    make, chosen = OPTIMISERS[o.kind]
    arguments: dict[str, Any] = {"lr": o.rate, "weight_decay": o.weight_decay} | chosen(o)
    if held is None or o.kind == "sgd":
        return make(list(parameters), **arguments)
    arguments |= {"lr": held("rate"), "capturable": True}
    if o.kind == "rmsprop":
        arguments["foreach"] = True
    elif o.final_beta2 is not None:
        arguments["decoupled_weight_decay"] = o.kind == "adamw"
        make = partial(ScheduledAdam, rest=held("rest"))
    made = make(list(parameters), **arguments)
    made._warned_capturable_if_run_uncaptured = True
    return made


def stays_apart(o: OptimiserOptions) -> str:
    """Why a round with such an optimiser can't be captured; nothing where it can."""
    if o.kind == "sgd":
        return "sgd can't be captured"
    if o.kind == "rmsprop" and o.final_beta2 is not None:
        return "rmsprop with a scheduled α can't be captured"
    return ""


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of every group, unless it is read from a scalar."""
    for group in optimiser.param_groups:
        if not isinstance(group["lr"], Tensor):
            group["lr"] = rate


def set_beta2(optimiser: torch.optim.Optimizer, beta2: float) -> None:
    """Sets Adam's β2, or RMSprop's α, of every group; SGD has none."""
    for group in optimiser.param_groups:
        if "betas" in group:
            group["betas"] = (group["betas"][0], beta2)
        elif "alpha" in group:
            group["alpha"] = beta2
