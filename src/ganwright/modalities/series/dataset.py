"""Series as a data set: read, cut into windows and split."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.paths import file_identity
from ganwright.data import cache
from ganwright.data.arrow import kept
from ganwright.data.dataset import Dataset
from ganwright.data.options import DataOptions
from ganwright.data.packing import inner
from ganwright.modalities.series.clock import counted
from ganwright.modalities.series.codec import SeriesCodec
from ganwright.modalities.series.columns import CLASS, ID
from ganwright.modalities.series.options import SeriesOptions
from ganwright.modalities.series.read import Series, arrays_in, series_in, table_in
from ganwright.modalities.series.windows import Windows, length_of, windows


@dataclass(frozen=True, kw_only=True)
class SeriesSource:
    """Series found but not read."""

    name: str
    path: Path
    identity: Any
    array: bool = False
    notes: tuple[str, ...] = ()
    memory: str = ""  # what it was in memory, for errors: its path is in the cache
    modality = "series"

    @property
    def label(self) -> str:
        """What it is called in errors."""
        return self.memory or f"'{self.path}'"


class StoredWindows:
    """Windows as the nets see them, made when they are asked for from series that lie in memory once."""

    def __init__(self, series: Series, starts: np.ndarray, whose: np.ndarray, codec: Any) -> None:
        self.series, self.starts, self.whose, self.codec = series, starts, whose, codec
        self.shape = (len(starts), codec.length, len(series.channels))

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, indices: np.ndarray) -> np.ndarray:
        """Windows (b, T, C + S) in the data's own units; what describes a series is in every step."""
        rows = self.starts[indices][:, None] + np.arange(self.codec.length)
        parts = [self.series.values[rows]]
        statics = [self.series.statics[self.whose[indices]]]
        if self.series.classes is not None:
            statics.append(self.series.classes[self.starts[indices]][:, None])
        told = np.concatenate(statics, 1)
        parts.append(np.repeat(told[:, None], self.codec.length, 1))
        return np.concatenate(parts, 2)

    def __getitem__(self, indices: Any) -> np.ndarray:
        one = np.ndim(indices) == 0
        found: np.ndarray = self.codec.stored(self.raw(np.atleast_1d(np.asarray(indices))))
        return found[0] if one else found


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SeriesDataset(Dataset):
    """Windows of series."""

    rows: StoredWindows
    windows: Windows

    def __repr__(self) -> str:
        """How many windows of what shape."""
        shape = "×".join(map(str, self.rows.shape[1:]))
        return f"Dataset({self.name!r}, {len(self):,} windows of {shape}, {len(self.heldout):,} held out)"

    def examples(self, indices: np.ndarray) -> np.ndarray:
        """The windows at `indices`, (b, T, C + S), in the data's own units."""
        return self.rows.raw(np.asarray(indices))

    @cached_property
    def heldout_halves(self) -> tuple[np.ndarray, np.ndarray]:
        """By time or by series, as windows overlap: for model selection and for the final score."""
        later = self.windows.half[self.heldout]
        return self.heldout[~later], self.heldout[later]


def file_source(path: Path, note: str = "") -> SeriesSource:
    """Series in a table."""
    notes = (note,) if note else ()
    name = inner(path).name.rpartition(".")[0] or path.stem
    return SeriesSource(name=name, path=path.resolve(), identity=file_identity(path), notes=notes)


def array_source(path: Path) -> SeriesSource:
    """Series in an .npz or .npy."""
    identity = file_identity(path)
    return SeriesSource(name=path.stem, path=path.resolve(), identity=identity, array=True)


def frame_source(frame: Any, options: DataOptions, note: str = "") -> SeriesSource:
    """Series in a frame, written into the cache so that a run can name its file."""
    notes: list[str] = [note] if note else []
    path, digest = kept(frame, notes, options.of(SeriesOptions).leave_out)
    return SeriesSource(
        name="series", path=path, identity=digest, notes=tuple(notes), memory="the table"
    )


def memory_source(values: np.ndarray) -> SeriesSource:
    """Series in an array, likewise."""
    digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=12).hexdigest()
    folder = cache.folder_of("arrays", "")
    path = folder / f"{digest}.npy"
    with cache.room_for(folder), cache.making(folder) as aside:
        np.save(aside / "series.npy", values, allow_pickle=False)
        (aside / "series.npy").replace(path)
    return SeriesSource(name="series", path=path, identity=digest, array=True, memory="the array")


def with_index(frame: Any) -> Any:
    """A frame of pandas whose index are times, with those as a column."""
    if type(frame).__module__.partition(".")[0] != "pandas":
        return frame
    import pandas as pd

    if isinstance(frame.index, pd.PeriodIndex):
        frame = frame.to_timestamp()
    if not isinstance(frame.index, pd.DatetimeIndex):
        return frame
    name = frame.index.name or "time"
    return frame if name in frame.columns else frame.rename_axis(name).reset_index()


