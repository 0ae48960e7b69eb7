"""What is this path? From a name or path to a Dataset."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from ganwright.base.errors import DataError, message, nearest
from ganwright.base.options import build, tree
from ganwright.base.spec import Spec
from ganwright.data import cache
from ganwright.data.builtin import BUILTIN
from ganwright.data.codec import ImageCodec
from ganwright.data.content import channels_of, class_counts, class_doubts, is_narrow, range_of
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.folders import as_stored, folder_source, readable, zip_source
from ganwright.data.idx import idx_files, idx_source, is_idx
from ganwright.data.listing import csv_source, lists_pictures
from ganwright.data.npy import npy_source, npz_source
from ganwright.data.options import DataOptions
from ganwright.data.pictures import SUFFIXES
from ganwright.data.source import Source
from ganwright.data.split import Split, split
from ganwright.data.table import is_table_name

if TYPE_CHECKING:
    from ganwright.data.counts.source import CountsSource
    from ganwright.data.table.source import TableSource

Frame: TypeAlias = (
    Any  # a DataFrame of pandas or polars, a pyarrow Table or a scipy matrix: none is imported
)

Found = TypeVar("Found")

_BY_SUFFIX = {
    ".npy": npy_source,
    ".npz": npz_source,
}
_FILES = ("folder", "zip", "csv")  # kinds of source that are picture files
_LISTINGS = (".csv", ".tsv")
_UNDERSTOOD = (
    "a folder or zip of pictures (flat, or a folder per class), .npy, .npz, idx or idx.gz, "
    "a .csv with columns file and label, a table (.csv, .tsv, .parquet, .arrow, .feather), "
    "counts (.npz of scipy.sparse.save_npz, a wide .csv, a folder of .txt), or a "
    f"built-in name ({', '.join(BUILTIN)})"
)
_KEPT_SIDE, _LONGER_SIDE, _LEAST_SIDE = 128, 64, 4
_MANY = 10  # pictures, before classes of one each are no classes
_USUAL_SHARE = 0.95  # of pictures with one size, for it to be that of all


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
    if options.label is None or (isinstance(found, Source) and found.kind in _FILES):
        return found
    where = "a CSV of picture files, or of a metadata.csv beside them"
    raise DataError(f"data.label='{options.label}' names a column of {where}: there is none")


def _memory_source(given: object, options: DataOptions) -> TableSource | CountsSource:
    from ganwright.data.counts import read
    from ganwright.data.table.source import frame_source, is_frame

    if read.is_sparse(given) or (is_frame(given) and _as_counts(given, options)):
        from ganwright.data.counts.source import memory_counts

        return memory_counts(given, options)
    if is_frame(given):
        return frame_source(given, options)
    raise DataError(f"data can't be a {type(given).__name__}; understood: {_UNDERSTOOD}")


def _as_counts(frame: object, options: DataOptions) -> bool:
    from ganwright.data.counts.read import frame_looks_like_counts

    return options.form == "counts" or (options.form == "auto" and frame_looks_like_counts(frame))


def _find_counts(path: Path, options: DataOptions) -> CountsSource | None:
    """The counts at a path, or None where something else is there or asked for."""
    from ganwright.data.counts import read, source, texts

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
        from ganwright.data.table.source import file_source

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


# --- from a source to a data set ---------------------------------------------------------------


def dataset_of(source: Source | TableSource | CountsSource, options: DataOptions) -> Dataset:
    """A source surveyed, decoded and split; what `open_data` does once it has a source."""
    if not isinstance(source, Source):
        return _rows_dataset(source, options)
    survey = cache.survey(source)
    _refuse(source, options, _unreadable(source, survey.bad, survey.reasons))
    plan, rows, rules = _decoded(source, survey, options)
    bad, reasons = np.append(survey.bad, rows.bad), np.append(survey.reasons, rows.reasons)
    order = np.argsort(bad)
    skipped = _unreadable(source, bad[order], reasons[order])
    _refuse(source, options, skipped)
    _enough(source, len(rows.kept), skipped)
    labels, classes, labelled = _labels(source, rows.kept, options)
    official = None if source.official is None else source.official[rows.kept]
    if official is not None and official.all() == official.any():  # one part could not be read
        official = None
    parts = split(rows.hashes, options.holdout, official)
    labels, classes, parts, shortage = _trained_classes(labels, classes, parts, rows.hashes)
    low, high, ranged = range_of(rows.extremes[parts.train], plan.dtype)
    codec = _codec(plan, low, high)
    rules += [_reduced(survey), ranged]
    doubts = class_doubts(class_counts(labels, classes, np.append(parts.train, parts.heldout)))
    return Dataset(
        name=source.name,
        kind=source.kind,
        source=source.path,
        spec=Spec(
            axes=("channel", "height", "width"),
            shape=(plan.channels, plan.height, plan.width),
            classes=classes,
        ),
        codec=codec,
        fingerprint=_fingerprint(plan, codec, rows, labels, classes, parts.train, parts.heldout),
        rows=rows.pixels,
        labels=labels,
        train=parts.train,
        heldout=parts.heldout,
        dropped=parts.dropped,
        hashes=rows.hashes,
        skipped=skipped,
        ignored=dict(source.ignored),
        options=replace(options, size=(plan.height, plan.width), channels=plan.channels),  # type: ignore[arg-type]
        notes=tuple(
            n for n in (*rules, *source.notes, labelled, parts.note, shortage, *doubts) if n
        ),
        name_of=lambda index: source.name_of(int(rows.kept[index])),
    )


def _rows_dataset(source: TableSource | CountsSource, options: DataOptions) -> Dataset:
    from ganwright.data.table.source import TableSource, table_dataset

    if isinstance(source, TableSource):
        return table_dataset(source, options)
    from ganwright.data.counts.source import counts_dataset

    return counts_dataset(source, options)


def _unreadable(source: Source, indices: np.ndarray, reasons: np.ndarray) -> tuple[Skipped, ...]:
    pairs = zip(indices, reasons, strict=True)
    return tuple(Skipped(source.name_of(int(i)), str(reason)) for i, reason in pairs)


def _refuse(source: Source, options: DataOptions, skipped: tuple[Skipped, ...]) -> None:
    if skipped and (options.bad == "refuse" or len(skipped) == source.count):
        first = f"{skipped[0].name} {skipped[0].reason}"
        share = "none" if len(skipped) == source.count else f"{len(skipped):,} can't"
        can = " can" if share == "none" else ""
        raise DataError(
            f"'{source.path}': of {source.count:,} examples {share}{can} be read; the first: {first}"
        )


def _enough(source: Source, usable: int, skipped: tuple[Skipped, ...]) -> None:
    if usable < 2:
        culprit = f"; {skipped[0].name} {skipped[0].reason}" if skipped else ""
        raise DataError(f"'{source.path}' has {usable} usable example; 2 are the least{culprit}")


def plan_for(source: Source, survey: cache.Survey, options: DataOptions) -> tuple[cache.Plan, str]:
    """What every example becomes by its file's head, and the rule that says so, in words."""
    good = survey.usable
    heights, widths = survey.heights[good], survey.widths[good]
    size, rule = (options.size, "") if options.size else _derived_size(heights, widths)
    found = {int(c) for c in np.unique(survey.channels[good])}
    colour, alpha = any(c >= 3 for c in found), any(c in (2, 4) for c in found)
    channels = options.channels or (3 if colour else 1) + alpha
    dtype = max(np.unique(survey.dtypes[good]), key=["uint8", "uint16", "float32"].index)
    return cache.Plan(*size, channels, str(dtype), options.fit), rule


