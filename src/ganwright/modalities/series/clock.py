"""Times: how they are written, how far apart they are, and how they go on."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError

STEADY = 0.15  # share of a step by which times may be early or late
DAY = 86_400_000_000  # microseconds
_ZONE = re.compile(r"\s*(Z|[+-]\d\d:?\d\d)$")
_UNITS = ((7 * DAY, "week"), (DAY, "day"), (DAY // 24, "hour"), (DAY // 1440, "minute"),
          (1_000_000, "second"), (1000, "millisecond"))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The column of times. Times are numbers, those of dates microseconds since 1970.

    `form` is how a date is written as text, followed by `zone`; "" where it is typed, then `type` is
    its type in Arrow and `zone` its zone. Steps are `step` apart or, where `months` is not 0, so many
    months, on the last day of each if `ends`. Where the times are not `regular`, `step` is the usual gap.
    """

    name: str
    type: str = "int64"
    form: str = ""
    zone: str = ""
    start: float = 0.0
    step: float = 1.0
    months: int = 0
    ends: bool = False
    regular: bool = True
    decimals: int | None = None

    @property
    def dated(self) -> bool:
        """Whether times are dates."""
        return bool(self.form) or self.type.startswith(("timestamp", "date"))

    @property
    def rate(self) -> str:
        """How far apart the times are, in words."""
        if not self.regular:
            return f"irregular, {self._span(self.step)} apart as a rule"
        if self.months:
            years, months = divmod(self.months, 12)
            said = (years, "year") if not months else (self.months, "month")
            return counted(*said)
        return self._span(self.step) if self.dated else f"steps of {self.step:g}"

    def _span(self, step: float) -> str:
        if not self.dated:
            return f"{step:g}"
        return next(
            (counted(step / size, unit) for size, unit in _UNITS if step >= size),
            f"{step:g} microseconds",
        )

    def steps(self, times: np.ndarray) -> np.ndarray:
        """Whole steps between neighbouring times (n,): (n − 1,) int64; only where `regular`."""
        if self.months:
            months = _dates(times).astype("datetime64[M]").astype(np.int64)
            return np.diff(months) // self.months
        return np.rint(np.diff(times) / self.step).astype(np.int64)

    def after(self, starts: np.ndarray, gone: np.ndarray) -> np.ndarray:
        """The times (n, T) so many steps `gone` (n, T) after `starts` (n,); where irregular, spans."""
        if not self.regular:
            return np.asarray(starts[:, None] + gone)
        if not self.months:
            return np.asarray(starts[:, None] + gone * self.step)
        dates = _dates(starts)
        month = dates.astype("datetime64[M]")
        within = (dates - month.astype("datetime64[us]")).astype(np.int64)
        whole = month[:, None] + (gone * self.months).astype("timedelta64[M]")
        if self.ends:
            last = (whole + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
            return np.asarray(
                last.astype("datetime64[us]").astype(np.float64) + (within % DAY)[:, None]
            )
        return np.asarray(whole.astype("datetime64[us]").astype(np.float64) + within[:, None])

    def written(self, times: np.ndarray) -> pa.Array:
        """Times (n,) in the type that the column has."""
        if not self.dated:
            if pa.types.is_integer(pa.type_for_alias(self.type)):
                return pa.array(np.rint(times).astype(np.int64)).cast(pa.type_for_alias(self.type))
            rounded = times if self.decimals is None else np.round(times, self.decimals)
            return pa.array(rounded)
        dates = _dates(times)
        if self.form:
            texts = pd.DatetimeIndex(dates).strftime(self.form)
            return pa.array([text + self.zone for text in texts], pa.string())
        found = pa.array(dates, pa.timestamp("us"))
        if self.type.startswith("date"):
            return found.cast(pa.date32())
        unit = self.type.partition("[")[2][:2].strip(",]")
        zoned = found.cast(pa.timestamp("us", self.zone)) if self.zone else found
        return zoned.cast(pa.timestamp(unit, self.zone or None), safe=False)


def counted(count: float, unit: str) -> str:
    """So many of a unit: "1 channel", "2 channels"."""
    return f"{count:g} {unit}" + ("" if count == 1 else "s")


def _dates(times: np.ndarray) -> np.ndarray:
    return np.rint(times).astype(np.int64).astype("datetime64[us]")


def read_times(owner: str, name: str, column: pa.ChunkedArray) -> tuple[np.ndarray, Clock]:
    """The times of a column, (n,) float64, and how they are written. Raises DataError."""
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0]) + 1
        raise DataError(f"{owner}: column '{name}' has no time in row {row:,}")
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = kind.tz or "" if pa.types.is_timestamp(kind) else ""
        values = column.cast(pa.timestamp("us", zone or None), safe=False).cast(pa.int64())
        return values.to_numpy().astype(np.float64), Clock(name=name, type=str(kind), zone=zone)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.cast(pa.float64()).to_numpy(), Clock(name=name, type=str(kind))
    if not pa.types.is_string(kind):
        raise DataError(f"{owner}: column '{name}' has values of type {kind}, which are no times")
    return _read_texts(owner, name, column)


