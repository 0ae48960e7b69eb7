"""Constraints as people write them.

    start <= end            also <, >=, >; of numbers, or of dates and times
    total = a + b - c       of numbers
    fixed(city, country)    only combinations that were seen

Names that contain one of these signs may be quoted; names of existing columns need no quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ganwright.base.errors import OptionError, message
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.kinds import is_number

OWNER = "data.table.constraints"
_FORMS = "a <= b, a < b, total = a + b, fixed(a, b)"
_ORDERED = ("number", "integer", "datetime")


@dataclass(frozen=True, kw_only=True)
class Order:
    """`low` ≤ `high`, or < where `strict`. The column that is made from the other is `made`."""

    text: str
    low: str
    high: str
    strict: bool
    made: str

    @property
    def given(self) -> str:
        """The column that is learned as it is."""
        return self.low if self.made == self.high else self.high

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.given,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Sum:
    """`made` = Σ sign · part, of `parts` (name, sign)."""

    text: str
    made: str
    parts: tuple[tuple[str, int], ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.made, *self.needs)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """`names` have only combinations of values that were seen."""

    text: str
    names: tuple[str, ...]
    needs: tuple[str, ...] = ()


Rule = Order | Sum | Fixed


def split_rules(text: str) -> tuple[str, ...]:
    """ "a <= b, fixed(c, d)" as its two rules: commas within brackets or quotes don't count."""
    parts, depth, quote, start = [], 0, "", 0
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return tuple(part.strip() for part in [*parts, text[start:]] if part.strip())


def parse_rules(texts: Sequence[str], columns: Iterable[Column]) -> tuple[Rule, ...]:
    """The rules, each after those whose columns it is made from.

    Raises OptionError, in one line, for what can't be read, for columns that don't exist or can't take
    part, and for rules that conflict.
    """
    by_name = {column.name: column for column in columns}
    read = _without_implied([_Reader(text, by_name).rule() for text in texts])
    made: dict[str, Rule] = {}  # which rule makes a column
    for rule in read:
        if not isinstance(rule, Order):
            for name in rule.names if isinstance(rule, Fixed) else (rule.made,):
                _claim(name, rule, made)
    placed = [rule if not isinstance(rule, Order) else _directed(rule, made) for rule in read]
    for rule in placed:
        _refuse_circles(rule, made)
    return tuple(_in_order(placed, made))


