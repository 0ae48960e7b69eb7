"""Inspects a table, column by column, and what training would do with it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.data.dataset import Dataset
from ganwright.data.duplicates import Equals, equals
from ganwright.data.inspect import NAMED, Inspection, Lines, general
from ganwright.data.options import AUTO, DataOptions
from ganwright.modalities.tables.codec.fields import NumberField
from ganwright.modalities.tables.codec.hashing import row_hashes
from ganwright.modalities.tables.columns.axis import from_axis, to_axis
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.spelling import spelled
from ganwright.modalities.tables.dataset import TableDataset, TableSource, canonical, dataset
from ganwright.modalities.tables.options import TableOptions

if TYPE_CHECKING:
    from ganwright.modalities.tables.codec.table import TableCodec

_WIDTH, _NAME, _LEAST_VALUES = 100, 24, 20  # of what is printed, in letters
_FREQUENT, _SHOWN, _LONG = 8, 200, 24
_STEPS = 48  # the fewest that look like time
_FEW, _MANY, _HOLLOW, _ALL_BUT, _SPIKE = 500, 0.05, 0.5, 0.99, 0.1


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """A column as it was found. `low`, `median` and `high` are as the table writes them.

    `frequent` counts the most frequent values; `choices` is how many codes it is learned as, and
    `single` how many of them stand for one value alone; None where it is not learned.
    """

    name: str
    kind: str
    type: str
    missing: int
    missing_share: float
    distinct: int
    low: str | None
    median: str | None
    high: str | None
    frequent: dict[str, int]
    choices: int | None
    single: int | None
    note: str


@dataclass(frozen=True, kw_only=True)
class TableInspection(Inspection):
    """What `inspect_data` found in a table."""

    found: int
    columns: tuple[ColumnFacts, ...]
    target: str
    choices: int
    duplicates: Equals

    def __str__(self) -> str:
        wide = max(len(key) for key, _ in self.above() + self.below())
        above = [_wrapped(key, value, wide) for key, value in self.above()]
        below = [_wrapped(key, value, wide) for key, value in self.below()]
        return "\n".join([*above, "", *_table(self.columns, self.usable), "", *below]).rstrip()

    def lines(self) -> Lines:
        learned = sum(c.choices is not None for c in self.columns)
        return [
            ("rows", f"{self.usable:,} usable of {self.found:,}"),
            *self.skipped_named(self.found - self.usable),
            (
                "columns",
                f"{len(self.columns):,}, of which {learned:,} are learned, as {self.choices:,} choices",
            ),
            ("predict", self.target),
            (
                "duplicates",
                f"{self.duplicates.extra:,} (equal to another row in all learned columns)"
                if self.duplicates.extra
                else "none",
            ),
        ]


def inspect(source: TableSource, options: DataOptions) -> TableInspection:
    """Looks through a table as `open_data` would open it."""
    data = dataset(source, options)
    columns = tuple(_facts(data, column) for column in data.codec.columns)
    same = equals(data, row_hashes(data.table, data.codec.learned))
    lost = canonical(source, options).skipped_rows
    told = general(data)
    if options.form == AUTO:
        told["notes"] = (*told["notes"], *_times(data))
    return TableInspection(
        **told,
        found=len(data) + lost,
        columns=columns,
        target=str(data.options.of(TableOptions).target),
        choices=data.spec.size,
        duplicates=same,
        warnings=_warnings(data, columns, same, lost),
    )


def _times(data: TableDataset) -> list[str]:
    """How to read a table as series instead, where a column holds times: dates, or steady steps."""
    for column in data.codec.columns:
        if column.kind == "datetime" or _steady(column, data.table[column.name]):
            return [
                f"read as a table; where its rows are measurements over time, "
                f"--set data.series.time={column.name} reads them as series"
            ]
    return []


def _steady(column: Column, array: pa.ChunkedArray) -> bool:
    """Whether every number is as far from the one before."""
    if column.kind not in ("number", "integer") or column.missing or len(array) < _STEPS:
        return False
    steps = np.diff(array.to_numpy().astype(np.float64))
    return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-3))


def _facts(data: TableDataset, column: Column) -> ColumnFacts:
    array = data.table[column.name]
    choices, single = _learned(data.codec, column)
    low, median, high = _range(column, array)
    return ColumnFacts(
        name=column.name,
        kind=column.kind,
        type=column.type,
        missing=column.missing,
        missing_share=column.missing / len(data),
        distinct=column.distinct,
        low=low,
        median=median,
        high=high,
        frequent=_frequent(array),
        choices=choices,
        single=single,
        note=column.note,
    )


def _learned(codec: TableCodec, column: Column) -> tuple[int | None, int | None]:
    if column.name not in codec.names:
        return None, None
    field = codec.fields[codec.place(column.name)]
    single = int(field.single.sum()) if isinstance(field, NumberField) else field.own
    return field.choices, single


def _range(column: Column, array: pa.ChunkedArray) -> tuple[str | None, str | None, str | None]:
    if column.low is None:
        return None, None, None
    values, known = to_axis(column, array)
    values = np.sort(values[known])
    chosen = values[[0, len(values) // 2, -1]]
    ends = from_axis(column, chosen)
    if column.written or column.kind == "datetime":  # as the file has them, without our separators
        ends = spelled(ends, column).cast(pa.string())
    low, median, high = (_plain(value) for value in ends.to_pylist())
    return low, median, high


def _plain(value: Any) -> str:
    """A value as it is shown: whole numbers with separators, others short."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else str(value)
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e9
        return f"{int(value):,}" if whole else f"{value:.5g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _frequent(array: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(array.drop_null())
    counts = counted.field("counts").to_numpy()
    # By number, and of equal ones by value, so that it says the same every time.
    most = np.argsort(-counts, kind="stable")[:_FREQUENT]
    found: dict[str, int] = {}
    for value, count in zip(
        counted.field("values").take(pa.array(most)).to_pylist(), counts[most], strict=True
    ):
        found[_plain(value)] = found.get(_plain(value), 0) + int(count)
    return found


