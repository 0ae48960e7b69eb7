"""The user's cache folder: data that was decoded once, to be memory-mapped from then on.

Keys are hashes of everything the content depends on, so nothing is ever changed in place: folders and
files are written under a temporary name and renamed, and when two processes build the same entry, the
second one's work is discarded.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import platformdirs

from ganwright.base.errors import ModelError, WorkError

_VERSION = 2  # of the cache's format: raise it when decoding, resizing or hashing changes
_log = logging.getLogger("ganwright")

DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, ModelError)


def publish(aside: Path, folder: Path, whole: Callable[[], object]) -> Path:
    """Renames to the final place, unless another process has put an intact one there meanwhile.

    `whole` opens the folder, and raises one of DAMAGED when it is not.
    """
    with suppress(OSError):
        aside.rename(folder)
        return folder
    with suppress(*DAMAGED):
        whole()
        return folder
    _log.warning("the cache in %s was damaged and is being rebuilt", folder)
    folder.rename(aside.with_name(f"{aside.name}.old"))
    shutil.rmtree(aside.with_name(f"{aside.name}.old"), ignore_errors=True)
    aside.rename(folder)
    return folder


@contextmanager
def making(parent: Path) -> Iterator[Path]:
    """A temporary folder to build in; removed afterwards unless it was published."""
    _sweep(parent)
    aside = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Removes temporary folders more than a day old, left by killed processes."""
    for left in parent.glob(".tmp-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 86400:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """Makes an OSError a WorkError that names the cache."""
    try:
        yield
    except OSError as error:
        text = f"the cache in '{folder}' can't be written: {error.strerror or error}"
        raise WorkError(f"{text}; set GANWRIGHT_CACHE to another folder") from None


def folder_of(kind: str, identity: Any) -> Path:
    """A source's folder, created if needed; a temporary one, with a warning, where that fails."""
    folder = cache_folder() / "data" / key_of([_VERSION, kind, identity])
    try:
        if not folder.is_absolute():  # "~" stays as it is
            raise OSError(errno.ENOENT, "there is no home folder")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        return _instead(folder, error)


def cache_folder() -> Path:
    """The user's cache: GANWRIGHT_CACHE, or where the system keeps such things."""
    given = os.environ.get("GANWRIGHT_CACHE")
    return Path(given).absolute() if given else Path(platformdirs.user_cache_dir("ganwright"))


_temporary: list[Path] = []  # at most one per process


def _instead(folder: Path, error: OSError) -> Path:
    if not _temporary:
        _temporary.append(Path(tempfile.mkdtemp(prefix="ganwright-cache-")))
        atexit.register(shutil.rmtree, _temporary[0], ignore_errors=True)
        text = "the cache '%s' can't be written (%s): decoding into '%s' this time"
        _log.warning(text, cache_folder(), error.strerror, _temporary[0])
    here = _temporary[0] / folder.name
    here.mkdir(exist_ok=True)
    return here


def key_of(tree: Any) -> str:
    """A hash of plain JSON."""
    text = json.dumps(tree, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def write_header(file: BinaryIO, shape: tuple[int, ...], dtype: str) -> None:
    """The head of a .npy; NumPy leaves room in it for the number of rows to grow."""
    file.seek(0)
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz, read whole."""
    # Opened here, because NumPy leaves a damaged file open.
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
