"""The default recipe, chosen by the data's modality with reasons, and what to expect of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast, runtime_checkable

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.data import Dataset
from ganwright.train.plan import Plan, Trials
from ganwright.train.recipes import Recipe


class Chooser(Protocol):
    """A modality's part `recipes`, which also has `RECIPES`."""

    def choose(
        self, data: Dataset, *, minutes: float | None, trials: Trials
    ) -> tuple[Recipe, tuple[str, ...]]:
        """A recipe for this data and budget, and the reasons in whole sentences."""


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
    return (
        f"expect about {kimg:,.0f} thousand examples in {minutes:,.1f} minutes, at {plan.images_per_s:,.0f} "
        f"a second: each of {count:,} is seen {kimg * 1000 / count:,.1f} times"
    )
