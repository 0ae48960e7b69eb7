"""Replaces the values of some cells in a file, keeping every other byte.

Text keeps its delimiter, quotes, line ends and encoding; columns of a Parquet or Arrow file without
replacements stay bit for bit.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc

from ganwright.base.errors import DataError, OptionError, WorkError, message
from ganwright.base.runs import replacing
from ganwright.data.dialect import Dialect, sniff
from ganwright.data.packing import ARROW_SUFFIXES, TEXT_SUFFIXES, inner, is_table_name, opened, sink
from ganwright.modalities.tables.columns.line import flat
from ganwright.modalities.tables.columns.spelling import spelled
from ganwright.modalities.tables.patch import patched
from ganwright.modalities.tables.read.tables import is_text

if TYPE_CHECKING:
    from ganwright.modalities.tables.codec.table import TableCodec

_PARQUET = (".parquet", ".pq")
_BLOCK_ROWS = 1 << 16
Rows = Mapping[str, np.ndarray]
Values = Mapping[str, pa.Array]


def check_out(source: Path, target: Path) -> None:
    """Raises OptionError where a copy of `source` can't be written to `target`."""
    if not is_table_name(target):
        suffixes = [*TEXT_SUFFIXES, *ARROW_SUFFIXES]
        raise OptionError(
            message("--out", f"'{target}' is not the name of a table", allowed=suffixes)
        )
    if target.is_dir():
        raise OptionError(f"--out: '{target}' is a folder; name a file")
    if is_text(source) != is_text(target):
        kinds = "text into text" if is_text(source) else "Parquet or Arrow into the same"
        raise OptionError(f"--out: '{target.name}' would change the format; {kinds} only")


def as_written(codec: TableCodec, values: Values) -> dict[str, pa.Array]:
    """New values of columns, written as in the text file."""
    columns = {column.name: column for column in codec.columns}
    return {name: spelled(array, columns[name]) for name, array in values.items()}


def extend(source: Path, target: Path, made: pa.Table, mark: str) -> int:
    """Writes a text file with the rows `made` below its own, and a column `mark` that marks them.

    Its own rows stay as they are, byte for byte; columns that `made` lacks are empty in new rows.
    Returns how many rows it had. Raises OptionError where there is such a column.
    """
    text, encoding, dialect = _text_of(source)
    if mark in dialect.names:
        raise OptionError(f"mark: the table has a column '{mark}' already; choose another name")
    pieces, at, count = [], 0, -1
    for cells in _records(text, dialect, header=True):
        count += 1
        end = cells[-1][1]
        said = _quoted(mark, dialect.delimiter) if not count else "false"
        pieces += [text[at:end], dialect.delimiter, said]
        at = end
    pieces.append(text[at:])
    line = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith(("\n", "\r")):
        pieces.append(line)
    with replacing(target) as aside, sink(aside, target) as file:
        file.write("".join(pieces).encode(encoding))
        for block in made.to_batches(max_chunksize=_BLOCK_ROWS):
            rows = _new_rows(pa.Table.from_batches([block]), dialect, line)
            file.write(rows.encode(encoding, "replace"))
    return count


def _new_rows(made: pa.Table, dialect: Dialect, line: str) -> str:
    """Rows as text, in the places and with the delimiter of a file."""
    empty = [""] * made.num_rows
    columns: list[list[str]] = [empty] * dialect.width
    for name, place in zip(dialect.names, dialect.places, strict=True):
        if name in made.column_names:
            columns[place] = as_text(flat(made.column(name)))
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=dialect.delimiter, lineterminator=line)
    writer.writerows(zip(*columns, ["true"] * made.num_rows, strict=True))
    return buffer.getvalue()


def _text_of(source: Path) -> tuple[str, str, Dialect]:
    """The text of a file, its encoding, and its dialect."""
    dialect = sniff(source, _tab(source))
    with opened(source) as file:
        data = bytes(file.read())
    encoding = dialect.encoding
    if encoding == "utf-16":  # the byte-order mark stays and sets the byte order
        encoding = "utf-16-be" if data.startswith(b"\xfe\xff") else "utf-16-le"
    try:
        return data.decode(encoding), encoding, dialect
    except UnicodeDecodeError:
        return data.decode("cp1252"), "cp1252", dialect


def rewrite(source: Path, target: Path, rows: Rows, values: Values) -> None:
    """Writes `source` to `target` with `values` in the `rows` of the columns that they name.

    Rows count those that reading gives. Whole or not at all. Raises WorkError.
    """
    with replacing(target) as aside:
        if is_text(source):
            _rewrite_text(source, target, aside, rows, values)
        else:
            _rewrite_arrow(source, target, aside, rows, values)


# --- text ------------------------------------------------------------------------------------


