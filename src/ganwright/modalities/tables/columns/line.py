"""The line of a column of numbers, dates or times, with positions that are exact in float64."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, ModelError
from ganwright.modalities.tables.columns.axis import from_axis, to_axis, type_of, unit_ns
from ganwright.modalities.tables.columns.column import Column

_EXACT = 2**53  # whole numbers up to here are exact in float64
_MOST_DIGITS = 12
_MEANT = 8  # a common step of fewer different values may be chance
_FLOATS = ("halffloat", "float", "double", "float16", "float32", "float64")
_LAST_DAY = 3_000_000  # the furthest date of our calendars


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array, without a dictionary."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # no chunks at all, or too many bytes for one
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def raw_numbers(column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Values (n,) on the column's axis, int64 or float64, and which are missing; NaN is missing.

    Raises ValueError (or an Arrow error that is one) for values that are not numbers.
    """
    array = flat(array)
    if pa.types.is_uint64(array.type):
        with suppress(pa.ArrowInvalid):  # above 2^63 - 1: fractions, and refused in training
            array = array.cast(pa.int64())
    values, known = to_axis(column, array)
    if values.dtype.kind == "f":
        lost = np.isnan(values)
        if lost.any():
            return np.where(lost, 0.0, values), ~known | lost
    return values, ~known


