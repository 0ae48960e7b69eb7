"""Pictures in a folder or a zip: flat, or a folder per class, or with train and test parts."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.paths import open_regular, readable
from ganwright.data.source import name_classes, natural, tally
from ganwright.modalities.images.read.pictures import read_head, read_pixels
from ganwright.modalities.images.read.sidecar import NAMES, Read, Sidecar, read_sidecar
from ganwright.modalities.images.read.source import SUFFIXES, Head, ImageSource, Unreadable

_TRAIN = frozenset({"train", "training"})
_TEST = frozenset({"test", "testing", "val", "valid", "validation"})
_STRAYS = 0.05  # of the pictures may lie outside folders that are classes
_LARGEST_FILE_BYTES = 1 << 28  # a larger zip member is not an image but a zip bomb


@dataclass(frozen=True)
class Arranged:
    """Paths read as data: the images, in order, and the labels by folder."""

    paths: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    official: np.ndarray | None
    ignored: dict[str, int]
    notes: tuple[str, ...]


def arrange(paths: Sequence[str], read: Read | None = None, label: str | None = None) -> Arranged:
    """Reads relative POSIX paths as data.

    Hidden files are skipped, and files without an image suffix are counted as ignored. A single top
    folder is descended into. Top folders that are all named train, test, val, … are the data's own
    split. Labels come from a file beside the pictures (see `sidecar`, opened by `read`; `label` names
    its column). Otherwise the next folder is the class, if nearly every picture lies in one and the
    folders aren't numbered like the shards of an archive.
    """
    shown = [p for p in paths if not _hidden(p)]
    pictures = sorted((p for p in shown if _suffix(p) in SUFFIXES), key=natural)
    ignored = tally(_suffix(p) or "(no suffix)" for p in shown if _suffix(p) not in SUFFIXES)
    inner = _look_through([PurePosixPath(p).parts for p in pictures])
    official = _official(inner)
    if official is not None:
        inner = [parts[1:] for parts in inner]
    beside = None if read is None else read_sidecar(shown, read, label)
    if beside is None and label is not None:
        raise DataError(
            f"data.label='{label}' names a column, but there is no {' or '.join(NAMES[1:])} "
            "beside the pictures"
        )
    test = np.zeros(len(inner), bool) if official is None else official
    if beside is not None and beside.labels:
        words, notes = _words_beside(pictures, beside, test)
    else:
        words, notes = _words_of_folders(inner, test, beside is not None and beside.shards)
        notes += () if beside is None else beside.notes
    return _arranged(pictures, words, official, ignored, notes)


Words = list[str | None] | None  # labels, None for pictures that are left out; or no labels at all


def _arranged(
    pictures: Sequence[str],
    words: Words,
    official: np.ndarray | None,
    ignored: dict[str, int],
    notes: Sequence[str],
) -> Arranged:
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if words is not None:
        keep = np.array([word is not None for word in words], bool)
        pictures = [p for p, kept in zip(pictures, keep, strict=True) if kept]
        official = None if official is None else official[keep]
        labels, classes = name_classes([word for word in words if word is not None])
    if official is not None and official.any():
        notes = ["the data's own test part is held out", *notes]
    else:
        official = None
    return Arranged(tuple(pictures), labels, classes, official, ignored, tuple(notes))


def _words_beside(
    pictures: Sequence[str], beside: Sidecar, test: np.ndarray
) -> tuple[Words, list[str]]:
    """Labels from a file beside the images; images it does not list are left out."""
    words: list[str | None] = [beside.labels.get(p) for p in pictures]
    files = ", ".join(beside.files)
    named = sum(word is not None for word in words)
    training = [word for word, held in zip(words, test, strict=True) if not held]
    if sum(word is not None for word in training) * 2 < len(training):
        return None, [f"no labels: {files} names {named:,} of {len(words):,} pictures"]
    notes = [f"labels are those of {files}", *beside.notes]
    if named < len(words):
        notes.append(f"{len(words) - named:,} pictures have no label in it: left out")
    return words, notes


def _words_of_folders(
    inner: list[tuple[str, ...]], test: np.ndarray, shards: bool
) -> tuple[Words, list[str]]:
    """Labels by folder; test images without a class of the training part are left out."""
    words: list[str | None] = [parts[0] if len(parts) > 1 else None for parts in inner]
    training = [word for word, held in zip(words, test, strict=True) if not held]
    known = {word for word in training if word is not None}
    if not known:
        return None, []
    sizes = tally(word for word in training if word is not None)
    folders = sorted(known)
    between = f"folders {folders[0]} … {folders[-1]} are numbered"
    if shards or _numbered(sizes):
        return None, [f"{between} parts, not classes"]
    bare = training.count(None)
    if bare > _STRAYS * len(training):
        return None, ["no labels: some pictures lie outside the folders"]
    notes = [f"{bare:,} of {len(training):,} lie outside the folders: left out"] if bare else []
    if len(folders) > 1 and all(re.fullmatch("[0-9]{4,}", name) for name in folders):
        notes.append(f"{between}: taken for classes; data.labels=false trains without")
    tested = [word for word, held in zip(words, test, strict=True) if held]
    if not known & set(tested):  # a test part without its classes
        words = [None if held else word for word, held in zip(words, test, strict=True)]
        tested = [None] * len(tested)
    if lost := tested.count(None):
        notes.append(f"{lost:,} test pictures are in no class folder: left out")
    return words, notes


def _numbered(sizes: Mapping[str, int]) -> bool:
    """Whether folders are the parts of an archive, by their names and how many pictures they hold.

    The names are 00000, 00001, … or evenly spaced as in 00000, 01000, …, of one length of four digits
    at least; all but the last contain equally many images, and the last no more. Classes that are
    numbers (0 … 9, or 01 … 12) have shorter names and rarely equal sizes.
    """
    folders = sorted(sizes)
    if len(folders) < 2 or not all(re.fullmatch("[0-9]{4,}", name) for name in folders):
        return False
    numbers, counts = np.array([int(name) for name in folders]), [sizes[name] for name in folders]
    even = numbers[0] in (0, 1) and len(np.unique(np.diff(numbers))) == 1
    return bool(even) and len(set(counts[:-1])) == 1 and counts[-1] <= counts[0]


def _hidden(path: str) -> bool:
    parts = PurePosixPath(path).parts  # a leading ./ is not a part
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


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

    def content(self, index: int) -> bytes:
        """The file itself."""
        with self._file(index) as file:
            return file.read()

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


def folder_source(path: Path, label: str | None = None) -> ImageSource:
    """The pictures under a folder. Links are followed, each folder once.

    `label` names the column of labels in a metadata.csv.
    """
    stats = dict(_walk(path))
    given = list(stats)
    raw = dict(zip(readable(given), given, strict=True))
    found = arrange(list(raw), lambda name: _content(path / raw[name]), label)
    (root,) = readable([str(path.resolve())])
    return ImageSource(
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
        yield FileReader(lambda index: open_regular(paths[index]))

    return opened


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


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
    except OSError:  # a dangling link: reported when it is read
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)


def zip_source(path: Path, label: str | None = None) -> ImageSource:
    """The images in a zip, read in place. Raises DataError for a damaged zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [m.filename for m in archive.infolist()]
            shown = readable([name.replace("\\", "/") for name in names])  # some write backslashes
            raw = dict(zip(shown, names, strict=True))
            files = [name for name in raw if not name.endswith("/")]
            found = arrange(files, lambda name: _member(archive, raw[name]).read(), label)
    except (
        zipfile.BadZipFile,
        OSError,
        NotImplementedError,
        zlib.error,
        RuntimeError,
        UnicodeDecodeError,
        Unreadable,
    ) as error:
        raise DataError(f"'{path}' can't be read as a zip: {_reason(error)}") from None

    @contextmanager
    def opened() -> Iterator[FileReader]:
        with zipfile.ZipFile(path) as archive:
            yield FileReader(lambda index: _member(archive, raw[found.paths[index]]))

    stat = path.stat()
    return ImageSource(
        name=path.stem,
        kind="zip",
        path=str(path.resolve()),
        identity=[str(path.resolve()), stat.st_size, stat.st_mtime_ns, found.paths],
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
