"""What is this path? From a name or path to a Dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ganwright.base.errors import DataError, message, nearest
from ganwright.base.options import build, tree
from ganwright.data.dataset import Dataset
from ganwright.data.options import DataOptions
from ganwright.data.packing import is_table_name
from ganwright.data.source import Source
from ganwright.modalities.images.dataset import PICTURE_FILES, image_dataset
from ganwright.modalities.images.read.builtin import BUILTIN
from ganwright.modalities.images.read.folders import as_stored, folder_source, readable, zip_source
from ganwright.modalities.images.read.idx import idx_files, idx_source, is_idx
from ganwright.modalities.images.read.listing import csv_source, lists_pictures
from ganwright.modalities.images.read.npy import npy_source, npz_source
from ganwright.modalities.images.read.pictures import SUFFIXES

if TYPE_CHECKING:
    from ganwright.modalities.counts.dataset import CountsSource
    from ganwright.modalities.tables.dataset import TableSource

Frame: TypeAlias = (
    Any  # a DataFrame of pandas or polars, a pyarrow Table or a scipy matrix: none is imported
)

Found = TypeVar("Found")

_BY_SUFFIX = {
    ".npy": npy_source,
    ".npz": npz_source,
}
_LISTINGS = (".csv", ".tsv")
_UNDERSTOOD = (
    "a folder or zip of pictures (flat, or a folder per class), .npy, .npz, idx or idx.gz, "
    "a .csv with columns file and label, a table (.csv, .tsv, .parquet, .arrow, .feather), "
    "counts (.npz of scipy.sparse.save_npz, a wide .csv, a folder of .txt), or a "
    f"built-in name ({', '.join(BUILTIN)})"
)


def open_data(
    source: str | os.PathLike[str] | Frame, *, options: DataOptions | None = None, **settings: Any
) -> Dataset:
    """Opens pictures or a table for training: read once into a cache, split by content.

    `source` is a built-in name (``digits``), a folder or zip of pictures, a .npy or .npz, idx
    files or a .csv that lists pictures; or a table: .csv, .tsv and .txt (also .gz, .bz2, .xz,
    .zst), .parquet, .arrow, .feather, a DataFrame of pandas or polars, or a pyarrow Table; or
    counts: a sparse .npz of scipy or its matrix, a wide .csv or frame of whole numbers that are
    mostly 0, a folder of .txt; ``form="counts"`` takes others for counts, a .txt with a document
    a line, too, and ``form="table"`` none.
    `settings` are fields of `DataOptions`, over `options`.

    Pictures of one size of at most 128 a side are kept as they are, and up to one in twenty of
    another size is brought to it. Otherwise the size
    is derived: the median aspect, with the longer side min(64, the median longer side), and
    neither side under 4. Channels are the least that lose nothing: any colour makes RGB, and alpha
    is kept where more than one in twenty is not opaque. Mixed 8 and 16 bit make 16 (×257); whole
    numbers that span less than half of their type are learned in their own range.

    The columns of a table are numbers, dates, categories …, by their values and names; ``table``
    (`TableOptions`) overrules: ``open_data("a.csv", table={"kinds": ["zip=category"]})``.

    Raises DataError when nothing usable is found (or something unreadable, with
    ``bad="refuse"``), OptionError for a setting that is not allowed.

    >>> data = open_data("digits")
    >>> len(data), data[0].shape, data.spec.classes[:3]
    (1797, (8, 8, 1), ('0', '1', '2'))
    """
    chosen = chosen_options(options, settings)
    return dataset_of(find_source(source, chosen), chosen)


def chosen_options(options: DataOptions | None, settings: Mapping[str, Any]) -> DataOptions:
    """`settings` over `options`; of ``table`` and ``counts`` only what is set. Raises OptionError."""
    given: dict[str, Any] = tree(options or DataOptions())
    changed = {key: tree(value) for key, value in settings.items()}
    for part in ("table", "counts"):
        if isinstance(changed.get(part), Mapping):
            changed[part] = given[part] | dict(changed[part])
    return build(DataOptions, given | changed, owner="data")


def find_source(
    given: str | os.PathLike[str] | Frame, options: DataOptions | None = None
) -> Source | TableSource | CountsSource:
    """What a name, path or frame holds, not yet read. Raises DataError when it is none of ours."""
    chosen = options or DataOptions()
    if not isinstance(given, str | os.PathLike):
        return _memory_source(given, chosen)
    text = os.fspath(given)
    if text in BUILTIN:
        return _unlabelled(BUILTIN[text](), chosen)
    if not text:  # a path of no letters would be the folder one happens to stand in
        raise DataError(f"no data is named; understood: {_UNDERSTOOD}")
    path = as_stored(Path(text).expanduser())
    try:
        if "://" in text:
            raise DataError(f"'{text}': addresses are not understood, only {_UNDERSTOOD}")
        found = _find_counts(path, chosen) or _find(path, chosen)
    except OSError as error:
        raise DataError(f"'{text}' can't be read: {error.strerror}") from None
    if isinstance(found, Source) and found.count == 0:
        others = ", ".join(f"{n} {suffix}" for suffix, n in found.ignored.items())
        raise DataError(f"'{text}' holds no pictures" + (f" (but {others})" if others else ""))
    if isinstance(
        found, Source
    ):  # what the path is called from here on, in files and on the screen
        name, place = readable([found.name])[0], readable([found.path])[0]
        found = replace(found, name=name, path=place)
    return _unlabelled(found, chosen)


def _unlabelled(found: Found, options: DataOptions) -> Found:
    """Raises DataError where a column of labels is named and there are no such columns."""
    if options.label is None or (isinstance(found, Source) and found.kind in PICTURE_FILES):
        return found
    where = "a CSV of picture files, or of a metadata.csv beside them"
    raise DataError(f"data.label='{options.label}' names a column of {where}: there is none")


def _memory_source(given: object, options: DataOptions) -> TableSource | CountsSource:
    from ganwright.modalities.counts import matrices as read
    from ganwright.modalities.tables.dataset import frame_source, is_frame

    if read.is_sparse(given) or (is_frame(given) and _as_counts(given, options)):
        from ganwright.modalities.counts.dataset import memory_counts

        return memory_counts(given, options)
    if is_frame(given):
        return frame_source(given, options)
    raise DataError(f"data can't be a {type(given).__name__}; understood: {_UNDERSTOOD}")


def _as_counts(frame: object, options: DataOptions) -> bool:
    from ganwright.modalities.counts.matrices import frame_looks_like_counts

    return options.form == "counts" or (options.form == "auto" and frame_looks_like_counts(frame))


def _find_counts(path: Path, options: DataOptions) -> CountsSource | None:
    """The counts at a path, or None where something else is there or asked for."""
    from ganwright.modalities.counts import dataset as source
    from ganwright.modalities.counts import matrices as read
    from ganwright.modalities.counts import texts

    if options.form == "table" or not path.exists():
        return None
    asked = options.form == "counts"
    if path.is_dir():
        several = len(texts.text_files(path)) > 1
        others = not asked and several and (idx_files(path) or _holds_pictures(path))
        return source.text_counts(path) if several and not others else None
    if path.suffix.lower() == ".npz" and read.is_sparse_npz(path):
        return source.npz_counts(path)
    if asked and texts.is_text_name(path):
        return source.text_counts(path)
    if asked and is_table_name(path):
        return source.csv_counts(path)
    if asked:
        raise DataError(
            f"'{path}' holds no counts: those are a sparse .npz of scipy, a .csv of whole numbers, "
            "a .txt, or a folder of .txt"
        )
    if read.looks_like_counts(path):
        note = f"'{path.name}' has whole numbers alone, most of them 0: read as counts; " + (
            "data.form=table reads it as a table"
        )
        return source.csv_counts(path, note)
    return None


def _holds_pictures(folder: Path) -> bool:
    return any(p.suffix.lower() in SUFFIXES for p in folder.rglob("*"))


def _find(path: Path, options: DataOptions) -> Source | TableSource:
    label, listed = options.label, options.form != "table"
    if not path.exists():
        raise DataError(_missing(str(path)))
    if path.is_dir():
        return idx_source(path) if idx_files(path) else folder_source(path, label)
    if listed and path.suffix.lower() in _LISTINGS and lists_pictures(path):
        return csv_source(path, label)
    if is_table_name(path):
        from ganwright.modalities.tables.dataset import file_source

        return file_source(path)
    if path.suffix.lower() == ".zip":
        return zip_source(path, label)
    if (make := _BY_SUFFIX.get(path.suffix.lower())) is not None:
        return make(path)
    if is_idx(path):
        return idx_source(path)
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"'{path}' is one picture: name the folder it lies in")
    raise DataError(f"'{path}' is not data that is understood: {_UNDERSTOOD}")


def _missing(text: str) -> str:
    if nearest(text, BUILTIN):
        problem = f"no file or folder '{text}', nor built-in data of that name"
        return message("", problem, allowed=BUILTIN, got=text).removeprefix(": ")
    return f"no file or folder '{text}'; understood: {_UNDERSTOOD}"


def dataset_of(source: Source | TableSource | CountsSource, options: DataOptions) -> Dataset:
    """A source read and split; what `open_data` does once it has a source."""
    if isinstance(source, Source):
        return image_dataset(source, options)
    from ganwright.modalities.tables.dataset import TableSource, table_dataset

    if isinstance(source, TableSource):
        return table_dataset(source, options)
    from ganwright.modalities.counts.dataset import counts_dataset

    return counts_dataset(source, options)
