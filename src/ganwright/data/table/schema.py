"""What the columns of a table are: names, kinds, and the types to give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from ganwright.base.errors import ModelError, OptionError, message
from ganwright.data.table.axis import to_axis
from ganwright.data.table.kinds import KINDS, MODELLED, Facts, Kind, decimals_of, is_number


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the user's table.

    `type` is the Arrow type of the canonical table, which is what is given back ("int64",
    "timestamp[us]", "string"). `missing` and `distinct` count over all rows; `distinct` leaves
    missing values out. `low` and `high` are of the axis that `axis` gives (numbers themselves,
    dates and times as whole numbers) and None for what has no order. `decimals` is the most digits
    after the point, for numbers that have few. `form` says how a date stands in a column that is
    not of a date type: "%Y%m%d" in whole numbers. `user` is the pandas dtype to give back where
    the Arrow type does not say it ("category", "Int64"). `note` is the rule that decided.
    """

    name: str
    kind: Kind
    type: str
    missing: int = 0
    distinct: int = 0
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    form: str = ""
    user: str = ""
    note: str = ""

    @property
    def modelled(self) -> bool:
        """Whether it is learned; others are given back constant, empty or made anew."""
        return self.kind in MODELLED

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Column:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            column = cls(**tree)
        except TypeError as error:
            raise ModelError(f"model.json: a column is not readable ({error})") from None
        texts = (column.name, column.kind, column.type, column.form, column.user, column.note)
        counts = (column.missing, column.distinct, column.decimals or 0)
        sound = all(isinstance(t, str) for t in texts) and column.kind in KINDS
        sound = sound and all(isinstance(c, int) and c >= 0 for c in counts)
        limits = (column.low, column.high)
        if not sound or not all(n is None or isinstance(n, int | float) for n in limits):
            raise ModelError(f"model.json: impossible column {tree!r}")
        return column


def parse_kinds(words: Sequence[str], names: Sequence[str]) -> dict[str, Kind]:
    """("zip=category",) as {"zip": "category"}. Raises OptionError for names that are none."""
    owner = "data.table.kinds"
    found: dict[str, Kind] = {}
    for word in words:
        name, equals, kind = (part.strip() for part in word.rpartition("="))
        if not equals or not name:
            raise OptionError(message(owner, f"must read column=kind; got '{word}'"))
        if name not in names:
            raise OptionError(message(owner, f"no column '{name}'", allowed=names, got=name))
        if kind not in KINDS:
            raise OptionError(message(owner, f"no kind '{kind}'", allowed=KINDS, got=kind))
        found[name] = kind
    return found


def infer_columns(table: pa.Table, kinds: Mapping[str, Kind]) -> tuple[Column, ...]:
    """What every column of a canonical table is; `kinds` overrules.

    Fields may carry the metadata ``user`` (a pandas dtype) and ``form`` (of dates in text).
    Raises OptionError for a kind that a column can't be of.
    """
    return tuple(_column(table, name, kinds.get(name)) for name in table.column_names)


def _column(table: pa.Table, name: str, wish: Kind | None) -> Column:
    array, about = table[name], table.schema.field(name).metadata or {}
    facts = Facts.of(
        name, array, about.get(b"user", b"").decode(), about.get(b"form", b"").decode()
    )
    kind, form, note = facts.judge()
    if wish is not None and wish != kind:
        form = form if wish == "datetime" else ""
        _check_wish(facts, wish, form)
        kind, note = wish, "as you said"
    blank = Column(
        name=name,
        kind=kind,
        type=str(array.type),
        missing=array.null_count,
        distinct=facts.distinct,
        form=form,
        user=facts.user,
        note=note,
    )
    return replace(blank, **_axis(blank, facts)) if kind in _ORDERED else blank


_ORDERED: frozenset[Kind] = frozenset({"number", "integer", "datetime"})


def _check_wish(facts: Facts, wish: Kind, form: str) -> None:
    kind = facts.type
    able = {
        "number": is_number(kind),
        "integer": pa.types.is_integer(kind),
        "datetime": pa.types.is_temporal(kind) or bool(form),
        "boolean": facts.distinct <= 2,
        "constant": facts.distinct <= 1,
        "empty": facts.distinct == 0,
    }
    if not able.get(wish, True):
        what = f"{facts.distinct:,} values of type {kind}"
        raise OptionError(f"data.table.kinds: '{facts.name}' can't be {wish}: it holds {what}")


def _axis(column: Column, facts: Facts) -> dict[str, Any]:
    """Range and decimals."""
    numbers, known = to_axis(column, facts.values)
    numbers = numbers[known]
    if not len(numbers):
        return {}
    near = 1e-6 if facts.type == pa.float32() else 1e-12
    decimals = decimals_of(numbers, near) if column.kind == "number" else None
    return {"low": numbers.min().item(), "high": numbers.max().item(), "decimals": decimals}
