"""Opens a path, a name or an object as a Dataset, by asking each modality whether it can read it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from ganwright.base.errors import DataError, message, nearest
from ganwright.base.modality import modalities, modality
from ganwright.base.options import build, tree
from ganwright.base.paths import as_stored
from ganwright.data.dataset import Dataset
from ganwright.data.options import AUTO, DataOptions
from ganwright.data.source import NotHere, Source


class Finding(Protocol):
    """A modality's `find`; importing it must be cheap, as every modality is asked about all data.

    `find` gets a Path that exists, one of `NAMES`, or an object in memory, and returns None where it
    can't read that. `UNDERSTOOD` describes what it reads.
    """

    NAMES: Sequence[str]
    UNDERSTOOD: str

    def find(self, given: object, options: DataOptions) -> Source | None: ...


class Reading(Protocol):
    """What a modality's `dataset` offers."""

    def dataset(self, source: Any, options: DataOptions) -> Dataset:
        """Reads what its `find` found: split, and with a codec."""
        ...


def open_data(
    source: str | os.PathLike[str] | Any, *, options: DataOptions | None = None, **settings: Any
) -> Dataset:
    """Opens data for training: read once into a cache, split by content.

    `source` is a folder or zip of sounds, or a long recording (docs/sound.md); or a built-in name
    (``digits``), a folder or zip of images, a .npy or .npz, idx
    files or a .csv that lists images, an array n×H×W(×C) or a pair of it and its labels; or a
    table: .csv, .tsv and .txt (also .gz, .bz2, .xz, .zst), .parquet, .arrow, .feather, a DataFrame
    of pandas or polars, or a pyarrow Table; or
    counts: a sparse .npz of scipy or its matrix, a wide .csv or frame of whole numbers that are
    mostly 0, a folder of .txt; ``form="counts"`` takes others for counts, a .txt with a document
    a line, too, and ``form="table"`` none.
    `settings` are fields of `DataOptions`, over `options`.

    Images of one size of at most 128 a side are kept as they are, and up to one in twenty of
    another size is resized to it. Otherwise the size
    is derived: the median aspect, with the longer side min(64, the median longer side), and
    neither side under 4. Channels are the fewest that lose nothing: any colour makes RGB, and alpha
    is kept where more than one in twenty is not opaque. Mixed 8 and 16 bit make 16 (×257); whole
    numbers that span less than half of their type are learned in their own range.

    The columns of a table are taken as numbers, dates, categories …, by their values and names; ``table``
    (`TableOptions`) overrides that: ``open_data("a.csv", table={"kinds": ["zip=category"]})``.

    Raises DataError when nothing usable is found (or something unreadable, with
    ``bad="refuse"``), OptionError for a setting that is not allowed.

    >>> data = open_data("digits")
    >>> len(data), data[0].shape, data.spec.classes[:3]
    (1797, (8, 8, 1), ('0', '1', '2'))
    """
    chosen = chosen_options(options, settings)
    return dataset_of(find_source(source, chosen), chosen)


def chosen_options(options: DataOptions | None, settings: Mapping[str, Any]) -> DataOptions:
    """`settings` over `options`; of a modality's group only what is set. Raises OptionError."""
    given: dict[str, Any] = tree(options or DataOptions())
    for key, value in settings.items():
        item = tree(value)
        within = key in DataOptions.groups and isinstance(item, Mapping)
        given[key] = given[key] | dict(item) if within else item
    return build(DataOptions, given, owner="data")


def find_source(given: str | os.PathLike[str] | Any, options: DataOptions | None = None) -> Source:
    """Finds what a name, path or object holds, without reading it. Raises DataError if it is unknown."""
    chosen = options or DataOptions()
    asked = modalities().values() if chosen.form == AUTO else [modality(chosen.form)]
    finders = [cast("Finding", one.part("find")) for one in asked]
    if not isinstance(given, str | os.PathLike):
        found = next((f for one in finders if (f := one.find(given, chosen)) is not None), None)
        if found is None:
            kind = type(given).__name__
            raise DataError(f"data can't be a {kind}; allowed: {_understood(finders)}")
        return found
    text = os.fspath(given)
    if any(text in one.NAMES for one in finders):
        path: str | Path = text
    else:
        path = _path(text, finders)
    try:
        return _found(path, finders, chosen)
    except OSError as error:
        raise DataError(f"'{text}' can't be read: {error.strerror}") from None


def _found(path: str | Path, finders: Sequence[Finding], options: DataOptions) -> Source:
    """The source of the first modality that can read it."""
    empty: NotHere | None = None
    for one in finders:
        try:
            if (found := one.find(path, options)) is not None:
                return found
        except NotHere as error:  # unless another finds something
            empty = empty or error
    if empty is not None:
        raise empty
    raise DataError(f"'{path}' is not a known kind of data; allowed: {_understood(finders)}")


def _path(text: str, finders: Sequence[Finding]) -> Path:
    """The path of that name, if it exists. Raises DataError."""
    if not text:  # Path("") would be the current folder
        raise DataError(f"no data is given; allowed: {_understood(finders)}")
    if "://" in text:
        raise DataError(f"'{text}': URLs can't be opened; allowed: {_understood(finders)}")
    try:
        path = as_stored(Path(text).expanduser())
        there = path.exists()
    except OSError as error:
        raise DataError(f"'{text}' can't be read: {error.strerror}") from None
    if there and not (path.is_file() or path.is_dir()):
        raise DataError(f"'{text}' is neither a file nor a folder: pipes and devices can't be read")
    if there:
        return path
    names = [name for one in finders for name in one.NAMES]
    if nearest(text, names):
        problem = f"no file or folder '{text}', and no built-in data of that name"
        raise DataError(message("", problem, allowed=names, got=text).removeprefix(": "))
    raise DataError(f"no file or folder '{text}'; allowed: {_understood(finders)}")


def _understood(finders: Sequence[Finding]) -> str:
    names = ", ".join(name for one in finders for name in one.NAMES)
    known = [one.UNDERSTOOD for one in finders]
    return ", ".join([*known, f"or a built-in name ({names})"] if names else known)


def dataset_of(source: Source, options: DataOptions) -> Dataset:
    """Reads and splits a source; what `open_data` does once it has one."""
    reading = cast("Reading", modality(source.modality).part("dataset"))
    return reading.dataset(source, options)
