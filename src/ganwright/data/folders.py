"""Pictures in a folder or a zip: flat, or a folder per class, or with train and test parts."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data.pictures import SUFFIXES, Head, Unreadable, read_head, read_pixels
from ganwright.data.sidecar import NAMES, Read, read_sidecar
from ganwright.data.source import Source, name_classes, natural, tally

_TRAIN = frozenset({"train", "training"})
_TEST = frozenset({"test", "testing", "val", "valid", "validation"})
_LARGEST_FILE_BYTES = 1 << 28  # a member of a zip that unpacks to more is no picture but a bomb


@dataclass(frozen=True)
class Arranged:
    """Paths read as data: which are pictures, in order, and what their folders say."""

    paths: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    official: np.ndarray | None
    ignored: dict[str, int]
    notes: tuple[str, ...]


def arrange(paths: Sequence[str], read: Read | None = None, label: str | None = None) -> Arranged:
    """Reads relative POSIX paths as data.

    Hidden files are passed over and files without a picture's suffix are counted as ignored. A
    single top folder is looked through. Top folders that are all named train, test, val, … are
    the data's own split. Labels come from a file beside the pictures (`ganwright.data.sidecar`,
    opened by `read`; `label` names its column). Otherwise the next folder is the class, if every
    picture lies in one and the folders aren't numbered like the shards of an archive.
    """
    shown = [p for p in paths if not _hidden(p)]
    pictures = sorted((p for p in shown if _suffix(p) in SUFFIXES), key=natural)
    ignored = tally(_suffix(p) or "(no suffix)" for p in shown if _suffix(p) not in SUFFIXES)
    inner = _look_through([PurePosixPath(p).parts for p in pictures])
    official, notes = _official(inner), []
    if official is not None:
        inner = [parts[1:] for parts in inner]
        notes.append("the data's own test part is held out")
    beside = None if read is None else read_sidecar(shown, read, label)
    if beside is None and label is not None:
        raise DataError(
            f"data.label='{label}' names a column, but there is no {' or '.join(NAMES[1:])} "
            "beside the pictures"
        )
    if beside is not None and beside.labels:
        known = [beside.labels[p] for p in pictures if p in beside.labels]
        if len(known) == len(pictures):
            notes.append(f"labels are those of {', '.join(beside.files)}")
            return _arranged(pictures, known, official, ignored, notes)
        notes.append(
            f"no labels: {', '.join(beside.files)} names {len(known):,} of {len(pictures):,} pictures"
        )
        return _arranged(pictures, None, official, ignored, notes)
    keep = _with_class(inner, official)
    if not all(keep):
        notes.append(f"{keep.count(False):,} test pictures lie in no class's folder: left out")
        pictures = [p for p, kept in zip(pictures, keep, strict=True) if kept]
        inner = [p for p, kept in zip(inner, keep, strict=True) if kept]
        official = None if official is None else official[np.array(keep)]
    words: list[str] | None = None
    if inner and all(len(parts) > 1 for parts in inner):
        words = [parts[0] for parts in inner]
        folders = sorted(set(words))
        if (beside is not None and beside.shards) or _numbered(folders):
            notes.append(f"folders {folders[0]} … {folders[-1]} are numbered parts, not classes")
            words = None
    elif any(len(parts) > 1 for parts in inner):
        notes.append("no labels: some pictures lie outside the folders")
    return _arranged(pictures, words, official, ignored, notes)


def _arranged(
    pictures: Sequence[str],
    words: Sequence[str] | None,
    official: np.ndarray | None,
    ignored: dict[str, int],
    notes: Sequence[str],
) -> Arranged:
    labels, classes = (None, ()) if words is None else name_classes(words)
    return Arranged(tuple(pictures), labels, classes, official, ignored, tuple(notes))


def _with_class(inner: list[tuple[str, ...]], official: np.ndarray | None) -> list[bool]:
    """Which pictures are used: not those of a flat test part beside a training part with classes."""
    if official is None:
        return [True] * len(inner)
    pairs = list(zip(inner, official, strict=True))
    classed = all(len(parts) > 1 for parts, test in pairs if not test)
    return [len(parts) > 1 or not (test and classed) for parts, test in pairs]


def _numbered(folders: Sequence[str]) -> bool:
    """Whether folders are named like the parts of an archive: 00000, 00001, … without a gap.

    Classes that are numbers (0 … 9, or 01 … 12) have shorter names.
    """
    if len(folders) < 2 or not all(re.fullmatch(r"[0-9]{4,}", name) for name in folders):
        return False
    numbers = [int(name) for name in folders]
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def readable(paths: Sequence[str]) -> list[str]:
    """Paths as text for people: names that are not UTF-8 read as Windows-1252, distinct ones distinct.

    Python keeps the bytes of such names as lone surrogates, which no file or terminal takes.
    """
    parts = {part for path in paths for part in path.split("/")}
    odd = sorted(part for part in parts if not _is_text(part))
    if not odd:
        return list(paths)
    taken, shown = parts - set(odd), {}
    for part in odd:
        raw = os.fsencode(part)
        name = raw.decode("cp1252", "backslashreplace")
        if name in taken or not name.isprintable():
            name = raw.decode("utf-8", "backslashreplace")
        taken.add(name)
        shown[part] = name
    return ["/".join(shown.get(part, part) for part in path.split("/")) for path in paths]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _look_through(parts: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    while parts and all(len(p) > 1 for p in parts) and len({p[0] for p in parts}) == 1:
        parts = [p[1:] for p in parts]
    return parts


def _official(inner: list[tuple[str, ...]]) -> np.ndarray | None:
    tops = {parts[0].lower() for parts in inner if len(parts) > 1}
    flat = any(len(parts) == 1 for parts in inner)
    if flat or not (tops & _TRAIN and tops & _TEST and tops <= _TRAIN | _TEST):
        return None
    return np.array([parts[0].lower() in _TEST for parts in inner])


class _Files(Protocol):
    def __call__(self, index: int) -> BinaryIO: ...


class FileReader:
    """Reads picture files that `open_file` opens by number."""

    def __init__(self, open_file: _Files) -> None:
        self._open = open_file

    def head(self, index: int) -> Head:
        with self._file(index) as file:
            return read_head(file)

    def read(self, index: int) -> np.ndarray:
        with self._file(index) as file:
            return read_pixels(file)

    def _file(self, index: int) -> BinaryIO:
        try:
            return self._open(index)
        except (
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
            zlib.error,
            zipfile.BadZipFile,
        ) as error:
            raise Unreadable(f"can't be opened: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def folder_source(path: Path, label: str | None = None) -> Source:
    """The pictures under a folder. Links are followed, each folder once.

    `label` names the column of labels in a metadata.csv.
    """
    stats = dict(_walk(path))
    given = list(stats)
    raw = dict(zip(readable(given), given, strict=True))
    found = arrange(list(raw), lambda name: (path / raw[name]).read_bytes(), label)
    (root,) = readable([str(path.resolve())])
    return Source(
        name=root.rpartition("/")[2] or "pictures",
        kind="folder",
        path=root,
        identity=[root, [(p, *stats[raw[p]]) for p in found.paths], found.notes],
        count=len(found.paths),
        name_of=found.paths.__getitem__,
        opened=files_opener([path / raw[p] for p in found.paths]),
        labels=found.labels,
        classes=found.classes,
        official=found.official,
        ignored=found.ignored,
        notes=found.notes,
    )


def files_opener(paths: Sequence[Path]) -> Callable[[], AbstractContextManager[FileReader]]:
    """How a source of plain files is opened."""

    @contextmanager
    def opened() -> Iterator[FileReader]:
        yield FileReader(lambda index: paths[index].open("rb"))

    return opened


def _walk(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Relative path and (bytes, mtime in ns) of every file below; a loop of links ends."""
    seen: set[tuple[int, int]] = set()
    todo = [(root, "")]
    while todo:
        folder, prefix = todo.pop()
        try:
            stat = folder.stat()
            entries = [] if (stat.st_dev, stat.st_ino) in seen else list(os.scandir(folder))
        except OSError as error:
            raise DataError(f"'{folder}' can't be read: {error.strerror}") from None
        seen.add((stat.st_dev, stat.st_ino))
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.name.startswith("."):
                continue
            if _is_dir(entry):
                todo.append((folder / entry.name, f"{name}/"))
            else:
                yield name, _size_and_time(entry)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        stat = entry.stat()
    except OSError:  # a dangling link: it will be named when it is read
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)


