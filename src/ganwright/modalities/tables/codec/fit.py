"""From training rows to fields, in bounded memory: columns one by one, chunk by chunk.

Bins come from at most `SAMPLED` rows; ranges, category sets and the number of missing values are
exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError
from ganwright.base.seeds import derive
from ganwright.modalities.tables.codec.bins import FEW, SEGMENTS, build, cut
from ganwright.modalities.tables.codec.fields import TAILS, CategoryField, Field, NumberField
from ganwright.modalities.tables.codec.modes import by_modes
from ganwright.modalities.tables.columns import moments
from ganwright.modalities.tables.columns.axis import from_axis, type_of, unit_ns
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.kinds import MOST_OWN
from ganwright.modalities.tables.columns.line import Line, flat, line_of, missing_of, raw_numbers
from ganwright.modalities.tables.options import TableOptions

SAMPLED = 200_000
CHUNK = 1 << 17
LARGEST_NUMBER = 1e300  # differences and sums of larger numbers may be infinite
ROWS_A_BIN, BINS = 32, (16, 64)  # training rows that justify one more bin, fewest and most of them
LARGEST_TEXT = 4 << 20  # bytes of category names that one column may add to a model
_TEXT_OF_ALL = 12 << 20  # … and all columns together: a model's JSON must stay below 32 MiB
_SEGMENTS_OF_ALL = 1 << 19
_ORDERED = ("number", "integer", "datetime")
_NEVER = 230  # years from 1970: a date beyond means "never"
_NOTHING: Mapping[bytes, bytes] = {}


def fit_fields(table: pa.Table, columns: Sequence[Column], options: TableOptions) -> list[Field]:
    """One field for each modelled column, in order. Raises DataError for impossible values."""
    rows = _sample(table.num_rows)
    if options.bins is None:  # bins finer than a few dozen rows each would be memorised
        options = replace(options, bins=int(np.clip(table.num_rows // ROWS_A_BIN, *BINS)))
    assert options.bins is not None
    found: list[Field | _Numbers] = []
    numbers = sum(column.kind in _ORDERED for column in columns)
    room = min(LARGEST_TEXT, _TEXT_OF_ALL // max(1, len(columns) - numbers))
    segments = int(np.clip(_SEGMENTS_OF_ALL // max(1, numbers * options.bins), 2, SEGMENTS))
    for column in columns:
        values = table.column(column.name)
        if column.kind in _ORDERED:
            found.append(_Numbers.gather(column, values, rows, options.bins))
        else:
            about = table.schema.field(column.name).metadata or {}
            found.append(fit_category(column, values, options.largest, about, room))
    rest = _rest_by_modes(found, options)
    return [
        _fit_number(one, options.bins, segments, rest.get(one.column.name))
        if isinstance(one, _Numbers)
        else one
        for one in found
    ]


def _sample(count: int) -> np.ndarray | None:
    """Which of the rows make the bins, in order; None for all."""
    if count <= SAMPLED:
        return None
    generator = np.random.default_rng(derive(0, "table", "bins"))
    return np.sort(generator.choice(count, SAMPLED, replace=False))


def chunks(values: pa.ChunkedArray) -> Iterator[tuple[int, pa.Array]]:
    """Where each part starts, and the part."""
    for start in range(0, len(values), CHUNK):
        yield start, flat(values.slice(start, CHUNK))


@dataclass
class _Numbers:
    """What one pass over a column of numbers finds: different positions, how often, how many not.

    `apart` are the values that do not belong on the line, and `tallies` how often they came.
    """

    column: Column
    line: Line | None
    positions: np.ndarray
    counts: np.ndarray
    absent: int
    apart: pa.Array | None = None
    tallies: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def gather(
        cls, column: Column, values: pa.ChunkedArray, rows: np.ndarray | None, bins: int
    ) -> _Numbers:
        few = column.distinct <= 2 * max(FEW, bins)
        kept, counted, absent = [], [], 0
        off: list[pa.Array] = []
        for start, part in chunks(values):
            try:
                raw, missing = raw_numbers(column, part)
            except ValueError as error:
                problem = " ".join(str(error).split())
                raise DataError(
                    f"column '{column.name}' is not of kind {column.kind}: {problem}"
                ) from None
            there = raw[~missing]
            strange = missing & ~missing_of(part)
            if strange.any():
                off.append(part.filter(pa.array(strange)))
            absent += len(raw) - len(there) - int(strange.sum())
            if not len(there):
                continue
            ends = np.array([there.min(), there.max()])
            if ends.dtype.kind == "f" and np.abs(ends).max() > LARGEST_NUMBER:
                raise DataError(
                    f"column '{column.name}' contains {ends[np.abs(ends).argmax()]:g}, beyond "
                    f"the largest allowed number, {LARGEST_NUMBER:g}; leave it out or rescale it"
                )
            if rows is not None and not few:
                first, last = np.searchsorted(rows, [start, start + len(raw)])
                picked = rows[first:last] - start
                there = raw[picked][~missing[picked]]
            different, count = np.unique(there, return_counts=True)
            kept += [different, ends]
            counted += [count, np.zeros(2, np.int64)]
        apart, tallies = counted_apart(off)
        if not kept:
            return cls(column, None, np.empty(0), np.empty(0), absent, apart, tallies)
        merged, back = np.unique(np.concatenate(kept), return_inverse=True)
        counts = np.maximum(np.bincount(back, np.concatenate(counted)), 1)  # ends not sampled
        far = far_dates(column, merged, counts)
        if far.any():
            more, merged = from_axis(column, merged[far]), merged[~far]
            apart = more if apart is None else pa.concat_arrays([apart, more])
            tallies, counts = np.append(tallies, np.rint(counts[far])), counts[~far]
        line = line_of(column, merged)
        positions, back = np.unique(line.of_raw(merged), return_inverse=True)
        counts = np.bincount(back, counts)
        known = len(values) - absent - tallies.sum()
        counts = counts * (known / counts.sum())
        return cls(column, line, positions, counts, absent, apart, tallies.astype(np.int64))


def _rest_by_modes(
    found: Sequence[Field | _Numbers], options: TableOptions
) -> dict[str, np.ndarray]:
    """For `numbers="modes"`: bins by the parts of a mixture, for each column of many values."""
    if options.numbers != "modes" or options.bins is None:
        return {}
    many = [
        one
        for one in found
        if isinstance(one, _Numbers) and len(one.positions) > max(FEW, options.bins)
    ]
    if not many:
        return {}
    parts = by_modes([one.positions for one in many], [one.counts for one in many], options.bins)
    return {one.column.name: part for one, part in zip(many, parts, strict=True)}


def _fit_number(numbers: _Numbers, bins: int, segments: int, rest: np.ndarray | None) -> Field:
    if numbers.line is None:  # only missing values among the training rows
        return _nowhere(numbers)
    groups = cut(numbers.positions, numbers.counts, bins, rest=rest)
    grid = numbers.line.grid
    built = build(numbers.positions, numbers.counts, groups, grid=grid, segments=segments)
    return NumberField(
        line=numbers.line,
        bins=built,
        absent=numbers.absent,
        apart=numbers.apart,
        tallies=numbers.tallies,
    )


def _nowhere(numbers: _Numbers) -> CategoryField:
    """A column without any number, only missing values and values apart, as categories."""
    apart = numbers.apart
    return CategoryField(
        column=numbers.column,
        values=pa.array([], type_of(numbers.column.type)) if apart is None else apart,
        tallies=numbers.tallies,
        tails=np.full(1, len(numbers.tallies), np.int64),
        absent=numbers.absent,
    )


def counted_apart(parts: Sequence[pa.Array]) -> tuple[pa.Array | None, np.ndarray]:
    """The different values in some arrays, the most frequent first, and how often they come."""
    if not parts:
        return None, np.empty(0, np.int64)
    counted = pc.value_counts(pa.chunked_array(parts))
    counts = counted.field("counts").to_numpy()
    order = np.argsort(-counts, kind="stable")
    return counted.field("values").take(pa.array(order)), counts[order]


def far_dates(column: Column, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Which of the distinct dates (U,), sorted, are placeholders: 9999-12-31, 1900-01-01.

    They lie further from all others than those from each other, and occur several times or in an
    impossible year.
    """
    far = np.zeros(len(values), bool)
    if column.kind != "datetime" or not _dated(column):
        return far
    year = 366 * 86_400 * 10**9 // unit_ns(column)
    first, last = 0, len(values) - 1
    for _ in range(MOST_OWN):
        for end, beside in ((last, last - 1), (first, first + 1)):
            if last - first < 2:
                return far
            rest = (
                values[last - 1] - values[first]
                if end == last
                else values[last] - values[first + 1]
            )
            gap = abs(values[end] - values[beside])
            never = abs(values[end]) > _NEVER * year
            if gap > max(rest, year) and (counts[end] >= 2 or never):
                far[end] = True
                first, last = (first, last - 1) if end == last else (first + 1, last)
    return far


