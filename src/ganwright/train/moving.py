"""What rounds move: tensors on the device, Python's counts, and the running means of their results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ganwright.game import Result
from ganwright.game.average import tensors


class Players(Protocol):
    """What is asked of a trainer."""

    game: Any
    average: Any
    seen: int
    drawn: int


class Means:
    """Running means of round results, kept on the device, so that nothing waits for them."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Starts anew."""
        self.total: Tensor | None = None
        self.counts = [0] * len(Result._fields)  # rounds that measured each
        self.count = 0

    def add(self, result: Result) -> None:
        like = next(value for value in result if value is not None)
        zero = torch.zeros_like(like)
        values = torch.stack([zero if value is None else value for value in result])
        self.total = values if self.total is None else self.total.to(values.device).add_(values)
        self.counts = [
            n + (value is not None) for n, value in zip(self.counts, result, strict=True)
        ]
        self.count += 1

    def take(self) -> dict[str, float]:
        """The means since the last call. This waits for the device."""
        values = [] if self.total is None else self.total.tolist()
        found = zip(Result._fields, values, self.counts, strict=False)
        means = {name: value / count for name, value, count in found if count}
        self.clear()
        return means

    def state_dict(self) -> dict[str, Any]:
        total = None if self.total is None else self.total.clone()
        return {"total": total, "counts": self.counts, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        total, counts = state["total"], state["counts"]
        newer = len(Result._fields) - len(counts)  # fields that older versions lack come last
        self.total = None if total is None else nn.functional.pad(total, (0, newer))
        self.counts = [*counts, *[0] * newer]
        self.count = state["count"]


def moving(trainer: Players) -> Iterator[Tensor]:
    """Every tensor that a round writes."""
    game = trainer.game
    for network in (game.generator, game.discriminator, trainer.average.network):
        yield from tensors(network)
    for its in (game.generator_optimiser, game.discriminator_optimiser):
        for state in its.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))
    more = (game.gamma.log, game.anchors.real, game.anchors.fake)
    yield from (value for value in more if value is not None)
    if game.augment is not None:
        yield game.augment.signs


class Counts:
    """What Python counts in a trainer's rounds."""

    def __init__(self, trainer: Players) -> None:
        self.trainer = trainer

    def get(self) -> tuple[int, ...]:
        augment = self.trainer.game.augment
        return self.trainer.seen, 0 if augment is None else augment.watched

    def set(self, counts: tuple[int, ...]) -> None:
        self.trainer.seen, watched = counts
        if self.trainer.game.augment is not None:
            self.trainer.game.augment.watched = watched


def restore(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads an optimiser's state; its options stay those of the recipe and the device.

    The state is laid out in memory as the weights are. Files don't store channels-last; with another
    layout the update takes another path and rounds differently.
    """
    options = [{k: v for k, v in g.items() if k != "params"} for g in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, its in zip(optimiser.param_groups, options, strict=True):
        group.update(its)
    for weight, values in optimiser.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                values[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
