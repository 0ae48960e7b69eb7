"""Arrays: .npy, .npz, idx (MNIST's own), and the digits that come with scikit-learn."""

from __future__ import annotations

import gzip
import math
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data.pictures import Head, check_finite
from ganwright.data.source import Source, natural

_IMAGES = ("images", "image", "x", "X", "samples", "data", "arr_0")
_LABELS = ("labels", "label", "y", "Y", "targets", "target", "arr_1")
_OFFICIAL = (("x_train", "y_train", "x_test", "y_test"), ("X_train", "Y_train", "X_test", "Y_test"))
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_CHUNK = 1 << 22  # bytes


@dataclass(frozen=True)
class _Stored:
    """One array that lies in a file, behind `skip` bytes of header, maybe packed.

    `stream` opens it at its header; `direct` is the file when it is not packed.
    """

    label: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stream: Callable[[], BinaryIO]
    skip: int
    direct: Path | None = None

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
            raise DataError(f"{self.label} is cut off: it holds less than {self.shape} says")
        if self.size_bytes == 0:
            return np.empty(self.shape, self.dtype)
        return np.memmap(path, self.dtype, "r", offset, self.shape).view(np.ndarray)

    def _unpack(self, path: Path) -> None:
        if self.size_bytes > shutil.disk_usage(path.parent).free:
            raise DataError(f"{self.label} unpacks to {self.size_bytes:,} bytes: no room for it")
        try:
            with self.stream() as packed, path.open("wb") as out:
                packed.read(self.skip)
                left = self.size_bytes
                while left and (piece := packed.read(min(_CHUNK, left))):
                    left -= out.write(piece)
        except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
            raise DataError(f"{self.label} is damaged: {error}") from None


@dataclass(frozen=True)
class _Part:
    """Images with or without labels; `test` when the data itself says so."""

    images: _Stored
    labels: _Stored | None
    test: bool = False


class ArrayReader:
    """Reads from arrays that stand one behind the other."""

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


def _check_shape(stored: _Stored) -> None:
    shape, rank = stored.shape, len(stored.shape)
    if stored.dtype.kind not in "bfiu":
        raise DataError(f"{stored.label} holds {stored.dtype}, not numbers")
    fits = rank == 3 or (rank == 4 and (1 <= shape[3] <= 4 or 1 <= shape[1] <= 4))
    if not fits or 0 in shape[1:]:
        raise DataError(
            f"{stored.label} has shape {shape}: pictures are n×H×W, n×H×W×C or n×C×H×W, C from 1 to 4"
        )


def _array_source(parts: Sequence[_Part], **about: Any) -> Source:
    for part in parts:
        _check_shape(part.images)
        if part.labels is not None and part.labels.shape[:1] != part.images.shape[:1]:
            raise DataError(
                f"{part.labels.label} holds {(*part.labels.shape, 0)[0]:,} labels, "
                f"but {part.images.label} {part.images.shape[0]:,} images"
            )

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        with ExitStack() as stack:
            yield ArrayReader([stack.enter_context(p.images.array()) for p in parts])

    counts = [p.images.shape[0] for p in parts]
    labels, classes = _labels([p.labels for p in parts])
    official = np.repeat([p.test for p in parts], counts)
    own = bool(official.any()) and not bool(official.all())
    return Source(
        count=sum(counts),
        name_of=_namer([p.images.label.split("'")[-1].strip() for p in parts], counts),
        opened=opened,
        labels=labels,
        classes=classes,
        official=official if own else None,
        notes=("the data's own test part is held out",) if own else (),
        **about,
    )


def _namer(labels: Sequence[str], counts: Sequence[int]) -> Callable[[int], str]:
    starts = np.cumsum([0, *counts])

    def name_of(index: int) -> str:
        part = int(np.searchsorted(starts, index, side="right")) - 1
        return f"{labels[part]}[{index - starts[part]}]"

    return name_of


