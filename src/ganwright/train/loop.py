"""The training program: report → snapshot → checkpoint → done? → round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ganwright.base.errors import Diverged, Interrupted
from ganwright.model import Model
from ganwright.train.choose import shortfall
from ganwright.train.guard import COLLAPSED, PERSISTS, REMEDIES, acts, count, has_won, lasting
from ganwright.train.keeper import Keeper
from ganwright.train.plan import at_speed
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer


class Observer(Protocol):
    """Anything that watches a run, such as a progress bar. The loop calls it and never imports it."""

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


class Scorer(Protocol):
    """Scores models on held-out examples."""

    def __call__(self, model: Model) -> dict[str, float]:
        """Flat numbers for the log."""

    def selects(self, found: dict[str, float]) -> tuple[float, float]:
        """The number that selects the best model (lower is better), and its error."""


@dataclass
class Due:
    """Something done every so many examples, and never twice at the same count."""

    every: int
    last: int = 0

    def now(self, seen: int) -> bool:
        """Whether another multiple of `every` was passed since the last call."""
        due = seen // self.every > self.last // self.every
        self.last = seen
        return due


def train(
    trainer: Trainer,
    keeper: Keeper,
    observer: Observer,
    stopped: Callable[[], bool],
    scorer: Scorer | None = None,
    planned: float | None = None,
) -> None:
    """Trains until the recipe's budget is used, keeping the run as it goes.

    `stopped` is called after every round; when it returns True, the checkpoint is written and
    Interrupted raised. `scorer` selects the best model and, with patience, ends the run early.
    Schedules of `planned` kimg, the expected length of a run by the clock, follow its real speed.
    Raises Diverged when training keeps diverging; the last good model is kept then.
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
        keeper.append(**entry)
        observer.report(entry, trainer)

    def save(*, regular: bool) -> None:
        keeper.checkpoint(trainer, regular=regular)
        log("checkpoint")

    if trainer.seen == 0:
        save(regular=True)  # so that even a run that stops or diverges at once can be continued

    while True:
        trainer.seconds = time.monotonic() - began
        done = is_done(recipe, trainer.seen, trainer.seconds) or trainer.exhausted

        ending = done and trainer.ended != trainer.seen  # not when a finished run is resumed
        stop, regular = stopped(), checkpoint.now(trainer.seen)
        reporting = report.now(trainer.seen) or (done and trainer.means.count > 0)
        showing = snapshot.now(trainer.seen) or ending
        scoring = scorer is not None and (score.now(trainer.seen) or ending)

        kept = reporting or showing or scoring or regular or done or stop
        if kept and keeper.sets_back and not trainer.healthy():
            # Nothing of a diverged model is kept or shown.
            _set_back(trainer, keeper, log, "diverged")
            began = time.monotonic() - trainer.seconds
            continue

        if reporting:
            speed = trainer.seen / max(trainer.seconds, 1e-9)
            means = trainer.means.take()
            log("report", **means, images_per_s=speed, **trainer.spent())
            count(trainer, "won", has_won(means))

        if showing:
            _show(trainer, keeper, observer, log)

        suspect = keeper.sets_back and acts(trainer) and any(trainer.signs.values())
        if (reporting or showing) and (problem := lasting(trainer)) is not None:
            if suspect:
                _set_back(trainer, keeper, log, problem)
                began = time.monotonic() - trainer.seconds
                continue
            if trainer.rollbacks and trainer.signs[problem] == PERSISTS:
                log("guard", problem=problem, repairs=trainer.rollbacks)

        if scorer is not None and scoring:
            _score(trainer, keeper, scorer, log)
            if o.patience is not None and trainer.stale >= o.patience and not done:
                log("patience", scores_without_improvement=trainer.stale)
                done = ending = True

        if regular and planned is not None and not trainer.rollbacks:  # those depend on past rates
            recipe, planned = at_speed(recipe, planned, trainer.seen, trainer.seconds)
            if recipe is not trainer.recipe:
                trainer.recipe = recipe
                keeper.recipe(recipe, trainer)  # first: a resume from this checkpoint needs it
                log("plan", planned_kimg=planned)

        if done:
            trainer.ended = trainer.seen
        if regular or ending or stop:
            save(regular=regular and not suspect)  # the guard goes back to where nothing was wrong

        if done:
            break

        if stop:  # after everything due here: a resume will not repeat it
            log("interrupted")
            raise Interrupted(
                f"interrupted at {trainer.seen / 1000:g} kimg; the checkpoint is written, "
                "continue with the same command and --resume"
            )

        trainer.means.add(trainer.round())
        if trainer.captured is not None and (why := trainer.captured.reason()) is not None:
            log("uncaptured", why=why)
        observer.step(trainer, time.monotonic() - began)

    # A run ended by the clock becomes repeatable: the recipe now says where it stopped.
    ended = replace(recipe, train=replace(o, kimg=trainer.seen / 1000, minutes=None))
    keeper.recipe(ended, trainer)
    # What takes how long was measured on samples made of noise: not with a start, not of what is given.
    known = recipe.start.model is None and not trainer.game.generator.task
    lacks = shortfall(trainer.data, trainer.seen, trainer.seconds) if known else {}
    log("done", **trainer.spent(), **lacks)


