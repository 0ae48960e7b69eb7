"""Judging texts: the baseline, and texts given as files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.data import Dataset, open_data
from ganwright.data.packing import inner
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.plain import Maker, Plain, overlap_with
from ganwright.modalities.text.codec import unfolded
from ganwright.modalities.text.options import TextOptions
from ganwright.modalities.text.units import JOIN
from ganwright.modalities.text.writers import TEXT

BLOCK = 500
OTHERS: dict[str, Maker] = {}  # a model of texts brings its own: the language model


def baseline(data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[list[str]]:
    """The simplest model of texts: units drawn by themselves, as many as a training text has."""
    codec: Any = data.codec
    counted: Counter[str] = Counter()
    lengths = []
    for start in range(0, len(data.train), BLOCK):
        for text in data.examples(data.train[start : start + BLOCK]):
            units = codec.cut(text)[: codec.length]
            counted.update(units)
            lengths.append(len(units))
    units, times = np.array(list(counted), object), np.array(list(counted.values()), float)
    rng = np.random.default_rng(seeds.derive(seed, "independent units"))
    for start in range(0, n, BLOCK):
        chosen = rng.choice(lengths, min(BLOCK, n - start))
        drawn = rng.choice(len(units), int(chosen.sum()), p=times / times.sum())
        yield [JOIN[codec.units](part) for part in np.split(units[drawn], np.cumsum(chosen)[:-1])]


def fits(owner: str, codec: Any, data: Dataset) -> None:
    """Raises DataError unless `codec` makes texts of the data's units."""
    theirs: Any = data.codec
    if codec.kind != theirs.kind:
        raise DataError(f"{owner} {codec.makes}, but '{data.source}' contains texts")
    if codec.units != theirs.units:
        raise DataError(f"{owner} {codec.makes}, but '{data.source}' is read as {theirs.units}")


def plain(path: str | os.PathLike[str], data: Dataset) -> Plain:
    """Texts from a file as `sample` writes it, or in the form of the data."""
    asked = data.options.of(TextOptions)
    if not Path(path).is_dir() and inner(Path(path)).suffix.lower() != ".txt":
        asked = replace(asked, column=asked.column or TEXT)
    options = data.options.having(replace(asked, split="lines", least_times=1))
    own = open_data(path, options=replace(options, form="text", holdout=0.0, labels=False))
    codec: Any = data.codec

    def examples(indices: np.ndarray) -> list[str]:
        found: list[str] = own.examples(indices)
        return [unfolded(text) for text in found] if codec.windows else found

    every = codec.digests(examples(np.arange(len(own))))
    return Plain(n=len(own), examples=examples, asked=None, overlap=overlap_with(data, every))