def _decoded(
    source: Source, survey: cache.Survey, options: DataOptions
) -> tuple[cache.Plan, cache.Rows, list[str]]:
    """The examples as they are learned: by the files' heads, then by their content.

    The shape of an array says how many channels are meant; the mode of a file is often an accident.
    """
    plan, rule = plan_for(source, survey, options)
    rows = cache.rows(source, survey, plan)
    if options.channels or source.kind not in _FILES or not len(rows.kept):
        return plan, rows, [rule]
    channels, notes = channels_of(rows.least, plan.channels)
    if channels != plan.channels:
        plan = replace(plan, channels=channels)
        rows = cache.rows(source, survey, plan)
    return plan, rows, [rule, *notes]


def _reduced(survey: cache.Survey) -> str:
    count = int(survey.reduced.sum())
    return f"16 bit reduced to 8: {count:,} files" if count else ""


def _derived_size(heights: np.ndarray, widths: np.ndarray) -> tuple[tuple[int, int], str]:
    height, width = int(heights[0]), int(widths[0])
    same = bool((heights == height).all() and (widths == width).all())
    if same and max(height, width) <= _KEPT_SIDE:
        return (height, width), f"all pictures are {height}×{width}: kept as they are"
    pairs, inverse = np.unique(np.stack([heights, widths]), axis=1, return_inverse=True)
    counts = np.bincount(inverse.ravel())
    usual = counts.argmax()
    height, width = int(pairs[0, usual]), int(pairs[1, usual])
    if (
        counts[usual] >= _USUAL_SHARE * len(heights)
        and max(height, width) <= _KEPT_SIDE
        and not same
    ):
        strays = len(heights) - int(counts[usual])
        some = f"{strays:,} of another size is" if strays == 1 else f"{strays:,} of other sizes are"
        return (
            height,
            width,
        ), f"most pictures are {height}×{width}: kept as they are; {some} fitted"
    aspect = statistics.median((heights / widths).tolist())
    longer = min(_LONGER_SIDE, float(np.median(np.maximum(heights, widths))))
    sides = (longer, longer / aspect) if aspect >= 1 else (longer * aspect, longer)
    size = max(_LEAST_SIDE, round(sides[0])), max(_LEAST_SIDE, round(sides[1]))
    what = "larger than 128" if same else "of several sizes"
    return (
        size,
        f"pictures are {what}: brought to {size[0]}×{size[1]} (median aspect, longer side at most 64)",
    )