def _show(trainer: Trainer, keeper: Keeper, observer: Observer, log: Callable[..., None]) -> None:
    """Keeps samples to look at. Where they can't be written, training goes on without."""
    try:
        shown = keeper.snapshot(trainer)
    except OSError as error:
        log("guard", problem="snapshot", why=str(error))
        return
    if shown is None:
        return
    path, spread = shown
    observer.snapshot(path, trainer)
    log("snapshot", variety=spread)
    count(trainer, "collapsed", spread < COLLAPSED)
    if spread < COLLAPSED:
        log("guard", problem="collapse", variety=spread)


def is_done(recipe: Recipe, seen: int, seconds: float) -> bool:
    """Whether the budget is used up."""
    o = recipe.train
    if seen == 0:  # every budget is above 0, so at least one round is played
        return False
    by_kimg = o.kimg is not None and seen >= round(o.kimg * 1000)
    by_clock = o.minutes is not None and seconds >= o.minutes * 60
    return by_kimg or by_clock


def _set_back(trainer: Trainer, keeper: Keeper, log: Callable[..., None], problem: str) -> None:
    """Back to the last healthy checkpoint, with other noise and the remedy for the problem.

    Raises Diverged when a divergence comes back too often.
    """
    at, rollbacks, remedied = trainer.seen, trainer.rollbacks + 1, trainer.remedied
    if rollbacks > trainer.recipe.train.repairs:
        log("guard", problem="diverged", repairs=rollbacks - 1)
        raise Diverged(
            f"training diverged at {at / 1000:g} kimg and {rollbacks - 1} rollbacks did not help; "
            "model/ holds the last good model. Try a lower learning rate, a penalty or clipping"
        )
    # What lasts has begun before it showed; numbers that aren't finite are never in a checkpoint.
    found = keeper.regular() if problem == "diverged" else keeper.earlier()
    best = trainer.best  # best/ still holds it
    steps = trainer.privacy.steps  # what they revealed of real rows stays spent
    trainer.restore(found)
    trainer.best, trainer.rollbacks, trainer.privacy.steps = best, rollbacks, steps
    trainer.remedied, trainer.signs = remedied | {problem: remedied.get(problem, 0) + 1}, {}
    told = {
        f"{problem}_at": at,
        "back_to": trainer.seen,
        "remedy": REMEDIES[problem],
        "repairs": rollbacks,
    }
    log("guard", problem=problem, **told)


def _score(trainer: Trainer, keeper: Keeper, scorer: Scorer, log: Callable[..., None]) -> None:
    """Scores the current model and keeps it if it is the best so far."""
    model = trainer.model()
    began = time.monotonic()
    found = scorer(model)
    value, error = scorer.selects(found)
    best = float("inf") if trainer.best is None else trainer.best
    # Among models within the error the one trained longest is kept: otherwise noise in one column of the
    # few held-out rows would end the training of all columns.
    good = value < best + error
    trainer.stale = 0 if good else trainer.stale + 1
    trainer.best = min(value, best)
    if good:
        keeper.best(model)
    log("score", **found, is_best=int(good), score_seconds=round(time.monotonic() - began, 3))
