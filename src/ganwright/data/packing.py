"""Compressed text files: .gz, .bz2, .xz, .zst and .zip, read and written."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from ganwright.base.errors import DataError

PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
TEXT_SUFFIXES = {".csv": "", ".tsv": "\t", ".tab": "\t", ".txt": ""}
ARROW_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, NotImplementedError)


def is_table_name(path: Path) -> bool:
    """Whether a file is a table by its suffix, looking through compression: a.csv.gz."""
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return Path(path.stem).suffix.lower() in TEXT_SUFFIXES
    return suffix in TEXT_SUFFIXES or suffix in ARROW_SUFFIXES


def is_sparse_npz(path: Path) -> bool:
    """Whether an .npz is a matrix as `scipy.sparse.save_npz` writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def inner(path: Path) -> Path:
    """The name without the suffix of its compression: a.csv.gz is a.csv."""
    return path.with_suffix("") if path.suffix.lower() in PACKED else path


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, decompressed on the way. Raises one of DAMAGED, or DataError."""
    packed = PACKED.get(path.suffix.lower())
    if packed == "xz":
        return cast("IO[bytes]", lzma.open(path))
    if packed == "zip":
        return _member(path)
    import pyarrow as pa

    file = pa.OSFile(str(path))
    return pa.CompressedInputStream(file, packed) if packed else file


def _member(path: Path) -> IO[bytes]:
    """The one file in a zip, ignoring what macOS adds."""
    with zipfile.ZipFile(path) as archive:
        names = [one for one in archive.namelist() if not _aside(one)]
        if len(names) != 1:
            shown = ", ".join(f"'{name}'" for name in names[:5]) or "none"
            raise DataError(f"'{path}' must contain one table; it contains {shown}")
        if archive.getinfo(names[0]).flag_bits & 1:
            raise DataError(f"'{path}' is encrypted: decrypt it first")
        return archive.open(names[0])


def _aside(name: str) -> bool:
    last = name.rpartition("/")[2]
    return not last or last.startswith(".") or name.startswith("__MACOSX/")


@contextmanager
def sink(aside: Path, name: Path) -> Iterator[Any]:
    """A binary file to write to, compressed as the suffix of `name` says."""
    packed = PACKED.get(name.suffix.lower())
    if packed == "xz":
        with lzma.open(aside, "wb") as file:
            yield file
    elif packed == "zip":
        with (
            zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(inner(name).name, "w", force_zip64=True) as file,
        ):
            yield file
    else:
        import pyarrow as pa

        with pa.OSFile(str(aside), "wb") as file:
            if not packed:
                yield file
                return
            with pa.CompressedOutputStream(file, packed) as stream:
                yield stream
