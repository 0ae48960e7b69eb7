"""Growing a table of series: new series below those that there are, with names of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ganwright.base import seeds
from ganwright.base.errors import OptionError, message
from ganwright.base.frames import is_frame
from ganwright.base.options import build
from ganwright.base.runs import replacing
from ganwright.data import DataOptions
from ganwright.data.arrow import table_of
from ganwright.data.open import find_source
from ganwright.data.writers import format_for
from ganwright.modalities.series.codec import SeriesCodec
from ganwright.modalities.series.columns import CLASS, ID
from ganwright.modalities.series.dataset import SeriesSource
from ganwright.modalities.series.given import series_of
from ganwright.modalities.series.read import table_in
from ganwright.modalities.series.writers import write_table
from ganwright.model import Model

THINGS = "series"
MADE = "made_"  # before the numbers of new series whose names are text


def default_out(data: Path) -> Path:
    """A .csv here."""
    return Path(f"{data.name.partition('.')[0]}-augmented.csv")


def growth(model: Model, data: Any, out: Path | None) -> Growth:
    """A frame or a file to be grown. Raises OptionError, DataError."""
    codec: Any = model.codec
    if not any(column.role == ID for column in codec.columns) or codec.clock.name == "":
        raise OptionError(
            "augment: the model was trained on a single series, which has no others beside it; "
            "ganwright sample makes more of it"
        )
    if out is not None and format_for(codec, out) == "npz":
        raise OptionError(f"--out: must be a table, .csv or .parquet; got '{out.name}'")
    options = build(DataOptions, {"form": codec.kind}, owner="data")
    source = find_source(data, options)
    if not isinstance(source, SeriesSource) or source.array:
        raise OptionError(
            "augment: a table of series is grown, not an array; give a .csv or .parquet"
        )
    return Growth(model, codec, data, source)


class Growth:
    """A table of series, and new ones of the same kind."""

    dropped: Mapping[str, Mapping[str, int]] = {}
    notes: Sequence[str] = ()

    def __init__(self, model: Model, codec: SeriesCodec, data: Any, source: SeriesSource) -> None:
        self.model, self.codec, self.data = model, codec, data
        self.table = table_of(data, [], ()) if is_frame(data) else table_in(source.path, [])
        self.series = series_of(codec, source)
        self.n = len(self.series.names)
        self.made = codec.table(np.empty((0, codec.length, codec.width + len(codec.statics))))

    def counts(self, balance: str | None) -> list[tuple[str, int]]:
        """The classes and how many series each has, or one class of all. Raises OptionError."""
        if balance is None:
            return [("", self.n)]
        named = [column for column in self.codec.columns if column.role == CLASS]
        if not named or balance != named[0].name:
            allowed = [column.name for column in named]
            hint = "" if named else "; data.series.classes names one when training"
            problem = f"'{balance}' is not the column of classes"
            raise OptionError(message("balance", problem, allowed=allowed, got=balance) + hint)
        codes = self.series.statics[:, -1]
        values = named[0].values
        return [(word, int((codes == i).sum())) for i, word in enumerate(values)]

    def make(self, wanted: Sequence[tuple[str, int]], seed: int) -> dict[str, int]:
        """The new series; the seed of each class is of its place in `wanted`."""
        parts = []
        for number, (word, count) in enumerate(wanted):
            own = seeds.derive(seed, "augment", number)
            blocks = self.model.stream(count, seed=own, label=word or None)
            parts.append(np.concatenate([block.examples for block in blocks]))
        if parts:
            examples = np.concatenate(parts)
            self.made = self.codec.table(examples, names=self._names(len(examples)))
        return dict(wanted)

    def _names(self, count: int) -> np.ndarray:
        numbers = np.arange(1, count + 1)
        own = next(column for column in self.codec.columns if column.role == ID)
        if own.type.startswith(("int", "uint")) or all(n.isdigit() for n in self.series.names):
            return numbers + max(map(int, self.series.names))
        return np.array([f"{MADE}{number}" for number in numbers], object)

    def joined(self, mark: str) -> Any:
        """As a pandas DataFrame."""
        import pandas as pd

        real, made = self.table.to_pandas(), self.made.to_pandas()
        if mark in real.columns:
            raise OptionError(f"mark: the table has a column '{mark}' already; choose another name")
        text = [n for n in real.columns if pa.types.is_string(self.table.schema.field(n).type)]
        for name in set(text) & set(made.columns):
            made[name] = _as_text(made[name])
        both = pd.concat([real, made.reindex(columns=real.columns)], ignore_index=True)
        both[mark] = [False] * len(real) + [True] * len(made)
        return both

    def write(self, out: Path, mark: str) -> None:
        """The same as a file, whole or not at all."""
        both = self.joined(mark)
        with replacing(out) as aside:
            write_table(pa.Table.from_pandas(both, preserve_index=False), aside, out)


def _as_text(column: Any) -> Any:
    """Numbers as they would stand in a file; missing ones stay missing."""
    return column.map(lambda value: value if isinstance(value, str) else f"{value:.12g}", "ignore")
