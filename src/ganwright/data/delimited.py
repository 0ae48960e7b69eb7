"""CSV and its kin as columns of text: what the file is, and its rows in blocks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ganwright.base.errors import DataError
from ganwright.data.packing import DAMAGED, opened

DELIMITERS = ",;\t|"
_SAMPLE_BYTES, _SAMPLE_ROWS = 1 << 20, 1000
_BLOCK_BYTES, _LARGEST_BLOCK_BYTES = 1 << 23, 1 << 28
_SLOW_ROWS = 1 << 14
_NAMED = 5
_BINARY = {
    b"PAR1": "a Parquet file: give it the suffix .parquet",
    b"ARROW1": "an Arrow file: give it the suffix .arrow",
    b"PK\x03\x04": "a zip or a spreadsheet: save it as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet: save it as CSV",
    b"\x1f\x8b": "packed: give it the suffix .gz",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file of text is to be read.

    `names` are of the columns to keep, `places` their places among `width` columns. `head` counts
    the records up to the header and with it. `spaced`: a quote may stand after spaces.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    places: tuple[int, ...]
    width: int
    head: int
    spaced: bool
    notes: tuple[str, ...]


@dataclass
class Ragged:
    """Rows of another length than the header's: how many, and the first of them by line."""

    count: int = 0
    first: list[tuple[int, int]] = field(default_factory=list)


def sniff(path: Path, first: str = "") -> Dialect:
    """Finds encoding, delimiter and header; `first` is the delimiter to prefer.

    Raises DataError when the file is no table, or its header can't be used.
    """
    sample = _sample(path)
    if not sample.strip(b"\xef\xbb\xbf\r\n \t"):
        raise DataError(f"'{path}' is empty")
    text, encoding, note = _decoded(path, sample)
    whole = len(sample) < _SAMPLE_BYTES
    delimiter = delimiter_of(text, whole=whole, first=first)
    spaced = re.search(f'(^|[{re.escape(delimiter)}]) +"', text, re.MULTILINE) is not None
    records = _sample_records(text, delimiter, spaced, whole)
    head = next(i for i, record in enumerate(records) if any(cell.strip() for cell in record))
    names = [cell.strip() for cell in records[head]]
    if whole and not any(records[head + 1 :]):
        raise DataError(f"'{path}' has a header but no rows; 2 are the least")
    rows = [r for r in records[head + 1 :] if len(r) == len(names)]
    _check_single(path, names, rows)
    places, dropped = _unnamed(path, names, rows)
    names = [names[i] for i in places]
    _check_header(path, names, [[row[i] for i in places] for row in rows])
    check_names(f"'{path}'", names)
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        names=tuple(names),
        places=tuple(places),
        width=len(records[head]),
        head=head + 1,
        spaced=spaced,
        notes=tuple(n for n in (note, dropped) if n),
    )


def check_names(owner: str, names: list[str]) -> None:
    """Raises DataError when two columns have one name, or one has none."""
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        shown = ", ".join(f"'{n}'" for n in twice[:_NAMED])
        raise DataError(f"{owner} has several columns of one name: {shown}; each needs its own")
    if "" in names:
        raise DataError(f"{owner}: column {names.index('') + 1} has no name; give it one")


# --- what the file is --------------------------------------------------------------------------


def _sample(path: Path) -> bytes:
    try:
        with opened(path) as file:
            return bytes(file.read(_SAMPLE_BYTES))
    except DAMAGED as error:
        raise DataError(f"'{path}' is damaged or not what its suffix says: {error}") from None


