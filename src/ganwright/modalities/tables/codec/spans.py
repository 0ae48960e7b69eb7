"""Values as users write them, as exact ranges on a column's line."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from ganwright.modalities.tables.columns import moments, numerals
from ganwright.modalities.tables.columns.axis import type_of, unit_ns
from ganwright.modalities.tables.columns.line import Line

_PERIOD = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


@dataclass(frozen=True)
class Span:
    """From `low` to `high` on a column's axis, exact; None is open, and so is an end by its flag."""

    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True, eq=False)
class Spans:
    """Disjoint rising ranges of positions of a line, both ends in: (R,) each, float64."""

    line: Line
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def none(cls, line: Line) -> Spans:
        return cls(line, np.empty(0), np.empty(0))

    @classmethod
    def every(cls, line: Line) -> Spans:
        return cls(line, np.array([-math.inf]), np.array([math.inf]))

    @classmethod
    def of(cls, line: Line, span: Span) -> Spans:
        """The positions within a span: whole ones on a grid, else values the type can hold."""
        low = (
            -math.inf if span.low is None else _at_least(line, line.place(span.low), span.low_open)
        )
        high = (
            math.inf
            if span.high is None
            else -_at_least(line, -line.place(span.high), span.high_open)
        )
        return cls(line, np.array([low]), np.array([high])) if low <= high else cls.none(line)

    def __or__(self, other: Spans) -> Spans:
        low = np.concatenate([self.low, other.low])
        high = np.concatenate([self.high, other.high])
        order = np.argsort(low, kind="stable")
        low, high = low[order], np.maximum.accumulate(high[order])
        if not len(low):
            return self
        opens = np.append(True, low[1:] > high[:-1])
        closes = np.append(opens[1:], True)
        return Spans(self.line, low[opens], high[closes])

    def __invert__(self) -> Spans:
        low = np.append(-math.inf, [_next(self.line, h, 1) for h in self.high])
        high = np.append([_next(self.line, h, -1) for h in self.low], math.inf)
        some = (low <= high) & (low < math.inf) & (high > -math.inf)
        return Spans(self.line, low[some], high[some])

    def __and__(self, other: Spans) -> Spans:
        return ~(~self | ~other)


def _next(line: Line, position: float, way: int) -> float:
    """The neighbour of a position, up or down."""
    if math.isinf(position):
        return position
    if line.grid:
        return position + way
    stored = _stored(line)
    return float(np.nextafter(stored(position), stored(way * math.inf)))


def _stored(line: Line) -> Any:
    return {"float": np.float32, "halffloat": np.float16}.get(line.column.type, np.float64)


def _at_least(line: Line, position: Fraction, strictly: bool) -> float:
    """The first position that is not less (or that is more). Far away ones are infinite."""
    if line.grid:
        whole = math.floor(position) + 1 if strictly else math.ceil(position)
        return float(whole) if abs(whole) < 2**62 else math.copysign(math.inf, whole)
    try:
        found = float(_stored(line)(float(position)))
    except OverflowError:
        return math.copysign(math.inf, position)
    if math.isinf(found):
        return found
    if Fraction(found) < position or (strictly and Fraction(found) == position):
        return _next(line, found, 1)
    return found


def span_of(line: Line, value: Any) -> Span:
    """What a value means on the line's axis: one point, or for a date its whole day.

    Raises ValueError, TypeError or ArithmeticError for what can't be read.
    """
    kind = type_of(line.column.type)
    if line.column.kind == "datetime" or pa.types.is_temporal(kind):
        return _time(line, kind, value)
    exact = _number(line, value)
    return Span(exact, exact)


def _number(line: Line, value: Any) -> Fraction:
    if isinstance(value, np.generic):
        value = value.item() if not isinstance(value, np.floating) else str(value)
    if isinstance(value, bool | int):
        return Fraction(int(value))
    if not isinstance(value, str | float | Decimal):
        raise TypeError(f"not a number: {value!r}")
    text = str(value).strip()
    form = line.column.form or line.column.written
    decimal = Decimal(_plain_number(text, form) if form else text)
    if not decimal.is_finite() or abs(decimal.adjusted()) > 400:
        raise ValueError(f"not a finite number: {text}")
    if line.grid or line.whole:
        return Fraction(decimal)
    return Fraction(
        float(_stored(line)(str(decimal)))
    )  # as the type represents it, like in the data


def _plain_number(text: str, form: str) -> str:
    """A number as the column writes it, "$1,234.50", as a plain one; others as they are."""
    values, known = numerals.read(pa.array([text]), form)
    return repr(float(values[0])) if known[0] else text


def _in_form(line: Line, value: Any) -> Any:
    """A date as the column writes it as the moment that it is; others as they are."""
    form = line.column.form or line.column.written
    if not form or not isinstance(value, str):
        return value
    ticks, known = moments.read(pa.array([value.strip()]), form)
    if not known[0]:
        ticks, known = moments.read(pa.array([value.strip()]), moments.day_of(form))
        form = moments.day_of(form)
    if not known[0]:
        return value
    moment = moments.write(ticks, moments.ISO[moments.unit_of(form)], None, None)
    return moment[0].as_py()


def _time(line: Line, kind: pa.DataType, value: Any) -> Span:
    unit = unit_ns(line.column)
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        nanoseconds = Fraction(_duration_ns(value))
        return Span(nanoseconds / unit, nanoseconds / unit)
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    value = _in_form(line, value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = value.isoformat()
    if isinstance(value, bool | int | np.integer):
        value = str(int(value))
        if line.column.form == "%Y%m%d" and len(value) == 8:  # as written in the column
            value = f"{value[:4]}-{value[4:6]}-{value[6:]}"
    if isinstance(value, str) and (found := _PERIOD.fullmatch(value.strip())):
        start, end = _period(*(None if p is None else int(p) for p in found.groups()))
        low, high = (Fraction(_moment_ns(day, zone), unit) for day in (start, end))
        return Span(low, high, high_open=True)
    at = Fraction(_moment_ns(value, zone), unit)
    return Span(at, at)


def _period(year: int | None, month: int | None, day: int | None) -> tuple[str, str]:
    """First day in and first day after."""
    assert year is not None
    start = datetime.date(year, month or 1, day or 1)
    if year == datetime.MAXYEAR and (day or 31, month or 12) == (
        31,
        12,
    ):  # the last representable day
        return start.isoformat(), "9999-12-31T23:59:59.999999"
    if day:
        end = start + datetime.timedelta(days=1)
    elif month:
        end = datetime.date(year + month // 12, month % 12 + 1, 1)
    else:
        end = datetime.date(year + 1, 1, 1)
    return start.isoformat(), end.isoformat()


def _moment_ns(value: Any, zone: str | None) -> int:
    """Nanoseconds since 1970 of a moment; of one without a zone in the column's."""
    import pandas as pd

    moment = pd.Timestamp(value)
    if moment is pd.NaT:
        raise ValueError("no moment")
    if moment.tzinfo is None and zone is not None:
        moment = moment.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    micro = int(moment.to_datetime64().astype("M8[us]").astype(np.int64))
    return micro * 1000 + moment.nanosecond


def _duration_ns(value: Any) -> int:
    import pandas as pd

    if isinstance(value, datetime.time):
        value = value.isoformat()
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,2}:\d{2}\s*", value):
        value = value.strip() + ":00"
    return int(pd.Timedelta(value).as_unit("ns").value)
