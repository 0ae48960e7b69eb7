"""Growing images: new ones, class by class, beside the originals, in a folder, a file or memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset
from ganwright.data.open import dataset_of, find_source
from ganwright.evaluate.filters import Filters, K, told
from ganwright.modalities.images import cache
from ganwright.modalities.images.features import features_for
from ganwright.modalities.images.grow import folder, packed
from ganwright.modalities.images.judge import fits
from ganwright.modalities.images.read import memory
from ganwright.modalities.images.read.source import ImageSource
from ganwright.model import Model

THINGS = "images"
LABEL = "label"  # what images are balanced by: they have no other column
LEAST_TRAINED = K + 1  # of a class
NAMED = 5  # images that can't be read, in words


def default_out(data: Path) -> Path:
    """A folder here."""
    return Path(f"{data.name.partition('.')[0] or 'images'}-augmented")


def growth(model: Model, data: Any, out: Path | None) -> Growth:
    """Images read as those that the model was trained on. Raises DataError, OptionError."""
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    given = data if memory.are_labelled(data) else (data, None)
    in_memory = memory.are_images(given[0])
    source = memory.memory_source(*given) if in_memory else find_source(data, options)
    if not isinstance(source, ImageSource):
        raise DataError(f"'{data}' holds no images, and the model makes {model.codec.makes}")
    if out is not None:
        packed.check(out) if out.suffix == packed.SUFFIX else folder.check(out, source, model.codec)
    elif not in_memory:
        raise OptionError("out: name a folder for the originals and the new images, or an .npz")
    opened = dataset_of(source, options)
    fits("the model makes", model.codec, opened)
    return Growth(model, source, opened, given)


class Growth:
    """Labelled or unlabelled images, and new ones that passed the filters."""

    def __init__(
        self,
        model: Model,
        source: ImageSource,
        data: Dataset,
        given: tuple[Any, Any] = (None, None),
    ) -> None:
        self.model, self.source, self.data = model, source, data
        self.given = given  # images in memory and their labels
        places = {source.name_of(i): i for i in range(source.count)}
        self.places = np.array([places[data.name_of(i)] for i in range(len(data))])
        official = None if source.official is None else source.official[self.places]
        self.tested = 0 if official is None or official.all() else int(official.sum())
        whole = np.setdiff1d(np.arange(len(data)), data.dropped)
        self.originals = data.train if self.tested else whole
        self.n = len(self.originals)
        self.new: dict[str, np.ndarray] = {}
        self.dropped: dict[str, dict[str, int]] = {}
        self.notes: list[str] = []

    def counts(self, balance: str | None) -> list[tuple[str, int]]:
        """The classes by name, or one without a name. Raises OptionError."""
        classes = self.data.spec.classes
        if balance is not None and balance != LABEL:
            problem = f"images have no column '{balance}'"
            raise OptionError(message("balance", problem, allowed=[LABEL], got=balance))
        if balance is not None and not classes:
            raise OptionError(
                f"balance: '{self.source.path}' has no classes, a folder for each, say"
            )
        if bool(classes) != bool(self.model.spec.classes):
            which = ("the data", "the model") if classes else ("the model", "the data")
            raise OptionError(f"augment: {which[0]} has classes and {which[1]} has none")
        if not classes:
            return [("", self.n)]
        assert self.data.labels is not None  # there are classes
        found = np.bincount(self.data.labels[self.originals], minlength=len(classes))
        return list(zip(classes, found.tolist(), strict=True))

    def make(self, wanted: Sequence[tuple[str, int]], seed: int) -> Mapping[str, int]:
        """Draws images of each class until so many pass. Raises OptionError, WorkError."""
        for name, _ in wanted:
            self._check(name)
        if not wanted:
            self.notes += self._about_originals()
            return {}
        filters = Filters(
            self.data, features=features_for(self.data), plain="pixels", things=THINGS
        )
        given, lines = dict(self.counts(None)), []
        for name, count in wanted:
            own = seeds.derive(seed, "augment", name)
            images, drawn, dropped = filters.drawn(self.model, name, count, own)
            self.new[name], self.dropped[name] = images, dropped
            lines.append(told(name, given[name], count, drawn, dropped))
        held, shares = filters.calibration([self._label(name) for name, _ in wanted])
        if held:
            each = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            lines.append(f"of {held:,} held-out images of these classes would pass: {each}")
        self.notes += [*filters.said(), *lines, *self._about_originals()]
        return dict(wanted)

    def joined(self, mark: str) -> Any:
        """Images in memory with the new ones behind them, their labels, if any, and which are new."""
        images, labels = self.given
        new = [one for one in self.new.values() if len(one)]
        made = np.repeat([False, True], [len(images), sum(map(len, new))])
        images = memory.stacked(images, np.concatenate(new)) if new else images
        if labels is None:
            return images, made
        words, labels = list(map(str, labels)), np.asarray(labels)
        firsts = [words.index(name) for name, one in self.new.items() for _ in one]
        return images, np.concatenate([labels, labels[firsts]]), made

    def write(self, out: Path, mark: str) -> None:
        """The folder: classes, samples.csv (file, label, `mark`) and samples.txt; or one .npz."""
        classes, labels = self.data.spec.classes, self.data.labels
        if out.suffix == packed.SUFFIX:
            packed.write(out, mark, self.data, self.originals, self.new)
            return
        if mark in ("file", LABEL):
            raise OptionError(f"mark: samples.csv has a column '{mark}' already; choose another")
        originals = (
            (int(self.places[i]), "" if labels is None else classes[labels[i]])
            for i in self.originals
        )
        new = ((name, image) for name, images in self.new.items() for image in images)
        note = "\n".join(self.notes) + "\n"
        folder.write(out, mark, self.source, originals, new, classes, note)

    def _label(self, name: str) -> int | None:
        return self.data.spec.classes.index(name) if name else None

    def _check(self, name: str) -> None:
        """Raises OptionError for a class that can't be asked for, or has too few training images."""
        known = self.model.spec.classes
        if name and name not in known:
            problem = f"the model does not know the class '{name}'"
            raise OptionError(message("augment", problem, allowed=known, got=name))
        label, train = self._label(name), self.data.train
        own = len(train) if label is None else int((self.data.labels[train] == label).sum())  # type: ignore[index]
        if own < LEAST_TRAINED:
            what = f"class '{name}' has" if name else "there are"
            raise OptionError(
                f"augment: {what} {own} training images; the filters take {LEAST_TRAINED}"
            )

    def _about_originals(self) -> Iterator[str]:
        """What is to be known of the data, beside what was made."""
        skipped, codec = self.data.skipped, self.data.codec
        if skipped:
            more = [f"{len(skipped) - NAMED:,} more"] if len(skipped) > NAMED else []
            named = ", ".join([f"{one.name} {one.reason}" for one in skipped[:NAMED]] + more)
            yield f"{len(skipped):,} can't be read and are left out: {named}"
        if self.tested:
            yield f"the data's own test part ({self.tested:,}) is left out: it is there to test by"
        found, places = cache.survey(self.source), self.places[self.originals]
        same = (found.heights[places] == codec.height) & (found.widths[places] == codec.width)
        if not same.all():
            yield (
                f"new images are {codec.height}×{codec.width}, as the model makes them; "
                f"{int((~same).sum()):,} of {self.n:,} originals have another size"
            )
        if self.data.fingerprint != self.model.data.get("fingerprint"):
            yield (
                "this is not exactly what the model was trained on: copies of training images that "
                "are not here go unnoticed"
            )
