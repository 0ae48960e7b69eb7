"""What reports show of images: grids, nearest training images, the best and the worst, classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from markupsafe import Markup

from ganwright.data import Dataset
from ganwright.evaluate import Card
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.modalities.images.look import gallery
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart
from ganwright.report.curves import class_shares
from ganwright.report.facts import Facts, spaced
from ganwright.report.inline import Inline
from ganwright.report.look import Findings, Look, Say, Shown, SideBySide
from ganwright.report.templates import template

MARKS = 40  # snapshots whose classes are counted


@dataclass(kw_only=True)
class _Images:
    """What the templates show; None or empty where it could not be made."""

    samples: Inline | None = None
    real: Inline | None = None
    unseen: bool = False  # the real examples were not in training
    snapshots: list[tuple[float, Inline]] = field(default_factory=list)
    close: gallery.Close | None = None
    rows: list[gallery.ClassRow] = field(default_factory=list)
    shares: list[tuple[float, list[float]]] = field(default_factory=list)
    share_names: tuple[str, ...] = ()


class ImageLook(Look):
    """Images in a report."""

    sections = (("memory", "Memory"), ("classes", "Classes"), ("ends", "Best and worst"))
    simplest = "a multivariate Gaussian fitted to the training images"
    failures: Mapping[str, str] = {
        "close": "the nearest neighbours of the samples could not be found",
        "classes": "samples by class could not be made",
    }

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Grids, pairs, best and worst, classes."""
        images = _looked_at(facts, found, say)
        render = partial(_render, images=images, found=found)
        classes = found.model.spec.classes if found.model else ()
        more = max(0, len(classes) - gallery.CLASSES)
        return Shown(
            samples=render("samples.html"),
            over_time=render("over_time.html"),
            curves=() if class_shares(facts) else _grid_shares(images),
            sections=render("look.html", histogram=_histogram(images), more_classes=more),
        )

    def side_by_side(self, model: Model, data: Dataset) -> SideBySide:
        """Grids of samples and of real images."""
        made, real, unseen = gallery.side_by_side(model, data)
        return SideBySide(Markup(made), None if real is None else Markup(real), unseen)


def _render(name: str, **shown: object) -> Markup:
    return Markup(template(name, __name__).render(**shown))


def _looked_at(facts: Facts, found: Findings, say: Say) -> _Images:
    model, images = found.model, _Images()
    codec: Any = None if model is None else model.codec
    marks = [facts.snapshots[i] for i in spaced(len(facts.snapshots), gallery.SNAPSHOTS)]
    grids = gallery.over_time(marks, codec)
    images.snapshots = [(k, grid) for (k, _), grid in zip(marks, grids, strict=True) if grid]
    if model is None:
        return images
    say("drawing samples")
    both = found.attempt("samples", lambda: gallery.side_by_side(model, found.data))
    if both is None:  # a damaged model: none of its samples can be shown
        return images
    images.samples, images.real, images.unseen = both
    if (data := found.data) is not None:
        extractor = found.attempt("features", lambda: _extractor(found.card, data))
        if extractor is not None:
            say("finding the samples' nearest neighbours")
            most = gallery.CLOSE if found.card is None else found.card.n
            images.close = found.attempt(
                "close", lambda: gallery.look_close(model, data, extractor, most, own=found.own)
            )
            images.share_names = extractor.classes
            marks = [facts.snapshots[i] for i in spaced(len(facts.snapshots), MARKS)]
            images.shares = gallery.shares_over_time(marks, codec, extractor)
    agreed = {} if images.close is None else images.close.agreed
    images.rows = found.attempt("classes", lambda: gallery.by_class(model, agreed)) or []
    return images


def _extractor(card: Card | None, data: Dataset) -> Extractor:
    """The card's extractor, so that distances mean the same."""
    name = "pixels" if card is None else str(card.features.get("name"))
    return choose_extractor(name, data)


def _grid_shares(images: _Images) -> tuple[Chart, ...]:
    """Class shares of the grids, where the scores have none."""
    says = (
        "The classes that a classifier sees in each grid of samples. A grid has few images, so the "
        "bands are rough. A band that vanishes is a lost class."
    )
    drawn = charts.stacked_chart("Classes", says, images.share_names, images.shares)
    return () if drawn is None else (drawn,)


def _histogram(images: _Images) -> Chart | None:
    """Asked and seen shares of each class."""
    close = images.close
    if close is None or close.shares is None:
        return None
    shares, few = close.shares, slice(0, gallery.CLASSES)
    asked = "asked for" if close.agreed else "in the data"
    says = f"The share of each class {asked}, and the share that a classifier sees in the samples."
    columns = [(asked, shares.asked[few]), ("seen", shares.seen[few])]
    return charts.bars(f"Classes {asked} and seen", says, shares.names[few], columns)


LOOK = ImageLook()
