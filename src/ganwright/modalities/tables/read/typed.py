"""Frames, Parquet and Arrow files: typed tables, as blocks of canonical rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, OptionError, message
from ganwright.data.arrow import BATCH_ROWS, arrow_file, table_of
from ganwright.data.dialect import check_names
from ganwright.modalities.tables.columns.axis import type_of

_KEPT = (b"user", b"levels", b"ordered")  # of what is said of a column


@contextmanager
def typed_blocks(
    given: Any, notes: list[str], leave_out: Sequence[str], owner: str
) -> Iterator[tuple[pa.Schema, Iterable[pa.RecordBatch]]]:
    """The schema and the rows of a file or frame, in the types of the canonical table.

    What there is to say goes into `notes`. Raises DataError, also from the rows.
    """
    with _opened(given, notes, leave_out) as (schema, batches):
        check_names(owner, list(schema.names))
        check_left_out(leave_out, schema.names)
        index = [n for n in schema.names if n.startswith("__index_level_")]
        if index:
            notes.append("the row index that pandas wrote is left out")
        keep = [n for n in schema.names if n not in leave_out and n not in index]
        for name in keep:
            _check_type(owner, schema.field(name))
        plain = pa.schema([_plain(schema.field(name)) for name in keep])
        yield plain, _canonical_blocks(batches, plain, owner)


def check_left_out(leave_out: Sequence[str], names: Sequence[str]) -> None:
    """Raises OptionError when a column to leave out is not there."""
    for name in leave_out:
        if name not in names:
            owner = "data.table.leave_out"
            raise OptionError(message(owner, f"no column '{name}'", allowed=names, got=name))


def _canonical_blocks(
    batches: Iterable[pa.RecordBatch], plain: pa.Schema, owner: str
) -> Iterator[pa.RecordBatch]:
    try:
        for batch in batches:
            arrays = [_canonical(batch.column(f.name), f.type) for f in plain]
            yield pa.record_batch(arrays, schema=plain)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{owner} is damaged: {' '.join(str(error).split())}") from None


@contextmanager
def _opened(
    given: Any, notes: list[str], leave_out: Sequence[str]
) -> Iterator[tuple[pa.Schema, Iterable[pa.RecordBatch]]]:
    if isinstance(given, Path):
        with arrow_file(given) as (schema, batches):
            yield schema, batches
        return
    table = table_of(given, notes, leave_out)
    yield table.schema, table.to_batches(max_chunksize=BATCH_ROWS)


def _check_type(owner: str, field: pa.Field) -> None:
    try:
        type_of(str(_plain(field).type))
    except ValueError:
        what = "binary data" if "binary" in str(field.type) else str(field.type)
        raise DataError(
            f"{owner}: column '{field.name}' contains {what[:80]}, which is not a number, word or date; "
            f"data.table.leave_out=['{field.name}'] leaves it out"
        ) from None


def _plain(field: pa.Field) -> pa.Field:
    """The field in the canonical table: dictionaries by their values, one type of text."""
    kind, about = field.type, dict(field.metadata or {})
    about = {k: v for k, v in about.items() if k in _KEPT and v}
    if pa.types.is_dictionary(kind):
        kind, about = kind.value_type, {b"user": b"category"} | about
    if pa.types.is_large_string(kind) or "string_view" in str(kind):
        kind = pa.string()
    if pa.types.is_float16(kind):
        kind = pa.float32()
    return pa.field(field.name, kind, metadata=about or None)


def _canonical(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type != kind:
        array = array.cast(kind)
    if pa.types.is_floating(kind):
        hollow = pc.is_nan(array)
        if pc.any(hollow).as_py():
            array = pc.if_else(pc.fill_null(hollow, False), None, array)
    return array