def said_numbers(texts: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """Columns that rules add or compare as numbers, though they look like codes or keys."""
    held = {column.name: _as_number(column) for column in columns}
    found = []
    for text in texts:
        with suppress(OptionError):  # reported when the rules are parsed for real
            rule = _Reader(text, held).rule()
            found += [] if isinstance(rule, Fixed) else list(rule.names)
    return [c.name for c in columns if c.name in found and held[c.name] is not c]


def _as_number(column: Column) -> Column:
    coded = column.kind in ("category", "boolean", "identifier") and column.user != "category"
    return replace(column, kind="number") if coded and is_number(type_of(column.type)) else column


def implied_orders(rules: Iterable[Rule]) -> tuple[Order, ...]:
    """Orders implied by chains of `<=` and `<`: a <= c from a <= b and b <= c.

    It holds where b is missing, too. Of several chains between two columns a strict one counts.
    """
    links = {(r.low, r.high): r.strict for r in rules if isinstance(r, Order)}
    found = dict(links)
    for middle in {name for pair in links for name in pair}:
        for (low, a), first in list(found.items()):
            for (b, high), second in list(found.items()):
                if a == b == middle and low != high:
                    strict = first or second or found.get((low, high), False)
                    found[low, high] = strict
    return tuple(
        Order(
            text=f"{low} <{'' if strict else '='} {high}",
            low=low,
            high=high,
            strict=strict,
            made=high,
        )
        for (low, high), strict in found.items()
        if (low, high) not in links
    )


def _without_implied(rules: Sequence[Rule]) -> list[Rule]:
    """The rules without those that others imply: they may be stated, and hold anyway."""
    left = list(rules)
    for rule in rules:
        others = [one for one in left if one is not rule]
        if _said(rule, others):
            left = others
    return left


def _said(rule: Rule, others: Sequence[Rule]) -> bool:
    """Whether a rule equals one of the others, or is an order that follows from them."""
    if not isinstance(rule, Order):
        return any(_meaning(one) == _meaning(rule) for one in others)
    orders = [one for one in others if isinstance(one, Order)]
    return any(
        (one.low, one.high) == (rule.low, rule.high) and one.strict >= rule.strict
        for one in (*orders, *implied_orders(orders))
    )


def _meaning(rule: Rule) -> object:
    """A rule's meaning, independent of the order of its parts."""
    if isinstance(rule, Sum):
        return rule.made, frozenset(rule.parts)
    return type(rule), frozenset(rule.names)


def _claim(name: str, rule: Rule, made: dict[str, Rule]) -> None:
    if name in made:
        other = made[name].text
        raise OptionError(
            f"{OWNER}: '{rule.text}' and '{other}' both determine '{name}'; only one may"
        )
    made[name] = rule


def _directed(rule: Order, made: dict[str, Rule]) -> Order:
    """The upper column is computed from the lower one or, if it is already determined, vice versa."""
    for name, given in ((rule.high, rule.low), (rule.low, rule.high)):
        if name not in made and name not in _sources(given, made):
            found = Order(
                text=rule.text, low=rule.low, high=rule.high, strict=rule.strict, made=name
            )
            made[name] = found
            return found
    others = " and ".join(sorted({f"'{made[n].text}'" for n in rule.names if n in made}))
    raise OptionError(
        f"{OWNER}: '{rule.text}' conflicts with {others}: both columns are already determined"
    )


def _sources(name: str, made: Mapping[str, Rule], depth: int = 0) -> set[str]:
    """All columns that a column is made from, itself included."""
    found = {name}
    if name in made and depth <= len(made):
        for need in made[name].needs:
            found |= _sources(need, made, depth + 1)
    return found


def _refuse_circles(rule: Rule, made: Mapping[str, Rule]) -> None:
    own = () if isinstance(rule, Fixed) else (rule.made,)
    for name in own:
        if any(name in _sources(need, made) for need in rule.needs):
            raise OptionError(
                f"{OWNER}: '{rule.text}' is circular: '{name}' would determine itself"
            )


def _in_order(rules: Sequence[Rule], made: Mapping[str, Rule]) -> list[Rule]:
    done: list[Rule] = []
    waiting = list(rules)
    while waiting:
        ready = [
            rule
            for rule in waiting
            if all(need not in made or made[need] in done for need in rule.needs)
        ]
        done += ready
        waiting = [rule for rule in waiting if rule not in ready]
    return done


class _Reader:
    """Reads one rule."""

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self.text, self.rest, self.columns = text.strip(), text.strip(), columns

    def rule(self) -> Rule:
        if found := re.fullmatch(r"fixed\s*\((.*)\)", self.text, re.DOTALL):
            return self._fixed(found[1])
        left = self._terms()
        sign = next((s for s in ("<=", ">=", "==", "<", ">", "=") if self._take(s)), None)
        if sign is None:
            raise self._unreadable()
        right = self._terms()
        if self.rest:
            raise self._unreadable()
        if sign in ("=", "=="):
            if len(left) > 1:
                left, right = right, left
            if len(left) != 1 or left[0][1] != 1 or len(right) < 2:
                raise self._unreadable()
            return self._sum(left[0][0], right)
        if len(left) != 1 or len(right) != 1 or left[0][1] * right[0][1] != 1:
            raise self._unreadable()
        low, high = left[0][0], right[0][0]
        return self._order(*((low, high) if sign[0] == "<" else (high, low)), len(sign) == 1)

    def _unreadable(self) -> OptionError:
        return OptionError(f"{OWNER}: can't read '{self.text}'; allowed: {_FORMS}")

    def _take(self, sign: str) -> bool:
        if not self.rest.startswith(sign):
            return False
        self.rest = self.rest[len(sign) :].lstrip()
        return True

    def _terms(self) -> list[tuple[str, int]]:
        found, sign = [], 1
        while True:
            found.append((self._name(), sign))
            if self._take("+"):
                sign = 1
            elif self._take("-"):
                sign = -1
            else:
                return found

    def _name(self) -> str:
        """The longest column name at this point, or the quoted text."""
        for name in sorted(self.columns, key=len, reverse=True):
            after = self.rest[len(name) :].lstrip()
            if self.rest.startswith(name) and (not after or after[0] in "<>=+-,"):
                self.rest = after
                return name
        if found := re.match(r"""(["'])(.+?)\1\s*""", self.rest):
            self.rest = self.rest[found.end() :]
            return self._known(found[2])
        found = re.match(r"[^<>=+,]*", self.rest)
        word = found[0].strip() if found else ""
        if not word:
            raise self._unreadable()
        return self._known(word)

    def _known(self, name: str) -> str:
        if name not in self.columns:
            problem = f"no column '{name}' in '{self.text}'"
            raise OptionError(message(OWNER, problem, allowed=self.columns, got=name))
        return name

    def _learned(self, names: Sequence[str]) -> None:
        for name in names:
            column = self.columns[name]
            if not column.modelled:
                raise OptionError(
                    f"{OWNER}: '{self.text}': column '{name}' is not learned ({column.kind})"
                )
        if len(set(names)) < len(names):
            raise OptionError(f"{OWNER}: '{self.text}' names a column twice")

    def _ordered(self, names: Sequence[str], kinds: Sequence[str], what: str) -> None:
        self._learned(names)
        for name in names:
            if (kind := self.columns[name].kind) not in kinds:
                raise OptionError(
                    f"{OWNER}: '{self.text}' needs {what}; column '{name}' is {kind}: "
                    "data.table.kinds can change that"
                )

    def _order(self, low: str, high: str, strict: bool) -> Order:
        self._ordered((low, high), _ORDERED, "numbers or dates")
        kinds = [self._axis(name) for name in (low, high)]
        if kinds[0] != kinds[1]:
            raise OptionError(
                f"{OWNER}: '{self.text}' compares {kinds[0]} with {kinds[1]}, which can't be compared"
            )
        return Order(text=self.text, low=low, high=high, strict=strict, made=high)

    def _axis(self, name: str) -> str:
        column = self.columns[name]
        if column.kind != "datetime":
            return "numbers"
        if column.form:
            return "dates"
        kind = str(type_of(column.type))
        if kind.startswith(("time32", "time64")):
            return "times of day"
        if kind.startswith("duration"):
            return "durations"
        return "dates with a zone" if "tz=" in kind else "dates"

    def _sum(self, made: str, parts: list[tuple[str, int]]) -> Sum:
        self._ordered((made, *(name for name, _ in parts)), ("number", "integer"), "numbers")
        return Sum(text=self.text, made=made, parts=tuple(parts))

    def _fixed(self, inside: str) -> Fixed:
        self.rest = inside.strip()
        names = [self._name()]
        while self._take(","):
            names.append(self._name())
        if self.rest or len(names) < 2:
            raise self._unreadable()
        self._learned(names)
        return Fixed(text=self.text, names=tuple(names))