def _labels(stored: Sequence[_Stored | None]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    found = [s for s in stored if s is not None]
    if not found or len(found) < len(stored):
        return None, ()
    values = np.concatenate([_flat_labels(s) for s in found])
    if values.dtype.kind in "US":
        words, numbers = np.unique(values.astype(str), return_inverse=True)
        order = sorted(range(len(words)), key=lambda i: natural(str(words[i])))
        return np.argsort(order)[numbers].astype(np.int64), tuple(str(words[i]) for i in order)
    kinds, numbers = np.unique(values, return_inverse=True)
    return numbers.astype(np.int64), tuple(str(int(k)) for k in kinds)


def _flat_labels(stored: _Stored) -> np.ndarray:
    values = stored.whole()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "bfiuUS":
        raise DataError(f"{stored.label} has shape {values.shape}: labels are one per image")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise DataError(f"{stored.label} holds numbers that name no class: labels are whole")
    return values


def _identity(*paths: Path) -> list[Any]:
    return [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]


# --- .npy and .npz -----------------------------------------------------------------------------


def npy_source(path: Path) -> Source:
    """One .npy of images. Raises DataError."""
    stored = _npy(f"'{path}'", lambda: path.open("rb"), path)
    return _array_source(
        [_Part(stored, None)],
        name=path.stem,
        kind="npy",
        path=str(path.resolve()),
        identity=_identity(path),
    )


def npz_source(path: Path) -> Source:
    """Images and maybe labels in one .npz; x_train, y_train, x_test, y_test are a split of its own.

    Raises DataError when no array in it has a name of images.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            keys = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(f"'{path}' is not an .npz that can be read: {error}") from None

    def stored(key: str | None) -> _Stored | None:
        return _npz_member(path, key) if key in keys else None

    return _array_source(
        _npz_parts(path, keys, stored),
        name=path.stem,
        kind="npz",
        path=str(path.resolve()),
        identity=_identity(path),
    )


def _npz_parts(
    path: Path, keys: Sequence[str], stored: Callable[[str | None], _Stored | None]
) -> list[_Part]:
    for x_train, y_train, x_test, y_test in _OFFICIAL:
        if (train := stored(x_train)) is not None:
            test = stored(x_test)
            parts = [_Part(train, stored(y_train) or stored(y_train.lower()))]
            more = (
                []
                if test is None
                else [_Part(test, stored(y_test) or stored(y_test.lower()), True)]
            )
            return parts + more
    images = next((k for k in _IMAGES if k in keys), keys[0] if len(keys) == 1 else None)
    if (found := stored(images)) is None:
        raise DataError(
            f"'{path}' has the arrays {', '.join(keys) or '(none)'}; "
            f"images are looked for as {', '.join(_IMAGES)}, x_train"
        )
    return [_Part(found, stored(next((k for k in _LABELS if k in keys), None)))]


def _npz_member(path: Path, key: str | None) -> _Stored:
    def stream() -> BinaryIO:
        # Opened by name each time: a zip handle is not to be shared between threads' positions.
        return zipfile.ZipFile(path).open(f"{key}.npy")  # type: ignore[return-value]

    return _npy(f"'{path}' {key}", stream, None)


def _npy(label: str, stream: Callable[[], BinaryIO], direct: Path | None) -> _Stored:
    try:
        with stream() as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            skip = file.tell()
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{label} is not an array that can be read: {error}") from None
    if dtype.hasobject:
        raise DataError(f"{label} holds Python objects, which are never loaded")
    if fortran and len(shape) > 1:
        raise DataError(f"{label} is stored in Fortran order; save np.ascontiguousarray(x)")
    return _Stored(label, shape, dtype, stream, skip, direct)


# --- idx ---------------------------------------------------------------------------------------


def is_idx(path: Path) -> bool:
    """Whether a file starts like idx or idx.gz."""
    try:
        with _idx_open(path) as file:
            magic = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in _IDX_TYPES and 0 < magic[3] < 5


def idx_files(folder: Path) -> list[Path]:
    """The idx files of images in a folder, train before test."""
    found = [p for p in folder.iterdir() if re.search(r"images?[-.]idx\d", p.name) and is_idx(p)]
    return sorted(found, key=lambda p: (_is_test(p), p.name))


def idx_source(path: Path) -> Source:
    """A folder of idx files, or one idx file of images; labels are found beside it.

    In a folder, t10k-… and test-… are the test part.
    """
    files = idx_files(path) if path.is_dir() else [path]
    labels = [_labels_beside(p) for p in files]
    both = [(p, q) for p, q in zip(files, labels, strict=True)]
    return _array_source(
        [_Part(_idx(p), q and _idx(q), _is_test(p)) for p, q in both],
        name=path.resolve().name if path.is_dir() else re.split(r"[.]", path.name)[0],
        kind="idx",
        path=str(path.resolve()),
        identity=_identity(*files, *(q for q in labels if q)),
    )


def _is_test(path: Path) -> bool:
    return path.name.startswith(("t10k", "test"))


def _labels_beside(images: Path) -> Path | None:
    name = images.name.removesuffix(".gz")
    name = re.sub(r"images?([-.])idx\d", r"labels\1idx1", name)
    beside = [images.with_name(name), images.with_name(f"{name}.gz")]
    return next((p for p in beside if p.name != images.name and is_idx(p)), None)


def _idx_open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _idx(path: Path) -> _Stored:
    try:
        with _idx_open(path) as file:
            magic = file.read(4)
            shape = struct.unpack(f">{magic[3]}I", file.read(4 * magic[3]))
    except (OSError, EOFError, zlib.error, struct.error, IndexError) as error:
        raise DataError(f"'{path}' is not idx that can be read: {error}") from None
    with path.open("rb") as raw:
        direct = None if raw.read(2) == b"\x1f\x8b" else path
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    return _Stored(f"'{path}'", shape, dtype, lambda: _idx_open(path), 4 + 4 * magic[3], direct)


# --- the digits of scikit-learn ----------------------------------------------------------------


def digits_source() -> Source:
    """1,797 scans of handwritten digits, 8×8 grey: values 0 … 16 as 0 … 255; classes "0" … "9"."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        yield ArrayReader([images])

    return Source(
        name="digits",
        kind="built-in",
        path="digits",
        identity="digits 1",
        count=len(images),
        name_of=_namer(["digits"], [len(images)]),
        opened=opened,
        labels=bunch.target.astype(np.int64),
        classes=tuple(str(i) for i in range(10)),
    )
