"""Files in a folder or a zip, read as data: flat, or a folder per class, or with train and test parts."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from ganwright.base.errors import DataError, UsageError
from ganwright.data.source import Unreadable, name_classes, natural, tally

_TRAIN = frozenset({"train", "training"})
_TEST = frozenset({"test", "testing", "val", "valid", "validation"})
_STRAYS = 0.05  # of the examples may lie outside folders that are classes
LARGEST_FILE_BYTES = 1 << 28  # a larger zip member is not an example but a zip bomb
Words = list[str | None] | None  # labels, None for examples that are left out; or no labels at all


@dataclass(frozen=True)
class Arranged:
    """Paths read as data: the examples, in order, and the labels by folder."""

    paths: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    official: np.ndarray | None
    ignored: dict[str, int]
    notes: tuple[str, ...]


class Sorted(NamedTuple):
    """Relative POSIX paths sorted out: those of examples, in natural order, and what their folders say.

    `inner` are the parts of each path below the folders that all share and those of the data's own
    split, `official` (n,) bool is True for examples of its test part. `ignored` counts other files by suffix.
    """

    files: list[str]
    inner: list[tuple[str, ...]]
    official: np.ndarray | None
    ignored: dict[str, int]


def sorted_out(paths: Sequence[str], suffixes: Collection[str]) -> Sorted:
    """Skips hidden files, counts files without one of the suffixes, and descends into a single top folder.

    Top folders that are all named train, test, val, … are the data's own split.
    """
    shown = [p for p in paths if not hidden(p)]
    files = sorted((p for p in shown if suffix(p) in suffixes), key=natural)
    ignored = tally(suffix(p) or "(no suffix)" for p in shown if suffix(p) not in suffixes)
    inner = _look_through([PurePosixPath(p).parts for p in files])
    official = _official(inner)
    if official is not None:
        inner = [parts[1:] for parts in inner]
    return Sorted(files, inner, official, ignored)


def words_of_folders(
    inner: list[tuple[str, ...]], test: np.ndarray, *, things: str, shards: bool = False
) -> tuple[Words, list[str]]:
    """Labels by folder; test examples without a class of the training part are left out."""
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
        return None, [f"no labels: some {things} lie outside the folders"]
    notes = [f"{bare:,} of {len(training):,} lie outside the folders: left out"] if bare else []
    if len(folders) > 1 and all(re.fullmatch("[0-9]{4,}", name) for name in folders):
        notes.append(f"{between}: taken for classes; data.labels=false trains without")
    tested = [word for word, held in zip(words, test, strict=True) if held]
    if not known & set(tested):  # a test part without its classes
        words = [None if held else word for word, held in zip(words, test, strict=True)]
        tested = [None] * len(tested)
    if lost := tested.count(None):
        notes.append(f"{lost:,} test {things} are in no class folder: left out")
    return words, notes


def _numbered(sizes: Mapping[str, int]) -> bool:
    """Whether folders are the parts of an archive, by their names and how many files they hold.

    The names are 00000, 00001, … or evenly spaced as in 00000, 01000, …, of one length of four digits
    at least; all but the last contain equally many files, and the last no more. Classes that are
    numbers (0 … 9, or 01 … 12) have shorter names and rarely equal sizes.
    """
    folders = sorted(sizes)
    if len(folders) < 2 or not all(re.fullmatch("[0-9]{4,}", name) for name in folders):
        return False
    numbers, counts = np.array([int(name) for name in folders]), [sizes[name] for name in folders]
    even = numbers[0] in (0, 1) and len(np.unique(np.diff(numbers))) == 1
    return bool(even) and len(set(counts[:-1])) == 1 and counts[-1] <= counts[0]


def arranged(
    files: Sequence[str],
    words: Words,
    official: np.ndarray | None,
    ignored: dict[str, int],
    notes: Sequence[str],
) -> Arranged:
    """The files that have a label, if any have, in the data's own parts, if it has both."""
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if words is not None:
        keep = np.array([word is not None for word in words], bool)
        files = [p for p, kept in zip(files, keep, strict=True) if kept]
        official = None if official is None else official[keep]
        labels, classes = name_classes([word for word in words if word is not None])
    if official is not None and official.any():
        notes = ["the data's own test part is held out", *notes]
    else:
        official = None
    return Arranged(tuple(files), labels, classes, official, ignored, tuple(notes))


def hidden(path: str) -> bool:
    parts = PurePosixPath(path).parts  # a leading ./ is not a part
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def suffix(path: str) -> str:
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


def walk(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
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


def member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    if archive.getinfo(name).file_size > LARGEST_FILE_BYTES:
        raise Unreadable(f"unpacks to more than {LARGEST_FILE_BYTES >> 20} MiB")
    with archive.open(name) as member:  # never gives more than the stated size
        return io.BytesIO(member.read())


def check_new(out: Path, option: str = "--out") -> None:
    """Raises UsageError unless a new folder can be made at `out`, which `option` named."""
    check_free(out, option)
    above = next(p for p in (out, *out.absolute().parents) if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: '{out}' can't be made: nothing may be written in '{above}'")


def check_free(out: Path, option: str = "--out") -> None:
    """Raises UsageError where there is something at `out`, except for an empty folder."""
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UsageError(f"{option}: '{out}' exists and is not an empty folder")


class Places:
    """Names for files in the folders of classes, none twice, whatever letters a class has."""

    def __init__(self, classes: Sequence[str]) -> None:
        numbered = [f"class-{i}" for i in range(len(classes))]
        while set(numbered) & set(classes):
            numbered = [f"{name}_" for name in numbered]
        self.folders = {
            name: name if _is_safe(name) else number
            for name, number in zip(classes, numbered, strict=True)
        }
        self.taken: set[str] = set()

    def place(self, label: str, name: str) -> str:
        """A path for the file `name` of a class, relative to the folder."""
        path, folder = PurePosixPath(name), PurePosixPath(self.folders.get(label, ""))
        found, number = folder / path.name, 1
        while str(found).lower() in self.taken:  # some file systems know no capitals
            number += 1
            found = folder / f"{path.stem}-{number}{path.suffix}"
        self.taken.add(str(found).lower())
        return str(found)


def _is_safe(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set(name) & set('/\\:*?"<>|\0')
