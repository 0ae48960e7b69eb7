"""Detects the dialect of delimited text: encoding, delimiter and header."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from ganwright.base.errors import DataError
from ganwright.data.packing import DAMAGED, opened

DELIMITERS = ",;\t|"
_SAMPLE_BYTES, _SAMPLE_ROWS = 1 << 20, 1000
_SAMPLE_CELLS = 100_000  # that are looked at: of a table with very many columns, fewer rows
_BLOCK_BYTES, _LARGEST_BLOCK_BYTES = 1 << 23, 1 << 28
_SLOW_ROWS = 1 << 14
_NAMED = 5
_PROSE_BYTES, _ALIKE = 1 << 16, 0.95  # looked at to tell a table from prose; share of equal lines
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


def sniff(path: Path, first: str = "") -> Dialect:
    """Finds encoding, delimiter and header; `first` is the delimiter to prefer.

    Raises DataError when the file is not a table, or its header can't be used.
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
        raise DataError(f"'{path}' has a header but no rows; at least 2 are needed")
    looked_at = max(20, _SAMPLE_CELLS // len(names))
    rows = [r for r in records[head + 1 :] if len(r) == len(names)][:looked_at]
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
        raise DataError(f"{owner} has duplicate column names: {shown}; each must be unique")
    if "" in names:
        raise DataError(f"{owner}: column {names.index('') + 1} has no name; give it one")


# --- what the file is --------------------------------------------------------------------------


def _sample(path: Path) -> bytes:
    try:
        with opened(path) as file:
            return bytes(file.read(_SAMPLE_BYTES))
    except DAMAGED as error:
        raise DataError(f"'{path}' is damaged or doesn't match its suffix: {error}") from None


def _decoded(path: Path, sample: bytes) -> tuple[str, str, str]:
    """(text, encoding, note); a character cut off at the end of the sample is left out."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if sample.startswith(mark):
            even = sample[: len(sample) // 2 * 2]
            return even.decode(encoding, "replace"), encoding, ""
    for magic, what in _BINARY.items():
        if sample.startswith(magic):
            raise DataError(f"'{path}' is not a text table but {what}")
    if b"\0" in sample:
        raise DataError(f"'{path}' is not a text table: it contains binary data")
    try:
        return sample.decode("utf-8-sig"), "utf-8", ""
    except UnicodeDecodeError as error:
        if error.start >= len(sample) - 4 and len(sample) == _SAMPLE_BYTES:
            return sample[: error.start].decode("utf-8-sig"), "utf-8", ""
    return sample.decode("cp1252", "replace"), "cp1252", NOT_UTF8


def looks_delimited(path: Path) -> bool:
    """Whether a text file is a table and not prose: nearly all of its first lines have as many cells.

    Cells by one of `DELIMITERS`; by spaces only where lines are numbers. What can't be read is no table.
    """
    try:
        with opened(path) as file:
            sample = bytes(file.read(_PROSE_BYTES))
    except (*DAMAGED, DataError):
        return False
    wide = sample.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = sample[: len(sample) // 2 * 2].decode("utf-16" if wide else "utf-8", "replace")
    lines = [line for line in text.splitlines()[:_SAMPLE_ROWS] if line.strip()]
    numbers = sum(all(map(_NUMBER.fullmatch, line.split())) for line in lines[1:])
    spaced = len(lines) > 1 and numbers >= _ALIKE * len(lines[1:])
    for delimiter in DELIMITERS + " " * spaced:
        records = [r for r in _sample_records(text, delimiter, True, False) if any(r)]
        width = len(records[0]) if records else 1
        alike = sum(len(record) == width for record in records)
        if len(records) > 1 and width > 1 and alike >= _ALIKE * len(records):
            return True
    return False


NOT_UTF8 = "the text is not UTF-8: read as Windows-1252"


def delimiter_of(text: str, *, whole: bool = False, first: str = "") -> str:
    """The delimiter that splits most of the first rows into as many cells as the header, then most cells."""
    best, best_score = first or ",", (0.0, 0)
    for delimiter in dict.fromkeys(first + DELIMITERS):
        records = [r for r in _sample_records(text, delimiter, True, whole)[:200] if any(r)]
        width = len(records[0]) if records else 1
        same = sum(len(r) == width for r in records[1:])
        # With only a header, or ragged rows, the header decides.
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
        found.pop()  # the last row may be cut off
    return found


def _check_single(path: Path, names: list[str], rows: list[list[str]]) -> None:
    if len(names) > 1:
        return
    for mark in (*DELIMITERS, ":", "^", "~", " "):
        cut = names[0].count(mark)
        if cut and rows and sum(r[0].count(mark) == cut for r in rows) > len(rows) / 2:
            shown = {"\t": "tab", " ": "space"}.get(mark, mark)
            raise DataError(
                f"'{path}' reads as one column, '{names[0][:60]}': is its delimiter '{shown}'? "
                "Allowed are , ; tab and |"
            )


def _unnamed(path: Path, names: list[str], rows: list[list[str]]) -> tuple[list[int], str]:
    """Places to keep: an unnamed column that is empty or numbers the rows is left out."""
    keep, dropped = [], ""
    for i, name in enumerate(names):
        cells = [row[i].strip() for row in rows]
        counts = [str(n) for n in range(len(cells))], [str(n) for n in range(1, len(cells) + 1)]
        if name == "" and len(names) > 1 and rows and (not any(cells) or cells in counts):
            what = "numbers the rows" if any(cells) else "is empty"
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
