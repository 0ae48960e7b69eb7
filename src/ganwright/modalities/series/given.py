"""Series given to a model: windows of a file in the model's own channels, and histories to go on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganwright.base.errors import DataError, OptionError, message
from ganwright.modalities.series.codec import SeriesCodec
from ganwright.modalities.series.columns import CLASS, ID, STATIC
from ganwright.modalities.series.dataset import SeriesSource, read
from ganwright.modalities.series.options import SeriesOptions
from ganwright.modalities.series.read import Series
from ganwright.modalities.series.windows import cut


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """Windows (b, T, C + S) in the model's channels, and where each begins."""

    series: Series
    examples: np.ndarray
    starts: np.ndarray
    whose: np.ndarray

    def places(self, clock: Any) -> list[str]:
        """The first time of each window, with the name of its series where it has one."""
        when = clock.written(self.series.times[self.starts]).to_pylist()
        names = [self.series.names[number] for number in self.whose]
        return [f"{name} {time}".strip() for name, time in zip(names, when, strict=True)]


def series_of(codec: SeriesCodec, source: SeriesSource) -> Series:
    """The series of a source, its channels and descriptions in the codec's order. Raises DataError."""
    known = {column.name for column in codec.columns}
    ids = [column.name for column in codec.columns if column.role == ID]
    owner = source.label
    found = (
        read(source, SeriesOptions()) if source.array else _read(codec, source, known, ids, owner)
    )
    own = [column.name for column in found.channels]
    own = ["" if name == "" else name for name in own]
    wanted = [column.name for column in codec.channels]
    values = np.empty((len(found.values), len(wanted)))
    for c, name in enumerate(wanted):
        if name in own:
            values[:, c] = found.values[:, own.index(name)]
        elif name == "":  # irregular in training, regular here
            values[:, c] = found.clock.step
        else:
            values[:, c] = _constant(found, name, owner)
    statics = (
        np.stack([_told(found, c, owner) for c in codec.statics], 1) if codec.statics else None
    )
    told = np.empty((len(found.names), 0)) if statics is None else statics
    return replace(found, values=values, statics=told, classes=None)


def _read(
    codec: SeriesCodec, source: SeriesSource, known: set[str], ids: Sequence[str], owner: str
) -> Series:
    from ganwright.modalities.series.read import series_in, table_in

    table = table_in(source.path, [])
    names = table.column_names
    lacking = [c.name for c in codec.channels if c.name and c.name not in names]
    lacking += [codec.clock.name] * (codec.clock.name not in names)
    if lacking:
        problem = f"{owner}: no column '{lacking[0]}'"
        raise DataError(message("", problem, allowed=names, got=lacking[0]).removeprefix(": "))
    own = next((name for name in (*ids, codec.id_name) if name in names), None)
    kept = [name for name in names if name in known or name == own]
    classes = next((c.name for c in codec.columns if c.role == CLASS and c.name in kept), None)
    options = SeriesOptions(time=codec.clock.name, id=own, classes=classes)
    return series_in(owner, table.select(kept), options)


def _constant(found: Series, name: str, owner: str) -> float:
    """The value of a channel that doesn't change in what is given."""
    for column in found.columns:
        if column.name == name and column.values and not column.words:
            return float(column.values[0])
    for place, column in enumerate(found.having(STATIC)):
        if column.name == name and not column.words:
            return float(found.statics[0, place])
    raise DataError(f"{owner}: column '{name}' has no numbers")


def _told(found: Series, column: Any, owner: str) -> np.ndarray:
    """What a column says of each series (m,), in the codec's places; NaN where it is not known."""
    count = len(found.names)
    if column.role == CLASS and found.classes is not None:
        own = found.having(CLASS)[0].values
        words = [own[int(found.classes[at])] for at in found.bounds[:-1]]
        return _places(words, column)
    for place, one in enumerate(found.having(STATIC)):
        if one.name == column.name:
            codes = found.statics[:, place]
            if not column.words:
                return codes
            return _places([one.values[int(c)] if c == c else "" for c in codes], column)
    for one in found.columns:
        if one.name == column.name and one.values:
            said = one.values[0]
            if column.words:
                return _places([said] * count, column)
            return np.full(count, float(said))
    return np.full(count, np.nan)


def _places(words: Sequence[str], column: Any) -> np.ndarray:
    there = {word: i for i, word in enumerate(column.values)}
    return np.array([there.get(word, np.nan) for word in words], np.float64)


def windows_in(codec: SeriesCodec, source: Any, stride: int) -> Given:
    """All windows of a source, so far apart. Raises DataError where there is none."""
    if not isinstance(source, SeriesSource):
        raise DataError(f"needs series, as the model makes; got {type(source).__name__}")
    series = series_of(codec, source)
    starts, whose, _ = cut(series, codec.length, stride)
    if not len(starts):
        longest = int(np.diff(series.bounds).max())
        raise DataError(
            f"{source.label} has no window of {codec.length} steps: its longest series has {longest}"
        )
    rows = starts[:, None] + np.arange(codec.length)
    told = np.repeat(series.statics[whose][:, None], codec.length, 1)
    examples = np.concatenate([series.values[rows], told], 2)
    return Given(series=series, examples=examples, starts=starts, whose=whose)


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """The last steps of series, to go on from: windows (h, T, C + S), of which `lengths` (h,) are known."""

    names: tuple[str, ...]
    examples: np.ndarray
    lengths: np.ndarray
    begins: np.ndarray  # the time of each window's first step


def histories_in(codec: SeriesCodec, source: Any, most: int | None = None) -> Histories:
    """The end of each series of a source, at most so many steps (None: half a window)."""
    if not isinstance(source, SeriesSource):
        raise DataError(f"given: needs series, as the model makes; got {type(source).__name__}")
    most = max(1, codec.length // 2) if most is None else most
    if not 1 <= most < codec.length:
        raise OptionError(f"given: must be 1 to {codec.length - 1} steps; got {most}")
    series = series_of(codec, source)
    count = len(series.names)
    examples = np.full(
        (count, codec.length, series.values.shape[1] + series.statics.shape[1]), np.nan
    )
    lengths, begins = np.zeros(count, np.int64), np.zeros(count)
    for i, (a, b) in enumerate(zip(series.bounds, series.bounds[1:], strict=False)):
        lengths[i] = min(most, b - a)
        first = b - lengths[i]
        examples[i, : lengths[i], : series.values.shape[1]] = series.values[first:b]
        examples[i, :, series.values.shape[1] :] = series.statics[i]
        begins[i] = series.times[first]
    return Histories(names=series.names, examples=examples, lengths=lengths, begins=begins)
