"""Arrays in files as examples: what .npy, .npz and idx have in common."""

from __future__ import annotations

import math
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data.source import natural
from ganwright.modalities.images.read.source import Head, ImageSource, check_finite

_CHUNK = 1 << 22  # bytes


@dataclass(frozen=True)
class StoredArray:
    """One array in a file, after `skip` bytes of header, maybe compressed.

    `label` names it in full and `short` before an index; `stream` opens it at its header;
    `direct` is the file when it is not packed.
    """

    label: str
    short: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stream: Callable[[], AbstractContextManager[IO[bytes]]]
    skip: int
    direct: Path | None = None
    order: Literal["C", "F"] = "C"

    @contextmanager
    def array(self) -> Iterator[np.ndarray]:
        """The array as a map of a file, so that no more than what is looked at is in memory."""
        if self.direct is not None:
            yield self._map(self.direct, self.skip)
            return
        with tempfile.TemporaryDirectory(prefix="ganwright-") as folder:
            aside = Path(folder, "rows")
            self._unpack(aside)
            array = self._map(aside, 0)
            yield array
            del array

    def whole(self) -> np.ndarray:
        """The array in memory; for labels."""
        with self.array() as array:
            return np.array(array)

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def _map(self, path: Path, offset: int) -> np.ndarray:
        if path.stat().st_size < offset + self.size_bytes:
            raise DataError(f"{self.label} is truncated: it has less data than {self.shape} needs")
        if self.size_bytes == 0:
            return np.empty(self.shape, self.dtype)
        return np.memmap(path, self.dtype, "r", offset, self.shape, self.order).view(np.ndarray)

    def _unpack(self, path: Path) -> None:
        if self.size_bytes > shutil.disk_usage(path.parent).free:
            unpacked = f"{self.label} unpacks to {self.size_bytes:,} bytes"
            raise DataError(f"{unpacked}: not enough space; set TMPDIR to another folder")
        try:
            with self.stream() as packed, path.open("wb") as out:
                packed.read(self.skip)
                left = self.size_bytes
                while left and (piece := packed.read(min(_CHUNK, left))):
                    left -= out.write(piece)
                packed.read(1)  # at its end the checksum is compared
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise DataError(f"{self.label} is damaged: {error}") from None


@dataclass(frozen=True)
class Part:
    """Images with or without labels; `test` when the data itself says so."""

    images: StoredArray
    labels: StoredArray | None
    test: bool = False


class ArrayReader:
    """Reads from concatenated arrays."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self._arrays = [_channels_last(a) for a in arrays]
        self._starts = np.cumsum([0, *(len(a) for a in arrays)])
        # One type for all parts: what the widest of them needs.
        needs = [_stored_dtype(a) for a in self._arrays]
        self._dtype = max(needs, key=["uint8", "uint16", "float32"].index)

    def head(self, index: int) -> Head:
        height, width, channels = self._row(index).shape
        return Head(height, width, channels, self._dtype)

    def read(self, index: int) -> np.ndarray:
        row = self._row(index)
        check_finite(row)
        if row.dtype == np.bool_:
            row = row.astype(np.uint8) * 255
        with np.errstate(over="ignore"):  # a float64 too large for float32 is found below
            row = row.astype(self._dtype)
        check_finite(row)
        return row

    def _row(self, index: int) -> np.ndarray:
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._arrays[part][index - self._starts[part]]


def _channels_last(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3:
        return array[..., None]
    return array if array.shape[3] <= 4 else array.transpose(0, 2, 3, 1)


def _stored_dtype(array: np.ndarray) -> str:
    if array.dtype.kind == "f":
        return "float32"
    if array.dtype.name in ("uint8", "uint16", "bool"):
        return array.dtype.name.replace("bool", "uint8")
    rows = max(1, _CHUNK // max(1, array[:1].nbytes))
    pieces = [array[i : i + rows] for i in range(0, len(array), rows)]
    low, high = min(int(p.min()) for p in pieces), max(int(p.max()) for p in pieces)
    if low < 0 or high > 65535:
        return "float32"
    return "uint8" if high <= 255 else "uint16"


def _check_shape(stored: StoredArray) -> None:
    shape, rank = stored.shape, len(stored.shape)
    if stored.dtype.kind not in "bfiu":
        raise DataError(f"{stored.label} contains {stored.dtype}, not numbers")
    fits = rank == 3 or (rank == 4 and (1 <= shape[3] <= 4 or 1 <= shape[1] <= 4))
    if not fits or 0 in shape[1:]:
        raise DataError(
            f"{stored.label} has shape {shape}: pictures are n×H×W, n×H×W×C or n×C×H×W, C from 1 to 4"
        )


def array_source(
    parts: Sequence[Part], *, names: StoredArray | None = None, **about: Any
) -> ImageSource:
    """Concatenated arrays; `names` are the classes that whole-number labels index."""
    for part in parts:
        _check_shape(part.images)
        if part.labels is not None and part.labels.shape[:1] != part.images.shape[:1]:
            raise DataError(
                f"{part.labels.label} has {(*part.labels.shape, 0)[0]:,} labels, "
                f"but {part.images.label} {part.images.shape[0]:,} images"
            )

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        with ExitStack() as stack:
            yield ArrayReader([stack.enter_context(p.images.array()) for p in parts])

    counts = [p.images.shape[0] for p in parts]
    labels, classes = _labels([p.labels for p in parts], names)
    official = np.repeat([p.test for p in parts], counts)
    own = bool(official.any()) and not bool(official.all())
    return ImageSource(
        count=sum(counts),
        name_of=namer([p.images.short for p in parts], counts),
        opened=opened,
        labels=labels,
        classes=classes,
        official=official if own else None,
        notes=("the data's own test part is held out",) if own else (),
        **about,
    )


def namer(labels: Sequence[str], counts: Sequence[int]) -> Callable[[int], str]:
    starts = np.cumsum([0, *counts])

    def name_of(index: int) -> str:
        part = int(np.searchsorted(starts, index, side="right")) - 1
        return f"{labels[part]}[{index - starts[part]}]"

    return name_of


def _labels(
    stored: Sequence[StoredArray | None], names: StoredArray | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    found = [s for s in stored if s is not None]
    if not found or len(found) < len(stored):
        return None, ()
    values = np.concatenate([_flat_labels(s) for s in found])
    if names is not None and values.dtype.kind in "biu":
        words = names.whole()
        if (
            words.ndim == 1
            and words.dtype.kind in "US"
            and 0 <= values.min() <= values.max() < len(words)
        ):
            values = words[values.astype(np.int64)]
    if values.dtype.kind in "US":
        words, numbers = np.unique(values.astype(str), return_inverse=True)
        order = sorted(range(len(words)), key=lambda i: natural(str(words[i])))
        return np.argsort(order)[numbers].astype(np.int64), tuple(str(words[i]) for i in order)
    kinds, numbers = np.unique(values, return_inverse=True)
    return numbers.astype(np.int64), tuple(str(int(k)) for k in kinds)


def _flat_labels(stored: StoredArray) -> np.ndarray:
    values = stored.whole()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "bfiuUS":
        raise DataError(f"{stored.label} has shape {values.shape}: labels are one per image")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise DataError(f"{stored.label} contains labels that are not whole numbers")
    return values