def _dated(column: Column) -> bool:
    """Whether it has dates, not times of a day or durations."""
    if column.form:
        return moments.unit_of(column.form) == "D" or any(s in column.form for s in ("%Y", "%y"))
    return column.type.startswith(("date", "timestamp"))


def fit_category(
    column: Column,
    values: pa.ChunkedArray,
    largest: int,
    about: Mapping[bytes, bytes] = _NOTHING,
    room: int = LARGEST_TEXT,
) -> CategoryField:
    """The field of a category, boolean or anything else that has no order.

    `largest` values have a code of their own, the rest share `TAILS` tail codes of about equal
    frequency. `about` is the metadata of the column: ``levels`` (a JSON list) are the user's own
    category set, and ``ordered`` ("1") says that it has an order. Names take at most `room` bytes.
    """
    kind = type_of(column.type)
    tally = pc.value_counts(pa.chunked_array([part for _, part in chunks(values)], kind))
    seen, counts = tally.field("values"), tally.field("counts").to_numpy()
    there = ~missing_of(seen)
    absent = int(counts[~there].sum())
    seen, counts = seen.filter(pa.array(there)), counts[there]
    levels = _levels(about, kind)
    natural = _natural(seen, levels)
    if len(seen) > largest:
        by_count = natural[np.argsort(-counts[natural], kind="stable")]
        front = natural[np.isin(natural, by_count[:largest])]
        natural = np.concatenate([front, by_count[largest:]])
    seen, counts = seen.take(pa.array(natural)), counts[natural]
    own, several = min(len(seen), largest), len(seen)
    seen = _cut_text(column.name, seen, own, room)
    counts = counts[: len(seen)].astype(np.int64)
    tails = _tails(counts, own)
    order = None
    if levels is not None and len(seen) == several and pc.all(pc.is_in(seen, levels)).as_py():
        unused = levels.filter(pc.invert(pc.is_in(levels, value_set=seen)))
        seen = pa.concat_arrays([seen, unused])
        counts = np.append(counts, np.zeros(len(unused), np.int64))
        places = pc.index_in(levels, value_set=seen)
        order = np.argsort(places.to_numpy(zero_copy_only=False)).astype(np.int64)
    return CategoryField(
        column=column,
        values=seen,
        tallies=counts,
        tails=tails,
        levels=order,
        ordered=about.get(b"ordered") == b"1",
        cut=several - own - int(tails[-1] - tails[0]),
        absent=absent,
    )


