"""Cells whose type differs from their column's in training: converted where possible, else unknown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Unread = dict[str, np.ndarray]  # by column, which cells (n,) hold what its type can't


def read_cells(array: pa.ChunkedArray, kind: pa.DataType) -> tuple[pa.ChunkedArray, np.ndarray]:
    """The values in a type, missing where it can't hold them, and where that is, (n,) bool."""
    words = pa.types.is_dictionary(array.type)
    coded = (array if words else array.dictionary_encode()).combine_chunks()
    values = pa.array([_cell(value, kind) for value in coded.dictionary], kind)
    found = values.take(coded.indices)
    lost = pc.and_(pc.is_null(found), pc.is_valid(array))
    return pa.chunked_array([found]), lost.to_numpy(zero_copy_only=False).astype(bool)


def _cell(value: pa.Scalar, kind: pa.DataType) -> Any:
    if pa.types.is_integer(kind):
        return _whole(value.as_py(), np.iinfo(str(kind)))
    if pa.types.is_string(kind):
        return str(value)
    try:
        return value.cast(kind).as_py()
    except (pa.ArrowException, ValueError):
        return None


def _whole(value: Any, ends: np.iinfo) -> int | None:
    """The nearest whole number between the ends; None for what is no number."""
    try:
        number = value if isinstance(value, int) else float(value)
        near = number if math.isinf(number) else round(number)
    except (TypeError, ValueError):
        return None
    return int(min(max(near, int(ends.min)), int(ends.max)))
