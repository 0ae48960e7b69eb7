"""Samples → files, atomically and in constant memory: what the writers of all modalities share.

Each writer is a context manager; ``add`` takes samples as they come, and the file or folder appears
under its name when the block ends well.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Generic, Protocol, TypeVar, cast

import numpy as np

from ganwright.base.errors import OptionError, UsageError, WorkError, message
from ganwright.base.modality import modality
from ganwright.base.runs import replacing
from ganwright.data.codec import Codec
from ganwright.data.folders import check_free

C = TypeVar("C")  # the codec


class Writer(Protocol):
    """The interface of a modality's `WRITERS`, made from a codec, a path, a number and classes."""

    def __enter__(self) -> Writer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None: ...

    def add(self, samples: Any, labels: np.ndarray | None, seeds: np.ndarray | int) -> None:
        """Writes samples as the codec decodes them, with labels (b,) or None and seeds (b,) or one."""
        ...


class Writers(Protocol):
    """What a modality's `writers` offers."""

    WRITERS: Mapping[str, Callable[[Any, Path, int, tuple[str, ...]], Writer]]

    def format_for(self, codec: Any, path: Path, format: str | None) -> str: ...  # noqa: A002


def format_for(codec: Codec, path: str | Path, format: str | None = None) -> str:  # noqa: A002
    """The format of samples: `format`, or what the suffix of `path` says.

    Raises OptionError.
    """
    return _of(codec).format_for(codec, Path(path), format)


def writer_for(
    codec: Codec,
    path: str | Path,
    format: str,  # noqa: A002
    count: int,
    classes: Sequence[str] = (),
) -> Writer:
    """The writer of `count` samples of `codec` to `path`."""
    return _of(codec).WRITERS[format](codec, Path(path), count, tuple(classes))


def _of(codec: Codec) -> Writers:
    return cast("Writers", modality(codec.kind).part("writers"))


def chosen_format(
    path: Path,
    format: str | None,  # noqa: A002
    suffixes: Mapping[str, str],
    formats: Iterable[str],
    what: str,
    places: Iterable[str],
) -> str:
    """The format given, or what the suffix of `path` says by `suffixes`. Raises OptionError."""
    suffix = path.suffix.lower() if path.suffix.lower() in suffixes else ""
    by_suffix = "" if path.suffix and not suffix else suffixes.get(suffix, "")
    if format is None and by_suffix:
        return by_suffix
    if format is None:
        problem = f"'{path.name}' has no known suffix for {what}"
        raise OptionError(message("--out", problem, allowed=places))
    if format not in formats:
        raise OptionError(message("--format", f"can't be '{format}'", allowed=formats, got=format))
    if suffix and format != by_suffix:
        raise OptionError(f"--format: '{format}' doesn't match '{path.name}' ({by_suffix})")
    return format


class Writing(Generic[C]):
    """The part that all formats share: checks, atomic writing, counting."""

    def __init__(self, codec: C, path: Path, count: int, classes: tuple[str, ...]) -> None:
        self.codec, self.path, self.count, self.classes = codec, path, count, classes
        self.written = 0
        self._stack = ExitStack()
        self._check()

    def _check(self) -> None:
        if self.path.is_dir():
            raise UsageError(f"--out: '{self.path}' is a folder; name a file")

    def __enter__(self) -> Writing[C]:
        self._stack.enter_context(_told(self.path))
        try:
            self._begin(self._stack.enter_context(replacing(self.path)))
        except OSError as error:
            with suppress(WorkError):
                self._stack.__exit__(type(error), error, error.__traceback__)
            raise UsageError(_unwritable(self.path, error)) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            if self.written != self.count:
                raise ValueError(f"{self.written} samples were added, but {self.count} announced")
            self._end()
        return None

    def add(self, samples: Any, labels: np.ndarray | None, seeds: np.ndarray | int) -> None:
        given: list[int | None] = [None] * len(samples) if labels is None else labels.tolist()
        self._add(samples, given, np.broadcast_to(seeds, len(samples)))
        self.written += len(samples)

    def _begin(self, aside: Path) -> None:
        raise NotImplementedError

    def _add(self, samples: Any, labels: list[int | None], seeds: np.ndarray) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class FolderWriter(Writing[C]):
    """A folder with a file for each sample, 000000 and so on, and samples.csv (file, label, seed)."""

    suffix: ClassVar[str]

    def _save(self, sample: Any, path: Path) -> None:
        """Writes one sample."""
        raise NotImplementedError

    def _check(self) -> None:
        check_free(self.path)

    def _begin(self, aside: Path) -> None:
        aside.mkdir()
        self._folder = aside
        self._digits = max(6, len(str(max(0, self.count - 1))))
        file = self._stack.enter_context(
            (aside / "samples.csv").open("w", newline="", encoding="utf-8")
        )
        self._table = csv.writer(file)
        self._table.writerow(["file", "label", "seed"])

    def _add(self, samples: Any, labels: list[int | None], seeds: np.ndarray) -> None:
        for i, sample in enumerate(samples):
            name = f"{self.written + i:0{self._digits}}{self.suffix}"
            self._save(sample, self._folder / name)
            label = labels[i]
            self._table.writerow([name, "" if label is None else self._name(label), int(seeds[i])])

    def _name(self, label: int) -> str:
        return self.classes[label] if self.classes else str(label)

    def _end(self) -> None:
        pass


class ArrayWriter(Writing[C]):
    """One .npz: `samples` (n, …), and where there are classes `labels` (n,) int64, places in `classes`,
    the names.
    """

    def _form(self) -> tuple[tuple[int, ...], str]:
        """The shape and type of one sample."""
        raise NotImplementedError

    def _begin(self, aside: Path) -> None:
        self._archive = self._stack.enter_context(zipfile.ZipFile(aside, "w", allowZip64=True))
        self._member = self._stack.enter_context(self._entry("samples"))
        self._labels: list[int | None] = []
        shape, dtype = self._form()
        descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
        header = {"descr": descr, "fortran_order": False, "shape": (self.count, *shape)}
        np.lib.format.write_array_header_1_0(self._member, header)

    def _entry(self, name: str) -> IO[bytes]:
        return self._archive.open(f"{name}.npy", "w", force_zip64=True)

    def _write(self, name: str, array: np.ndarray) -> None:
        """Adds an array, after the samples."""
        with self._entry(name) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)

    def _add(self, samples: Any, labels: list[int | None], seeds: np.ndarray) -> None:
        self._member.write(np.ascontiguousarray(samples, self._form()[1]).tobytes())
        self._labels += labels

    def _end(self) -> None:
        self._member.close()
        if self._labels and None not in self._labels:
            self._write("labels", np.array(self._labels, np.int64))
            if self.classes:
                self._write("classes", np.array(self.classes, np.str_))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(_unwritable(path, error)) from None


def _unwritable(path: Path, error: OSError) -> str:
    return f"'{path}' can't be written: {error.strerror or error}"
