"""Fields: the modelled columns, each one choice among K codes.

A missing value is one more code, the last, in a column that had missing values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, ModelError, nearest
from ganwright.base.packed import pack, unpack
from ganwright.modalities.tables.codec.bins import Bins
from ganwright.modalities.tables.codec.pieces import Pieces
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import Line, flat, missing_of

UNSEEN = -2  # neither missing nor known; never leaves `codes`
TAILS = 32  # codes that the rare values of a category share
MOST_CODES = 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberField:
    """A column of numbers, dates or times: its codes are bins of its line.

    `apart` (S,) are values that don't belong on the line, each with its own code after the bins, and
    `tallies` (S,) how many training rows had them: infinite numbers, 9999-12-31, texts that are no
    dates. `absent` is how many rows had no value; the missing code exists if there were any.
    """

    line: Line
    bins: Bins
    absent: int = 0
    apart: pa.Array | None = None
    tallies: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    family = "number"

    @property
    def column(self) -> Column:
        return self.line.column

    @property
    def name(self) -> str:
        return self.line.column.name

    @property
    def choices(self) -> int:
        return len(self.bins) + len(self.tallies) + (self.missing is not None)

    @property
    def missing(self) -> int | None:
        """The code of a missing value, or None if none was missing in training."""
        return len(self.bins) + len(self.tallies) if self.absent else None

    @property
    def counts(self) -> np.ndarray:
        """Training rows of each code (K,), as float64."""
        counts = np.concatenate([self.bins.counts, self.tallies]).astype(np.float64)
        return np.append(counts, self.absent) if self.absent else counts

    @property
    def positions(self) -> np.ndarray:
        """Where each code lies between the least and the largest value, (K,) in [0, 1]; others: -1."""
        low, high = float(self.bins.means.min()), float(self.bins.means.max())
        found = (self.bins.means - low) / max(high - low, np.finfo(float).tiny)
        found = np.clip(found, 0, 1)
        return np.append(found, np.full(self.choices - len(found), -1.0))

    @cached_property
    def single(self) -> np.ndarray:
        """Which bins (K,) hold one value only; not the missing code."""
        first = self.bins.first[self.bins.starts[:-1]]
        lows = np.minimum.reduceat(self.bins.first, self.bins.starts[:-1])
        highs = np.maximum.reduceat(self.bins.last, self.bins.starts[:-1])
        return (lows == first) & (highs == first)

    def find(self, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The code of each value (n,) int32, -1 where missing; and which are out of range."""
        try:
            positions, missing = self.line.positions(array)
        except ValueError as error:
            raise DataError(f"column '{self.name}': {error}".replace("\n", " ")) from None
        off = missing & ~missing_of(array)
        positions = np.where(off, _toward(array), positions) if off.any() else positions
        codes = self.bins.find(positions).astype(np.int32)
        codes[missing & ~off] = -1
        odd = ~missing & ~((positions >= self.line.low) & (positions <= self.line.high)) | off
        places = self.places_apart(array)
        codes = np.where(places >= 0, len(self.bins) + places, codes).astype(np.int32)
        return codes, odd & (places < 0)

    def places_apart(self, array: pa.Array) -> np.ndarray:
        """Which of the values apart each is (n,), -1 for all others."""
        if self.apart is None:
            return np.full(len(array), -1)
        found = pc.index_in(flat(array).cast(self.apart.type), value_set=self.apart)
        return found.fill_null(-1).to_numpy(zero_copy_only=False)

    def off_line(self, array: pa.Array) -> np.ndarray:
        """Which values (n,) have no place on the line: infinite ones, and those that are no dates."""
        _, missing = self.line.positions(array)
        return (missing & ~missing_of(array)) | (self.places_apart(array) >= 0)

    def with_apart(self, array: pa.Array, codes: np.ndarray) -> pa.Array:
        """Values (n,), those with a code (n,) of a value apart replaced by it."""
        if self.apart is None:
            return array
        places = codes - len(self.bins)
        own = (places >= 0) & (places < len(self.apart))
        if not own.any():
            return array
        return pc.if_else(pa.array(own), self.apart.take(pa.array(np.where(own, places, 0))), array)

    def explain(self, array: pa.Array, at: int) -> str:
        """Why value `at` of an array is not known."""
        if self.off_line(array.slice(at, 1))[0]:
            return f"{array[at]} was not seen in training"
        ends = self.line.values(np.array([self.line.low, self.line.high]))
        return f"{array[at]} lies outside the range seen in training ({ends[0]} to {ends[1]})"

    def to_json(self) -> dict[str, Any]:
        bins = self.bins
        tree: dict[str, Any] = {
            "family": self.family,
            "name": self.name,
            "absent": self.absent,
            "line": self.line.to_json(),
            "cuts": pack(bins.cuts),
            "owner": pack(bins.owner),
            "starts": pack(bins.starts),
            "first": pack(bins.first),
            "last": pack(bins.last),
            "counts": pack(bins.counts),
            "means": pack(bins.means),
        }
        if self.apart is not None:
            tree |= {"apart": apart_to_json(self.apart), "tallies": pack(self.tallies)}
        return tree

    @classmethod
    def from_json(cls, tree: Any, column: Column) -> NumberField:
        """Reads what `to_json` wrote. Raises ModelError, KeyError, TypeError or ValueError."""
        bins = Bins(
            cuts=unpack(tree["cuts"], "cuts"),
            owner=unpack(tree["owner"], "owner", whole=True),
            starts=unpack(tree["starts"], "starts", whole=True),
            first=unpack(tree["first"], "first"),
            last=unpack(tree["last"], "last"),
            counts=unpack(tree["counts"], "counts"),
            means=unpack(tree["means"], "means"),
        )
        line = Line.from_json(tree["line"], column)
        apart, tallies = None, np.empty(0, np.int64)
        if "apart" in tree:
            apart = apart_from_json(tree["apart"], type_of(column.type))
            tallies = unpack(tree["tallies"], "tallies", whole=True)
        field = cls(line=line, bins=bins, absent=int(tree["absent"]), apart=apart, tallies=tallies)
        sound = len(tallies) == (0 if apart is None else len(apart)) and bool((tallies > 0).all())
        if not sound or not _sound_bins(bins, line) or not 0 <= field.absent < 2**53:
            raise ModelError(f"model.json: impossible bins of column '{field.name}'")
        return field


