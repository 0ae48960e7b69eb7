"""A user's own frame with other values in some of its cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def patched(frame: Any, rows: dict[str, np.ndarray], values: dict[str, pa.Array]) -> Any:
    """A copy of the frame with `values` in the `rows` of each column; nothing else changes."""
    room = type(frame).__module__.partition(".")[0]
    return {"polars": _patched_polars, "pyarrow": _patched_arrow}.get(room, _patched_pandas)(
        frame, rows, values
    )


def _patched_pandas(frame: Any, rows: dict[str, np.ndarray], values: dict[str, pa.Array]) -> Any:
    import pandas as pd

    frame = frame.copy()
    names = [str(name) for name in frame.columns]
    for name, where in rows.items():
        at = names.index(name)
        column = frame.iloc[:, at].copy()
        new = values[name].to_pandas()
        if isinstance(column.dtype, pd.SparseDtype):
            column = column.sparse.to_dense()
        try:
            column.iloc[where] = new.astype(column.dtype).array
        except (TypeError, ValueError):  # of another type than in training: both kinds of values
            column = column.astype(object)
            column.iloc[where] = new.astype(object).array
        frame.isetitem(at, column)
    return frame


def _patched_polars(frame: Any, rows: dict[str, np.ndarray], values: dict[str, pa.Array]) -> Any:
    import polars as pl

    frame = frame.collect() if type(frame).__name__ == "LazyFrame" else frame
    for name, where in rows.items():
        column = frame[name]
        new: Any = pl.from_arrow(values[name])
        if column.dtype == pl.Float64 or column.dtype == pl.Float32:
            column = column.fill_nan(None)
        mask = np.zeros(len(frame), bool)
        mask[where] = True
        place = np.zeros(len(frame), np.int64)
        place[where] = np.arange(len(where))
        full = new.cast(column.dtype).gather(place)
        frame = frame.with_columns(full.zip_with(pl.Series(mask), column).alias(name))
    return frame


def _patched_arrow(
    table: pa.Table, rows: dict[str, np.ndarray], values: dict[str, pa.Array]
) -> pa.Table:
    for name, where in rows.items():
        at = table.column_names.index(name)
        field = table.schema.field(at)
        old = table.column(at)
        kind = field.type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        mask = np.zeros(table.num_rows, bool)
        mask[where] = True
        new = values[name].cast(plain)
        filled = pc.replace_with_mask(old.cast(plain).combine_chunks(), pa.array(mask), new)
        filled = filled.dictionary_encode().cast(kind) if plain != kind else filled
        table = table.set_column(at, field, filled)
    return table
