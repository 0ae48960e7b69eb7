"""A CSV that lists picture files and their labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from ganwright.base.errors import DataError
from ganwright.base.paths import readable
from ganwright.data.dialect import delimiter_of
from ganwright.data.source import name_classes
from ganwright.modalities.images.read.sidecar import label_column
from ganwright.modalities.images.read.source import SUFFIXES, ImageSource

_LOOKED_AT = 100  # entries looked at to decide whether they are images
_FILE = ("file", "path", "filename", "file_name", "image")


def lists_pictures(path: Path) -> bool:
    """Whether a column file (or path, …) has mostly pictures, or another one mostly existing ones.

    A listing without rows counts; an unreadable file does not.
    """
    try:
        with _opened(path) as rows:
            return (
                _file_column(path, rows.fieldnames or (), list(islice(rows, _LOOKED_AT)))
                is not None
            )
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


@contextmanager
def _opened(path: Path) -> Iterator[csv.DictReader[str]]:
    # Bytes that are not UTF-8 stay as Python has them in the names of files.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        header = file.readline(1 << 20)
        file.seek(0)
        yield csv.DictReader(file, delimiter=delimiter_of(header))


def _file_column(path: Path, names: Sequence[str], rows: list[dict[str, str]]) -> str | None:
    """The column that names pictures: by its own name and entries, else by the files that are there."""
    usual = {(name or "").strip().lower(): name for name in names}
    for name in _FILE:
        if name in usual:
            entries = _entries(rows, usual[name])
            hits = sum(_looks_like_picture(path.parent, entry) for entry in entries)
            return usual[name] if hits * 2 >= len(entries) else None
    for name in names:
        entries = _entries(rows, name)
        if entries and sum(_is_picture(path.parent, e) for e in entries) * 2 > len(entries):
            return name
    return None


def _entries(rows: list[dict[str, str]], name: str) -> list[str]:
    return [entry for row in rows if (entry := (row[name] or "").strip())]


def _file(folder: Path, entry: str) -> Path:
    """The file that an entry names: as it stands, with slashes for backslashes, or as people read it."""
    forms = (entry, entry.replace("\\", "/"), *readable([entry]))
    with suppress(OSError, ValueError, StopIteration):
        return next(folder / form for form in forms if (folder / form).is_file())
    return folder / entry


def _looks_like_picture(folder: Path, entry: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(entry).suffix.lower() in SUFFIXES or _file(folder, entry).is_file()
    return False


def _is_picture(folder: Path, entry: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(entry).suffix.lower() in SUFFIXES and _file(folder, entry).is_file()
    return False


def csv_source(path: Path, label: str | None = None) -> ImageSource:
    """The pictures a CSV lists: a column file (or path, filename, …) and maybe one of labels.

    That is `label`, or one named label, class or category. Paths are relative to the CSV. Raises
    DataError without such a column, or when only some rows have a label.
    """
    from ganwright.modalities.images.read.folders import files_opener

    files, words, note = _columns(path, label)
    paths = [_file(path.parent, name) for name in files]
    names = readable(files)
    labels, classes = name_classes(readable(words)) if words else (None, ())
    return ImageSource(
        name=path.stem,
        kind="csv",
        path=str(path.resolve()),
        identity=[str(path.resolve()), [(n, *_stat(p)) for n, p in zip(files, paths, strict=True)]],
        count=len(files),
        name_of=names.__getitem__,
        opened=files_opener(paths),
        labels=labels,
        classes=classes,
        notes=(note,),
    )


def _columns(path: Path, label: str | None) -> tuple[list[str], list[str], str]:
    try:
        with _opened(path) as rows:
            names, entries = list(rows.fieldnames or ()), list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' can't be read as CSV: {error}") from None
    file_column = _file_column(path, names, entries[:_LOOKED_AT])
    if file_column is None:
        raise DataError(
            f"'{path}' has the columns {', '.join(names) or '(none)'}; "
            f"picture files are looked for in {', '.join(_FILE)}"
        )
    column = label_column(names, label, f"'{path}'")
    used = [row for row in entries if (row[file_column] or "").strip()]
    files = [row[file_column].strip() for row in used]
    words = [] if column is None else [(row[column] or "").strip() for row in used]
    if any(words) and not all(words):
        raise DataError(f"'{path}': '{files[words.index('')]}' has no label, but others have one")
    of = f"labels from '{column}'" if any(words) else "no labels"
    return files, words if any(words) else [], f"pictures from the column '{file_column}', {of}"


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except (OSError, ValueError):  # reported when it is read
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)
