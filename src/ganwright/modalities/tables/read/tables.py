"""Files and frames to the canonical table: an Arrow table of inferred types, missing cells null."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ganwright.base.errors import DataError, message
from ganwright.data import delimited
from ganwright.data.delimited import NotText, Ragged, blocks
from ganwright.data.dialect import NOT_UTF8, Dialect, sniff
from ganwright.data.packing import PACKED, TEXT_SUFFIXES
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Column, Kind
from ganwright.modalities.tables.columns.schema import parse_kinds
from ganwright.modalities.tables.read.texts import (
    Marks,
    Reading,
    as_given,
    reading_as,
    reading_of,
)
from ganwright.modalities.tables.read.typed import check_left_out, typed_blocks
from ganwright.modalities.tables.read.unread import Unread, read_cells

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 20
_MOST_RAGGED = 0.01


@dataclass(frozen=True)
class Written:
    """The outcome of reading: `skipped` are (name, reason) of rows that could not be used."""

    rows: int
    notes: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    skipped_rows: int = 0
    delimiter: str = ""


def is_text(path: Path) -> bool:
    """Whether the table in a file is text, by its suffix."""
    suffix = path.suffix.lower()
    return suffix in PACKED or suffix in TEXT_SUFFIXES


def stem_of(path: Path) -> str:
    """The name without suffixes: adult.csv.gz is adult."""
    return Path(path.stem).stem if path.suffix.lower() in PACKED else path.stem


def read_table(
    path: Path | str,
    columns: Sequence[Column] | None = None,
    *,
    bad: str = "skip",
    whole: bool = False,
) -> pa.Table:
    """The canonical table of a file, as `columns` where they are given. Raises DataError.

    Then it is read in their types, and one row is enough, as the meaning of "7" or "?" is known. With
    `whole`, additional columns are kept.
    """
    with tempfile.TemporaryDirectory(prefix="ganwright-") as folder:
        target = Path(folder, "table.arrow")
        write_canonical(Path(path), target, bad=bad, owner=f"'{path}'", known=columns)
        with pa.OSFile(str(target)) as file:
            table = pa.ipc.open_file(file).read_all()
    return table if columns is None or whole else conform(table, columns, f"'{path}'")


def from_frame(frame: Any) -> pa.Table:
    """A pandas or polars DataFrame or a pyarrow Table as a canonical table. Raises DataError."""
    with tempfile.TemporaryDirectory(prefix="ganwright-") as folder:
        target = Path(folder, "table.arrow")
        write_canonical(frame, target)
        with pa.OSFile(str(target)) as file:
            return pa.ipc.open_file(file).read_all()


def write_canonical(
    given: Path | Any,
    target: Path,
    *,
    kinds: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    bad: str = "skip",
    owner: str = "the table",
    known: Sequence[Column] | None = None,
    decimal: str = "auto",
) -> Written:
    """Reads a file or frame into an Arrow file at `target`, in blocks.

    `owner` names it in errors; text is read as the columns `known` where there are such. `decimal`
    is data.table.decimal. Raises DataError, OptionError.
    """
    raw = target.with_suffix(".raw")
    if isinstance(given, Path) and is_text(given):
        written = _write_text(given, raw, leave_out, bad)
    else:
        notes: list[str] = []
        with typed_blocks(given, notes, leave_out, owner) as (schema, rows):
            written = Written(_write(rows, schema, raw), tuple(notes))
    if known is None:
        _enough(owner, written)
    with mapped(raw) as table:
        chosen = parse_kinds(kinds, table.column_names)
        text = isinstance(given, Path) and is_text(given)
        marks = Marks.of(decimal, written.delimiter)
        readings = _readings(table, chosen, bad, text, marks)
        for column in known or ():
            if column.name in readings and (text or column.written):
                readings[column.name] = reading_as(column, table[column.name], marks)
        notes = [*written.notes, *(n for r in readings.values() for n in r.notes)]
        notes += _rewrite(table, readings, target, owner)
    raw.unlink()
    return Written(written.rows, tuple(notes), written.skipped, written.skipped_rows)


@contextmanager
def mapped(path: Path) -> Iterator[pa.Table]:
    """An Arrow file as a table that stays on disk."""
    with pa.memory_map(str(path)) as file:
        yield pa.ipc.open_file(file).read_all()


def _enough(owner: str, written: Written) -> None:
    if written.rows < 2:
        what = "no rows" if not written.rows else "one usable row"
        raise DataError(f"{owner} has {what}; at least 2 are needed")


# --- text --------------------------------------------------------------------------------------


def _write_text(path: Path, raw: Path, leave_out: Sequence[str], bad: str) -> Written:
    dialect = sniff(path, _tab(path))
    check_left_out(leave_out, dialect.names)
    try:
        return _stream_text(path, raw, dialect, leave_out, bad)
    except NotText:
        if dialect.encoding != "utf-8":
            wrong = (
                "neither UTF-8 nor Windows-1252" if dialect.encoding == "cp1252" else "no UTF-16"
            )
            raise DataError(f"'{path}' is {wrong}: save it as UTF-8") from None
    other = Dialect(**{**vars(dialect), "encoding": "cp1252"})
    try:
        written = _stream_text(path, raw, other, leave_out, bad)
    except NotText:
        raise DataError(f"'{path}' is neither UTF-8 nor Windows-1252: save it as UTF-8") from None
    return replace(written, notes=(NOT_UTF8, *written.notes))


def _tab(path: Path) -> str:
    suffix = Path(path.stem).suffix if path.suffix.lower() in PACKED else path.suffix
    return TEXT_SUFFIXES.get(suffix.lower(), "")


def _stream_text(
    path: Path, raw: Path, dialect: Dialect, leave_out: Sequence[str], bad: str
) -> Written:
    ragged = Ragged()
    found = blocks(path, dialect, ragged)
    kept = [name for name in dialect.names if name not in leave_out]
    schema = pa.schema([(name, pa.string()) for name in kept])
    last: list[pa.RecordBatch] = []

    def noted() -> Iterator[pa.RecordBatch]:
        for block in found:
            last[:] = [block]
            yield block

    rows = _write(noted(), schema, raw)
    _check_quote(path, dialect, last)
    if not ragged.count:
        return Written(rows, dialect.notes, delimiter=dialect.delimiter)
    first = delimited.first_ragged(path, dialect, _NAMED)
    named = tuple(
        (f"line {line}", f"has {_cells(cells)}, the header {dialect.width}")
        for line, cells in first
    )
    if bad == "refuse" or ragged.count > _MOST_RAGGED * (rows + ragged.count):
        line, reason = named[0] if named else ("a line", "differs in length from the header")
        others = f"; {ragged.count - 1:,} more like it" if ragged.count > 1 else ""
        raise DataError(f"'{path}': {line} {reason}{others}")
    note = f"rows whose number of cells differs from the header's are left out: {ragged.count:,}"
    return Written(rows, (*dialect.notes, note), named, ragged.count, dialect.delimiter)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _check_quote(path: Path, dialect: Dialect, last: list[pa.RecordBatch]) -> None:
    """An unclosed quote swallows the rest of the file into the last row."""
    if not last:
        return
    final = [column[-1].as_py() or "" for column in last[0].columns]
    if "\n" in final[-1] and (line := delimited.open_quote(path, dialect)) is not None:
        text = delimited.tail(path)
        if not text.rstrip("\r\n").endswith('"'):
            raise DataError(f"'{path}': a quote is opened in line {line} and never closed")


# --- writing -----------------------------------------------------------------------------------


def _write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    rows = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch.select(schema.names).replace_schema_metadata(None))
            rows += batch.num_rows
    return rows


def _readings(
    table: pa.Table, kinds: Mapping[str, Kind], bad: str, text: bool, marks: Marks
) -> dict[str, Reading]:
    """How columns of text are to be read: all in a file of text, else those with a kind given.

    Others stay the text that they were given as; where they read as more, that is said.
    """
    names = [field.name for field in table.schema if pa.types.is_string(field.type)]
    found = {name: reading_of(name, table[name], kinds.get(name), bad, marks) for name in names}
    if not marks.decimal and text:
        found |= _by_the_others(table, kinds, bad, marks, found)
    for name in () if text else names:
        about = table.schema.field(name).metadata or {}
        coded = about.get(b"user", b"").startswith(b"category")
        if name not in kinds:
            found[name] = as_given(name, found[name], silent=coded)
        elif found[name].numeral:  # text of a form stays that
            found[name] = replace(found[name], type=pa.string())
    return found


def _by_the_others(
    table: pa.Table,
    kinds: Mapping[str, Kind],
    bad: str,
    marks: Marks,
    found: Mapping[str, Reading],
) -> dict[str, Reading]:
    """Resolves columns that can be read in two ways, by the decimal mark of the file's other columns."""
    sure = {reading.decimal for reading in found.values()} - {""}
    if len(sure) != 1:
        return {}
    known = replace(marks, decimal=sure.pop())
    again = [
        name
        for name, one in found.items()
        if one.doubt or (known.decimal == "," and not one.decimal)
    ]
    return {name: reading_of(name, table[name], kinds.get(name), bad, known) for name in again}


