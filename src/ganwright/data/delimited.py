"""Delimited text (CSV and similar) as columns of text, in blocks of rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ganwright.base.errors import DataError
from ganwright.data.dialect import Dialect
from ganwright.data.packing import DAMAGED, opened

_BLOCK_BYTES, _LARGEST_BLOCK_BYTES = 1 << 23, 1 << 28
_SLOW_ROWS = 1 << 14
_NAMED = 5


@dataclass
class Ragged:
    """Rows whose length differs from the header's: how many, and the first of them by line."""

    count: int = 0
    first: list[tuple[int, int]] = field(default_factory=list)


class NotText(Exception):
    """The bytes are not in the dialect's encoding."""


def blocks(path: Path, dialect: Dialect, ragged: Ragged) -> Iterator[pa.RecordBatch]:
    """Rows as stripped text; empty cells are null. Rows of a wrong length are
    left out and counted in `ragged`. Raises NotText, DataError.
    """
    read = _slowly if dialect.spaced else _fast
    try:
        for block in read(path, dialect, ragged):
            cells = [_tidy(array) for array in block]
            yield pa.record_batch(cells, names=list(dialect.names))
    except UnicodeDecodeError:
        raise NotText from None
    except DAMAGED as error:
        raise DataError(f"'{path}' is damaged: {error}") from None


def numbers(path: Path, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Rows as float64; empty cells are null. Raises DataError for what is no number, or a ragged row."""
    size = max(_BLOCK_BYTES, 64 * sum(map(len, dialect.names)))
    try:
        for block in _arrow(path, dialect, None, size, pa.float64()):
            yield pa.record_batch(block, names=list(dialect.names))
    except (pa.ArrowException, *DAMAGED) as error:
        text = str(error).partition("\n")[0]
        raise DataError(f"'{path}': {text}") from None


def _tidy(array: pa.Array) -> pa.Array:
    array = pc.utf8_trim_whitespace(array)
    empty = pc.equal(pc.binary_length(array), 0)
    return pc.if_else(empty, None, array) if pc.any(empty).as_py() else array


def _fast(path: Path, dialect: Dialect, ragged: Ragged) -> Iterator[list[pa.Array]]:
    for size in (_BLOCK_BYTES, _LARGEST_BLOCK_BYTES):
        begun = False
        try:
            for block in _arrow(path, dialect, ragged, size):
                begun = True
                yield block
            return
        except pa.ArrowInvalid as error:
            text = str(error)
            if "UTF8" in text or "UTF-8" in text:
                raise NotText from None
            if "straddling" not in text or begun or size == _LARGEST_BLOCK_BYTES:
                raise DataError(_told(path, dialect, text)) from None


def _arrow(
    path: Path, dialect: Dialect, ragged: Ragged | None, size: int, kind: pa.DataType | None = None
) -> Iterator[list[pa.Array]]:
    """Columns of the kind (text), block by block; without `ragged` a row of a wrong length is an error."""

    def wrong(row: Any) -> str:
        if ragged is None:
            return "error"
        ragged.count += 1
        return "skip"

    places = [str(i) for i in range(dialect.width)]
    with opened(path) as file:
        reader = pyarrow.csv.open_csv(
            file,
            pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=size,
                column_names=places,
                skip_rows_after_names=dialect.head,
                encoding="utf8" if dialect.encoding == "utf-8" else dialect.encoding,
            ),
            pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=wrong
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(places, kind or pa.string()),
                strings_can_be_null=False,
                include_columns=[str(i) for i in dialect.places],
            ),
        )
        for batch in reader:
            if batch.num_rows:
                yield batch.columns


def _told(path: Path, dialect: Dialect, text: str) -> str:
    if "straddling" in text:
        line = open_quote(path, dialect)
        where = f"; a quote is opened in line {line} and never closed" if line else ""
        return f"'{path}' has a row of more than {_BLOCK_BYTES >> 20} MB{where}"
    return f"'{path}' can't be read as CSV: {' '.join(text.split())}"


def _slowly(path: Path, dialect: Dialect, ragged: Ragged) -> Iterator[list[pa.Array]]:
    counted = _counting(records(path, dialect), dialect, ragged)
    while chosen := list(islice(counted, _SLOW_ROWS)):
        columns = list(zip(*chosen, strict=True))
        yield [pa.array(columns[i], pa.string()) for i in dialect.places]


def _counting(
    found: Iterator[tuple[int, list[str]]], dialect: Dialect, ragged: Ragged
) -> Iterator[list[str]]:
    for _, cells in found:
        if len(cells) == dialect.width:
            yield cells
        else:
            ragged.count += 1


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """(line it begins in, cells) of every row below the header, one by one."""
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    with opened(path) as file, io.TextIOWrapper(file, encoding, newline="") as lines:
        reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced)
        left, begin = dialect.head, 1
        for cells in reader:
            if left:
                left -= 1
            elif cells:
                yield begin, cells
            begin = reader.line_num + 1


def first_ragged(path: Path, dialect: Dialect, most: int) -> list[tuple[int, int]]:
    """(line, cells) of the first rows whose length is not the header's."""
    wrong = ((line, len(c)) for line, c in records(path, dialect) if len(c) != dialect.width)
    return list(islice(wrong, most))


def open_quote(path: Path, dialect: Dialect) -> int | None:
    """The line of a quote that is never closed, or None."""
    last, final = None, ""
    for line, cells in records(path, dialect):
        last, final = line, cells[-1]
    return last if "\n" in final else None


def tail(path: Path) -> str:
    """The part of the file's end that is ASCII."""
    last = b""
    with opened(path) as file:
        while piece := file.read(1 << 20):
            last = bytes(piece)[-64:]
    return last.decode("ascii", "ignore").replace("\0", "")
