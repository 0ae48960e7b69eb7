"""Files, frames and arrays as series: which column is what, and its numbers on a grid of times."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, OptionError, message
from ganwright.data.arrow import arrow_file
from ganwright.data.delimited import NotText, Ragged, blocks
from ganwright.data.dialect import NOT_UTF8, sniff
from ganwright.data.packing import ARROW_SUFFIXES
from ganwright.data.source import name_classes, natural
from ganwright.modalities.series import clock as times
from ganwright.modalities.series.clock import Clock
from ganwright.modalities.series.columns import (
    CHANNEL,
    CLASS,
    CONSTANT,
    ID,
    STATIC,
    TIME,
    Column,
)
from ganwright.modalities.series.options import SeriesOptions

_USUAL_TIMES = ("time", "date", "datetime", "timestamp", "t", "ds", "step")
MOST_WORDS = 1000  # different words of a static column


@dataclass(frozen=True, kw_only=True)
class Series:
    """Series one below the other, each on a grid of times with NaN for what is missing.

    `values` (N, C) are of the channels, the last the gaps between times where those are irregular;
    `statics` (m, S) describe each series, the last its class where there are classes; `bounds` (m + 1,)
    are where each begins, `starts` (N,) the time of each row, `names` (m,) what each is called.
    """

    columns: tuple[Column, ...]
    clock: Clock
    values: np.ndarray
    classes: np.ndarray | None  # (N,) codes
    statics: np.ndarray
    bounds: np.ndarray
    times: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def channels(self) -> tuple[Column, ...]:
        """The columns that are learned."""
        return tuple(column for column in self.columns if column.role == CHANNEL)

    def having(self, role: str) -> tuple[Column, ...]:
        """The columns of a role."""
        return tuple(column for column in self.columns if column.role == role)


# --- a table, whatever it came as ----------------------------------------------------------------


def table_in(path: Path, notes: list[str], most: int | None = None) -> pa.Table:
    """The table in a file, text columns as text; with `most` its first rows. Raises DataError."""
    if path.suffix.lower() in ARROW_SUFFIXES:
        with arrow_file(path) as (schema, batches):
            table = pa.Table.from_batches(_first(batches, most), schema)
    else:
        dialect, ragged = sniff(path, "\t" if ".tsv" in path.suffixes else ""), Ragged()
        try:
            table = pa.Table.from_batches(_first(blocks(path, dialect, ragged), most))
        except NotText:
            dialect = replace(dialect, encoding="cp1252", notes=(*dialect.notes, NOT_UTF8))
            table = pa.Table.from_batches(_first(blocks(path, dialect, ragged), most))
        except ValueError:
            raise DataError(f"'{path}' has no rows that fit its header") from None
        notes.extend(dialect.notes)
        if ragged.count:
            notes.append(f"{ragged.count:,} rows with another number of cells are left out")
    fields = [_plain(table.column(name)) for name in table.column_names]
    return pa.table(dict(zip(table.column_names, fields, strict=True)))


def _first(batches: Iterable[pa.RecordBatch], most: int | None) -> list[pa.RecordBatch]:
    found, rows = [], 0
    for batch in batches:
        found.append(batch)
        rows += batch.num_rows
        if most is not None and rows >= most:
            return [*found[:-1], batch.slice(0, batch.num_rows - (rows - most))]
    return found


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionaries by their values, one type of text."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or "string_view" in str(column.type):
        column = column.cast(pa.string())
    return column


# --- which column is what ------------------------------------------------------------------------


def series_in(owner: str, table: pa.Table, options: SeriesOptions) -> Series:
    """The series in a table. Raises DataError, OptionError."""
    _check_named(table.column_names, options)
    table = table.drop_columns(list(options.leave_out))
    if table.num_rows < 2:
        raise DataError(f"{owner} has {table.num_rows} row; a series needs at least 2")
    time = options.time or _time_of(owner, table)
    when, clock = times.read_times(owner, time, table.column(time))
    ids = options.id or _id_of(table, time, when, options)
    groups, names = _groups(table, ids)
    order = np.argsort(groups, kind="stable")
    groups, when = groups[order], when[order]
    _check_order(owner, clock, when, groups, names, order, ids)
    bounds = np.searchsorted(groups, np.arange(len(names) + 1))
    runs = [when[a:b] for a, b in itertools.pairwise(bounds)]
    clock = times.regular(clock, runs)
    columns, numbers, described, classes = _columns(owner, table, order, groups, time, ids, options)
    if not clock.regular:
        columns.append(Column(name="", role=CHANNEL))
        numbers.append(np.concatenate([_gaps(run, clock.step) for run in runs]))
    if not numbers:
        raise DataError(
            f"{owner}: no column of numbers changes over time, so there is nothing to learn"
        )
    made = _on_grid(clock, np.stack(numbers, 1), when, classes, bounds)
    values, when, classes, bounds, holes = made
    first = np.searchsorted(groups, np.arange(len(names)))
    notes = [_told(clock, ids, columns, len(names))]
    if holes:
        notes.append(f"{holes:,} missing rows are holes")
    notes += [f"'{c.name}' is constant: kept as it is" for c in columns if c.role == CONSTANT]
    statics = np.stack([column[first] for column in described], 1) if described else None
    return Series(
        columns=tuple(columns), clock=clock, values=values, classes=classes,
        statics=np.empty((len(names), 0)) if statics is None else statics,
        bounds=bounds, times=when, names=names, notes=tuple(notes),
    )  # fmt: skip


def _told(clock: Clock, ids: str | None, columns: Sequence[Column], count: int) -> str:
    said = f"series over '{clock.name}', {clock.rate}"
    if ids is not None:
        said += f"; {count:,} of them by '{ids}'"
    for role, word in ((STATIC, "a whole series is described by"), (CLASS, "the class is")):
        if named := [f"'{c.name}'" for c in columns if c.role == role]:
            said += f"; {word} {', '.join(named)}"
    return said


def _check_named(names: Sequence[str], options: SeriesOptions) -> None:
    asked = {"time": options.time, "id": options.id, "classes": options.classes}
    for key, name in [*asked.items(), *(("leave_out", name) for name in options.leave_out)]:
        if name is not None and name not in names:
            owner = f"data.series.{key}"
            raise OptionError(message(owner, f"no column '{name}'", allowed=names, got=name))


def _time_of(owner: str, table: pa.Table) -> str:
    """The column of times: the only one of dates, or one with a usual name."""
    names = table.column_names
    found = [name for name in names if times.are_times(table.column(name))]
    usual = [name for name in names if name.lower() in _USUAL_TIMES]
    if len(found) != 1 and len(both := [name for name in usual if name in found or not found]) >= 1:
        return both[0]
    if len(found) == 1:
        return found[0]
    several = f"several columns of dates ({', '.join(found)})" if found else "no column of times"
    raise DataError(f"{owner} has {several}: name it with data.series.time=COLUMN; {_list(names)}")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"columns: {', '.join(names[:12])}{more}"


def _id_of(table: pa.Table, time: str, when: np.ndarray, options: SeriesOptions) -> str | None:
    """The column by which times increase within each series, where they don't as a whole."""
    if (np.diff(when) > 0).all():
        return None
    for name in table.column_names:
        kind = table.column(name).type
        apart = pa.types.is_string(kind) or pa.types.is_integer(kind)
        if name in (time, options.classes) or not apart or table.column(name).null_count:
            continue
        groups, names = _groups(table, name)
        order = np.argsort(groups, kind="stable")
        inside = np.diff(groups[order]) == 0
        enough = len(names) <= table.num_rows // 2
        if enough and (np.diff(when[order])[inside] > 0).all():
            return name
    return None