def _rewrite(
    table: pa.Table, readings: Mapping[str, Reading], target: Path, owner: str
) -> list[str]:
    """Writes the table as its columns are read; returns notes on infinite numbers."""
    fields = []
    for field in table.schema:
        reading = readings.get(field.name)
        if reading is not None:
            about = dict(field.metadata or {}) | reading.about
            field = pa.field(field.name, reading.type, metadata=about or None)
        fields.append(field)
    infinite: dict[str, int] = {}

    def made() -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches():
            arrays = []
            for field, array in zip(fields, batch.columns, strict=True):
                reading = readings.get(field.name)
                try:
                    typed = array if reading is None else reading(array)
                except pa.ArrowInvalid as error:
                    why = " ".join(str(error).split())[:120]
                    what = f"column '{field.name}' is not {field.type}: {why}"
                    raise DataError(f"{owner}: {what}") from None
                _count_infinite(field.name, typed, infinite)
                arrays.append(typed)
            yield pa.record_batch(arrays, schema=pa.schema(fields))

    _write(made(), pa.schema(fields), target)
    return [
        f"'{name}': {count:,} infinite values are kept as separate values"
        for name, count in infinite.items()
    ]


def _count_infinite(name: str, array: pa.Array, infinite: dict[str, int]) -> None:
    if pa.types.is_floating(array.type) and (count := pc.sum(pc.is_inf(array)).as_py() or 0):
        infinite[name] = infinite.get(name, 0) + count