def _rewrite_text(source: Path, target: Path, aside: Path, rows: Rows, values: Values) -> None:
    text, encoding, dialect = _text_of(source)
    new = _by_row(dialect, rows, values)
    pieces: list[str] = []
    at, number = 0, -1
    for cells in _records(text, dialect):
        number += 1
        for place, value in new.pop(number, ()):
            first, last = cells[place]
            old = text[first:last]
            lead = old[: len(old) - len(old.lstrip(" "))] if old.strip() else ""
            pieces += [text[at:first], lead, value]
            at = last
    if new:
        raise WorkError(
            f"'{source}': {len(new):,} rows could not be located in the file; nothing is written"
        )
    pieces.append(text[at:])
    with sink(aside, target) as file:
        file.write("".join(pieces).encode(encoding))


def _tab(path: Path) -> str:
    return TEXT_SUFFIXES.get(inner(path).suffix.lower(), "")


def _by_row(dialect: Dialect, rows: Rows, values: Values) -> dict[int, list[tuple[int, str]]]:
    """The new cells as text: row → (place in the record, text), places rising."""
    found: dict[int, list[tuple[int, str]]] = {}
    places = dict(zip(dialect.names, dialect.places, strict=True))
    for name in sorted(rows, key=lambda name: places[name]):
        texts = as_text(values[name])
        for row, value in zip(rows[name].tolist(), texts, strict=True):
            found.setdefault(row, []).append((places[name], _quoted(value, dialect.delimiter)))
    return found


def as_text(array: pa.Array) -> list[str]:
    """Values as a .csv has them: moments of whole seconds without a fraction."""
    if pa.types.is_timestamp(array.type):
        whole = array.cast(pa.timestamp("s", array.type.tz), safe=False)
        if whole.cast(array.type).equals(array):
            array = whole
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    if pa.types.is_string(array.type):
        return ["" if value is None else str(value) for value in array.to_pylist()]
    pyarrow.csv.write_csv(pa.table({"x": array}), buffer, options)
    return buffer.getvalue().decode().splitlines()


def _quoted(value: str, delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="").writerow([value, ""])
    return buffer.getvalue()[: -len(delimiter)]


def _records(
    text: str, dialect: Dialect, *, header: bool = False
) -> Iterator[list[tuple[int, int]]]:
    """The position of each cell in the text, for the records below the header that reading keeps.

    With `header` that comes first.
    """
    mark = re.escape(dialect.delimiter)
    lead = " *" if dialect.spaced else ""
    cell = re.compile(
        rf'(?:{lead}"(?:[^"]|"")*"[^{mark}\r\n]*|[^{mark}\r\n]*)({mark}|\r\n|\n|\r|$)'
    )
    cells: list[tuple[int, int]] = []
    at = 1 if text.startswith("\ufeff") else 0
    number = 0
    while at < len(text):
        found = cell.match(text, at)
        if found is None:  # a quote that is never closed: already refused by the reader
            raise DataError("a quote is opened and never closed")
        cells.append((found.start(), found.start(1)))
        at = found.end()
        if found.group(1) == dialect.delimiter and at < len(text):
            continue
        if found.group(1) == dialect.delimiter:  # the file ends in a delimiter: one more, empty
            cells.append((at, at))
        if len(cells) > 1 or cells[0][0] < cells[0][1]:  # an empty line is not a record
            number += 1
            kept = number > dialect.head or (header and number == dialect.head)
            if kept and len(cells) == dialect.width:
                yield cells
        elif number < dialect.head:
            number += 1
        cells = []


# --- files that know their types ---------------------------------------------------------------


def table_in(source: Path) -> pa.Table:
    """The table in a Parquet or Arrow file, as it is."""
    import pyarrow.parquet as pq

    if source.suffix.lower() in _PARQUET:
        return pq.read_table(source)
    with pa.memory_map(str(source)) as file:
        try:
            return pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file).read_all()


def _rewrite_arrow(source: Path, target: Path, aside: Path, rows: Rows, values: Values) -> None:
    import pyarrow.parquet as pq

    table = table_in(source)
    done: Any = patched(table, dict(rows), dict(values))
    if target.suffix.lower() in _PARQUET:
        pq.write_table(done, aside, compression="zstd")
        return
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, done.schema) as writer:
        writer.write_table(done)


def write_table(table: pa.Table, target: Path) -> None:
    """Writes a table as .csv, .tsv or .parquet, whole or not at all."""
    import pyarrow.parquet as pq

    suffix = target.suffix.lower()
    with replacing(target) as aside:
        if suffix in (".parquet", ".pq"):
            pq.write_table(table, aside, compression="zstd")
            return
        mark = "\t" if inner(target).suffix.lower() in (".tsv", ".tab") else ","
        options = pyarrow.csv.WriteOptions(delimiter=mark, quoting_style="needed")
        with sink(aside, target) as file:
            pyarrow.csv.write_csv(_plain_moments(table), file, options)


def _plain_moments(table: pa.Table) -> pa.Table:
    """Moments that are all of whole seconds, without a fraction."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            whole = pa.timestamp("s", field.type.tz)
            column = table.column(at).cast(whole, safe=False)
            if column.cast(field.type).equals(table.column(at)):
                table = table.set_column(at, field.name, column)
    return table
