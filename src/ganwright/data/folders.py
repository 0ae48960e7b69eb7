"""Pictures in a folder or a zip: flat, or a folder per class, or with train and test parts."""

from __future__ import annotations

import io
import os
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


def arrange(paths: Sequence[str]) -> Arranged:
    """Reads relative POSIX paths as data.

    Hidden files are passed over and files without a picture's suffix are counted as ignored. A
    single top folder is looked through. Top folders that are all named train, test, val, … are
    the data's own split. The next folder is the class, if every picture lies in one.
    """
    shown = [p for p in paths if not _hidden(p)]
    pictures = sorted((p for p in shown if _suffix(p) in SUFFIXES), key=natural)
    ignored = tally(_suffix(p) or "(no suffix)" for p in shown if _suffix(p) not in SUFFIXES)
    inner = _look_through([PurePosixPath(p).parts for p in pictures])
    official, notes = _official(inner), []
    if official is not None:
        inner = [parts[1:] for parts in inner]
        notes.append("the data's own test part is held out")
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if inner and all(len(parts) > 1 for parts in inner):
        labels, classes = name_classes([parts[0] for parts in inner])
    elif any(len(parts) > 1 for parts in inner):
        notes.append("no labels: some pictures lie outside the folders")
    return Arranged(tuple(pictures), labels, classes, official, ignored, tuple(notes))


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


def folder_source(path: Path) -> Source:
    """The pictures under a folder. Links are followed, each folder once."""
    stats = dict(_walk(path))
    found = arrange(list(stats))
    return Source(
        name=path.resolve().name or "pictures",
        kind="folder",
        path=str(path.resolve()),
        identity=[str(path.resolve()), [(p, *stats[p]) for p in found.paths]],
        count=len(found.paths),
        name_of=found.paths.__getitem__,
        opened=files_opener([path / p for p in found.paths]),
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


def zip_source(path: Path) -> Source:
    """The pictures in a zip, read where they lie. Raises DataError for a damaged zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(f"'{path}' is not a zip that can be read: {_reason(error)}") from None
    found = arrange([m.filename for m in members])

    @contextmanager
    def opened() -> Iterator[FileReader]:
        with zipfile.ZipFile(path) as archive:
            yield FileReader(lambda index: _member(archive, found.paths[index]))

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


def _member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    if archive.getinfo(name).file_size > _LARGEST_FILE_BYTES:
        raise Unreadable(f"unpacks to more than {_LARGEST_FILE_BYTES >> 20} MiB")
    with archive.open(name) as member:  # never gives more than the stated size
        return io.BytesIO(member.read())
