"""Columns of numbers or dates on one exact axis, so that they can be compared and added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ganwright.modalities.tables.columns.axis import from_axis, type_of, unit_ns
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import raw_numbers

_EXACT = 2**53
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DAY = 86_400 * 10**9
Way = Literal["up", "down", "nearest"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The common axis of some columns: whole multiples of the finest step, or float64.

    A value of column c is ``steps[c]`` times a whole number of units. Of numbers a unit is
    10^-tens, of dates and times `unit` nanoseconds; with `steps` empty values are themselves.
    """

    columns: Mapping[str, Column]
    steps: Mapping[str, int]
    tens: int = 0
    unit: int = 0

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Measure:
        """The axis of columns that have one: all numbers, or all dates or times."""
        named = {column.name: column for column in columns}
        if columns[0].kind == "datetime":
            units = {column.name: unit_ns(column) for column in columns}
            unit = min(units.values())
            return cls(columns=named, steps={n: u // unit for n, u in units.items()}, unit=unit)
        digits = {c.name: 0 if c.kind == "integer" else c.decimals for c in columns}
        known = [d for d in digits.values() if d is not None]
        tens = max(known, default=0)
        most = max(abs(float(end)) for c in columns for end in (c.low or 0.0, c.high or 0.0))
        if len(known) < len(columns) or most * 10.0**tens * len(columns) >= _EXACT:
            return cls(columns=named, steps={})
        return cls(
            columns=named,
            steps={n: 10 ** (tens - d) for n, d in digits.items() if d is not None},
            tens=tens,
        )

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers of units."""
        return bool(self.steps)

    def read(self, name: str, array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """Values (n,) on the axis, int64 or float64, 0 where missing; and which are known."""
        raw, missing = raw_numbers(self.columns[name], array)
        if not self.whole:
            return raw.astype(np.float64), ~missing
        if self.unit:
            return raw * self.steps[name], ~missing
        scale = 10**self.tens
        if raw.dtype.kind == "f":
            raw = np.rint(np.clip(raw, -_EXACT / scale, _EXACT / scale) * scale)
            return raw.astype(np.int64), ~missing
        return np.clip(raw, -_EXACT // scale, _EXACT // scale) * scale, ~missing

    def snap(self, name: str, values: np.ndarray, way: Way) -> np.ndarray:
        """The nearest values that the column can hold, on one side or either."""
        if self.whole:
            step = self.steps[name]
            if step == 1:
                return values
            moved = {"up": values + step - 1, "down": values, "nearest": values + step // 2}[way]
            return moved // step * step
        kind = type_of(self.columns[name].type)
        if pa.types.is_integer(kind):
            rounded: np.ndarray = {"up": np.ceil, "down": np.floor, "nearest": np.rint}[way](values)
            return rounded
        stored: Any = {"float": np.float32, "halffloat": np.float16}.get(str(kind))
        if stored is None:
            return values
        found = values.astype(stored)
        for past, end in ((found < values, np.inf), (found > values, -np.inf)):
            if way == ("up" if end > 0 else "down"):
                found = np.where(past, np.nextafter(found, stored(end)), found)
        return found.astype(np.float64)

    def write(self, name: str, values: np.ndarray, known: np.ndarray) -> pa.Array:
        """What `read` read, from values that the column can hold."""
        column = self.columns[name]
        values = np.where(known, values, self.read(name, _first(column))[0][0])
        if self.whole and self.unit:
            values = values // self.steps[name]
        elif self.whole:
            values = values // 10**self.tens if column.kind == "integer" else values / 10**self.tens
        return from_axis(column, values, None if known.all() else known)

    def beside(self, values: np.ndarray, way: int) -> np.ndarray:
        """The nearest values that are strictly more (way 1) or less (−1)."""
        return values + way if self.whole else np.nextafter(values, way * np.inf)

    def gap(self, name: str) -> Column:
        """A column of differences on this axis."""
        if self.unit == _DAY or (self.whole and not self.unit and not self.tens):
            return Column(name=name, kind="integer", type="int64")
        if self.unit:
            word = next(word for word, unit in _UNITS.items() if unit == self.unit)
            return Column(name=name, kind="datetime", type=f"duration[{word}]")
        decimals = self.tens if self.whole else None
        return Column(name=name, kind="number", type="double", decimals=decimals)

    def with_column(self, column: Column) -> Measure:
        """The same axis with one column more, that counts in units."""
        steps = {**self.steps, column.name: 1} if self.whole else {}
        return replace(self, columns={**self.columns, column.name: column}, steps=steps)


def _first(column: Column) -> pa.Array:
    """The least value of a column, a placeholder for missing ones."""
    low = 0 if column.low is None else column.low
    return from_axis(column, np.array([low], np.float64 if column.kind == "number" else np.int64))