def _read_texts(owner: str, name: str, column: pa.ChunkedArray) -> tuple[np.ndarray, Clock]:
    try:
        numbers = column.cast(pa.float64()).to_numpy()
        whole = not pc.any(pc.match_substring_regex(column, r"[.eE]")).as_py()
        return numbers, Clock(name=name, type="int64" if whole else "double")
    except pa.ArrowInvalid:
        pass
    texts = column.to_pandas()
    zones = texts.str.extract(_ZONE, expand=False).fillna("")
    timed = texts.str.contains(":", regex=False)
    zones = zones.where(timed, "")  # of 2020-01-31 the end is no zone
    if len(found := zones.unique()) > 1:
        first, other = found[0] or "none", found[1] or "none"
        row = int(np.flatnonzero(zones == found[1])[0]) + 1
        raise DataError(
            f"{owner}: column '{name}' mixes time zones ({first} in row 1, {other} in row {row:,}); "
            "write all times in one, UTC say"
        )
    plain = texts.str.replace(_ZONE, "", regex=True) if found[0] else texts
    for form in _forms(str(plain.iloc[0])):
        try:
            dates = pd.to_datetime(plain, format=form)
        except (ValueError, TypeError):
            continue
        values = dates.to_numpy().astype("datetime64[us]").astype(np.int64).astype(np.float64)
        return values, Clock(name=name, type="string", form=form, zone=str(found[0]))
    bad = next((i for i, text in enumerate(plain) if not _forms(str(text))), 0)
    raise DataError(
        f"{owner}: column '{name}' can't be read as times: '{str(texts.iloc[bad])[:40]}' in row "
        f"{bad + 1:,}; allowed: numbers, or dates written in one way, such as 2026-01-31 12:00"
    )


def _forms(text: str) -> list[str]:
    """The ways in which a date may be written."""
    from pandas.tseries.api import guess_datetime_format

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns that a form fits either way
        found = [guess_datetime_format(text, dayfirst=first) for first in (False, True)]
    return list(dict.fromkeys(form for form in found if form))


def are_times(column: pa.ChunkedArray) -> bool:
    """Whether a column holds dates, as text or typed; numbers may be anything."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column.null_count == 0
    if not pa.types.is_string(column.type) or column.null_count or not len(column):
        return False
    if not _forms(str(column[0])):
        return False
    try:
        return _read_texts("", "", column)[1].dated
    except DataError:
        return False


def regular(clock: Clock, runs: list[np.ndarray]) -> Clock:
    """The clock with the step of `runs`, the increasing times of each series."""
    gaps = np.concatenate([np.diff(times) for times in runs])
    start = float(runs[0][0])
    if not len(gaps):
        return replace(clock, start=start)
    step = float(np.median(gaps))
    found = replace(clock, start=start, step=step, decimals=_decimals(runs))
    if clock.dated and step >= 28 * DAY and (monthly := _monthly(found, runs)) is not None:
        return monthly
    counts = gaps / step
    off = np.abs(counts - np.rint(counts))
    return replace(found, regular=bool(((off <= STEADY) & (counts > 1 - STEADY)).mean() > 0.98))


def _monthly(clock: Clock, runs: list[np.ndarray]) -> Clock | None:
    """The clock in months, where every date lies on the same day of its month, or the last one."""
    dates = _dates(np.concatenate(runs))
    months, days = dates.astype("datetime64[M]"), dates.astype("datetime64[D]")
    day = (days - months.astype("datetime64[D]")).astype(np.int64)
    last = (days + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    if not (last.all() or (day == day[0]).all()):
        return None
    gaps = np.concatenate(
        [np.diff(_dates(t).astype("datetime64[M]").astype(np.int64)) for t in runs]
    )
    size = int(np.gcd.reduce(gaps))
    ends = bool(last.all() and not (day == day[0]).all())
    return replace(clock, months=size, ends=ends) if size else None


def _decimals(runs: list[np.ndarray]) -> int | None:
    return decimals_of(np.concatenate(runs))


def decimals_of(values: np.ndarray, most: int = 8) -> int | None:
    """Digits after the point that all of the numbers get by with, or None where there are many."""
    finite = values[np.isfinite(values)]
    for digits in range(most + 1):
        if (np.round(finite, digits) == finite).all():
            return digits
    return None


def from_json(tree: Any) -> Clock:
    """What `asdict` wrote. Raises TypeError, KeyError, ValueError for anything else."""
    kinds = {
        "name": str, "type": str, "form": str, "zone": str, "start": float, "step": float,
        "months": int, "ends": bool, "regular": bool,
    }  # fmt: skip
    clock = Clock(
        **{name: kind(tree[name]) for name, kind in kinds.items()},
        decimals=None if tree["decimals"] is None else int(tree["decimals"]),
    )
    if not (np.isfinite([clock.start, clock.step]).all() and clock.step > 0 and clock.months >= 0):
        raise ValueError("impossible times")
    if not clock.dated:
        pa.type_for_alias(clock.type)
    return clock
