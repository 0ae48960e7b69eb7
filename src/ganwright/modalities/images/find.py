"""Is it images? By names, suffixes and what lies in a folder; nothing is decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ganwright.base.errors import DataError
from ganwright.base.paths import readable
from ganwright.data.options import AUTO, DataOptions
from ganwright.data.packing import is_sparse_npz
from ganwright.data.source import NotHere
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.read.source import PICTURE_FILES, SUFFIXES, ImageSource

NAMES = ("digits", "shapes")  # data that comes along
UNDERSTOOD = (
    "a folder or zip of pictures (flat, or a folder per class), .npy, .npz, idx or idx.gz, "
    "a .csv with columns file and label"
)
_LISTINGS = (".csv", ".tsv")


def find(given: object, options: DataOptions) -> ImageSource | None:
    """The images at a path or of a built-in name, or None. Raises DataError where they can't be used."""
    label = options.of(ImageOptions).label
    if isinstance(given, str):
        from ganwright.modalities.images.read.builtin import BUILTIN

        return _unlabelled(BUILTIN[given](), label)
    if not isinstance(given, Path):
        from ganwright.modalities.images.read import memory

        if memory.are_labelled(given):
            return memory.kept_source(*given)
        return memory.kept_source(given) if memory.are_images(given) else None
    found = _find(given, label, listed=options.form in (AUTO, "image"))
    if found is None:
        return None
    if found.count == 0:
        others = ", ".join(f"{n} {suffix}" for suffix, n in found.ignored.items())
        raise NotHere(f"'{given}' contains no pictures" + (f" (but {others})" if others else ""))
    # The name of the path from here on, in files and on the screen.
    name, place = readable([found.name])[0], readable([found.path])[0]
    return _unlabelled(replace(found, name=name, path=place), label)


def _unlabelled(found: ImageSource, label: str | None) -> ImageSource:
    """Raises DataError where a column of labels is named and there are no such columns."""
    if label is None or found.kind in PICTURE_FILES:
        return found
    where = "a CSV of picture files, or of a metadata.csv beside them"
    raise DataError(f"data.label='{label}' names a column of {where}, but there is none")


def _find(path: Path, label: str | None, *, listed: bool) -> ImageSource | None:
    from ganwright.modalities.images.read.idx import idx_files, idx_source, is_idx

    suffix = path.suffix.lower()
    if path.is_dir():
        if idx_files(path):
            return idx_source(path)
        from ganwright.modalities.images.read.folders import folder_source

        return folder_source(path, label)
    if suffix in _LISTINGS:
        from ganwright.modalities.images.read.listing import csv_source, lists_pictures

        return csv_source(path, label) if listed and lists_pictures(path) else None
    if suffix == ".zip":
        from ganwright.modalities.images.read.folders import zip_source

        return zip_source(path, label)
    if suffix in (".npy", ".npz"):
        from ganwright.modalities.images.read.npy import npy_source, npz_source

        if suffix == ".npy":
            return npy_source(path)
        return None if is_sparse_npz(path) else npz_source(path)
    if is_idx(path):
        return idx_source(path)
    if suffix in SUFFIXES:
        raise DataError(f"'{path}' is a single picture: give the folder it is in")
    return None
