"""The default recipe, chosen by the data's modality with reasons, and what to expect of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.base.spec import Spec
from ganwright.data import Dataset
from ganwright.train.plan import Plan, Trials
from ganwright.train.recipes import Recipe, TrainOptions


class Level(NamedTuple):
    """What samples look like from `kimg` thousand examples on."""

    kimg: float
    looks: str


class Chooser(Protocol):
    """A modality's part `recipes`, which also has `RECIPES`."""

    def choose(
        self, data: Dataset, *, minutes: float | None, trials: Trials
    ) -> tuple[Recipe, tuple[str, ...]]:
        """A recipe for this data and budget, and the reasons in whole sentences.

        Its `data`, if not the default, are the options to open the data with instead: `trials.asked`,
        with more settled.
        """


class Expecting(Protocol):
    """A modality's part `expect`: what was measured of training on its data."""

    def levels(self, spec: Spec) -> Sequence[Level]:
        """From the first example on; samples below the last level are not to be used."""

    def variants(self, data: Dataset) -> Sequence[Dataset]:
        """The data in the sizes that can be chosen from; for trials, so a few examples do."""


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for this data and budget, and the reasons in whole sentences.

    `minutes` is None where the budget is in kimg, which decides nothing here: the same command must
    choose the same recipe on any machine.
    """
    part = cast(Chooser, modality(data.codec.kind).part("recipes"))
    return part.choose(data, minutes=minutes, trials=trials)


@runtime_checkable
class TaskChooser(Protocol):
    """A modality's part `recipes` where its models can have a task: "denoise", say."""

    def for_task(
        self, task: str, data: Dataset, settings: Mapping[str, Any]
    ) -> tuple[Recipe, tuple[str, ...]]:
        """The recipe for it, with the options to open its data by, and the reasons. Raises UnknownName."""


def for_task(
    task: str, data: Dataset, settings: Mapping[str, Any]
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe for a task, and the reasons. Raises UnknownName, or OptionError where there are none.

    The recipe's data options may differ from those that `data` was opened by; `settings` are the user's.
    """
    part: Any = modality(data.codec.kind).part("recipes")
    if not isinstance(part, TaskChooser):
        raise OptionError(f"--task: repairs pictures; this holds {data.spec.things}")
    return part.for_task(task, data, settings)


def expected(plan: Plan, data: Dataset) -> str:
    """What to expect of a run, in a sentence."""
    kimg, count = plan.expected_kimg, len(data.train)
    minutes = kimg * 1000 / plan.images_per_s / 60
    shown = f"{kimg:,.0f}" if kimg >= 10 else f"{kimg:.2g}"
    time = f"{minutes:,.1f} minutes" if minutes >= 0.1 else f"{60 * minutes:,.0f} seconds"
    return (
        f"expect about {shown} thousand examples in {time}, at {plan.images_per_s:,.0f} "
        f"a second: each of {count:,} is seen {kimg * 1000 / count:,.1f} times"
    )


def levels_of(data: Dataset) -> Sequence[Level]:
    """What was measured of training on such data; nothing where that is unknown."""
    one = modality(data.codec.kind)
    return cast(Expecting, one.part("expect")).levels(data.spec) if one.has("expect") else ()


def looks(levels: Sequence[Level], kimg: float) -> str:
    """What samples look like after so many thousand examples."""
    return next((level.looks for level in reversed(levels) if level.kimg <= kimg), "")


def shortfall(data: Dataset, seen: int, seconds: float) -> dict[str, float | str]:
    """What a run from random weights lacks that saw too little for its samples to be used, and a warning.

    Nothing where it saw enough, or what is enough is unknown. The minutes are those of a whole run.
    """
    levels, kimg = levels_of(data), seen / 1000
    if not levels or kimg >= levels[-1].kimg:
        return {}
    needed = levels[-1].kimg
    minutes = round(seconds / 60 * needed / kimg, 3)
    warning = (
        f"don't use these samples: after {kimg:.3g} kimg expect {looks(levels, kimg)}; such examples take "
        f"at least {needed:g} kimg, about {minutes:.2g} minutes at this speed"
    )
    return {"needed_kimg": needed, "needed_minutes": minutes, "warning": warning}


class Outlook(NamedTuple):
    """What a budget buys at one size of the data on this machine."""

    size: str
    images_per_s: float
    kimg: float
    times: float  # that each example is seen
    looks: str


def outlook(recipe: Recipe | None, o: TrainOptions, trials: Trials) -> list[Outlook]:
    """What a budget buys at each size the data can have, with that recipe; with None, as it is chosen.

    Nothing for data whose size is no choice.
    """
    one, found = modality(trials.data.codec.kind), []
    variants = (
        cast(Expecting, one.part("expect")).variants(trials.data) if one.has("expect") else ()
    )
    for at in variants:
        here = trials.on(at)
        its = recipe or choose(at, minutes=o.minutes, trials=here)[0]
        speed = here.speed(its)
        kimg = min(speed * 60 * (o.minutes or float("inf")) / 1000, o.kimg or float("inf"))
        size = "×".join(str(n) for n in at.spec.shape[1:])
        times = kimg * 1000 / len(trials.data.train)
        found.append(Outlook(size, speed, kimg, times, looks(levels_of(at), kimg)))
    return found
