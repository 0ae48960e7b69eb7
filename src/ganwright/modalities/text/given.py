"""Texts that users give to a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.data.packing import inner
from ganwright.modalities.text.options import TextOptions
from ganwright.modalities.text.writers import LABEL, TEXT
from ganwright.model import Model


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Texts, where each stands in what was given, and their classes ("" for none)."""

    texts: Sequence[str]
    classes: Sequence[str]
    index: Any = None
    notes: tuple[str, ...] = ()

    @property
    def places(self) -> Sequence[int]:
        """From 1."""
        return range(1, len(self.texts) + 1)


def opened(model: Model, given: Any) -> Dataset:
    """Texts read as those that the model was trained on.

    In a table the column of the training data is read or, where it has none, one called "text".
    """
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    o, path = options.of(TextOptions), Path(given)
    if not path.is_dir() and inner(path).suffix.lower() != ".txt":
        column = o.column or TEXT
        classed = o.class_column or (LABEL if model.spec.classes else None)
        o = replace(o, column=column, class_column=classed)
    return open_data(given, options=replace(options.having(o), form="text", holdout=0.0))


def texts_of(model: Model, given: Any) -> Texts:
    """The texts of a file, in order, or of a list. Raises DataError."""
    if isinstance(given, list | tuple):
        if not given or not all(isinstance(text, str) for text in given):
            raise DataError("texts: need a list of str that is not empty")
        return Texts(texts=list(given), classes=[""] * len(given))
    data = opened(model, given)
    names = [""] * len(data) if data.labels is None else [data.spec.classes[i] for i in data.labels]
    notes = tuple(f"{one.name} {one.reason}" for one in data.skipped)
    return Texts(texts=data.examples(np.arange(len(data))), classes=names, notes=notes)