def _groups(table: pa.Table, ids: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The number of each row's series, in order of appearance, and what they are called."""
    if ids is None:
        return np.zeros(table.num_rows, np.int64), ("",)
    found = table.column(ids).cast(pa.string()).combine_chunks().dictionary_encode("encode")
    words = ["" if word is None else word for word in found.dictionary.to_pylist()]
    return found.indices.to_numpy().astype(np.int64), tuple(words)


def _check_order(
    owner: str,
    clock: Clock,
    when: np.ndarray,
    groups: np.ndarray,
    names: tuple[str, ...],
    rows: np.ndarray,
    ids: str | None,
) -> None:
    """Raises DataError unless times increase within every series."""
    wrong = np.flatnonzero((np.diff(when) <= 0) & (np.diff(groups) == 0))
    if not len(wrong):
        return
    at = int(wrong[0])
    said = clock.written(when[at : at + 2]).to_pylist()
    where = f" of '{names[groups[at]]}'" if names[groups[at]] else ""
    problem = f"{owner}: column '{clock.name}'{where}"
    hint = "" if ids is not None else "; data.series.id=COLUMN tells several series apart"
    first, second = int(rows[at]) + 1, int(rows[at + 1]) + 1
    if when[at] == when[at + 1]:
        raise DataError(f"{problem} has {said[0]} twice, in rows {first:,} and {second:,}{hint}")
    raise DataError(
        f"{problem} runs backwards, from {said[0]} in row {first:,} to {said[1]} in row {second:,}: "
        f"sort the rows by time{hint}"
    )


def _columns(
    owner: str,
    table: pa.Table,
    order: np.ndarray,
    groups: np.ndarray,
    time: str,
    ids: str | None,
    options: SeriesOptions,
) -> tuple[list[Column], list[np.ndarray], list[np.ndarray], np.ndarray | None]:
    """The columns, the channels' numbers, what describes whole series, and the classes of rows."""
    columns, numbers, described, classes = [], [], [], None
    several = groups[-1] > 0
    for name in table.column_names:
        column = table.column(name)
        if name in (time, ids):
            kind = "string" if name == time else str(column.type)
            columns.append(Column(name=name, role=TIME if name == time else ID, type=kind))
            continue
        if name == options.classes:
            words = ["" if w is None else str(w) for w in column.cast(pa.string()).to_pylist()]
            codes, known = name_classes(words)
            classes = codes[order].astype(np.float64)
            columns.append(Column(name=name, role=CLASS, type=str(column.type), values=known))
            continue
        found, values, bad = _numbers(name, column)
        values = values[order]
        still = (_same(values[1:], values[:-1]) | (np.diff(groups) != 0)).all()
        first = values[np.searchsorted(groups, np.arange(groups[-1] + 1))]
        if still and several and len(np.unique(first)) > 1:
            if found.words and not found.values:
                raise DataError(
                    f"{owner}: column '{name}' has more than {MOST_WORDS:,} different texts; "
                    f"data.series.leave_out={name} leaves it out"
                )
            columns.append(replace(found, role=STATIC))
            described.append(values)
        elif still and _same(first, first[:1]).all():
            columns.append(_constant(found, first[0]))
        elif bad is not None:
            row, text = bad
            raise DataError(
                f"{owner}: column '{name}' has text, '{text[:40]}' in row {row:,}; channels are numbers. "
                f"data.series.leave_out={name} leaves it out"
            )
        else:
            columns.append(found)
            numbers.append(values)
    return columns, numbers, described, classes


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))


