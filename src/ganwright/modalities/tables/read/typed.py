"""Frames, Parquet and Arrow files: typed tables, as blocks of canonical rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ganwright.base.errors import DataError, OptionError, message
from ganwright.data.dialect import check_names
from ganwright.modalities.tables.columns.axis import type_of

if TYPE_CHECKING:
    import pandas as pd

_BATCH_ROWS = 1 << 16
_LARGEST_SET = 1 << 12  # words in a category set that is kept as it is
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
        with _arrow_file(given) as (schema, batches):
            yield schema, batches
        return
    table = table_of(given, notes, leave_out)
    yield table.schema, table.to_batches(max_chunksize=_BATCH_ROWS)


@contextmanager
def _arrow_file(path: Path) -> Iterator[tuple[pa.Schema, Iterable[pa.RecordBatch]]]:
    import pyarrow.parquet as pq

    what = "Parquet" if path.suffix.lower() in (".parquet", ".pq") else "Arrow"
    try:
        if what == "Parquet":
            with pq.ParquetFile(path) as file:
                yield file.schema_arrow, file.iter_batches(_BATCH_ROWS)
            return
        with pa.memory_map(str(path)) as source:
            reader: Any
            try:
                reader = pa.ipc.open_file(source)
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            except pa.ArrowInvalid:
                source.seek(0)
                reader = pa.ipc.open_stream(source)
                batches = iter(reader)
            yield reader.schema, batches
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"'{path}' is damaged or not a valid {what} file: {' '.join(str(error).split())[:200]}"
        ) from None


def table_of(frame: Any, notes: list[str], leave_out: Sequence[str]) -> pa.Table:
    room = type(frame).__module__.partition(".")[0]
    if room == "pandas":
        return _from_pandas(frame, notes, leave_out)
    if room == "polars":
        return _from_polars(frame.collect() if type(frame).__name__ == "LazyFrame" else frame)
    return frame


def _from_polars(frame: Any) -> pa.Table:
    arrays = {}
    for column in frame.iter_columns():
        try:
            arrays[column.name] = pa.chunked_array(column.to_arrow())
        except pa.ArrowInvalid:  # Int128
            problem = f"column '{column.name}' contains {column.dtype}, which Arrow doesn't have"
            raise DataError(f"{problem}: cast it, or leave it out") from None
    return pa.table(arrays)


def _from_pandas(frame: pd.DataFrame, notes: list[str], leave_out: Sequence[str]) -> pa.Table:
    import pandas as pd

    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError("the table has multi-level columns; give each a single name")
    names = [str(name) for name in frame.columns]
    check_names("the table", names)
    if any(not isinstance(name, str) for name in frame.columns):
        notes.append("column names that are not text are converted to text")
    if not isinstance(frame.index, pd.RangeIndex) and frame.index.name is not None:
        notes.append(
            f"the index '{frame.index.name}' is not a column: left out (reset_index adds it)"
        )
    arrays, fields = [], []
    for i, name in enumerate(names):
        if name in leave_out:
            arrays.append(pa.nulls(len(frame)))
            fields.append(pa.field(name, pa.null()))
            continue
        series = frame.iloc[:, i]
        array = _array_of(name, series)
        arrays.append(array)
        about = {"user": str(series.dtype)} | _set_of(series)
        fields.append(pa.field(name, array.type, metadata=about))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _set_of(series: pd.Series) -> dict[str, str]:
    """The metadata that tell a category set of words or whole numbers, to give it back whole."""
    import pandas as pd

    kind = series.dtype
    if not isinstance(kind, pd.CategoricalDtype) or len(kind.categories) > _LARGEST_SET:
        return {}
    levels = kind.categories.tolist()
    if {type(level) for level in levels} not in ({str}, {int}):
        return {}
    return {
        "levels": json.dumps([str(level) for level in levels]),
        "ordered": "1" if kind.ordered else "0",
    }


def _array_of(name: str, series: pd.Series) -> pa.ChunkedArray:
    if str(series.dtype).startswith("Sparse"):
        series = series.sparse.to_dense()
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        kinds: dict[str, Any] = {}
        for value in series.dropna():
            kinds.setdefault(type(value).__name__, value)
        shown = ", ".join(f"{kind} ({str(v)[:20]!r})" for kind, v in list(kinds.items())[:3])
        several = f"values of several types: {shown}; convert them to one"
        single = f"values of type {shown}, which are not numbers, words or dates"
        raise DataError(
            f"column '{name}' contains {several if len(kinds) > 1 else single}"
        ) from None
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


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