def _levels(about: Mapping[bytes, bytes], kind: pa.DataType) -> pa.Array | None:
    """The user's own category set, different values in his order."""
    if b"levels" not in about:
        return None
    return pa.array(json.loads(about[b"levels"]), pa.string()).cast(kind).unique()


def _natural(seen: pa.Array, levels: pa.Array | None) -> np.ndarray:
    """The order of the values: that of the user's category set, else by size or alphabet."""
    if levels is not None:
        places = pc.index_in(seen, value_set=levels).fill_null(len(levels))
        return np.argsort(places.to_numpy(zero_copy_only=False), kind="stable")
    seen = seen.cast(pa.int8()) if pa.types.is_boolean(seen.type) else seen
    if pa.types.is_null(seen.type):
        return np.empty(0, np.int64)
    return pc.sort_indices(seen).to_numpy(zero_copy_only=False).astype(np.int64)


def _cut_text(name: str, seen: pa.Array, own: int, room: int) -> pa.Array:
    """As many values as fit in a model, the rarest cut off. Raises DataError if none fits."""
    if not pa.types.is_string(seen.type):
        return seen.slice(0, max(own, room // 8))
    sizes = np.cumsum(pc.binary_length(seen).to_numpy(zero_copy_only=False).astype(np.int64) + 8)
    kept = int(np.searchsorted(sizes, room, side="right"))
    if kept >= len(seen) or kept > own:
        return seen.slice(0, kept)
    raise DataError(
        f"column '{name}': its {own:,} most frequent values alone take {sizes[own - 1]:,} bytes, but "
        f"only {room:,} fit; make it text with data.table.kinds, or lower data.table.largest"
    )


def _tails(counts: np.ndarray, own: int) -> np.ndarray:
    """Where tail codes begin and end among the values, in about equal shares of rows."""
    rare = counts[own:]
    if not len(rare):
        return np.array([own], np.int64)
    middles = (np.cumsum(rare) - rare / 2) / rare.sum()
    groups = np.floor(middles * min(TAILS, len(rare))).astype(np.int64)
    starts = np.append(0, np.flatnonzero(np.diff(groups)) + 1)
    return own + np.append(starts, len(rare)).astype(np.int64)
