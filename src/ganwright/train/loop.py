"""The training program: report → snapshot → checkpoint → done? → round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ganwright.base.errors import Diverged, Interrupted
from ganwright.base.options import to_toml
from ganwright.base.runs import RunFolder, replacing, write_text
from ganwright.model import Model
from ganwright.train import state
from ganwright.train.guard import COLLAPSED, variety
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer

GRID, COLUMNS = 64, 8  # samples in a snapshot, about


class Observer(Protocol):
    """Whoever watches a run: a progress bar, a score keeper. The loop calls, never imports."""

    def step(self, trainer: Trainer, seconds: float) -> None:
        """After every round."""

    def report(self, event: dict[str, Any], trainer: Trainer) -> None:
        """After every line of the log."""

    def snapshot(self, path: Path, trainer: Trainer) -> None:
        """After every grid of samples."""


class Silent:
    """The observer that does nothing."""

    def step(self, trainer: Trainer, seconds: float) -> None: ...
    def report(self, event: dict[str, Any], trainer: Trainer) -> None: ...
    def snapshot(self, path: Path, trainer: Trainer) -> None: ...


# Scores a model on held-out examples: flat numbers, of which "nll" selects where the model gives
# it, otherwise "fid" (lower is better).
Scorer = Callable[[Model], dict[str, float]]


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


def train(
    trainer: Trainer,
    folder: RunFolder,
    observer: Observer,
    stopped: Callable[[], bool],
    scorer: Scorer | None = None,
) -> None:
    """Trains until the recipe's budget is used, writing the run folder as it goes.

    `stopped` is asked after every round; when it says yes, the checkpoint is written and
    Interrupted raised. `scorer` selects what `best/` holds and, with patience, ends the run early.
    Raises Diverged when training kept diverging; `model/` then holds the last good model.
    """
    recipe = trainer.recipe
    o = recipe.train
    report, snapshot, score, checkpoint = (
        Due(max(1, round((kimg or 10) * 1000)), trainer.seen)
        for kimg in (o.report_kimg, o.snapshot_kimg, o.score_kimg, o.checkpoint_kimg)
    )
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
        done = is_done(recipe, trainer.seen, trainer.seconds) or trainer.exhausted

        stop, regular = stopped(), checkpoint.now(trainer.seen)
        reporting = report.now(trainer.seen) or (done and trainer.means.count > 0)
        showing = snapshot.now(trainer.seen) or done
        scoring = scorer is not None and (score.now(trainer.seen) or done)

        looked_at = reporting or showing or scoring or regular or done or stop
        if looked_at and not trainer.healthy():  # nothing of a diverged model is kept or shown
            _set_back(trainer, folder, log)
            began = time.monotonic() - trainer.seconds
            continue

        if reporting:
            speed = trainer.seen / max(trainer.seconds, 1e-9)
            log("report", **trainer.means.take(), images_per_s=speed, **trainer.spent())

        if showing:
            path, spread = _snapshot(trainer, folder)
            observer.snapshot(path, trainer)
            log("snapshot", variety=spread)
            if spread < COLLAPSED:
                log("guard", problem="collapse", variety=spread)

        if scorer is not None and scoring:
            _score(trainer, folder, scorer, log)
            if o.patience is not None and trainer.stale >= o.patience and not done:
                log("patience", scores_without_improvement=trainer.stale)
                done = True

        if regular or done or stop:
            save(regular=regular)

        if done:
            break

        if stop:  # after all that is due here: a resume will not do it again
            log("interrupted")
            raise Interrupted(
                f"interrupted at {trainer.seen / 1000:g} kimg; the checkpoint is written, "
                "go on with the same command and --resume"
            )

        trainer.means.add(trainer.round())
        observer.step(trainer, time.monotonic() - began)

    # The clock's run becomes repeatable: the recipe now says where it stopped.
    ended = replace(recipe, train=replace(o, kimg=trainer.seen / 1000, minutes=None))
    write_text(folder.recipe, to_toml(ended, heading=recipe_heading(trainer)))
    log("done", **trainer.spent())


def is_done(recipe: Recipe, seen: int, seconds: float) -> bool:
    """Whether the budget is used."""
    o = recipe.train
    if seen == 0:  # a budget is above 0, so it takes a round, however short the minutes
        return False
    by_kimg = o.kimg is not None and seen >= round(o.kimg * 1000)
    by_clock = o.minutes is not None and seconds >= o.minutes * 60
    return by_kimg or by_clock


def _set_back(trainer: Trainer, folder: RunFolder, log: Callable[..., None]) -> None:
    """After a divergence: back to the last checkpoint, with other noise and half the rates."""
    at, rollbacks = trainer.seen, trainer.rollbacks + 1
    if rollbacks > trainer.recipe.train.repairs:
        log("guard", problem="diverged", repairs=rollbacks - 1)
        raise Diverged(
            f"training diverged at {at / 1000:g} kimg and {rollbacks - 1} rollbacks did not help; "
            f"'{folder.model}' holds the last good model. Try a lower rate, a penalty or clipping"
        )
    found, _ = state.load(folder.checkpoint, regular_only=True)
    best = trainer.best  # still what best/ holds
    steps = trainer.privacy.steps  # what they told of real rows is not untold
    trainer.restore(found)
    trainer.best, trainer.rollbacks, trainer.privacy.steps = best, rollbacks, steps
    log("guard", problem="diverged", diverged_at=at, back_to=trainer.seen, repairs=rollbacks)


def _score(trainer: Trainer, folder: RunFolder, scorer: Scorer, log: Callable[..., None]) -> None:
    """Scores the model of now and keeps it if it is the best so far."""
    model = trainer.model()
    began = time.monotonic()
    found = scorer(model)
    value = (
        found["nll"] if "nll" in found else found["fid"]
    )  # of a net that gives it: the steadier of the two
    best = float("inf") if trainer.best is None else trainer.best
    # Of models that held-out rows can't tell apart the one that learned longest is kept: what few rows
    # say of chance in one column would otherwise end the learning of all.
    good = value < best + found.get("nll_error", 0.0)
    trainer.stale = 0 if good else trainer.stale + 1
    trainer.best = min(value, best)
    if good:
        model.save(folder.best)
    log("score", **found, is_best=int(good), score_seconds=round(time.monotonic() - began, 3))


def _snapshot(trainer: Trainer, folder: RunFolder) -> tuple[Path, float]:
    """Writes the grid of the same latents as always; returns its path and the samples' variety.

    With classes, each has a column of its own, as far as the columns go.
    """
    model = trainer.model()
    codec = trainer.data.codec
    path = folder.samples / f"{trainer.seen / 1000:011.3f}{codec.snapshot_suffix}"
    columns = min(len(model.spec.classes) or COLUMNS, 2 * COLUMNS)
    count = columns * round(GRID / columns)
    labels = np.arange(count) % columns if model.spec.classes else None
    blocks = list(model.stream(count, seed=trainer.recipe.train.seed, label=labels))
    samples = blocks[0].examples if len(blocks) == 1 else codec.join(b.examples for b in blocks)
    with replacing(path) as aside:
        codec.save_snapshot(aside, samples, columns)
    return path, variety(trainer, samples, labels)


def recipe_heading(trainer: Trainer) -> str:
    """The first lines of recipe.toml: what it was trained on and how to repeat it."""
    data = trainer.data
    return (
        f"Trained on '{data.source}' (fingerprint {data.fingerprint}, {len(data.train)} examples).\n"
        "Repeat with: ganwright train DATA --recipe THIS_FILE --out ANOTHER"
    )
