"""Growing a folder of sounds: new ones, class by class, beside copies of the originals."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError, UsageError, message
from ganwright.base.options import build
from ganwright.base.runs import replacing
from ganwright.data import DataOptions, Dataset
from ganwright.data.folders import Places, check_new
from ganwright.data.open import dataset_of, find_source
from ganwright.evaluate.filters import Filters, K, told
from ganwright.modalities.audio.codec import AudioCodec
from ganwright.modalities.audio.features import usual
from ganwright.modalities.audio.files import AudioSource
from ganwright.modalities.audio.judge import fits
from ganwright.modalities.audio.waves import write_wav
from ganwright.model import Model

THINGS, LABEL = "sounds", "label"
TABLE, NOTE = "samples.csv", "samples.txt"


def default_out(data: Path) -> Path:
    """A folder here."""
    return Path(f"{data.name.partition('.')[0] or 'sounds'}-augmented")


def growth(model: Model, data: Any, out: Path | None) -> Growth:
    """Sounds read as those that the model was trained on. Raises DataError, OptionError."""
    if out is None:
        raise OptionError("out: name a folder for the originals and the new sounds")
    check_new(out)
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    source = find_source(data, options)
    if not isinstance(source, AudioSource):
        raise DataError(f"'{data}' holds no sounds, and the model makes {model.codec.makes}")
    opened = dataset_of(source, options)
    fits("the model makes", model.codec, opened)
    if len(opened) > source.count:
        raise UsageError("augment: recordings that are cut into slices can't be grown")
    if source.kind == "folder" and Path(source.path) in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"--out: '{out}' lies within the data; name a folder beside it")
    return Growth(model, source, opened)


class Growth:
    """Sounds with or without classes, and new ones that passed the filters."""

    def __init__(self, model: Model, source: AudioSource, data: Dataset) -> None:
        self.model, self.source, self.data = model, source, data
        tested = source.official is not None and len(data.heldout) > 0
        self.originals = data.train if tested else np.arange(len(data))
        self.n = len(self.originals)
        self.new: dict[str, np.ndarray] = {}
        self.dropped: dict[str, dict[str, int]] = {}
        self.notes: list[str] = []
        if tested:
            held = f"what is held out by itself or by name ({len(data.heldout):,})"
            self.notes.append(f"{held} is left out: it is there to test by")

    def counts(self, balance: str | None) -> list[tuple[str, int]]:
        """The classes by name, or one without a name. Raises OptionError."""
        classes = self.data.spec.classes
        if balance is not None and balance != LABEL:
            problem = f"sounds have no column '{balance}'"
            raise OptionError(message("balance", problem, allowed=[LABEL], got=balance))
        if balance is not None and not classes:
            raise OptionError(f"balance: '{self.source.path}' has no classes")
        if not classes:
            return [("", self.n)]
        assert self.data.labels is not None  # there are classes
        found = np.bincount(self.data.labels[self.originals], minlength=len(classes))
        return list(zip(classes, found.tolist(), strict=True))

    def make(self, wanted: Sequence[tuple[str, int]], seed: int) -> Mapping[str, int]:
        """Draws sounds of each class until so many pass. Raises OptionError, WorkError."""
        for name, _ in wanted:
            self._check(name)
        if not wanted:
            return {}
        filters = Filters(self.data, features=usual(self.data), plain="spectra", things=THINGS)
        given = dict(self.counts(None))
        lines = []
        for name, count in wanted:
            own = seeds.derive(seed, "augment", name)
            self.new[name], drawn, self.dropped[name] = filters.drawn(self.model, name, count, own)
            lines.append(told(name, given[name], count, drawn, self.dropped[name]))
        self.notes += [*filters.said(), *lines]
        return dict(wanted)

    def _check(self, name: str) -> None:
        """Raises OptionError for a class that can't be asked for, or has too few training sounds."""
        known = self.model.spec.classes
        if name and name not in known:
            problem = f"the model does not know the class '{name}'"
            raise OptionError(message("augment", problem, allowed=known, got=name))
        label = self.data.spec.classes.index(name) if name else None
        train = self.data.train
        own = len(train) if label is None else int((self.data.labels[train] == label).sum())  # type: ignore[index]
        if own <= K:
            what = f"class '{name}' has" if name else "there are"
            raise OptionError(f"augment: {what} {own} training sounds; the filters take {K + 1}")

    def joined(self, mark: str) -> Any:
        """Never asked for: `growth` needs a folder."""
        raise NotImplementedError

    def write(self, out: Path, mark: str) -> None:
        """The folder: classes, samples.csv (file, label, `mark`) and samples.txt, the notes."""
        if mark in ("file", LABEL):
            raise OptionError(f"mark: samples.csv has a column '{mark}' already; choose another")
        places, codec = Places(self.data.spec.classes), self._codec()
        with replacing(out) as aside:
            for own in {"", *places.folders.values()}:
                (aside / own).mkdir(parents=True, exist_ok=True)
            with (aside / TABLE).open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file)
                table.writerow(["file", LABEL, mark])
                for label, name, content in self._originals():
                    path = places.place(label, name)
                    (aside / path).write_bytes(content)
                    table.writerow([path, label, "false"])
                made = ((label, wave) for label, waves in self.new.items() for wave in waves)
                for number, (label, wave) in enumerate(made):
                    path = places.place(label, f"synthetic-{number:06}.wav")
                    with (aside / path).open("wb") as sound:
                        write_wav(sound, codec.trimmed(wave), codec.rate, codec.depth)
                    table.writerow([path, label, "true"])
            (aside / NOTE).write_text("\n".join(self.notes) + "\n", encoding="utf-8")

    def _originals(self) -> Iterator[tuple[str, str, bytes]]:
        """Class, name and content of every usable file, as it is."""
        places = {name: i for i, name in enumerate(self.source.names)}
        classes, labels = self.data.spec.classes, self.data.labels
        with self.source.opened() as opened:
            for i in self.originals.tolist():
                name = self.data.name_of(i)
                with opened(places[name]) as file:
                    yield "" if labels is None else classes[labels[i]], name, file.read()

    def _codec(self) -> AudioCodec:
        assert isinstance(self.model.codec, AudioCodec)
        return self.model.codec