def zip_source(path: Path, label: str | None = None) -> Source:
    """The pictures in a zip, read where they lie. Raises DataError for a damaged zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            raw = {_slashes(m.filename): m.filename for m in archive.infolist() if not m.is_dir()}
            files = [name for name in raw if not name.endswith("/")]
            found = arrange(files, lambda name: _member(archive, raw[name]).read(), label)
    except (zipfile.BadZipFile, OSError, NotImplementedError, zlib.error, RuntimeError) as error:
        raise DataError(f"'{path}' is not a zip that can be read: {_reason(error)}") from None

    @contextmanager
    def opened() -> Iterator[FileReader]:
        with zipfile.ZipFile(path) as archive:
            yield FileReader(lambda index: _member(archive, raw[found.paths[index]]))

    stat = path.stat()
    return Source(
        name=path.stem,
        kind="zip",
        path=str(path.resolve()),
        identity=[str(path.resolve()), stat.st_size, stat.st_mtime_ns],
        count=len(found.paths),
        name_of=found.paths.__getitem__,
        opened=opened,
        labels=found.labels,
        classes=found.classes,
        official=found.official,
        ignored=found.ignored,
        notes=found.notes,
    )


def _slashes(name: str) -> str:
    """A name in a zip with slashes; some Windows programs write backslashes instead."""
    return name if "/" in name else name.replace("\\", "/")


def _member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    if archive.getinfo(name).file_size > _LARGEST_FILE_BYTES:
        raise Unreadable(f"unpacks to more than {_LARGEST_FILE_BYTES >> 20} MiB")
    with archive.open(name) as member:  # never gives more than the stated size
        return io.BytesIO(member.read())
