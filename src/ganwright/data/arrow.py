"""Frames, Parquet and Arrow files as tables of Arrow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.ipc

from ganwright.base.errors import DataError
from ganwright.data import cache
from ganwright.data.dialect import check_names

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 1 << 16
_BLOCK_ROWS = 1 << 16  # of a frame in the cache
_LARGEST_SET = 1 << 12  # words in a category set that is kept as it is


@contextmanager
def arrow_file(path: Path) -> Iterator[tuple[pa.Schema, Iterable[pa.RecordBatch]]]:
    """The schema and the rows of a Parquet or Arrow file. Raises DataError, also from the rows."""
    import pyarrow.parquet as pq

    what = "Parquet" if path.suffix.lower() in (".parquet", ".pq") else "Arrow"
    try:
        if what == "Parquet":
            with pq.ParquetFile(path) as file:
                yield file.schema_arrow, file.iter_batches(BATCH_ROWS)
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
    """A frame as a table of Arrow; what there is to say goes into `notes`. Raises DataError."""
    room = type(frame).__module__.partition(".")[0]
    if room == "pandas":
        return _from_pandas(frame, notes, leave_out)
    if room == "polars":
        return _from_polars(frame.collect() if type(frame).__name__ == "LazyFrame" else frame)
    return frame


def kept(frame: Any, notes: list[str], leave_out: Sequence[str]) -> tuple[Path, str]:
    """A frame in the cache, under the hash of its content: its file and the hash. Raises DataError."""
    table = table_of(frame, notes, leave_out)
    folder = cache.folder_of("frames", "")
    with cache.room_for(folder), cache.making(folder) as aside:
        target, digest = aside / "frame.arrow", hashlib.blake2b(digest_size=12)
        with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=_BLOCK_ROWS)
        with target.open("rb") as written:
            while piece := written.read(1 << 22):
                digest.update(piece)
        path = folder / f"{digest.hexdigest()}.arrow"
        target.replace(path)
    return path, digest.hexdigest()


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
