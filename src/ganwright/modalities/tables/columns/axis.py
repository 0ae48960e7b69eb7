"""The axis of a column: numbers, dates and times as values that can be cut into bins, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.modalities.tables.columns import moments, numerals
from ganwright.modalities.tables.columns.column import Column


def to_axis(column: Column, array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(values (n,), known (n,) bool): float64 for fractions, else int64; 0 where it is missing.

    Dates count days, times and moments their type's own unit, from 1970 or midnight. A date given as a
    whole number or text counts the units of `column.form`. Values without a place on the axis are not
    known: an infinite number, a text that is not of the form.
    """
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if column.form:
        return _read_form(column, array)
    known = _mask(array)
    values = values_of(array)
    if values.dtype.kind == "f" and np.isinf(values).any():
        known = known & ~np.isinf(values)
        values = np.where(known, values, 0.0)
    return values, known


def from_axis(column: Column, values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    """What `to_axis` read, from values (n,); missing where not `known`. Rounds to whole units."""
    kind = type_of(column.type)
    hidden = None if known is None else ~known
    if column.form:
        return _write_form(values, hidden, column, kind)
    if not (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        values = np.rint(values) if values.dtype.kind == "f" else values
        values = values.astype(np.int64, copy=False)
    if pa.types.is_decimal(kind):
        return pc.cast(pa.array(values, mask=hidden), kind, safe=False)
    if pa.types.is_floating(kind):
        return pa.array(values.astype(np.float64), pa.float64(), mask=hidden).cast(kind, safe=False)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pa.array(values, pa.int64(), mask=hidden).cast(kind, safe=True)
    return pa.array(values, pa.int64(), mask=hidden).cast(_width(kind)).view(kind)


def values_of(array: pa.Array) -> np.ndarray:
    """Numbers, dates or times as int64 or float64 (n,); 0 where missing."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_decimal(kind) or kind == pa.uint64() or pa.types.is_float16(kind):
        array = pc.cast(array, pa.float64(), safe=False)
    elif pa.types.is_temporal(kind):
        array = array.view(_width(kind))
    if array.null_count:
        array = pc.fill_null(array, 0)
    values = array.to_numpy(zero_copy_only=False)
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64, copy=False)


def _read_form(column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    if column.numeral:
        values, known = numerals.read(as_texts(array), column.form)
        if column.kind != "integer":
            return values, known
        known = known & (values == np.rint(values))
        return np.where(known, values, 0).astype(np.int64), known
    return moments.read(as_texts(array), column.form)


def as_texts(array: pa.Array) -> pa.Array:
    """Texts, or whole numbers as texts."""
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.int64(), safe=False)
    return pc.cast(array, pa.string(), safe=False)


def _write_form(
    values: np.ndarray, hidden: np.ndarray | None, column: Column, kind: pa.DataType
) -> pa.Array:
    if column.numeral:
        return numerals.write(values, column.form, hidden)
    ticks = np.rint(values).astype(np.int64)
    texts = moments.write(ticks, column.form, hidden, column.zoned)
    return texts if pa.types.is_string(kind) else texts.cast(pa.int64()).cast(kind)


def unit_ns(column: Column) -> int:
    """Nanoseconds of one step of the axis of a column of dates or times."""
    units = {"D": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
    kind = type_of(column.type)
    if column.form:
        return units[moments.unit_of(column.form)]
    if pa.types.is_date32(kind):
        return units["D"]
    return units["ms"] if pa.types.is_date64(kind) else units[kind.unit]


def _mask(array: pa.Array) -> np.ndarray:
    if not array.null_count:
        return np.ones(len(array), bool)
    return pc.is_valid(array).to_numpy(zero_copy_only=False)


def _width(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if kind.bit_width == 32 else pa.int64()


def type_of(text: str) -> pa.DataType:
    """The Arrow type that is written like this: "int64", "timestamp[us, tz=UTC]", "decimal128(9, 2)".

    Raises ValueError for a type that no column of ours has.
    """
    head, _, rest = text.rstrip(")]").replace("(", "[").partition("[")
    words = [word.strip() for word in rest.split(",")] if rest else []
    if head == "timestamp":
        zone = words[1].removeprefix("tz=") if len(words) > 1 else None
        return pa.timestamp(words[0], zone)
    if head in ("decimal32", "decimal64", "decimal128", "decimal256"):
        return getattr(pa, head)(int(words[0]), int(words[1]))
    if head in ("time32", "time64", "duration"):
        return getattr(pa, head)(words[0])
    if head in ("date32", "date64"):
        return getattr(pa, head)()
    plain = {str(t): t for t in _PLAIN}
    if text not in plain:
        raise ValueError(f"no column has the type {text!r}")
    return plain[text]


_PLAIN = (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.bool_(), pa.string(), pa.null()),
)