@dataclass(frozen=True, kw_only=True)
class Line:
    """Position = (value · 10^tens - origin) / step.

    On a grid (`step` > 0) positions are whole numbers from 0 to `high`, and every value that comes
    back is a multiple of the column's own step, in its own digits. With `step` 0 positions are the
    values themselves, and `low` and `high` the ends of what was observed.
    """

    column: Column
    origin: int = 0
    step: int = 0
    tens: int = 0
    low: float = 0.0
    high: float = 0.0

    @property
    def grid(self) -> bool:
        return self.step > 0

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers on the axis: integers, dates, times."""
        if self.column.numeral:
            return self.column.kind == "integer"
        return self.column.type not in _FLOATS and not self.column.type.startswith("decimal")

    @property
    def end(self) -> int:
        """The last value of a grid, times 10^tens."""
        return self.origin + self.step * int(self.high)

    @property
    def whole_seconds(self) -> bool:
        """Whether values are moments, counted finer than in seconds, that all are whole ones."""
        unit = {"ms": 10**3, "us": 10**6, "ns": 10**9}.get(self.column.type[10:12], 0)
        if not self.grid or not unit or not self.column.type.startswith("timestamp["):
            return False
        return self.origin % unit == 0 and (self.step % unit == 0 or self.high == 0)

    def positions(self, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n,) float64, and which are missing. Values outside stay outside."""
        raw, missing = raw_numbers(self.column, array)
        return self.of_raw(raw), missing

    def of_raw(self, raw: np.ndarray) -> np.ndarray:
        """Positions of values on the column's axis."""
        if not self.grid:
            return raw.astype(np.float64)
        if raw.dtype.kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):
                found: np.ndarray = np.rint(raw * 10**self.tens) - self.origin
            return np.rint(found / self.step) if self.step > 1 else found
        scale = 10**self.tens
        low, high = -(-self.origin // scale), (self.end + self.step - 1) // scale
        outside = raw > high
        inside = np.clip(raw, low, min(high, 2**63 - 1)) * scale
        # as unsigned numbers differences can't overflow
        found = (inside.view(np.uint64) - _unsigned(self.origin)) // np.uint64(self.step)
        found = found.astype(np.float64)
        found[raw < low] = -1
        found[outside] = self.high + 1
        return found

    def values(self, positions: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
        """Positions (n,) → values in the column's own type; on a grid they must be whole."""
        known = None if missing is None or not missing.any() else ~missing
        plain = positions
        if self.grid:
            unsigned = positions.astype(np.uint64)
            if self.step != 1:
                unsigned *= np.uint64(self.step)
            if self.origin:
                unsigned += _unsigned(self.origin)
            plain = unsigned.view(np.int64)
            if not self.whole:
                plain = plain / 10**self.tens
        elif self.whole:
            plain = np.rint(positions).clip(-(2.0**63), 2.0**63 - 1024).astype(np.int64)
        if not self.column.form and self.column.type in ("double", "int64"):  # as it is
            return pa.array(plain, mask=None if known is None else missing)
        return from_axis(self.column, plain, known)

    def number(self, positions: np.ndarray) -> np.ndarray:
        """Positions as float64 values on the column's axis, not rounded (for means)."""
        if self.grid:
            found: np.ndarray = (positions * self.step + self.origin) / 10**self.tens
            return found
        return positions

    def place(self, value: Fraction) -> Fraction:
        """The exact position of an exact value on the axis."""
        if self.grid:
            return (value * 10**self.tens - self.origin) / self.step
        return value

    def to_json(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "step": self.step,
            "tens": self.tens,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_json(cls, tree: Any, column: Column) -> Line:
        """Reads what `to_json` wrote. Raises ModelError, KeyError, TypeError or ValueError."""
        line = cls(
            column=column,
            origin=int(tree["origin"]),
            step=int(tree["step"]),
            tens=int(tree["tens"]),
            low=float(tree["low"]),
            high=float(tree["high"]),
        )
        sound = 0 <= line.tens <= _MOST_DIGITS and line.step >= 0
        sound = sound and bool(np.isfinite([line.low, line.high]).all()) and line.low <= line.high
        if sound and line.grid:
            dated = column.form and not column.numeral
            most = _LAST_DAY * 86_400 * 10**9 // unit_ns(column) if dated else 2**63
            most = min(most, 2**63)
            sound = line.low == 0 and line.high < _EXACT and line.high == int(line.high)
            sound = sound and -most <= line.origin <= line.end < most and line.step < 2**63
        if (
            not sound
            or (column.kind == "datetime" and column.form and not line.grid)
            or (line.whole and line.tens)
        ):
            raise ModelError(f"model.json: impossible line of column '{column.name}'")
        try:  # the ends must be values of the type
            line.values(np.array([line.low, line.high]))
        except (ValueError, OverflowError, pa.ArrowException):
            raise ModelError(
                f"model.json: the range of column '{column.name}' does not fit its type"
            ) from None
        return line


def line_of(column: Column, different: np.ndarray) -> Line:
    """The line of a column whose values are `different` (n,), sorted, the ends exact.

    Raises DataError for infinite values.
    """
    low, high = different[0], different[-1]
    if different.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            problem = "contains infinite values: make them missing, or numbers"
            raise DataError(f"column '{column.name}' {problem}")
        if column.type == "uint64":
            problem = "contains whole numbers above 2^63: make it a category or an identifier"
            raise DataError(f"column '{column.name}' {problem} with data.table.kinds")
        return _float_line(column, different)
    origin, end = int(low), int(high)
    step = 1
    if end - origin < 2**63 and (len(different) == 2 or len(different) > _MEANT):
        step = int(np.gcd.reduce(different - origin))
    if (end - origin) // step >= _EXACT:  # too fine to be distinguished: a coarser grid
        step = -(-(end - origin + 1) // _EXACT)
    return Line(column=column, origin=origin, step=step, high=float((end - origin) // step))


def _unsigned(whole: int) -> np.uint64:
    return np.uint64(whole % 2**64)


def _float_line(column: Column, different: np.ndarray) -> Line:
    kind = type_of(column.type)
    stored, exact = np.float64, _EXACT
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        stored = kind.to_pandas_dtype()
        exact = 2 ** (24 if pa.types.is_float32(kind) else 11)
    for tens in range(_MOST_DIGITS + 1):
        for part in (different[-64:], different):
            with np.errstate(over="ignore"):
                scaled = np.rint(part * 10.0**tens)
            if abs(scaled).max() >= exact:  # digits that the type can't distinguish
                return Line(column=column, low=float(different[0]), high=float(different[-1]))
            if not ((scaled / 10**tens).astype(stored) == part).all():
                break
        else:
            whole = scaled.astype(np.int64)
            origin, end = int(whole[0]), int(whole[-1])
            if (
                end - origin >= _EXACT
            ):  # with both signs, the ends are exact but their difference is not
                break
            step = int(np.gcd.reduce(whole - origin)) if len(whole) > _MEANT else 1
            length = float((end - origin) // max(1, step))
            return Line(column=column, origin=origin, step=max(1, step), tens=tens, high=length)
    return Line(column=column, low=float(different[0]), high=float(different[-1]))


def missing_of(array: pa.Array) -> np.ndarray:
    """Which values (n,) are missing; NaN is."""
    return pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