def read(source: SeriesSource, options: SeriesOptions) -> Series:
    """All that a source holds. Raises DataError, OptionError."""
    owner, notes = source.label, list(source.notes)
    if source.array:
        return arrays_in(owner, *_arrays(source.path))
    found = series_in(owner, table_in(source.path, notes), options)
    return replace(found, notes=(*notes, *found.notes))


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded, None
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, *cache.DAMAGED) as error:
        raise DataError(f"'{path}' can't be read: {' '.join(str(error).split())[:120]}") from None
    deep = [name for name, array in arrays.items() if array.ndim == 3]
    name = "samples" if "samples" in deep else deep[0] if len(deep) == 1 else ""
    if not name:
        raise DataError(
            f"'{path}' needs one array (series, time, channels); it holds {_shapes(arrays)}"
        )
    labels = arrays.get("labels")
    fits = labels is not None and labels.shape == arrays[name].shape[:1]
    return arrays[name], labels if fits else None


def _shapes(arrays: dict[str, np.ndarray]) -> str:
    return (
        ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:5]) or "nothing"
    )


def dataset(source: SeriesSource, options: DataOptions) -> SeriesDataset:
    """What `open_data` does once it has a source."""
    chosen = options.of(SeriesOptions)
    series = read(source, chosen)
    derived = chosen.length is None
    if not options.labels:
        kept_columns = tuple(column for column in series.columns if column.role != CLASS)
        series = replace(series, classes=None, columns=kept_columns)
    length = length_of(series, chosen.length, options.holdout)
    longest = int(np.diff(series.bounds).max())
    if longest < length:
        what = "the longest series" if len(series.names) > 1 else "the series"
        raise DataError(
            f"{source.label}: {what} has {longest} steps, a window {length}; "
            f"data.series.length={max(2, longest // 8)} makes shorter ones"
        )
    marks = _marks([series.values[a:b] for a, b in _pairs(series.bounds)])
    found = windows(series, length, chosen.stride, options.holdout, marks)
    if not len(found.train):
        raise DataError(
            f"{source.label}: no window of {length} steps is left to train on, of {longest} steps with "
            f"{options.holdout:.0%} held out; data.series.length sets a shorter one"
        )
    codec = SeriesCodec.fit(series, found)
    rows = StoredWindows(series, found.starts, found.series, codec)
    if not source.array:
        ids = series.having(ID)
        chosen = replace(
            chosen, time=series.clock.name, id=ids[0].name if ids else None, length=length
        )
        options = replace(options.having(chosen), form="series")
    hashes = _marks(_blocks(rows))
    labels = None
    if series.classes is not None:
        labels = series.classes[found.starts].astype(np.int64)
    notes = [*series.notes, *found.notes, _said(found, len(series.channels), chosen, derived)]
    return SeriesDataset(
        name=source.name, kind="series", source=str(source.path), spec=codec.spec(), codec=codec,
        fingerprint=_fingerprint(codec, hashes, found), rows=rows, labels=labels,
        train=found.train, heldout=found.heldout, dropped=found.dropped, hashes=hashes, skipped=(),
        ignored={}, options=options, notes=tuple(notes), name_of=lambda i: _name(series, found, i),
        windows=found,
    )  # fmt: skip


def _said(found: Windows, channels: int, chosen: SeriesOptions, derived: bool) -> str:
    how = " (data.series.length sets another length)" if derived else ""
    return (
        f"{len(found.starts):,} windows of {found.length} steps and {counted(channels, 'channel')}, one "
        f"every {'step' if chosen.stride == 1 else f'{chosen.stride} steps'}{how}"
    )


def _pairs(bounds: np.ndarray) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


def _blocks(rows: StoredWindows) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), 4096):
        yield from rows.raw(np.arange(start, min(start + 4096, len(rows))))


def _marks(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """A hash of each array's content, (n,) uint64."""
    digests = b"".join(
        hashlib.blake2b((np.ascontiguousarray(a) + 0.0).tobytes(), digest_size=8).digest()
        for a in arrays
    )
    return np.frombuffer(digests, np.uint64)


def _name(series: Series, found: Windows, index: int) -> str:
    start = int(found.starts[index])
    whose = series.names[found.series[index]]
    when = series.clock.written(series.times[start : start + 1])[0].as_py()
    return f"{whose} from {when}" if whose else f"from {when}"


def _fingerprint(codec: SeriesCodec, hashes: np.ndarray, found: Windows) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr([[c.to_json() for c in codec.columns], codec.length]).encode())
    for array in (hashes, found.train, found.heldout):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
