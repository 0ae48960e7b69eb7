"""Pictures in a folder or a zip: flat, or a folder per class, or with train and test parts."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.paths import open_regular, readable
from ganwright.data.folders import (
    Arranged,
    Words,
    arranged,
    hidden,
    member,
    sorted_out,
    walk,
    words_of_folders,
)
from ganwright.data.source import Unreadable
from ganwright.modalities.images.read.pictures import read_head, read_pixels
from ganwright.modalities.images.read.sidecar import NAMES, Read, Sidecar, read_sidecar
from ganwright.modalities.images.read.source import SUFFIXES, Head, ImageSource


def arrange(paths: Sequence[str], read: Read | None = None, label: str | None = None) -> Arranged:
    """Reads relative POSIX paths as data.

    Labels come from a file beside the pictures (see `sidecar`, opened by `read`; `label` names
    its column). Otherwise the next folder is the class, if nearly every picture lies in one and the
    folders aren't numbered like the shards of an archive.
    """
    pictures, inner, official, ignored = sorted_out(paths, SUFFIXES)
    shown = [p for p in paths if not hidden(p)]
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
        words, notes = words_of_folders(
            inner, test, things="pictures", shards=beside is not None and beside.shards
        )
        notes += () if beside is None else beside.notes
    return arranged(pictures, words, official, ignored, notes)


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
    stats = dict(walk(path))
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


def zip_source(path: Path, label: str | None = None) -> ImageSource:
    """The images in a zip, read in place. Raises DataError for a damaged zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [m.filename for m in archive.infolist()]
            shown = readable([name.replace("\\", "/") for name in names])  # some write backslashes
            raw = dict(zip(shown, names, strict=True))
            files = [name for name in raw if not name.endswith("/")]
            found = arrange(files, lambda name: member(archive, raw[name]).read(), label)
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
            yield FileReader(lambda index: member(archive, raw[found.paths[index]]))

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
