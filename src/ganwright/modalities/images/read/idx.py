"""idx and idx.gz, the format that MNIST comes in."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.paths import file_identity, open_regular
from ganwright.modalities.images.read.arrays import Part, StoredArray, array_source
from ganwright.modalities.images.read.source import ImageSource

_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


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


def idx_source(path: Path) -> ImageSource:
    """A folder of idx files, or one idx file of images; labels are found beside it.

    In a folder, t10k-… and test-… are the test part.
    """
    files = idx_files(path) if path.is_dir() else [path]
    labels = [_labels_beside(p) for p in files]
    return array_source(
        [
            Part(_idx(p), _idx(q) if q else None, test=_is_test(p))
            for p, q in zip(files, labels, strict=True)
        ],
        name=path.resolve().name if path.is_dir() else re.split(r"[.]", path.name)[0],
        kind="idx",
        path=str(path.resolve()),
        identity=file_identity(*files, *(q for q in labels if q)),
    )


def _is_test(path: Path) -> bool:
    return path.name.startswith(("t10k", "test"))


def _labels_beside(images: Path) -> Path | None:
    name = images.name.removesuffix(".gz")
    name = re.sub(r"images?([-.])idx\d", r"labels\1idx1", name)
    beside = [images.with_name(name), images.with_name(f"{name}.gz")]
    return next((p for p in beside if p.name != images.name and is_idx(p)), None)


def _idx_open(path: Path) -> IO[bytes]:
    with open_regular(path) as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path) if packed else open_regular(path))


def _idx(path: Path) -> StoredArray:
    try:
        with _idx_open(path) as file:
            magic = file.read(4)
            shape = struct.unpack(f">{magic[3]}I", file.read(4 * magic[3]))
    except (OSError, EOFError, zlib.error, struct.error, IndexError) as error:
        raise DataError(f"'{path}' can't be read as idx: {error}") from None
    with open_regular(path) as raw:
        direct = None if raw.read(2) == b"\x1f\x8b" else path
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    skip = 4 + 4 * magic[3]
    return StoredArray(f"'{path}'", path.name, shape, dtype, lambda: _idx_open(path), skip, direct)
