"""Texts from files, one by one and in bounded memory: lines, windows of running text, cells, files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ganwright.base.errors import DataError, message
from ganwright.data.packing import ARROW_SUFFIXES, DAMAGED, inner, opened
from ganwright.data.source import natural

PIECE = 1 << 16  # bytes read at once, and of a line that are used
SAMPLE = 1 << 20  # bytes by which `auto` decides
EMPTY_LINES, LONG_LINE = 0.1, 400  # from here on: running text
_MARK = b"\xef\xbb\xbf"  # of byte order
Cut = tuple[str, str]  # a text, and its class or ""


@dataclass
class Seen:
    """What could not be used, told as it is met."""

    skipped: list[tuple[str, str]]
    cut: int = 0  # lines of more than `PIECE` bytes


def is_running(path: Path) -> str:
    """Why a file is running text rather than a text a line; "" where it isn't. Raises DataError."""
    try:
        with opened(path) as file:
            sample = bytes(file.read(SAMPLE))
    except DAMAGED as error:
        raise DataError(f"'{path}' can't be read: {error}") from None
    if not sample.removeprefix(_MARK).strip():
        raise DataError(f"'{path}' is empty")
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"'{path}' is UTF-16; save it as UTF-8")
    if b"\0" in sample:
        raise DataError(f"'{path}' is no text: it contains binary data")
    lines = sample.splitlines()
    full = sorted(len(line) for line in lines if line.strip())
    if len(full) < 2:
        return "it has only one line"
    if (empty := 1 - len(full) / len(lines)) >= EMPTY_LINES:
        return f"{empty:.0%} of its lines are empty"
    if (middle := full[len(full) // 2]) > LONG_LINE:
        return f"half of its lines have more than {middle - 1:,} bytes"
    return ""


def lines(path: Path, seen: Seen) -> Iterator[str]:
    """The lines of a file that are not empty; a very long one up to 64 KiB."""
    number = 0
    for begins, at, raw in _pieces(path):
        if not begins:
            continue
        number += 1
        if len(raw) == PIECE and not raw.endswith(b"\n"):
            seen.cut += 1
            raw = _whole_characters(raw)
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            seen.skipped.append((f"line {number}", _bad(error, at)))
            continue
        if text.strip():
            yield text


def stream(path: Path, seen: Seen) -> Iterator[str]:
    """A file's text in pieces; bytes that are not UTF-8 are left out."""
    held = b""
    for _, at, raw in _pieces(path):
        whole = _whole_characters(held + raw)
        start = at - len(held)
        held = (held + raw)[len(whole) :]
        while whole:
            try:
                yield whole.decode("utf-8")
                break
            except UnicodeDecodeError as error:
                seen.skipped.append(("text", _bad(error, start)))
                yield whole[: error.start].decode("utf-8")
                whole, start = whole[error.end :], start + error.end
    if held:
        seen.skipped.append(("text", "ends within a character"))


def _pieces(path: Path) -> Iterator[tuple[bool, int, bytes]]:
    """(begins a line, byte it is at, up to 64 KiB of a line) without a byte order mark."""
    with opened(path) as raw, io.BufferedReader(cast("io.RawIOBase", raw), PIECE) as file:
        begins, at = True, 0
        while piece := file.readline(PIECE):
            after = at + len(piece)
            if at == 0:
                piece = piece.removeprefix(_MARK)
            yield begins, after - len(piece), piece
            begins, at = piece.endswith(b"\n"), after


def _whole_characters(raw: bytes) -> bytes:
    """Without the beginning of a character at the end."""
    for back in range(1, min(4, len(raw) + 1)):
        lead = raw[-back]
        if lead & 0xC0 == 0xC0:
            length = 2 + (lead >= 0xE0) + (lead >= 0xF0)
            return raw[:-back] if back < length else raw
        if lead & 0x80 == 0:
            return raw
    return raw


def _bad(error: UnicodeDecodeError, start: int) -> str:
    byte = error.object[error.start]
    return f"is not UTF-8: byte 0x{byte:02x} at {start + error.start:,}"


def windows(pieces: Iterator[str], cut: Cutter) -> Iterator[str]:
    """Running text in windows that follow each other; put together they are the text."""
    held = ""
    for piece in pieces:
        held += piece
        if len(held) < PIECE:
            continue
        *whole, held = cut(held)
        yield from whole
    yield from (window for window in cut(held) if window.strip())


class Cutter:
    """Cuts running text into windows of `length` units, each after a space where there is one."""

    def __init__(self, into: str, length: int) -> None:
        from ganwright.modalities.text.units import CUT, JOIN

        self.units, self.join, self.length = CUT[into], JOIN[into], length
        self.spaced = into != "words"

    def __call__(self, text: str) -> list[str]:
        units, found, start = self.units(text), [], 0
        while len(units) - start > self.length:
            end = start + self.length
            if self.spaced:
                spaces = (
                    i for i in range(end, start + self.length // 2, -1) if units[i - 1].isspace()
                )
                end = next(spaces, end)
            found.append(self.join(units[start:end]))
            start = end
        return [*found, self.join(units[start:])]


def cells(path: Path, column: str, classes: str | None) -> Iterator[Cut]:
    """Texts and classes of a table's columns; empty cells are no texts. Raises DataError."""
    wanted = [column] if classes is None else [column, classes]
    for block in _table(path, wanted):
        told = block[1] if classes is not None else [""] * len(block[0])
        for text, own in zip(block[0], told, strict=True):
            if text is not None and str(text).strip() and own is not None:
                yield str(text), str(own)


def _table(path: Path, wanted: list[str]) -> Iterator[list[list[object]]]:
    if path.suffix.lower() in ARROW_SUFFIXES:
        import pyarrow.dataset as ds

        form = "parquet" if path.suffix.lower() in (".parquet", ".pq") else "feather"
        try:
            data = ds.dataset(path, format=form)
            _check(path, data.schema.names, wanted)
            for batch in data.to_batches(columns=wanted):
                yield [column.to_pylist() for column in batch.columns]
        except (ValueError, OSError) as error:  # of Arrow
            raise DataError(f"'{path}' can't be read: {str(error).partition(chr(10))[0]}") from None
        return
    from ganwright.data.delimited import NotText, Ragged, blocks
    from ganwright.data.dialect import sniff

    dialect = sniff(path)
    _check(path, list(dialect.names), wanted)
    try:
        for batch in blocks(path, dialect, Ragged()):
            yield [batch.column(name).to_pylist() for name in wanted]
    except NotText:
        raise DataError(f"'{path}' is not UTF-8; save it as UTF-8") from None


def _check(path: Path, names: list[str], wanted: list[str]) -> None:
    for name in wanted:
        if name not in names:
            problem = f"'{path}' has no column '{name}'"
            raise DataError(message("data.text", problem, allowed=names, got=name))


def text_files(folder: Path) -> list[Path]:
    """The texts in a folder and those within it, in natural order; hidden ones are passed over."""
    found = (p for p in folder.rglob("*") if inner(p).suffix.lower() == ".txt" and p.is_file())
    shown = [p for p in found if not any(x.startswith(".") for x in p.relative_to(folder).parts)]
    return sorted(shown, key=lambda p: natural(str(p.relative_to(folder))))


def files(folder: Path, seen: Seen) -> Iterator[Cut]:
    """The files of a folder, each a text, up to 64 KiB; a folder for each class makes classes."""
    every = text_files(folder)
    classed = bool(every) and all(file.parent != folder for file in every)
    for file in every:
        own = Seen([])
        text = _first(stream(file, own), PIECE).strip()
        name = str(file.relative_to(folder))
        if own.skipped:
            seen.skipped.append((name, own.skipped[0][1]))
        elif not text:
            seen.skipped.append((name, "is empty"))
        else:
            yield text, file.relative_to(folder).parts[0] if classed else ""


def _first(pieces: Iterator[str], most: int) -> str:
    found = ""
    for piece in pieces:
        found += piece
        if len(found) >= most:
            break
    return found[:most]
