"""Conditions on examples as people write them: the clauses of a text or a mapping.

    "age=40..60, sex=Female, city=Rome|Milan, income=missing, hours=40.., x!=0"
    {"age": (40, 60), "sex": "Female", "city": ["Rome", "Milan"], "income": None}

Each clause is a column, one of ``= != < <= > >=``, and a value, or several separated by ``|``; commas
separate clauses. ``low..high`` is a range including both ends, either of which may be left open;
``missing`` means no value. Names and values that contain one of these signs, or that word, go in quotes.
In a mapping a tuple is a range (None for an open end), a list means alternatives, and None means missing;
text is a category's value, or for numbers and dates is read as above. All clauses must hold. A row without
a value only satisfies ``missing``. A date means its whole day, 2020-06 the month.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganwright.base.errors import OptionError, nearest

OWNER = "where"
MISSING = "missing"
OPERATORS = ("!=", ">=", "<=", "==", "=", ">", "<")


@dataclass(frozen=True)
class Written:
    """A value as written; a `quoted` one is neither a range nor the word missing."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Range:
    low: Any
    high: Any


@dataclass(frozen=True)
class Clause:
    name: str
    operator: str
    values: tuple[Any, ...]
    text: str


def is_nothing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, NaT, NA."""
    if value is None:
        return True
    if type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating) and math.isnan(value)


def split_outside_quotes(text: str, mark: str) -> Iterator[str]:
    """The parts between marks outside quotes; a quote opens only where a value begins."""
    quote, start, begins, i = "", 0, True, 0
    while i < len(text):
        sign = text[i]
        if quote:
            if sign == quote:
                if text[i + 1 : i + 2] == quote:  # doubled: the quote itself
                    i += 1
                else:
                    quote = ""
        elif sign in "\"'" and begins:
            quote, begins = sign, False
        elif text.startswith(mark, i):
            yield text[start:i]
            i += len(mark) - 1
            start, begins = i + 1, True
        elif not sign.isspace():
            begins = sign in "=|,<>" or text[i - 1 : i + 1] == ".."
        i += 1
    if quote:
        raise OptionError(f"{OWNER}: a quote ({quote}) is not closed in {text!r}")
    yield text[start:]


def clauses_in(text: str) -> Iterator[str]:
    """The parts between commas, except commas within a number (1,000) or a date."""
    held: str | None = None
    for part in split_outside_quotes(text, ","):
        more = re.match(r"\s?\d[^=<>!]*$", part)
        if held is not None and more and re.search(r"[=<>].*\d$", held):
            held += f",{part}"
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


def unquoted(text: str) -> Written:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return Written(text[1:-1].replace(text[0] * 2, text[0]), quoted=True)
    return Written(text)


def parsed(text: str, names: Iterable[str]) -> Clause:
    """One clause: column, operator, values."""
    text = text.strip()
    for name in sorted(names, key=len, reverse=True):
        rest = text[len(name) :].lstrip()
        if text.startswith(name) and rest.startswith(OPERATORS):
            return clause_of(name, rest, text)
    if text[:1] in "\"'":
        name = next(_quoted_first(text))
        return clause_of(unquoted(name).text, text[len(name) :].lstrip(), text)
    found = re.match(r"(.*?)(!=|>=|<=|==|=|>|<)", text, re.DOTALL)
    if found is None:
        problem = f"can't read {text!r}; write column=value, column=low..high or column=missing"
        near = nearest(text, names)
        raise OptionError(f"{OWNER}: {problem}" + (f". Did you mean '{near}=…'?" if near else ""))
    return clause_of(found[1].strip(), text[found.start(2) :], text)


def _quoted_first(text: str) -> Iterator[str]:
    """The quoted name that a clause begins with."""
    found = re.match(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'", text)
    if found is None:
        raise OptionError(f"{OWNER}: a quote ({text[0]}) is not closed in {text!r}")
    yield found[0]


def clause_of(name: str, rest: str, text: str) -> Clause:
    operator = next((mark for mark in OPERATORS if rest.startswith(mark)), "")
    if not operator:
        raise OptionError(f"{OWNER}: can't read {text!r}; write column=value")
    values = tuple(unquoted(part) for part in split_outside_quotes(rest[len(operator) :], "|"))
    if any(not value.text and not value.quoted for value in values):
        raise OptionError(
            f"{OWNER}: a value is missing in {text!r}; an empty cell of a table is written '=missing'"
        )
    return Clause(name, "=" if operator == "==" else operator, values, text)


def from_mapping(name: str, value: Any) -> Clause:
    values: tuple[Any, ...]
    if isinstance(value, tuple):
        values = (_as_range(name, value),)
    elif isinstance(value, list | set | frozenset | range | np.ndarray) or (
        hasattr(value, "tolist") and hasattr(value, "__len__")
    ):
        several = value.tolist() if hasattr(value, "tolist") else list(value)
        values = tuple(_as_range(name, v) if isinstance(v, tuple) else v for v in several)
        if not values:
            raise OptionError(f"{OWNER}: column '{name}' is given no alternatives")
    else:
        values = (value,)
    return Clause(name, "=", values, f"{name}={'|'.join(shown(v) for v in values)}")


def _as_range(name: str, value: tuple[Any, ...]) -> Range:
    if len(value) != 2:
        raise OptionError(f"{OWNER}: column '{name}': a range is (low, high); got {value!r}")
    return Range(*value)


def shown(value: Any) -> str:
    if isinstance(value, Range):
        low, high = (("" if is_nothing(v) else str(v)) for v in (value.low, value.high))
        return f"{low}..{high}"
    return (
        MISSING if is_nothing(value) else value.text if isinstance(value, Written) else str(value)
    )
