"""What users ask of texts: "length=5..12, contains=red"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ganwright.base.errors import OptionError, message
from ganwright.data.clauses import (
    Clause,
    Range,
    Written,
    clauses_in,
    from_mapping,
    parsed,
    split_outside_quotes,
)

NAMES = ("length", "contains")
NONE = -1


class Units(Protocol):
    """What is asked of a codec of texts."""

    @property
    def units(self) -> Any: ...
    @property
    def length(self) -> int: ...
    @property
    def vocabulary(self) -> Any: ...

    def cut(self, text: str) -> Any:
        """Its units."""

    def symbols_of(self, units: Any) -> Any:
        """Their numbers."""


@dataclass(frozen=True)
class Wanted:
    """From `least` to `most` units, and sequences of symbols that the text contains."""

    least: int
    most: int
    contains: tuple[tuple[int, ...], ...]

    @property
    def share(self) -> np.ndarray:
        """As numbers: a row (least, most), then a row for each sequence, filled up with -1."""
        rows = [(self.least, self.most), *self.contains]
        found = np.full((len(rows), max(map(len, rows))), NONE, np.int64)
        for row, values in zip(found, rows, strict=True):
            row[: len(values)] = values
        return found


def wanted(where: str | Mapping[str, Any], codec: Units) -> Wanted:
    """The conditions of a text or a mapping. Raises OptionError for one that no text can meet."""
    least, most = 0, codec.length
    contains: list[tuple[int, ...]] = []
    for clause in _clauses(where):
        if clause.name not in NAMES:
            problem = f"texts have no '{clause.name}'"
            raise OptionError(message("where", problem, allowed=NAMES, got=clause.name))
        if clause.name == "contains":
            contains.append(_contained(clause, codec))
            continue
        low, high = _range(clause, codec)
        least, most = max(least, low), min(most, high)
    if least > most or most < 1:
        asked = where if isinstance(where, str) else dict(where)
        raise OptionError(
            f"where: no text is as long as {asked!r} asks; the model "
            f"makes from 1 to {codec.length} {codec.units}"
        )
    if (needed := sum(map(len, contains))) > most:
        raise OptionError(
            f"where: what is to be contained takes {needed} {codec.units}, not {most}"
        )
    return Wanted(least, most, tuple(contains))


def _clauses(where: str | Mapping[str, Any]) -> Iterable[Clause]:
    if isinstance(where, str):
        return [parsed(text, NAMES) for text in clauses_in(where) if text.strip()]
    found = []
    for name, value in where.items():
        several = value if name == "contains" and isinstance(value, list | tuple) else [value]
        found += [from_mapping(name, one) for one in several]
    return found


def _contained(clause: Clause, codec: Units) -> tuple[int, ...]:
    if clause.operator != "=" or len(clause.values) != 1:
        raise OptionError(f"where: can't read {clause.text!r}; write contains=word, once for each")
    value = clause.values[0]
    text = value.text if isinstance(value, Written) else str(value)
    found = tuple(codec.symbols_of(units := codec.cut(text)))
    if not found:
        raise OptionError("where: nothing is to be contained")
    for unit, symbol in zip(units, found, strict=True):
        if symbol < 2:
            known = [one.strip() for one in codec.vocabulary]
            problem = f"the model has never seen {unit.strip()!r}"
            near = message("where", problem, allowed=known, got=unit.strip())
            _, mark, hint = near.partition(". Did you mean")
            raise OptionError(f"where: {problem}" + mark + hint)
    return found


def _range(clause: Clause, codec: Units) -> tuple[int, int]:
    """The lowest and the highest length that a clause allows."""
    problem = f"where: can't read {clause.text!r}; write length=5, length=5..12, length<=12"
    if len(clause.values) != 1 or clause.operator == "!=":
        raise OptionError(problem)
    value = clause.values[0]
    if isinstance(value, Range):
        ends = [value.low, value.high]
    else:
        text = value.text if isinstance(value, Written) else str(value)
        ends = list(split_outside_quotes(text, ".."))
    try:
        whole = [None if end is None or not str(end).strip() else int(str(end)) for end in ends]
    except ValueError:
        raise OptionError(problem) from None
    low, high = (whole[0], whole[-1]) if len(whole) <= 2 else (None, None)
    if low is None and high is None:
        raise OptionError(problem)
    if clause.operator in ("<", "<="):
        low, high = None, (high or 0) - (clause.operator == "<")
    elif clause.operator in (">", ">="):
        low, high = (low or 0) + (clause.operator == ">"), None
    return max(low or 0, 0), codec.length if high is None else high
