"""A file with other values in some of its cells: every other byte of it as it was.

Text keeps its delimiter, quotes, line ends and encoding; the columns of a Parquet or Arrow file
that have nothing to replace keep their bits.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc

from ganwright.base.errors import DataError, OptionError, WorkError, message
from ganwright.base.runs import replacing
from ganwright.data.table import ARROW_SUFFIXES, PACKED, TEXT_SUFFIXES, is_table_name
from ganwright.data.table.delimited import Dialect, opened, sniff
from ganwright.data.table.read import is_text
from ganwright.uses.fill import patched

Rows = Mapping[str, np.ndarray]
Values = Mapping[str, pa.Array]


def check_out(source: Path, target: Path) -> None:
    """Raises OptionError where a copy of `source` can't be written to `target`."""
    if not is_table_name(target):
        suffixes = [*TEXT_SUFFIXES, *ARROW_SUFFIXES]
        raise OptionError(message("--out", f"'{target}' names no table", allowed=suffixes))
    if target.is_dir():
        raise OptionError(f"--out: '{target}' is a folder; name a file")
    if is_text(source) != is_text(target):
        kinds = "text into text" if is_text(source) else "Parquet or Arrow into the same"
        raise OptionError(f"--out: '{target.name}' would change the form; {kinds} only")


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
    dialect = sniff(source, _tab(source))
    with opened(source) as file:
        data = bytes(file.read())
    encoding = dialect.encoding
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        text = data.decode(encoding)
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
        raise WorkError(f"'{source}': {len(new):,} rows were not found again; nothing is written")
    pieces.append(text[at:])
    packed = PACKED.get(target.suffix.lower())
    done = "".join(pieces).encode(encoding)
    if packed == "xz":
        raise OptionError("--out: .xz can't be written; .gz, .bz2 and .zst can")
    with pa.OSFile(str(aside), "wb") as file:
        if packed:
            with pa.CompressedOutputStream(file, packed) as stream:
                stream.write(done)
        else:
            file.write(done)


def _tab(path: Path) -> str:
    suffix = Path(path.stem).suffix if path.suffix.lower() in PACKED else path.suffix
    return TEXT_SUFFIXES.get(suffix.lower(), "")


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
        return [str(value) for value in array.to_pylist()]
    pyarrow.csv.write_csv(pa.table({"x": array}), buffer, options)
    return buffer.getvalue().decode().splitlines()


def _quoted(value: str, delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="").writerow([value, ""])
    return buffer.getvalue()[: -len(delimiter)]


def _records(text: str, dialect: Dialect) -> Iterator[list[tuple[int, int]]]:
    """Where each cell stands in the text, of the records below the header that reading keeps."""
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
        if found is None:  # a quote that is never closed: the reader has refused it before
            raise DataError("a quote is opened and never closed")
        cells.append((found.start(), found.start(1)))
        at = found.end()
        if found.group(1) == dialect.delimiter and at < len(text):
            continue
        if found.group(1) == dialect.delimiter:  # the file ends in a delimiter: one more, empty
            cells.append((at, at))
        if len(cells) > 1 or cells[0][0] < cells[0][1]:  # an empty line is no record
            number += 1
            if number > dialect.head and len(cells) == dialect.width:
                yield cells
        elif number < dialect.head:
            number += 1
        cells = []


# --- files that know their types ---------------------------------------------------------------


def _rewrite_arrow(source: Path, target: Path, aside: Path, rows: Rows, values: Values) -> None:
    import pyarrow.parquet as pq

    parquet = (".parquet", ".pq")
    if source.suffix.lower() in parquet:
        table = pq.read_table(source)
    else:
        with pa.memory_map(str(source)) as file:
            try:
                table = pa.ipc.open_file(file).read_all()
            except pa.ArrowInvalid:
                file.seek(0)
                table = pa.ipc.open_stream(file).read_all()
    done: Any = patched(table, dict(rows), dict(values))
    if target.suffix.lower() in parquet:
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
        mark = "\t" if suffix in (".tsv", ".tab") else ","
        options = pyarrow.csv.WriteOptions(delimiter=mark, quoting_style="needed")
        pyarrow.csv.write_csv(_plain_moments(table), aside, options)


def _plain_moments(table: pa.Table) -> pa.Table:
    """Moments that are all of whole seconds, without a fraction."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            whole = pa.timestamp("s", field.type.tz)
            column = table.column(at).cast(whole, safe=False)
            if column.cast(field.type).equals(table.column(at)):
                table = table.set_column(at, field.name, column)
    return table