# --- in print ----------------------------------------------------------------------------------


def _wrapped(key: str, value: str, wide: int) -> str:
    lines = textwrap.wrap(value, _WIDTH - wide - 2, break_long_words=False, break_on_hyphens=False)
    return f"{key:<{wide}}  " + f"\n{'':<{wide}}  ".join(lines)


def _table(columns: tuple[ColumnFacts, ...], rows: int) -> list[str]:
    """The columns as a table no wider than _WIDTH."""
    shown = columns[:_SHOWN]
    head = ("column", "kind", "given back", "missing", "distinct", "choices")
    cells = [
        (
            _short(c.name, _NAME),
            c.kind,
            c.type,
            _share(c.missing_share),
            f"{c.distinct:,}",
            "" if c.choices is None else f"{c.choices:,}",
        )
        for c in shown
    ]
    wide = [max(len(row[i]) for row in (head, *cells)) for i in range(len(head))]
    left = max(_LEAST_VALUES, _WIDTH - sum(wide) - 2 * len(wide))
    lines = [_row(head, wide) + "values"]
    for facts, row in zip(shown, cells, strict=True):
        lines.append((_row(row, wide) + _values(facts, rows - facts.missing, left)).rstrip())
    if len(columns) > len(shown):
        lines.append(f"… and {len(columns) - len(shown):,} more columns: --json shows all")
    return lines


def _row(cells: tuple[str, ...], wide: list[int]) -> str:
    words = [
        f"{cell:<{wide[i]}}" if i < 3 else f"{cell:>{wide[i]}}" for i, cell in enumerate(cells)
    ]
    return "  ".join(words) + "  "


def _short(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def _share(share: float) -> str:
    if share in (0, 1):
        return "" if share == 0 else "100 %"
    return "< 0.1 %" if share < 0.001 else f"{min(share, 0.999):.1%}".replace("%", " %")


def _percent(share: float) -> str:
    rounded = f"{share:.0%}"
    if rounded == "100%" and share < 1:
        return ">99%"
    return "<1%" if rounded == "0%" else rounded


def _values(facts: ColumnFacts, known: int, width: int) -> str:
    """The range of numbers with the value that stands out, or the most frequent words."""
    if not facts.frequent:
        return ""
    if facts.kind in ("text", "identifier"):
        return _short(next(iter(facts.frequent)), width)
    if facts.kind == "constant":
        return _short(f"always {next(iter(facts.frequent))}", width)
    if facts.low is not None:
        text = " … ".join(dict.fromkeys(t for t in (facts.low, facts.median, facts.high) if t))
        if len(text) > width:
            text = f"{facts.low} … {facts.high}"
        top, count = next(iter(facts.frequent.items()))
        spike = f", {_percent(count / known)} {top}"
        stands_out = count > _SPIKE * known and facts.distinct > 20
        return text + spike if stands_out and len(text + spike) <= width else _short(text, width)
    words = [f"{word} {_percent(count / known)}" for word, count in facts.frequent.items()]
    kept = ""
    for word in words:
        if len(kept) + len(word) + 4 > width:
            return (kept + ", …") if kept else _short(word, width)
        kept += ", " * bool(kept) + word
    return kept + (", …" if facts.distinct > len(words) else "")


def _warnings(
    data: Dataset, columns: tuple[ColumnFacts, ...], same: Equals, lost: int
) -> tuple[str, ...]:
    hollow = [f"'{c.name}'" for c in columns if _HOLLOW < c.missing_share < 1]
    single = [
        f"'{c.name}'"
        for c in columns
        if c.choices and max(c.frequent.values(), default=0) > _ALL_BUT * (len(data) - c.missing)
    ]
    told = [
        (
            len(data.train) < _FEW,
            f"few rows: {len(data.train):,} to train on, which may be memorised",
        ),
        (bool(hollow), f"more than half is missing in {', '.join(hollow[:NAMED])}"),
        (bool(single), f"nearly constant: {', '.join(single[:NAMED])}"),
        (
            same.extra > _MANY * len(data),
            f"{same.extra / len(data):.0%} of the rows repeat another",
        ),
        (lost > 0, f"{lost / (lost + len(data)):.1%} can't be used ({lost:,})"),
        (not len(data.heldout), "nothing is held out: scores will be too optimistic"),
    ]
    return tuple(text for true, text in told if true)