def _labels(
    source: Source, kept: np.ndarray, options: DataOptions
) -> tuple[np.ndarray | None, tuple[str, ...], str]:
    if source.labels is None or not options.labels:
        return None, (), ""
    used, labels = np.unique(source.labels[kept], return_inverse=True)
    if len(used) == 1:
        return None, (), f"all are of one class ({source.classes[used[0]]}): labels are not used"
    if len(used) == len(kept) >= _MANY:
        own = f"{len(used):,} classes for {len(kept):,} pictures: are they? labels are not used"
        return None, (), own
    gone = [source.classes[i] for i in np.setdiff1d(source.labels, used)]
    lost = f"classes without a picture that can be read are left out: {', '.join(gone[:5])}"
    return labels.astype(np.int64), tuple(source.classes[i] for i in used), lost if gone else ""


def _trained_classes(
    labels: np.ndarray | None, classes: tuple[str, ...], parts: Split, hashes: np.ndarray
) -> tuple[np.ndarray | None, tuple[str, ...], Split, str]:
    """Every class has a picture to train on: one is taken from those held out by content.

    The data's own test part stays as it is; of it, pictures of classes without any training are
    left out, and their classes with them.
    """
    if labels is None:
        return None, (), parts, ""
    counts = np.bincount(labels[parts.train], minlength=len(classes))
    lacking = np.flatnonzero(counts == 0)
    if not len(lacking):
        return labels, classes, parts, ""
    named = ", ".join(classes[i] for i in lacking[:5]) + (", …" if len(lacking) > 5 else "")
    heldout, dropped = parts.heldout, parts.dropped
    if not parts.official:
        moved = [_largest(heldout[labels[heldout] == i], hashes) for i in lacking]
        back = np.isin(hashes, hashes[np.array(moved)]) & np.isin(np.arange(len(hashes)), heldout)
        train = np.sort(np.append(parts.train, np.flatnonzero(back)))
        heldout = heldout[~back[heldout]]
        note = f"all pictures of some classes would be held out, one of each trains: {named}"
        return labels, classes, replace(parts, train=train, heldout=heldout), note
    gone = np.isin(labels[heldout], lacking)
    dropped = np.sort(np.append(dropped, heldout[gone]))
    used = np.unique(labels[parts.train])
    place = np.zeros(len(classes), np.int64)  # what is dropped has no class of its own any more
    place[used] = np.arange(len(used))
    note = f"classes without a training picture are left out: {named}"
    left = replace(parts, heldout=heldout[~gone], dropped=dropped)
    return place[labels], tuple(classes[i] for i in used), left, note


def _largest(indices: np.ndarray, hashes: np.ndarray) -> int:
    return int(indices[np.argmax(hashes[indices])])


def _codec(plan: cache.Plan, low: float, high: float) -> ImageCodec:
    return ImageCodec(
        height=plan.height,
        width=plan.width,
        channels=plan.channels,  # type: ignore[arg-type]
        dtype=plan.dtype,  # type: ignore[arg-type]
        low=low,
        high=high,
    )


def _fingerprint(
    plan: cache.Plan,
    codec: ImageCodec,
    rows: cache.Rows,
    labels: np.ndarray | None,
    classes: tuple[str, ...],
    *parts: np.ndarray,
) -> str:
    narrow = codec.dtype != "float32" and is_narrow(codec.low, codec.high, codec.dtype)
    about = [vars(plan), classes, *([codec.low, codec.high] if narrow else [])]
    digest = hashlib.blake2b(json.dumps(about).encode(), digest_size=8)
    for array in (rows.hashes, *parts, *([] if labels is None else [labels])):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
