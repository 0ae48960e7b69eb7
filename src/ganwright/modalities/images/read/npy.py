"""NumPy's own files: .npy and .npz."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.paths import file_identity
from ganwright.modalities.images.read.arrays import Part, StoredArray, array_source
from ganwright.modalities.images.read.source import ImageSource

_IMAGES = ("images", "image", "x", "X", "samples", "data", "arr_0")
_LABELS = ("labels", "label", "y", "Y", "targets", "target", "arr_1")
_OFFICIAL = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
)


def npy_source(path: Path) -> ImageSource:
    """One .npy of images. Raises DataError."""
    stored = _npy(f"'{path}'", path.stem, lambda: path.open("rb"), path)
    return array_source(
        [Part(stored, None)],
        name=path.stem,
        kind="npy",
        path=str(path.resolve()),
        identity=file_identity(path),
    )


def npz_source(path: Path) -> ImageSource:
    """Images and maybe labels in one .npz; x_train, y_train, x_test, y_test are a split of its own.

    Raises DataError when no array in it has a name of images.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            keys = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(f"'{path}' can't be read as .npz: {error}") from None

    def stored(key: str | None) -> StoredArray | None:
        return _npz_member(path, key) if key in keys else None

    return array_source(
        _npz_parts(path, keys, stored),
        names=stored("classes"),
        name=path.stem,
        kind="npz",
        path=str(path.resolve()),
        identity=file_identity(path),
    )


def _npz_parts(
    path: Path, keys: Sequence[str], stored: Callable[[str | None], StoredArray | None]
) -> list[Part]:
    for x_train, y_train, x_test, y_test in _OFFICIAL:
        train, test = stored(x_train), stored(x_test)
        if train is not None:
            rest = [] if test is None else [Part(test, stored(y_test), test=True)]
            return [Part(train, stored(y_train)), *rest]
    images = next((k for k in _IMAGES if k in keys), keys[0] if len(keys) == 1 else None)
    if (found := stored(images)) is None:
        raise DataError(
            f"'{path}' has the arrays {', '.join(keys) or '(none)'}; "
            f"images are looked for as {', '.join(_IMAGES)}, x_train"
        )
    return [Part(found, stored(next((k for k in _LABELS if k in keys), None)))]


def _npz_member(path: Path, key: str | None) -> StoredArray:
    @contextmanager
    def stream() -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
            yield file

    return _npy(f"'{path}' {key}", str(key), stream, None)


def _npy(
    label: str,
    short: str,
    stream: Callable[[], AbstractContextManager[IO[bytes]]],
    direct: Path | None,
) -> StoredArray:
    try:
        with stream() as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            skip = file.tell()
    # NumPy parses the header as Python, which may raise anything on foreign bytes.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{label} can't be read as an array: {reason}") from None
    if dtype.hasobject:
        raise DataError(f"{label} contains Python objects, which are never loaded")
    return StoredArray(label, short, shape, dtype, stream, skip, direct, "F" if fortran else "C")
