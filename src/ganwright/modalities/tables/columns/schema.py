"""The columns of a table: names, kinds, and the types of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ganwright.base.errors import OptionError, message
from ganwright.modalities.tables.columns.axis import to_axis
from ganwright.modalities.tables.columns.column import KINDS, Column, Kind
from ganwright.modalities.tables.columns.kinds import Facts, decimals_of, is_number
from ganwright.modalities.tables.columns.moments import Zones


def parse_kinds(words: Sequence[str], names: Sequence[str]) -> dict[str, Kind]:
    """("zip=category",) as {"zip": "category"}. Raises OptionError for unknown names."""
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
    """Infers every column of a canonical table; `kinds` overrides.

    Fields may carry the metadata ``user`` (a pandas dtype) and ``form`` (of dates in text).
    Raises OptionError for a kind that a column can't have.
    """
    return tuple(_column(table, name, kinds.get(name)) for name in table.column_names)


def _column(table: pa.Table, name: str, wish: Kind | None) -> Column:
    array, about = table[name], table.schema.field(name).metadata or {}
    said = {key: about.get(key.encode(), b"").decode() for key in ("user", "form", "written")}
    facts = Facts.of(name, array, said["user"], said["form"], said["written"])
    kind, form, note = facts.judge()
    if wish is not None and wish != kind:
        form = _wished_form(facts, wish)
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
        written="" if form else facts.written,
        zones=tuple(zip(*_zones(facts.values, form), strict=True)) if "%Z" in form else (),
    )
    return replace(blank, **_axis(blank, facts)) if kind in _ORDERED else blank


def _zones(values: pa.Array, form: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    found = Zones.learn(values, form)
    return found.at, found.texts


def _wished_form(facts: Facts, wish: Kind) -> str:
    """How the values of a column whose kind the user set are written."""
    if wish == "datetime":
        return facts.form or facts.days_form(least=0.5)
    text = pa.types.is_string(facts.type)
    return facts.written if text and wish in ("number", "integer") else ""


_ORDERED: frozenset[Kind] = frozenset({"number", "integer", "datetime"})


def _check_wish(facts: Facts, wish: Kind, form: str) -> None:
    kind = facts.type
    able = {
        "number": is_number(kind) or bool(form),
        "integer": pa.types.is_integer(kind) or (bool(form) and facts.whole),
        "datetime": pa.types.is_temporal(kind) or bool(form),
        "boolean": facts.distinct <= 2,
        "constant": facts.distinct <= 1,
        "empty": facts.distinct == 0,
    }
    if not able.get(wish, True):
        what = f"{facts.distinct:,} values of type {kind}"
        raise OptionError(f"data.table.kinds: '{facts.name}' can't be {wish}: it contains {what}")


def _axis(column: Column, facts: Facts) -> dict[str, Any]:
    """Range and decimals."""
    numbers, known = to_axis(column, facts.values)
    numbers = numbers[known]
    if not len(numbers):
        return {}
    near = 1e-6 if facts.type == pa.float32() else 1e-12
    decimals = decimals_of(numbers, near) if column.kind == "number" else None
    return {"low": numbers.min().item(), "high": numbers.max().item(), "decimals": decimals}
