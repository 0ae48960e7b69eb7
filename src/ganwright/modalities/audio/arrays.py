"""Waves in an .npz, as `sample` writes them: samples (n, length), rate, and maybe labels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.paths import file_identity
from ganwright.modalities.audio.files import AudioSource, Open
from ganwright.modalities.audio.waves import WHITE, write_wav


def holds_waves(path: Path) -> bool:
    """Whether an .npz names samples and their rate."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"samples.npy", "rate.npy"} <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def npz_source(path: Path) -> AudioSource:
    """The waves in an .npz. Raises DataError for anything but (n, length) numbers and a rate."""
    try:
        with np.load(path, allow_pickle=False) as file:
            samples, rate = np.asarray(file["samples"]), int(file["rate"])
            labels = file["labels"].astype(np.int64) if "labels" in file else None
            classes = tuple(map(str, file["classes"])) if "classes" in file else ()
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"'{path}' can't be read: {error}") from None
    if samples.ndim != 2 or samples.dtype.kind not in "fi" or not 0 < rate < 2**20:
        got = f"{samples.shape} {samples.dtype} at {rate} Hz"
        raise DataError(f"'{path}': needs samples (n, length) of int16 or float, got {got}")
    if labels is not None and (labels.shape != samples.shape[:1] or labels.min(initial=0) < 0):
        raise DataError(f"'{path}': needs one label for each of {len(samples):,} samples")
    if labels is not None and not classes:
        classes = tuple(map(str, range(int(labels.max(initial=0)) + 1)))
    waves = samples
    if samples.dtype.kind == "f":
        waves = np.rint(np.nan_to_num(samples) * WHITE).clip(-WHITE, WHITE - 1)

    @contextmanager
    def opened() -> Iterator[Open]:
        def one(index: int) -> BinaryIO:
            file = io.BytesIO()
            write_wav(file, waves[index].astype(np.int16), rate)
            return io.BytesIO(file.getvalue())

        yield one

    return AudioSource(
        name=path.stem, kind="npz", path=str(path.resolve()), identity=file_identity(path),
        names=[f"sample {i}" for i in range(len(waves))], opened=opened,
        labels=labels, classes=classes,
    )  # fmt: skip