def _constant(found: Column, value: float) -> Column:
    said = found.values[int(value)] if found.words and not np.isnan(value) else repr(float(value))
    return replace(found, role=CONSTANT, values=() if np.isnan(value) else (said,))


def _numbers(
    name: str, column: pa.ChunkedArray
) -> tuple[Column, np.ndarray, tuple[int, str] | None]:
    """The column, its numbers (n,), or of words their places, and the first text with its row."""
    kind = column.type
    if pa.types.is_string(kind):
        try:
            values = column.cast(pa.float64())
        except pa.ArrowInvalid:
            return _words(name, column)
        whole = not pc.any(pc.match_substring_regex(column, r"[.eEnN]")).as_py()
        kind = pa.int64() if whole else pa.float64()
    elif pa.types.is_boolean(kind):
        values, kind = column.cast(pa.int8()).cast(pa.float64()), pa.int8()
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = column.cast(pa.float64(), safe=False)
    else:
        return _words(name, _texts(name, column))
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    decimals = times.decimals_of(numbers)
    return Column(name=name, role=CHANNEL, type=str(kind), decimals=decimals), numbers, None


def _texts(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        raise DataError(
            f"column '{name}' contains {str(column.type)[:80]}, which is neither a number nor a word; "
            f"data.series.leave_out={name} leaves it out"
        ) from None


def _words(name: str, column: pa.ChunkedArray) -> tuple[Column, np.ndarray, tuple[int, str] | None]:
    texts = column.to_pylist()
    known = sorted({text for text in texts if text is not None}, key=natural)
    number = {text: i for i, text in enumerate(known)}
    codes = np.array([np.nan if t is None else number[t] for t in texts], np.float64)
    row = next(i for i, text in enumerate(texts) if text is not None and not _is_number(text))
    kept = tuple(known) if len(known) <= MOST_WORDS else ()
    return Column(name=name, role=CHANNEL, type="string", values=kept), codes, (row + 1, texts[row])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- on a grid -----------------------------------------------------------------------------------


def _gaps(run: np.ndarray, usual: float) -> np.ndarray:
    """The time from the row before, of each row; of the first the usual one."""
    return np.concatenate([[usual], np.diff(run)])


def _on_grid(
    clock: Clock,
    values: np.ndarray,
    when: np.ndarray,
    classes: np.ndarray | None,
    bounds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray, int]:
    """Rows with NaN where a regular series lacks a time, and how many of those there are."""
    if not clock.regular:
        return values, when, classes, bounds, 0
    gone = np.concatenate([[0], np.maximum(clock.steps(when), 1)])
    gone[bounds[:-1]] = 1  # the first of each series follows the last of the one before
    places = np.cumsum(gone) - 1
    total = int(places[-1]) + 1
    if total > 50 * len(when):
        raise DataError(
            f"column '{clock.name}' has gaps that are {total / len(when):.0f} times as long as what is "
            "there; data.series.time names another column"
        )
    grid = np.full((total, values.shape[1]), np.nan)
    grid[places] = values
    whole = np.append(places[bounds[:-1]], total)
    number = np.searchsorted(whole, np.arange(total), side="right") - 1
    inside = np.arange(total) - whole[number]
    begins = when[bounds[:-1]]
    moments = clock.after(begins[number], inside[:, None])[:, 0]
    moments[places] = when
    if classes is not None:
        last = np.maximum.accumulate(np.where(~np.isnan(grid).all(1), np.arange(total), 0))
        filled = np.zeros(total)
        filled[places] = classes
        classes = filled[last]
    return grid, moments, classes, whole, total - len(when)


# --- arrays --------------------------------------------------------------------------------------


def arrays_in(owner: str, values: np.ndarray, labels: np.ndarray | None) -> Series:
    """Series in an array (n, time, channels), all of one length. Raises DataError."""
    if values.ndim != 3 or values.dtype.kind not in "iufb" or not values.size:
        raise DataError(
            f"{owner} holds an array {values.shape} of {values.dtype}; series are numbers of shape "
            "(series, time, channels)"
        )
    count, length, channels = values.shape
    if length < 2:
        raise DataError(f"{owner}: series of {length} step are too short; at least 2 are needed")
    flat = values.reshape(-1, channels).astype(np.float64)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    kind = "double" if values.dtype.kind == "f" else "int64"
    columns = [Column(name="series", role=ID, type="int64"), Column(name="step", role=TIME)]
    columns += [
        Column(
            name=f"channel_{i + 1}", role=CHANNEL, type=kind, decimals=times.decimals_of(flat[:, i])
        )
        for i in range(channels)
    ]
    classes = None
    if labels is not None:
        codes, known = name_classes([str(label) for label in labels])
        classes = np.repeat(codes.astype(np.float64), length)
        columns.append(Column(name="class", role=CLASS, type="string", values=known))
    return Series(
        columns=tuple(columns), clock=Clock(name="step"), values=flat, classes=classes,
        statics=np.empty((count, 0)), bounds=np.arange(count + 1) * length,
        times=np.tile(np.arange(length, dtype=np.float64), count),
        names=tuple(map(str, range(1, count + 1))),
        notes=(f"{count:,} series of {length:,} steps and {times.counted(channels, 'channel')}",),
    )  # fmt: skip
