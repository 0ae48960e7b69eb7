"""A table as two matrices: numbers, with NaN where they are missing, and codes of categories.

A `Layout` is fitted to the training rows alone and converts any rows of that table to the same form.
Missing is a value like any other: NaN for numbers, its own code for categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, message
from ganwright.modalities.tables.columns.axis import to_axis
from ganwright.modalities.tables.columns.column import Column

BINS = 10  # of a number, where pairs of columns are counted
FINE = 20  # and where it stands by itself
GROUPED = 64  # values of a category kept separate in pairs; rarer ones share one
NUMBERS = frozenset({"number", "integer", "datetime"})
CATEGORIES = frozenset({"category", "boolean"})


@dataclass(frozen=True, eq=False)
class Axis:
    """A column of numbers, as training has it: sorted values without missing ones."""

    column: Column
    values: np.ndarray  # (m,) float64, sorted
    missing: bool  # whether training has missing values

    @property
    def name(self) -> str:
        return self.column.name

    @cached_property
    def edges(self) -> np.ndarray:
        """Where bins for pairs begin; values that are frequent have a bin of their own."""
        return _edges(self.values, BINS)

    @cached_property
    def fine(self) -> np.ndarray:
        return _edges(self.values, FINE)


@dataclass(frozen=True, eq=False)
class Words:
    """A column of categories: the values of training by falling frequency, and how often each is.

    The code after the last value means missing, the one after that a value unknown to training.
    """

    name: str
    values: pa.Array
    counts: np.ndarray  # (k,)
    absent: int  # missing in training

    @property
    def missing(self) -> int:
        return len(self.values)

    @property
    def unknown(self) -> int:
        return len(self.values) + 1

    @property
    def size(self) -> int:
        return len(self.values) + 2


@dataclass(frozen=True, eq=False)
class Layout:
    """Which columns are used, and how they become matrices.

    `target` is the column that is predicted where usefulness is measured, or None.
    """

    axes: tuple[Axis, ...]
    words: tuple[Words, ...]
    target: str | None = None
    shown: tuple[str, ...] = field(default=())  # names in the user's order

    @classmethod
    def fit(cls, table: pa.Table, columns: Sequence[Column], target: str | None = None) -> Layout:
        """From training rows: numbers, dates and categories among `columns`; the rest is left out.

        Raises DataError when none is left or `target` is none of them.
        """
        axes, words = [], []
        for column in columns:
            if column.kind in NUMBERS:
                values = numbers_of(table.column(column.name), column)
                present = np.sort(values[~np.isnan(values)])
                axes.append(Axis(column, present, len(present) < len(values)))
            elif column.kind in CATEGORIES:
                words.append(_words(column.name, table.column(column.name)))
        names = [c.name for c in columns if c.kind in NUMBERS | CATEGORIES]
        if not names:
            raise DataError(message("columns", "there is no column of numbers or categories"))
        if target is not None and target not in names:
            raise DataError(message("target", f"no column {target!r}", allowed=names, got=target))
        return cls(tuple(axes), tuple(words), target, tuple(names))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns: the numbers, then the categories."""
        return (*(a.name for a in self.axes), *(w.name for w in self.words))

    @cached_property
    def order(self) -> np.ndarray:
        """Places in `names` in the user's order."""
        return np.array([self.names.index(name) for name in self.shown], dtype=int)

    def cells(self, table: pa.Table) -> Cells:
        """Rows of the same table as matrices. Raises DataError for a column that is not there."""
        lacking = [name for name in self.names if name not in table.column_names]
        if lacking:
            raise DataError(
                message("columns", f"there is no {lacking[0]!r}", allowed=table.column_names)
            )
        numbers = np.empty((table.num_rows, len(self.axes)), np.float64)
        for i, axis in enumerate(self.axes):
            numbers[:, i] = numbers_of(table.column(axis.name), axis.column)
        codes = np.empty((table.num_rows, len(self.words)), np.int32)
        for i, words in enumerate(self.words):
            codes[:, i] = _codes(words, table.column(words.name))
        return Cells(self, numbers, codes)


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows in the form of a layout: numbers (n, p) float64 and codes (n, q) int32."""

    layout: Layout
    numbers: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    @staticmethod
    def joined(parts: Sequence[Cells]) -> Cells:
        """All rows of all parts."""
        return concatenate(parts)

    def __getitem__(self, rows: slice | np.ndarray) -> Cells:
        return Cells(self.layout, self.numbers[rows], self.codes[rows])

    @property
    def binned(self) -> np.ndarray:
        """Every column as few choices (n, p + q), for counting pairs; missing is the last."""
        found = np.empty((len(self), len(self.layout.names)), np.int32)
        for i, axis in enumerate(self.layout.axes):
            found[:, i] = _binned(self.numbers[:, i], axis.edges)
        for i, words in enumerate(self.layout.words):
            found[:, len(self.layout.axes) + i] = _grouped(self.codes[:, i], words)
        return found

    @property
    def sizes(self) -> np.ndarray:
        """How many choices each column of `binned` has."""
        numbers = [len(axis.edges) + 2 for axis in self.layout.axes]
        return np.array([*numbers, *(min(w.size, GROUPED + 3) for w in self.layout.words)])


def concatenate(parts: Sequence[Cells]) -> Cells:
    """Several in one. Raises ValueError for none."""
    numbers, codes = ([getattr(p, side) for p in parts] for side in ("numbers", "codes"))
    return Cells(parts[0].layout, np.concatenate(numbers), np.concatenate(codes))


def enough(cells: Cells, owner: str, least: int) -> Cells:
    """The cells, or a DataError when there are fewer than `least` rows."""
    if len(cells) < least:
        raise DataError(message(owner, f"needs at least {least} rows; got {len(cells)}"))
    return cells


def numbers_of(array: pa.ChunkedArray, column: Column) -> np.ndarray:
    """Numbers, dates and times as float64 (n,), NaN where missing or infinite.

    Raises DataError for anything else.
    """
    try:
        values, known = to_axis(column, flat(array))
    except (ValueError, TypeError, NotImplementedError) as error:  # Arrow's own are of these
        first = str(error).partition("\n")[0]
        raise DataError(message(f"column '{column.name}'", f"not {column.kind}: {first}")) from None
    if values.dtype.kind not in "if":
        raise DataError(message(f"column '{column.name}'", f"not {column.kind}: {array.type}"))
    found = values.astype(np.float64)
    found[~known | np.isinf(found)] = np.nan
    return found


def flat(array: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array without Arrow's dictionary, so that columns are comparable."""
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole


def _words(name: str, column: pa.ChunkedArray) -> Words:
    counted = pc.value_counts(flat(column))
    values, counts = counted.field("values"), counted.field("counts").to_numpy()
    there = pc.is_valid(values)
    absent = int(counts[~there.to_numpy(zero_copy_only=False)].sum())
    values, counts = values.filter(there), counts[there.to_numpy(zero_copy_only=False)]
    order = np.argsort(-counts, kind="stable")
    return Words(name, values.take(pa.array(order)), counts[order], absent)


def _codes(words: Words, column: pa.ChunkedArray) -> np.ndarray:
    given = flat(column)
    if given.type != words.values.type:
        given = _like(words, given)
    if not len(words.values):  # all missing in training
        return np.where(np.asarray(given.is_null()), words.missing, words.unknown)
    found = pc.index_in(given, value_set=words.values)
    codes = np.asarray(pc.fill_null(found, words.unknown))
    return np.where(np.asarray(pc.is_null(given)), words.missing, codes)


def _like(words: Words, given: pa.Array) -> pa.Array:
    """Cast to the type of the training values. Raises DataError where that fails."""
    try:
        return given.cast(words.values.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        problem = f"holds {given.type}, and the data {words.values.type}"
        raise DataError(message(f"column '{words.name}'", problem)) from None


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Inner quantiles, without repetitions: a value of a large share is one bin."""
    if not len(values):
        return np.empty(0)
    inner = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    edges = np.unique(inner)
    # A frequent value's bin ends where the next value begins.
    after = np.searchsorted(values, edges, side="right")
    heavy = after - np.searchsorted(values, edges) > len(values) / bins
    ends = values[np.minimum(after[heavy], len(values) - 1)]
    return np.unique(np.concatenate([edges, ends]))


def _binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, bins)


def fine_bins(values: np.ndarray, axis: Axis) -> np.ndarray:
    """Numbers as `FINE` bins or so; missing is the last, `len(axis.fine)` + 1."""
    return _binned(values, axis.fine)


def _grouped(codes: np.ndarray, words: Words) -> np.ndarray:
    """The most frequent values, one for all rarer ones, unknown, and missing last."""
    kept = min(len(words.values), GROUPED)
    rest = kept if len(words.values) > GROUPED else kept - 1
    table = np.minimum(np.arange(words.size), rest)
    table[words.unknown], table[words.missing] = rest + 1, rest + 2
    return table[codes]
