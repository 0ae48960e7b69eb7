"""What a page shows of a modality's data: its part `look`, with defaults that suit any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from markupsafe import Markup

from ganwright.base.errors import GanwrightError
from ganwright.base.modality import Modality
from ganwright.data import Dataset
from ganwright.evaluate import Card
from ganwright.model import Model
from ganwright.report.charts import Chart
from ganwright.report.facts import Facts
from ganwright.report.templates import template

T = TypeVar("T")
Say = Callable[[str], None]
SAMPLES = 12
NOTHING = Markup()


@dataclass(kw_only=True)
class Findings:
    """A run's model, data and card; None where one could not be loaded, with the reason in `missing`."""

    model: Model | None = None
    data: Dataset | None = None
    card: Card | None = None
    own: bool = False  # the data is what the model was trained on
    missing: dict[str, str] = field(default_factory=dict)  # part → why

    def attempt(self, part: str, make: Callable[[], T]) -> T | None:
        """What `make` gives, or None with the reason noted under `part`."""
        try:
            return make()
        except (GanwrightError, OSError) as error:
            self.missing[part] = " ".join(str(error).split())
            return None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a modality puts on the page: HTML, and curves."""

    samples: Markup  # the section `samples`
    over_time: Markup = NOTHING  # what stands above the curves
    curves: tuple[Chart, ...] = ()
    sections: Markup = NOTHING  # those of `Look.sections`


class SideBySide(NamedTuple):
    """A model's samples and real examples, and whether those are unseen."""

    made: Markup
    real: Markup | None
    unseen: bool


class Look:
    """What reports show of a modality's data. A modality derives from it and offers it as `LOOK`.

    `sections` are its own sections of the page, as (anchor, name); `simplest` describes the baseline of
    its part `judge`, `others` names further references; `failures` say what a missing part means.
    """

    sections: tuple[tuple[str, str], ...] = ()
    simplest: str = "one that knows only the rough statistics of the training data"
    others: Mapping[str, str] = {}
    failures: Mapping[str, str] = {}

    def one(self, model: Model) -> str:
        """What one example is."""
        return "×".join(map(str, model.spec.shape)) + f" ({', '.join(model.spec.axes)})"

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Samples as a notebook shows them."""
        model, made = found.model, None
        if model is not None:
            say("drawing samples")
            made = found.attempt(
                "samples", lambda: Markup(model.codec.html(model.sample(SAMPLES, seed=0)))
            )
        return Shown(samples=Markup(template("samples.html").render(made=made)))

    def side_by_side(self, model: Model, data: Dataset) -> SideBySide | None:
        """Samples for comparing models at a glance; None where that would show nothing."""
        return None


def look_of(one: Modality | None, task: str = "") -> Look:
    """The look of a modality, for models with a task if there is one; the defaults where it has none."""
    if one is None or not one.has("look"):
        return Look()
    look: Look = one.part("look").OF_TASKS if task else one.part("look").LOOK
    return look


# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """Some rows as text, with the names of their columns."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def rows_section(
    made: Cut | None, real: Cut | None = None, *, unseen: bool = False, more: int = 0
) -> Markup:
    """The section `samples` of data shown as rows; `more` columns are left out."""
    return Markup(
        template("rows.html").render(made=made, real=real, unseen=unseen, more_columns=more)
    )
