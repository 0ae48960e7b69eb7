"""Originals and new images in one .npz, which holds any type: images, labels, and which are new."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganwright.base.errors import OptionError, UsageError
from ganwright.base.runs import replacing
from ganwright.data import Dataset

SUFFIX = ".npz"
IMAGES, LABELS = "images", "labels"


def check(out: Path) -> None:
    """Raises UsageError unless a new file can be written at `out`."""
    if out.exists() or out.is_symlink():
        raise UsageError(f"--out: '{out}' exists already")
    if any(p.is_file() for p in out.parents):
        raise UsageError(f"--out: '{out}' can't be made")


def write(
    out: Path, mark: str, data: Dataset, originals: np.ndarray, new: Mapping[str, np.ndarray]
) -> None:
    """Writes the file, whole or not at all: originals in the data's own size, then new ones by class."""
    if mark in (IMAGES, LABELS):
        raise OptionError(f"mark: '{out}' has an array '{mark}' already; choose another")
    count = sum(map(len, new.values()))
    parts = {IMAGES: np.concatenate([data.examples(originals), *new.values()])}
    if data.labels is not None:
        names = np.array(data.spec.classes)
        made = np.repeat(list(new), [len(one) for one in new.values()])
        parts[LABELS] = np.concatenate([names[data.labels[originals]], made])
    parts[mark] = np.repeat([False, True], [len(originals), count])
    with replacing(out) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, part, allow_pickle=False)
