"""The training program: report → snapshot → checkpoint → done? → round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from ganwright.base.errors import Diverged, Interrupted
from ganwright.base.options import to_toml
from ganwright.base.runs import RunFolder, replacing, write_text
from ganwright.game import Result
from ganwright.train import state
from ganwright.train.guard import COLLAPSED, variety
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer

GRID = 64  # samples in a snapshot


class Observer(Protocol):
    """Whoever watches a run: a progress bar, a score keeper. The loop calls, never imports."""

    def step(self, trainer: Trainer, seconds: float) -> None:
        """After every round."""

    def report(self, event: dict[str, Any], trainer: Trainer) -> None:
        """After every line of the log."""

    def snapshot(self, path: Path, trainer: Trainer) -> None:
        """After every grid of samples."""


@dataclass
class Due:
    """Something that is done every so many examples, and not twice at the same place."""

    every: int
    last: int = 0

    def now(self, seen: int) -> bool:
        """Whether another multiple of `every` was passed since the last time it was asked."""
        due = seen // self.every > self.last // self.every
        self.last = seen
        return due


class Means:
    """Running means of round results, kept on the device: nothing waits for them."""

    def __init__(self) -> None:
        self.total: torch.Tensor | None = None
        self.count = 0

    def add(self, result: Result) -> None:
        values = torch.stack(result)
        self.total = values if self.total is None else self.total + values
        self.count += 1

    def take(self) -> dict[str, float]:
        """The means since the last call. This waits for the device."""
        values = [] if self.total is None else (self.total / self.count).tolist()
        self.total, self.count = None, 0
        return dict(zip(Result._fields, values, strict=False))


def train(
    trainer: Trainer, folder: RunFolder, observer: Observer, stopped: Callable[[], bool]
) -> None:
    """Trains until the recipe's budget is used, writing the run folder as it goes.

    `stopped` is asked after every round; when it says yes, the checkpoint is written and
    Interrupted raised. Raises Diverged when training could not be repaired; `model/` then holds the
    last good model.
    """
    recipe = trainer.recipe
    o = recipe.train
    report, snapshot, checkpoint = (
        Due(max(1, round(kimg * 1000)), trainer.seen)
        for kimg in (o.report_kimg or 1, o.snapshot_kimg or 10, o.checkpoint_kimg or 10)
    )
    means = Means()
    began = time.monotonic() - trainer.seconds

    def log(event: str, **values: Any) -> None:
        facts = {"seen": trainer.seen, "kimg": trainer.seen / 1000}
        entry = {**facts, "seconds": round(trainer.seconds, 3), "event": event, **values}
        folder.append(**entry)
        observer.report(entry, trainer)

    def save(*, regular: bool) -> None:
        state.save(folder.checkpoint, trainer.seen, trainer.state(), regular=regular)
        trainer.model().save(folder.model)
        log("checkpoint")

    if trainer.seen == 0:
        save(regular=True)  # so that a run stopped or diverged at once can go on, too

    while True:
        trainer.seconds = time.monotonic() - began
        done = _done(recipe, trainer.seen, trainer.seconds)

        if report.now(trainer.seen) or (done and means.count):
            values = means.take()
            if not (all(map(_is_number, values.values())) and trainer.healthy()):
                _set_back(trainer, folder, log)
                began = time.monotonic() - trainer.seconds
                continue
            log("report", **values, images_per_s=trainer.seen / max(trainer.seconds, 1e-9))

        if snapshot.now(trainer.seen) or done:
            path, spread = _snapshot(trainer, folder)
            observer.snapshot(path, trainer)
            log("snapshot", variety=spread)
            if spread < COLLAPSED:
                log("guard", problem="collapse", variety=spread)

        if (regular := checkpoint.now(trainer.seen)) or done:
            save(regular=regular)

        if done:
            break

        means.add(trainer.round())
        observer.step(trainer, time.monotonic() - began)

        if stopped():
            trainer.seconds = time.monotonic() - began
            save(regular=False)
            log("interrupted")
            raise Interrupted(
                f"interrupted at {trainer.seen / 1000:g} kimg; the checkpoint is written, "
                "go on with the same command and --resume"
            )

    # The clock's run becomes repeatable: the recipe now says where it stopped.
    ended = replace(recipe, train=replace(o, kimg=trainer.seen / 1000, minutes=None))
    write_text(folder.recipe, to_toml(ended, heading=recipe_heading(trainer)))
    log("done")


def _done(recipe: Recipe, seen: int, seconds: float) -> bool:
    o = recipe.train
    by_kimg = o.kimg is not None and seen >= round(o.kimg * 1000)
    by_clock = o.minutes is not None and seconds >= o.minutes * 60
    return by_kimg or by_clock


def _is_number(value: float) -> bool:
    return abs(value) < float("inf")  # false for NaN, too


def _set_back(trainer: Trainer, folder: RunFolder, log: Callable[..., None]) -> None:
    """After a divergence: back to the last checkpoint, with other noise and half the rates."""
    at, repairs = trainer.seen, trainer.repairs + 1
    if repairs > trainer.recipe.train.repairs:
        log("guard", problem="diverged", repairs=repairs - 1)
        raise Diverged(
            f"training diverged at {at / 1000:g} kimg and {repairs - 1} repairs did not help; "
            f"'{folder.model}' holds the last good model. Try a lower rate, a penalty or clipping"
        )
    found, _ = state.load(folder.checkpoint, regular_only=True)
    trainer.restore(found)
    trainer.repairs = repairs
    log("guard", problem="diverged", diverged_at=at, back_to=trainer.seen, repairs=repairs)


def _snapshot(trainer: Trainer, folder: RunFolder) -> tuple[Path, float]:
    """Writes the grid of the same latents as always; returns its path and the samples' variety."""
    model = trainer.model()
    path = folder.samples / f"{trainer.seen / 1000:09.1f}.png"
    samples = model.sample(GRID, seed=trainer.recipe.train.seed)
    with replacing(path) as aside:
        trainer.data.codec.grid(samples).save(aside, format="PNG")
    return path, variety(trainer, samples)


def recipe_heading(trainer: Trainer) -> str:
    """The first lines of recipe.toml: what it was trained on and how to repeat it."""
    data = trainer.data
    return (
        f"Trained on '{data.source}' (fingerprint {data.fingerprint}, {len(data.train)} examples).\n"
        "Repeat with: ganwright train DATA --recipe THIS_FILE --out ANOTHER"
    )