def conform(
    table: pa.Table,
    columns: Sequence[Column],
    owner: str = "the table",
    unread: Unread | None = None,
) -> pa.Table:
    """A table's columns in the order and types of `columns`; others are left away.

    A column that is not learned may be absent. Raises DataError, naming the nearest column, for
    one that is, and for values that the type can't hold. With `unread`, such cells are missing and
    go there, and only a learned column without a single readable value is refused.
    """
    arrays = []
    for column in columns:
        kind = type_of(column.type)
        if column.name not in table.column_names:
            if column.modelled:
                problem = f"no column '{column.name}'"
                allowed = table.column_names
                raise DataError(message(owner, problem, allowed=allowed, got=column.name))
            arrays.append(pa.nulls(table.num_rows, kind))
            continue
        array = table[column.name]
        if column.kind == "empty":  # the value there is unknown
            arrays.append(pa.nulls(table.num_rows, kind))
            continue
        if pa.types.is_floating(array.type) and pa.types.is_integer(kind):
            array = pc.round(array)
        try:
            arrays.append(array if array.type == kind else array.cast(kind))
        except (pa.ArrowException, ValueError) as error:
            found, lost = (None, None) if unread is None else read_cells(array, kind)
            if found is None or (column.modelled and found.null_count == len(found)):
                why = " ".join(str(error).split())[:120]
                raise DataError(
                    f"{owner}: column '{column.name}' is not {column.type}: {why}"
                ) from None
            arrays.append(found)
            if unread is not None and lost is not None and lost.any():
                unread[column.name] = lost
    fields = [(c.name, type_of(c.type)) for c in columns]
    return pa.table(dict(zip([c.name for c in columns], arrays, strict=True)), pa.schema(fields))


def to_user(table: pa.Table, columns: Sequence[Column], like: str = "pandas") -> Any:
    """A canonical table as the user's kind of frame: "pandas", "polars" or "arrow"."""
    if like == "arrow":
        return table
    if like == "polars":
        import polars as pl

        frame: Any = pl.from_arrow(table)
        words = [c.name for c in columns if c.user.startswith("category")]
        return frame.with_columns(pl.col(words).cast(pl.Categorical)) if words else frame
    import pandas as pd

    series = {}
    for column in columns:
        series[column.name] = _to_pandas(table[column.name], column)
    return pd.DataFrame(series)


def _nullable(column: Column) -> str:
    """The type of pandas for whole numbers of few bits or no sign, of which some are missing.

    Others become fractions, as they do when pandas reads a file.
    """
    few = column.type in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64")
    return column.type.replace("int", "Int").replace("u", "U") if few and column.missing else ""


def _to_pandas(array: pa.ChunkedArray, column: Column) -> pd.Series:
    import pandas as pd

    user = column.user or _nullable(column)
    if user in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"):
        values = pc.fill_null(array, 0).to_numpy()
        hollow = pc.is_null(array).to_numpy()
        return pd.Series(pd.arrays.IntegerArray(values.astype(user.lower()), hollow))
    series = array.to_pandas()
    if not column.user or str(series.dtype) == column.user:
        return series
    try:
        return series.astype(column.user)
    except (
        TypeError,
        ValueError,
    ):  # missing values where training had none: a wider type, not an error
        return series