def _decoded(path: Path, sample: bytes) -> tuple[str, str, str]:
    """(text, encoding, note); a character cut off at the end of the sample is left out."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if sample.startswith(mark):
            even = sample[: len(sample) // 2 * 2]
            return even.decode(encoding, "replace"), encoding, ""
    for magic, what in _BINARY.items():
        if sample.startswith(magic):
            raise DataError(f"'{path}' is not a table in text but {what}")
    if b"\0" in sample:
        raise DataError(f"'{path}' is not a table in text: it holds binary data")
    try:
        return sample.decode("utf-8-sig"), "utf-8", ""
    except UnicodeDecodeError as error:
        if error.start >= len(sample) - 4 and len(sample) == _SAMPLE_BYTES:
            return sample[: error.start].decode("utf-8-sig"), "utf-8", ""
    return sample.decode("cp1252", "replace"), "cp1252", NOT_UTF8


NOT_UTF8 = "the text is not UTF-8: read as Windows-1252"


def delimiter_of(text: str, *, whole: bool = False, first: str = "") -> str:
    """The one that cuts most of the first rows into as many cells as the header, and most cells."""
    best, best_score = first or ",", (0.0, 0)
    for delimiter in dict.fromkeys(first + DELIMITERS):
        records = [r for r in _sample_records(text, delimiter, True, whole)[:200] if any(r)]
        width = len(records[0]) if records else 1
        same = sum(len(r) == width for r in records[1:])
        # In a file of a header alone, or of broken rows, the header decides.
        score = ((same + 1) / len(records), width) if width > 1 and records else (0.0, 0)
        if (round(score[0], 1), score[1]) > (round(best_score[0], 1), best_score[1]):
            best, best_score = delimiter, score
    return best


def _sample_records(text: str, delimiter: str, spaced: bool, whole: bool) -> list[list[str]]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced)
    csv.field_size_limit(_LARGEST_BLOCK_BYTES)
    found = list(islice(reader, _SAMPLE_ROWS + 1))
    if not whole and len(found) <= _SAMPLE_ROWS and len(found) > 1:
        found.pop()  # it may be cut off
    return found


def _check_single(path: Path, names: list[str], rows: list[list[str]]) -> None:
    if len(names) > 1:
        return
    for mark in (*DELIMITERS, ":", "^", "~", " "):
        cut = names[0].count(mark)
        if cut and rows and sum(r[0].count(mark) == cut for r in rows) > len(rows) / 2:
            shown = {"\t": "tab", " ": "space"}.get(mark, mark)
            raise DataError(
                f"'{path}' reads as one column, '{names[0][:60]}': is it cut by '{shown}'? "
                "Understood are , ; tab and |"
            )


def _unnamed(path: Path, names: list[str], rows: list[list[str]]) -> tuple[list[int], str]:
    """Places to keep: an unnamed column that is empty or counts the rows is left out."""
    keep, dropped = [], ""
    for i, name in enumerate(names):
        cells = [row[i].strip() for row in rows]
        counts = [str(n) for n in range(len(cells))], [str(n) for n in range(1, len(cells) + 1)]
        if name == "" and len(names) > 1 and rows and (not any(cells) or cells in counts):
            what = "counts the rows" if any(cells) else "is empty"
            dropped = f"column {i + 1} has no name and {what}: left out"
        else:
            keep.append(i)
    return keep, dropped


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _check_header(path: Path, names: list[str], rows: list[list[str]]) -> None:
    """Refuses a first line that looks like data: numbers above numbers that do not just count."""
    numeric = [
        i
        for i in range(len(names))
        if rows and all(_NUMBER.fullmatch(row[i].strip()) for row in rows if row[i].strip())
    ]
    if not numeric or not all(_NUMBER.fullmatch(names[i]) for i in numeric):
        return
    values = [float(names[i]) for i in numeric]
    counting = len(values) > 1 and all(b == a + 1 for a, b in pairwise(values))
    if not counting and not (len(values) == 1 and len(names) > 1 and values[0] == 0):
        shown = ", ".join(names[:4])
        raise DataError(
            f"'{path}' seems to have no header: its first line ({shown}) looks like data; "
            "put the names of the columns there"
        )


# --- its rows ----------------------------------------------------------------------------------


class NotText(Exception):
    """The bytes are not of the encoding that the dialect says."""


def blocks(path: Path, dialect: Dialect, ragged: Ragged) -> Iterator[pa.RecordBatch]:
    """Rows as text, without spaces around; empty cells are null. Rows of a wrong length are
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


def _arrow(path: Path, dialect: Dialect, ragged: Ragged, size: int) -> Iterator[list[pa.Array]]:
    def wrong(row: Any) -> str:
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
                column_types=dict.fromkeys(places, pa.string()),
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
        return f"'{path}' holds a row of more than {_BLOCK_BYTES >> 20} MB{where}"
    return f"'{path}' is not a CSV that can be read: {' '.join(text.split())}"


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
    """The line in which a quote is opened that is never closed, or None."""
    last, final = None, ""
    for line, cells in records(path, dialect):
        last, final = line, cells[-1]
    return last if "\n" in final else None


def tail(path: Path) -> str:
    """The end of the file, as far as it is in ASCII."""
    last = b""
    with opened(path) as file:
        while piece := file.read(_SAMPLE_BYTES):
            last = bytes(piece)[-64:]
    return last.decode("ascii", "ignore").replace("\0", "")
