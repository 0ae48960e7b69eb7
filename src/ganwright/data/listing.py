"""A CSV that lists picture files and their labels."""

from __future__ import annotations

import csv
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ganwright.base.errors import DataError
from ganwright.data.folders import files_opener
from ganwright.data.pictures import SUFFIXES
from ganwright.data.source import Source, name_classes

_LOOKED_AT = 100  # entries, before it is said that they are pictures or not
_FILE = ("file", "path", "filename", "image")
_LABEL = ("label", "class")


def lists_pictures(path: Path) -> bool:
    """Whether it has a column file (or path, …) most of whose entries are or look like pictures.

    A listing without rows is one; what can't be read is not.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline(1 << 20)
            file.seek(0)
            rows = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
            names = {(n or "").strip().lower(): n for n in rows.fieldnames or ()}
            column = next((names[n] for n in _FILE if n in names), None)
            if column is None:
                return False
            entries = [(row[column] or "").strip() for row in islice(rows, _LOOKED_AT)]
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    entries = [entry for entry in entries if entry]
    return sum(_is_picture(path.parent, entry) for entry in entries) * 2 >= len(entries)


def _is_picture(folder: Path, entry: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(entry).suffix.lower() in SUFFIXES or (folder / entry).is_file()
    return False


def csv_source(path: Path) -> Source:
    """The pictures a CSV lists: a column file (or path, filename, image) and maybe label (or class).

    Paths are relative to the CSV. Raises DataError without such a column, or when only some
    rows have a label.
    """
    files, words = _columns(path)
    paths = [path.parent / name for name in files]

    labels, classes = name_classes(words) if words else (None, ())
    return Source(
        name=path.stem,
        kind="csv",
        path=str(path.resolve()),
        identity=[str(path.resolve()), [(n, *_stat(p)) for n, p in zip(files, paths, strict=True)]],
        count=len(files),
        name_of=files.__getitem__,
        opened=files_opener([path.parent / name for name in files]),
        labels=labels,
        classes=classes,
    )


def _columns(path: Path) -> tuple[list[str], list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
            names = {(n or "").strip().lower(): n for n in rows.fieldnames or ()}
            file_column = next((names[n] for n in _FILE if n in names), None)
            label_column = next((names[n] for n in _LABEL if n in names), None)
            if file_column is None:
                raise DataError(
                    f"'{path}' has the columns {', '.join(names) or '(none)'}; "
                    f"picture files are looked for in {', '.join(_FILE)}"
                )
            pairs = [(r[file_column], r.get(label_column or "")) for r in rows if r[file_column]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is not a CSV that can be read: {error}") from None
    files = [file.strip() for file, _ in pairs]
    words = [(word or "").strip() for _, word in pairs]
    if any(words) and not all(words):
        raise DataError(f"'{path}': '{files[words.index('')]}' has no label, but others have one")
    return files, words if any(words) else []


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except (OSError, ValueError):  # it will be named when it is read
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)