def _toward(array: pa.Array) -> np.ndarray:
    """Positions (n,) of values off the line: infinite numbers lie beyond its ends."""
    array = flat(array)
    if not pa.types.is_floating(array.type):
        return np.zeros(len(array))
    return np.nan_to_num(pc.fill_null(array, 0.0).to_numpy().astype(np.float64))


def apart_to_json(values: pa.Array) -> list[Any]:
    """Values as JSON has them; fractions, which may be infinite, as text."""
    if pa.types.is_floating(values.type):
        values = values.cast(pa.string())
    return plain_values(values)


def apart_from_json(plain: Any, kind: pa.DataType) -> pa.Array:
    """What `apart_to_json` gave. Raises ModelError, or a ValueError for other types."""
    if not pa.types.is_floating(kind):
        return values_of(plain, kind)
    return values_of(plain, pa.string()).cast(kind)


def _sound_bins(bins: Bins, line: Line) -> bool:
    count = len(bins)
    sizes = 1 <= count <= MOST_CODES and len(bins.means) == count == len(bins.starts) - 1
    sizes = sizes and len(bins.cuts) == len(bins.owner) - 1
    sizes = sizes and len(bins.first) == len(bins.last) >= count
    if not sizes:
        return False
    both = np.concatenate([bins.first, bins.last])
    whole = not line.grid or bool((both == np.rint(both)).all())
    return bool(
        whole
        and bins.starts[0] == 0
        and bins.starts[-1] == len(bins.first)
        and (np.diff(bins.starts) > 0).all()
        and (np.diff(bins.cuts) >= 0).all()
        and np.isin(np.arange(count), bins.owner).all()
        and bins.owner.min() == 0
        and bins.owner.max() == count - 1
        and (bins.first <= bins.last).all()
        and both.min() >= line.low
        and both.max() <= line.high
        and (bins.counts > 0).all()
        and (bins.means >= line.low).all()
        and (bins.means <= line.high).all()
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CategoryField:
    """A column of categories: one code a value, or for the rare ones of very many a tail code.

    `values` are all different values: those with a code of their own, then the rest by falling
    frequency, cut into tail codes at `tails` (T + 1,), then what was never seen. `levels` (L,) is
    the order of the values in the user's own category set, if there was one, which may be `ordered`.
    `cut` of the rarest values were too large to be kept; if any were, unknown values get the last
    tail code.
    """

    column: Column
    values: pa.Array
    tallies: np.ndarray
    tails: np.ndarray
    levels: np.ndarray | None = None
    ordered: bool = False
    cut: int = 0
    absent: int = 0

    family = "category"

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def own(self) -> int:
        """How many values have a code of their own."""
        return int(self.tails[0])

    @property
    def seen(self) -> int:
        """How many of the values have a code at all."""
        return int(self.tails[-1])

    @property
    def choices(self) -> int:
        return self.own + len(self.tails) - 1 + (self.missing is not None)

    @property
    def missing(self) -> int | None:
        """The code of a missing value, or None if none was missing in training."""
        return self.own + len(self.tails) - 1 if self.absent else None

    @property
    def counts(self) -> np.ndarray:
        """Training rows of each code (K,), as float64."""
        parts = [self.tallies[: self.own]]
        if len(self.tails) > 1:
            parts.append(np.add.reduceat(self.tallies[: self.seen], self.tails[:-1]))
        if self.absent:
            parts.append(np.array([self.absent]))
        return np.concatenate(parts).astype(np.float64)

    @property
    def positions(self) -> np.ndarray:
        """Categories lie on no axis: −1 for each code (K,)."""
        return np.full(self.choices, -1.0)

    @cached_property
    def code_of(self) -> np.ndarray:
        """The code of each value; UNSEEN for values of the set that no row had."""
        codes = np.full(len(self.values), UNSEEN, np.int32)
        codes[: self.own] = np.arange(self.own)
        for i, (start, end) in enumerate(zip(self.tails[:-1], self.tails[1:], strict=True)):
            codes[start:end] = self.own + i
        return codes

    @cached_property
    def pieces(self) -> Pieces:
        """The members of the tail codes in their shares."""
        members = np.arange(self.own, self.seen)
        return Pieces.build(
            self.code_of[members], members, members, self.tallies[members], self.choices
        )

    def index(self, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The place of each value in `values`, -1 if it is none of them; and which are missing."""
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if pa.types.is_dictionary(array.type):
            found, _ = self.index(array.dictionary)
            missing = missing_of(array.indices)
            at = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
            places = found[at] if len(found) else np.full(len(array), -1)
            return places, missing
        array = flat(array)
        missing = missing_of(array)
        try:
            array = array.cast(self.values.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            kind = f"has values of type {array.type}, not {self.values.type}"
            raise DataError(f"column '{self.name}' {kind} as in training") from None
        found = pc.index_in(array, value_set=self.values).fill_null(-1)
        return found.to_numpy(zero_copy_only=False), missing

    def find(self, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The code of each value (n,) int32, -1 where missing; and which are unknown.

        Unknown values get the last tail code, or else that of the rarest value.
        """
        places, missing = self.index(array)
        codes = np.full(len(places), UNSEEN, np.int32)
        if len(self.values):
            codes = np.where(places >= 0, self.code_of[places], UNSEEN).astype(np.int32)
        odd = (codes == UNSEEN) & ~missing
        if odd.any():
            codes[odd] = self._rarest()
        codes[missing] = -1
        return codes, np.zeros_like(odd) if self.cut else odd

    def _rarest(self) -> int:
        if len(self.tails) > 1:
            return self.own + len(self.tails) - 2
        return int(np.argmin(self.counts[: self.own])) if self.own else -1

    def explain(self, array: pa.Array, at: int) -> str:
        """Why value `at` of an array is not known."""
        value = array[at].as_py()
        text = f"{value!r} was not seen in training"
        if isinstance(value, str) and self.seen <= 10_000:
            near = nearest(value, self.values.slice(0, self.seen).to_pylist())
            text += f". Did you mean {near!r}?" if near else ""
        return text

    def places(self, codes: np.ndarray, uniforms: np.ndarray, pieces: Pieces | None) -> np.ndarray:
        """Codes (n,) and uniforms (n,) → places in `values`; 0 for a missing value."""
        found = codes.astype(np.int32, copy=True)
        if self.missing is not None:
            found[codes == self.missing] = 0
        if len(self.tails) > 1:
            self.pieces.members(codes, uniforms, found)
        if pieces is not None:
            pieces.members(codes, uniforms, found)
        return found

    @cached_property
    def level_values(self) -> pa.Array:
        """The category set in the user's order, or the values as they are."""
        return self.values if self.levels is None else self.values.take(pa.array(self.levels))

    def array(self, places: np.ndarray, missing: np.ndarray | None, *, plain: bool) -> pa.Array:
        """Places in `values` → values; text as a dictionary unless `plain`, which is faster."""
        if not len(self.values):
            return pa.nulls(len(places), self.values.type)
        at = pa.array(places, mask=None if missing is None or not missing.any() else missing)
        if pa.types.is_string(self.values.type) and not plain:
            return pa.DictionaryArray.from_arrays(at, self.values)
        return self.values.take(at)

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "name": self.name,
            "absent": self.absent,
            "values": plain_values(self.values),
            "tallies": pack(self.tallies),
            "tails": pack(self.tails),
            "levels": None if self.levels is None else pack(self.levels),
            "ordered": self.ordered,
            "cut": self.cut,
        }

    @classmethod
    def from_json(cls, tree: Any, column: Column) -> CategoryField:
        """Reads what `to_json` wrote. Raises ModelError, KeyError, TypeError or ValueError."""
        levels = tree["levels"]
        field = cls(
            column=column,
            values=values_of(tree["values"], type_of(column.type)),
            tallies=unpack(tree["tallies"], "tallies", whole=True),
            tails=unpack(tree["tails"], "tails", whole=True),
            levels=None if levels is None else unpack(levels, "levels", whole=True),
            ordered=bool(tree["ordered"]),
            cut=int(tree["cut"]),
            absent=int(tree["absent"]),
        )
        tails, tallies, count = field.tails, field.tallies, len(field.values)
        sound = len(tallies) == count and 1 <= len(tails) <= TAILS + 1 and 0 <= field.cut < 2**53
        sound = bool(sound and 0 <= tails[0] <= tails[-1] <= count and (np.diff(tails) > 0).all())
        sound = sound and 1 <= field.choices <= MOST_CODES and 0 <= field.absent < 2**53
        sound = bool(sound and (tallies[: field.seen] > 0).all() and (tallies >= 0).all())
        sound = sound and field.values.null_count == 0
        sound = sound and (not field.cut or len(tails) > 1)
        if sound and field.levels is not None:
            sound = bool(np.array_equal(np.sort(field.levels), np.arange(count)))
        if not sound:
            raise ModelError(f"model.json: impossible values of column '{field.name}'")
        return field


def plain_values(values: pa.Array) -> list[Any]:
    """Values as JSON has them: dates and times as whole numbers, decimals as text."""
    kind = values.type
    if pa.types.is_temporal(kind):
        values = values.view(_width(kind))
    elif pa.types.is_decimal(kind):
        values = values.cast(pa.string())
    found: list[Any] = values.to_pylist()
    return found


def values_of(plain: Any, kind: pa.DataType) -> pa.Array:
    """What `plain_values` gave. Raises ModelError, or a ValueError for other types."""
    if not isinstance(plain, list):
        raise ModelError("model.json: the values of a column are not a list")
    if pa.types.is_temporal(kind):
        return pa.array(plain, _width(kind)).view(kind)
    if pa.types.is_decimal(kind):
        return pa.array(plain, pa.string()).cast(kind)
    return pa.array(plain, kind)


def _width(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if kind.bit_width == 32 else pa.int64()


Field = NumberField | CategoryField


def field_from_json(tree: Any, columns: Mapping[str, Column]) -> Field:
    """A field as `to_json` of either family wrote it. Raises ModelError for anything else."""
    try:
        column = columns[tree["name"]]
        if tree["family"] == "number":
            return NumberField.from_json(tree, column)
        if tree["family"] == "category":
            return CategoryField.from_json(tree, column)
    except (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException) as error:
        problem = " ".join(repr(error).split())
        raise ModelError(f"model.json: a column is not readable ({problem[:200]})") from None
    raise ModelError(f"model.json: a column is of unknown family {tree['family']!r}")
