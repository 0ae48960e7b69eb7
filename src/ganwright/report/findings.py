"""What a page shows of a run: found where it can be, and where not, why not."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ganwright.base.errors import GanwrightError
from ganwright.base.names import Names
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.evaluate import Card, evaluate
from ganwright.evaluate.card import keep
from ganwright.evaluate.features import Extractor, choose_extractor
from ganwright.modalities.counts import look as counts
from ganwright.modalities.images.look import gallery
from ganwright.modalities.images.look.inline import Inline
from ganwright.modalities.tables.look import Sheet, look
from ganwright.model import Model
from ganwright.report.facts import Facts, spaced

T = TypeVar("T")
Say = Callable[[str], None]
MARKS = 40  # snapshots whose classes are counted


@dataclass(kw_only=True)
class Findings:
    """All that a page shows beside the facts; None and empty where it could not be had."""

    model: Model | None = None
    data: Dataset | None = None
    card: Card | None = None
    samples: Inline | None = None
    real: Inline | None = None
    unseen: bool = False  # the real examples were not in training
    own: bool = False  # the data is what the model was trained on
    snapshots: list[tuple[float, Inline]] = field(default_factory=list)
    close: gallery.Close | None = None
    rows: list[gallery.ClassRow] = field(default_factory=list)
    shares: list[tuple[float, list[float]]] = field(default_factory=list)
    share_names: tuple[str, ...] = ()
    sheet: Sheet | None = None  # of tables
    missing: dict[str, str] = field(default_factory=dict)  # part → why

    @property
    def kind(self) -> str:
        """The kind of data, which decides what the page shows; pictures where nothing can be read."""
        for one in (self.model, self.data):
            if one is not None:
                return str(one.codec.kind)
        return "image"

    def attempt(self, part: str, make: Callable[[], T]) -> T | None:
        """What `make` gives, or None with the reason noted under `part`."""
        try:
            return make()
        except (GanwrightError, OSError) as error:
            self.missing[part] = " ".join(str(error).split())
            return None


def find(facts: Facts, against: str | os.PathLike[str] | None, say: Say) -> Findings:
    """Everything a page shows that takes more than reading files."""
    found = Findings()
    found.model = model = found.attempt("model", lambda: Model.load(facts.folder.path))
    if model is not None:
        found.data = _data(facts, model, against, found)
    found.own = (
        model is not None
        and found.data is not None
        and found.data.fingerprint == model.data.get("fingerprint")
    )
    found.card = _card(facts, against, found, say)
    LOOKS[found.kind](facts, found, say)
    return found


def _pictures(facts: Facts, found: Findings, say: Say) -> None:
    """Grids, pairs, best and worst, classes."""
    model = found.model
    marks = [facts.snapshots[i] for i in spaced(len(facts.snapshots), gallery.SNAPSHOTS)]
    codec: Any = None if model is None else model.codec
    grids = gallery.over_time(marks, codec)
    found.snapshots = [(k, grid) for (k, _), grid in zip(marks, grids, strict=True) if grid]
    if model is None:
        return
    say("drawing samples")
    both = found.attempt("samples", lambda: gallery.side_by_side(model, found.data))
    if both is None:  # a damaged model: none of its samples can be shown
        return
    found.samples, found.real, found.unseen = both
    if (data := found.data) is not None:
        extractor = found.attempt("features", lambda: _extractor(found.card, data))
        if extractor is not None:
            say("looking at samples closely")
            _look(facts, found, model, data, extractor)
    agreed = {} if found.close is None else found.close.agreed
    found.rows = found.attempt("classes", lambda: gallery.by_class(model, agreed)) or []


def _tables(facts: Facts, found: Findings, say: Say) -> None:
    """Rows side by side, columns, pairs and distances."""
    model, data = found.model, found.data
    if model is None:
        return
    extractor = None
    if data is not None:
        extractor = found.attempt("features", lambda: choose_extractor(None, data))
    say("looking at rows closely")
    found.sheet = found.attempt(
        "samples", lambda: look(model, data, extractor, found.card, own=found.own)
    )


def _counts(facts: Facts, found: Findings, say: Say) -> None:
    """Rows side by side, by their most frequent words."""
    model, data = found.model, found.data
    if model is not None:
        found.sheet = found.attempt("samples", lambda: counts.look(model, data))


LOOKS: Names[Callable[[Facts, Findings, Say], None]] = Names(
    "kind of data", {"image": _pictures, "table": _tables, "counts": _counts}
)


def _data(
    facts: Facts, model: Model, against: str | os.PathLike[str] | None, found: Findings
) -> Dataset | None:
    def opened(source: str | os.PathLike[str]) -> Dataset:
        options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
        return open_data(source, options=options)

    if against is not None:
        return opened(against)
    source = facts.source
    if source is None:
        found.missing["data"] = "the log doesn't say what the run was trained on"
        return None
    return found.attempt("data", lambda: opened(source))


def _card(
    facts: Facts, against: str | os.PathLike[str] | None, found: Findings, say: Say
) -> Card | None:
    """The run's card; a new one where there is none, or it is of another model or other data."""
    path = facts.folder.card
    card = found.attempt("card", lambda: Card.load(path)) if path.is_file() else None
    if found.model is None or found.data is None:
        return card
    other = against is not None and card and card.against["fingerprint"] != found.data.fingerprint
    old = card is not None and card.seen not in (None, found.model.seen)
    if card is not None and not (other or old):
        return card
    found.missing.pop("card", None)
    fresh = found.attempt("card", lambda: evaluate(facts.folder.path, against, progress=say))
    return None if fresh is None else keep(fresh, facts.folder)


def _extractor(card: Card | None, data: Dataset) -> Extractor:
    """What the card looked through, so that distances mean the same."""
    name = "pixels" if card is None else str(card.features.get("name"))
    return choose_extractor(name, data)


def _look(facts: Facts, found: Findings, model: Model, data: Dataset, extractor: Extractor) -> None:
    most = gallery.CLOSE if found.card is None else found.card.n
    found.close = found.attempt(
        "close", lambda: gallery.look_close(model, data, extractor, most, own=found.own)
    )
    found.share_names = extractor.classes
    marks = [facts.snapshots[i] for i in spaced(len(facts.snapshots), MARKS)]
    codec: Any = model.codec
    found.shares = gallery.shares_over_time(marks, codec, extractor)
