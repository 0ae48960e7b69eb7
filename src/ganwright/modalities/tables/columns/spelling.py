"""Values as written in text files, in the column's original form."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from ganwright.modalities.tables.columns import moments, numerals
from ganwright.modalities.tables.columns.axis import unit_ns, values_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import flat

_UNITS = {"D": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def spelled(array: pa.Array | pa.ChunkedArray, column: Column) -> pa.Array:
    """Values (n,) of a column as text, where it is not written in its type's usual way."""
    array = flat(array)
    if not column.written or pa.types.is_string(array.type):
        return array
    hidden = pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
    if pa.types.is_temporal(array.type):
        ticks = values_of(array) * unit_ns(column) // _UNITS[moments.unit_of(column.written)]
        return moments.write(ticks, column.written, hidden, None)
    return numerals.write(values_of(array), column.written, hidden)


def spelled_type(column: Column) -> pa.DataType:
    """The type that writes finite values as `spelled` does, without quotes."""
    if column.kind != "number":
        return pa.string()
    style = numerals.format_of(column.written)
    fixed = style.plain and style.least == style.most
    return pa.decimal128(38, style.most) if fixed else pa.string()


def spelled_table(table: pa.Table, columns: Iterable[Column]) -> pa.Table:
    """The table with its columns as a text file has them."""
    for column in columns:
        if column.written and column.name in table.column_names:
            at = table.column_names.index(column.name)
            table = table.set_column(at, column.name, spelled(table.column(at), column))
    return table
