"""Constraints that every row satisfies by construction: some columns are computed, not learned.

    a <= b          learned are a and the gap b − a ≥ 0; b is made from them
    total = a + b   learned are a and b
    fixed(a, b)     learned is one category: the combinations that were seen

`inward` converts the user's columns to the learned ones, `outward` converts back. What a rule leaves open
is learned beside it: b where a is missing, and that a total is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, ModelError, OptionError
from ganwright.modalities.tables.codec.fields import CategoryField, Field
from ganwright.modalities.tables.codec.joint import Joint, join_columns
from ganwright.modalities.tables.codec.measure import Measure
from ganwright.modalities.tables.codec.rules import (
    OWNER,
    Fixed,
    Order,
    Rule,
    Sum,
    implied_orders,
    parse_rules,
)
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import Line, flat, line_of, raw_numbers

Arrays = dict[str, pa.Array]
_CLOSE = 1e-9  # of sums of fractions, to their size


@dataclass(frozen=True, kw_only=True, eq=False)
class Constraints:
    """Rules over the user's `columns`; `inner` are the columns that are learned in their place.

    `lines` are of the columns that rules make or compare, so that they stay in their range. `sets`
    are the user's own category sets of columns that are joined, and whether they have an order.
    """

    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    inner: tuple[Column, ...]
    lines: Mapping[str, Line]
    sets: Mapping[str, tuple[tuple[str, ...], bool]]

    @classmethod
    def fit(cls, table: pa.Table, columns: Sequence[Column], texts: Sequence[str]) -> Constraints:
        """The constraints of rows that keep them. Raises OptionError."""
        rules = parse_rules(texts, columns)
        blank = cls(columns=tuple(columns), rules=rules, inner=(), lines={}, sets={})
        lines = {name: _line(blank.column(name), table) for name in blank.measured}
        found = {name: line for name, line in lines.items() if line is not None}
        if lost := sorted(lines.keys() - found.keys()):
            raise OptionError(f"{OWNER}: column '{lost[0]}' has no value in any training row")
        joined = [n for rule in rules if isinstance(rule, Fixed) for n in rule.names]
        sets = {name: own for name in joined if (own := _set_of(table.schema.field(name)))}
        blank = replace(blank, lines=found, sets=sets)
        inner = []
        for column in blank._candidates():
            array = blank._inner(column.name, table, whole=False)
            said = array if column.kind == "boolean" else pc.is_valid(array)
            if column.name in blank.extras and not pc.any(said).as_py():
                continue
            inner.append(_described(column, array))
        return replace(blank, inner=tuple(inner))

    def column(self, name: str) -> Column:
        """One of the user's columns. Raises KeyError."""
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def made(self) -> dict[str, Rule]:
        """The columns that are computed, and the rule that computes each."""
        return {
            name: rule
            for rule in self.rules
            for name in (rule.names if isinstance(rule, Fixed) else (rule.made,))
        }

    @cached_property
    def measured(self) -> frozenset[str]:
        """The columns whose range is kept."""
        return frozenset(
            n for rule in self.rules if not isinstance(rule, Fixed) for n in rule.names
        )

    @cached_property
    def bound(self) -> frozenset[str]:
        """All columns that a rule names, and those learned in their place."""
        return frozenset(n for rule in self.rules for n in rule.names) | self.labels.keys()

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """The axis of each rule that compares or adds, by its text."""
        return {
            rule.text: Measure.of([self.column(name) for name in rule.names])
            for rule in (*self.rules, *self.implied)
            if not isinstance(rule, Fixed)
        }

    @cached_property
    def implied(self) -> tuple[Order, ...]:
        """Orders that follow from others through a column that may be missing."""
        return implied_orders(self.rules)

    @cached_property
    def labels(self) -> dict[str, tuple[str, Rule]]:
        """For each column learned for a rule, by name: its role, and the rule."""
        taken = {column.name for column in self.columns}
        found: dict[str, tuple[str, Rule]] = {}

        def add(name: str, what: str, rule: Rule) -> None:
            while name in taken or name in found:
                name += "'"
            found[name] = (what, rule)

        for rule in self.rules:
            if isinstance(rule, Order):
                add(f"{rule.high} - {rule.low}", "gap", rule)
                add(f"{rule.made} alone", "alone", rule)
            elif isinstance(rule, Sum):
                add(f"{rule.made} missing", "absent", rule)
                add(f"{rule.made} alone", "alone", rule)
            else:
                add(", ".join(rule.names), "joint", rule)
        return found

    @cached_property
    def extras(self) -> frozenset[str]:
        """Columns learned only if training rows need them."""
        return frozenset(n for n, (what, _) in self.labels.items() if what in ("alone", "absent"))

    def _label(self, what: str, rule: Rule) -> str:
        return next(name for name, found in self.labels.items() if found == (what, rule))

    def _candidates(self) -> Iterable[Column]:
        """The columns to be learned, each in the position of the one it represents."""
        done: set[str] = set()
        for column in self.columns:
            rule = self.made.get(column.name)
            if rule is None:
                if column.modelled or (column.kind == "constant" and column.missing):
                    yield column
                continue
            for name, (what, of) in self.labels.items():
                if of is not rule or name in done:
                    continue
                done.add(name)
                if what == "gap":
                    yield self.measures[rule.text].gap(name)
                elif what == "alone":
                    yield replace(column, name=name, user="")
                elif what == "absent":
                    yield Column(name=name, kind="boolean", type="bool")
                else:
                    yield Column(name=name, kind="category", type="string")

    # --- the user's rows to what is learned ---------------------------------------------------

    def broken(self, table: pa.Table) -> dict[str, np.ndarray]:
        """For each rule, which rows (n,) bool break it; rows with a missing part don't.

        Then for orders implied by several, `a <= c` where b is missing, those that break no other.
        """
        found = {rule.text: self._breaking(rule, table) for rule in self.rules}
        for rule in self.implied:
            already = np.logical_or.reduce([*found.values()])
            found[rule.text] = self._breaking(rule, table) & ~already
        return found

    def _breaking(self, rule: Rule, table: pa.Table) -> np.ndarray:
        if isinstance(rule, Fixed):
            return np.zeros(table.num_rows, bool)
        measure = self.measures[rule.text]
        if isinstance(rule, Order):
            low, first = measure.read(rule.low, table.column(rule.low))
            high, second = measure.read(rule.high, table.column(rule.high))
            wrong: np.ndarray = (low >= high if rule.strict else low > high) & first & second
            return wrong
        total, known = measure.read(rule.made, table.column(rule.made))
        value, parts = self._total(rule, measure, table.column)
        return self._apart(rule, measure, total, value) & known & parts

    def _total(self, rule: Sum, measure: Measure, of: Any) -> tuple[np.ndarray, np.ndarray]:
        """Σ sign · part, and where no part is missing."""
        values: np.ndarray | float = 0
        known: np.ndarray | bool = True
        for name, sign in rule.parts:
            own, there = measure.read(name, of(name))
            values, known = values + sign * own, known & there
        return np.asarray(values), np.asarray(known)

    def _apart(
        self, rule: Sum, measure: Measure, total: np.ndarray, value: np.ndarray
    ) -> np.ndarray:
        """Where a total is not the sum, in the digits that it has."""
        if measure.whole:
            found: np.ndarray = 2 * abs(total - value) > measure.steps[rule.made] * (
                measure.steps[rule.made] > 1
            )
            return found
        return abs(total - value) > _CLOSE * np.maximum(1, np.maximum(abs(total), abs(value)))

    def inward(self, table: pa.Table, *, whole: bool = False) -> pa.Table:
        """The columns that are learned. With `whole`, a combination counts as missing that is so in
        part, and so does what stands beside a rule: to be filled by what the rule says."""
        arrays = [self._inner(column.name, table, whole) for column in self.inner]
        fields = [
            table.schema.field(column.name)  # with what it says of category sets
            if column.name not in self.labels
            else pa.field(column.name, array.type)
            for column, array in zip(self.inner, arrays, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _inner(self, name: str, table: pa.Table, whole: bool) -> pa.Array:
        if name not in self.labels:
            return table.column(name)
        what, rule = self.labels[name]
        if isinstance(rule, Fixed):
            return join_columns(table, [self.column(n) for n in rule.names], whole=whole)
        measure = self.measures[rule.text]
        made, known = measure.read(rule.made, table.column(rule.made))
        if what == "gap":
            assert isinstance(rule, Order)
            given, there = measure.read(rule.given, table.column(rule.given))
            gap = made - given if rule.made == rule.high else given - made
            both = measure.with_column(measure.gap(name))
            return both.write(name, gap, known & there)
        if isinstance(rule, Order):
            given = flat(table.column(rule.given))
            there = pa.array(~raw_numbers(self.column(rule.given), given)[1] | whole)
            array = flat(table.column(rule.made))
            return pc.if_else(there, pa.scalar(None, array.type), array)
        assert isinstance(rule, Sum)
        _, parts = self._total(rule, measure, table.column)
        if what == "alone":  # the total where a part is missing, so that it can't be computed
            array = flat(table.column(rule.made))
            return pc.if_else(pa.array(parts | whole), pa.scalar(None, array.type), array)
        return pa.array(~known, mask=~parts | whole)

    # --- what is learned to the user's rows ---------------------------------------------------

    def outward(
        self,
        learned: Mapping[str, pa.Array],
        fields: Mapping[str, Field],
        *,
        plain: bool,
        settled: frozenset[str] = frozenset(),
    ) -> Arrays:
        """The user's columns. Those `settled`, by a condition, are not moved to keep a range."""
        found: Arrays = dict(learned)
        for rule in self.rules:
            if isinstance(rule, Fixed):
                joint = self.joint(rule, fields)
                found |= joint.arrays(found[joint.field.name], plain=plain)
            elif isinstance(rule, Order):
                found[rule.made] = self._ordered(rule, found)
                self._keep_implied(rule, found)
            else:
                found |= self._summed(rule, found, settled)
        return found

    def _keep_implied(self, rule: Order, found: Arrays) -> None:
        """Moves a computed column past columns that it is indirectly compared with."""
        for other in self.implied:
            if rule.made in other.names and found.keys() >= set(other.names):
                everywhere = np.ones(len(found[rule.made]), bool)
                self._push(
                    other, found, everywhere, 1 if rule.made == other.high else -1, only=True
                )

    def joint(self, rule: Fixed, fields: Mapping[str, Field]) -> Joint:
        """The combinations of a rule, split once."""
        name = self._label("joint", rule)
        if name not in self._joints:
            field = fields[name]
            assert isinstance(field, CategoryField)
            self._joints[name] = Joint.of(field, [self.column(n) for n in rule.names])
        return self._joints[name]

    @cached_property
    def _joints(self) -> dict[str, Joint]:
        return {}

    def _range(self, name: str, measure: Measure) -> tuple[Any, Any]:
        """The least and the most that a column had, on the axis of a rule."""
        line = self.lines[name]
        ends = measure.read(name, line.values(np.array([line.low, line.high])))[0]
        return ends[0], ends[1]

    def _ordered(self, rule: Order, found: Arrays) -> pa.Array:
        """The made column: the given one and the gap, within its range and on its side."""
        measure = self.measures[rule.text]
        label = self._label("gap", rule)
        gap, far = measure.with_column(measure.gap(label)).read(label, found[label])
        given, there = measure.read(rule.given, found[rule.given])
        value, can = self._beside(rule, measure, given, gap)
        known = far & there & can
        if not self.column(rule.made).missing:  # it never was missing, so it must not be
            low, high = self._range(rule.made, measure)
            middle = measure.snap(
                rule.made, (low + high) / 2 if not measure.whole else (low + high) // 2, "down"
            )
            edge, _ = self._beside(rule, measure, given, np.zeros_like(gap))
            value = np.where(known, value, np.where(there & can, edge, middle))
            known = known | (there & can) | ~there
        array = measure.write(rule.made, value, known)
        alone = self._label("alone", rule)
        if alone in found:
            spare = pc.coalesce(flat(found[alone]).cast(array.type), array)
            array = pc.if_else(pa.array(there), array, spare)
        return array

    def _beside(
        self, rule: Order, measure: Measure, given: np.ndarray, gap: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the made column lies, `gap` off the given one, and whether its range allows any."""
        low, high = self._range(rule.made, measure)
        if rule.made == rule.high:
            least = measure.beside(given, 1) if rule.strict else given
            least = measure.snap(rule.made, least, "up")
            value = measure.snap(rule.made, given + gap, "nearest")
            return np.maximum(np.minimum(np.maximum(value, low), high), least), least <= high
        most = measure.beside(given, -1) if rule.strict else given
        most = measure.snap(rule.made, most, "down")
        value = measure.snap(rule.made, given - gap, "nearest")
        return np.minimum(np.maximum(np.minimum(value, high), low), most), most >= low

    def _summed(self, rule: Sum, found: Arrays, settled: frozenset[str]) -> Arrays:
        """The total, and parts that were moved so that it stays within its range."""
        measure = self.measures[rule.text]
        total, known = self._total(rule, measure, found.__getitem__)
        parts = pa.array(known)
        low, high = self._range(rule.made, measure)
        excess = np.where(known, total - np.clip(total, low, high), 0)
        moved: Arrays = {}
        if excess.any():
            elsewhere = {n for one in self.rules if one is not rule for n in one.names}
            free = [part for part in rule.parts if part[0] not in elsewhere | settled]
            excess, moved = self._shared(measure, free, excess, found)
            total, known = self._total(rule, measure, (found | moved).__getitem__)
        absent = self._label("absent", rule)
        if absent in found:
            gone = pc.fill_null(flat(found[absent]).cast(pa.bool_()), False)
            known = known & ~gone.to_numpy(zero_copy_only=False)
        array = self._write_total(rule, measure, total, known)
        alone = self._label("alone", rule)
        if alone in found:
            array = pc.if_else(parts, array, flat(found[alone]).cast(array.type))
        return moved | {rule.made: array}

    def _write_total(
        self, rule: Sum, measure: Measure, total: np.ndarray, known: np.ndarray
    ) -> pa.Array:
        return measure.write(rule.made, measure.snap(rule.made, total, "nearest"), known)

    def _shared(
        self,
        measure: Measure,
        parts: Sequence[tuple[str, int]],
        excess: np.ndarray,
        found: Mapping[str, pa.Array],
    ) -> tuple[np.ndarray, Arrays]:
        """Takes an excess off the parts in turn, each within its range."""
        moved: Arrays = {}
        for name, sign in parts:
            value, known = measure.read(name, found[name])
            low, high = self._range(name, measure)
            wish = value - sign * excess
            # rather past the range by part of a digit than short of it
            way = np.where(sign * excess > 0, -1, 1)
            snapped = np.where(
                way < 0, measure.snap(name, wish, "down"), measure.snap(name, wish, "up")
            )
            # a value already outside is not pulled back
            fresh = np.clip(snapped, np.minimum(low, value), np.maximum(high, value))
            fresh = np.where(excess != 0, fresh, value)
            moved[name] = measure.write(name, fresh, known)
            excess = excess - sign * (value - fresh)
        return excess, moved

    # --- filling ------------------------------------------------------------------------------

    def agree(
        self,
        known: pa.Table,
        made: Mapping[str, pa.Array],
        fields: Mapping[str, Field],
        uniforms: Mapping[str, np.ndarray] | None = None,
    ) -> Arrays:
        """`made`, with the cells missing in `known` made consistent with those that are known.

        Rules are kept wherever the known cells allow it; ranges where they don't conflict.
        `uniforms` (n,), by column, draw combinations; without, the most frequent is taken.
        """
        found = {name: flat(array) for name, array in made.items()}
        for rule in self.rules:
            if isinstance(rule, Fixed):
                joint = self.joint(rule, fields)
                drawn = None if uniforms is None else uniforms[joint.field.name]
                found |= joint.complete(known, {n: found[n] for n in rule.names}, drawn)
        hole = {n: ~self._known(known, n) for n in self.measured}
        for rule in self.rules:
            if isinstance(rule, Order):
                found |= self._pulled(rule, known, found, hole)
        self._merge(known, found, hole)
        self._between(found, hole)
        for rule in self.rules:
            if isinstance(rule, Sum):
                found |= self._balanced(rule, found, hole)
        return found

    def _known(self, table: pa.Table, name: str) -> np.ndarray:
        known: np.ndarray = ~raw_numbers(self.column(name), flat(table.column(name)))[1]
        return known

    def _merge(self, known: pa.Table, found: Arrays, hole: Mapping[str, np.ndarray]) -> None:
        for name, holes in hole.items():
            own = flat(known.column(name))
            found[name] = pc.if_else(pa.array(holes), found[name].cast(own.type), own)

    def _pulled(
        self,
        rule: Order,
        known: pa.Table,
        found: Arrays,
        hole: Mapping[str, np.ndarray],
    ) -> Arrays:
        """A filled cell next to a known one, at the generated distance."""
        measure = self.measures[rule.text]
        (low, one), (high, two) = (measure.read(n, found[n]) for n in (rule.low, rule.high))
        gap, result = np.maximum(high - low, 0), {}
        for name, other, side in ((rule.low, rule.high, -1), (rule.high, rule.low, 1)):
            rows = hole[name] & ~hole[other]
            if not rows.any():
                continue
            anchor, _ = measure.read(other, known.column(other))
            own, there = measure.read(name, found[name])
            least, most = self._range(name, measure)
            wish = measure.snap(name, anchor + side * gap, "nearest").clip(least, most)
            fresh = np.where(rows & one & two, wish, own)
            result[name] = measure.write(name, fresh, there | (rows & one & two))
        return result

    def _between(self, found: Arrays, hole: Mapping[str, np.ndarray]) -> None:
        """Moves filled cells to where the known ones allow: first between those, then past each other.

            A filled cell never lies above the known cells above it, so moving the upper of two filled cells
        up to the lower one terminates.
        """
        orders = [rule for rule in (*self.rules, *self.implied) if isinstance(rule, Order)]
        blank = {n: pc.if_else(pa.array(hole[n]), None, found[n]) for n in hole}
        least, most = dict(blank), dict(blank)
        for _ in orders:
            for rule in orders:
                self._push(rule, least, hole[rule.high], 1)
                self._push(rule, most, hole[rule.low], -1)
        for rule in orders:
            measure = self.measures[rule.text]
            for name in rule.names:
                value, known = measure.read(name, found[name])
                for ends, pick in ((least, np.maximum), (most, np.minimum)):
                    end, there = measure.read(name, ends[name])
                    value = np.where(hole[name] & there, pick(value, end), value)
                found[name] = measure.write(name, value, known)
        for _ in orders:
            for rule in orders:
                self._push(rule, found, hole[rule.high], 1, only=True)

    def _push(
        self, rule: Order, ends: Arrays, rows: np.ndarray, way: int, *, only: bool = False
    ) -> None:
        """Moves the upper column's `ends` up past the lower one's (way 1), or the lower one's down.

        In `rows` alone, and (`only`) where there is a value to be moved.
        """
        source, target = (rule.low, rule.high) if way > 0 else (rule.high, rule.low)
        measure = self.measures[rule.text]
        value, known = measure.read(source, ends[source])
        value = measure.beside(value, way) if rule.strict else value
        value = measure.snap(target, value, "up" if way > 0 else "down")
        own, there = measure.read(target, ends[target])
        further = value > own if way > 0 else value < own
        moved = rows & known & (there & further if only else ~there | further)
        if moved.any():
            ends[target] = measure.write(target, np.where(moved, value, own), there | moved)

    def _balanced(self, rule: Sum, found: Arrays, hole: Mapping[str, np.ndarray]) -> Arrays:
        """A filled total is the sum; filled parts of a known total make up the difference."""
        measure = self.measures[rule.text]
        value, parts = self._total(rule, measure, found.__getitem__)
        total, known = measure.read(rule.made, found[rule.made])
        free = hole[rule.made]
        fresh = np.where(free & parts, measure.snap(rule.made, value, "nearest"), total)
        result: Arrays = {rule.made: measure.write(rule.made, fresh, known | (free & parts))}
        excess = np.where(~free & known & parts, value - total, 0)
        last: dict[str, np.ndarray] = {}
        for name, sign in rule.parts:
            if not hole[name].any() or not excess.any():
                continue
            here = np.where(hole[name], excess, 0)
            left, moved = self._shared(measure, [(name, sign)], here, found)
            found = found | moved
            result |= moved
            excess = np.where(hole[name], left, excess)
            last[name] = hole[name] & (excess != 0)
        for name, sign in reversed(rule.parts):  # no range allows it: then past the range
            if name in last and (rows := last[name] & (excess != 0)).any():
                own, there = measure.read(name, found[name])
                moved_to = measure.snap(name, own - sign * excess, "nearest")
                result[name] = measure.write(name, np.where(rows, moved_to, own), there)
                excess = np.where(rows, 0, excess)
        return result

    def check(self, fields: Mapping[str, Field]) -> None:
        """Raises ModelError for fields that these columns can't be made from."""
        for rule in self.rules:
            if isinstance(rule, Fixed):
                if not isinstance(fields[self._label("joint", rule)], CategoryField):
                    raise ModelError(f"model.json: '{rule.text}' is not a category")
                self.joint(rule, fields)

    # --- saving -------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "rules": [rule.text for rule in self.rules],
            "inner": [column.to_json() for column in self.inner],
            "lines": {name: line.to_json() for name, line in self.lines.items()},
            "sets": {
                name: [list(levels), ordered] for name, (levels, ordered) in self.sets.items()
            },
        }

    @classmethod
    def from_json(cls, tree: Any, columns: Sequence[Column]) -> Constraints:
        """Reads what `to_json` wrote. Raises ModelError, KeyError, TypeError or ValueError."""
        try:
            rules = parse_rules([str(text) for text in tree["rules"]], columns)
        except OptionError as error:
            raise ModelError(f"model.json: {error}") from None
        inner = tuple(Column.from_json(one) for one in tree["inner"])
        found = cls(columns=tuple(columns), rules=rules, inner=inner, lines={}, sets={})
        lines = {n: Line.from_json(one, found.column(n)) for n, one in tree["lines"].items()}
        sets = {
            found.column(str(n)).name: (tuple(map(str, levels)), bool(ordered))
            for n, (levels, ordered) in tree["sets"].items()
        }
        if any(len(set(levels)) < len(levels) for levels, _ in sets.values()):
            raise ModelError("model.json: a category set holds a value twice")
        found = replace(found, lines=lines, sets=sets)
        should = {column.name: column for column in found._candidates()}
        names = [column.name for column in inner]
        odd = [c.name for c in inner if c.name not in should or c.type != should[c.name].type]
        lacking = should.keys() - set(names) - found.extras
        if odd or lacking or len(set(names)) < len(names) or lines.keys() != found.measured:
            raise ModelError("model.json: the constraints don't match the columns")
        return found


def _line(column: Column, table: pa.Table) -> Line | None:
    raw, missing = raw_numbers(column, flat(table.column(column.name)))
    return None if missing.all() else line_of(column, np.unique(raw[~missing]))


def _set_of(field: pa.Field) -> tuple[tuple[str, ...], bool] | None:
    """The category set of a column that is a category in the user's frame."""
    about = field.metadata or {}
    if b"levels" not in about or not pa.types.is_string(field.type):
        return None
    return tuple(map(str, json.loads(about[b"levels"]))), about.get(b"ordered") == b"1"


def _described(column: Column, array: pa.Array) -> Column:
    """The column with its values' statistics: how many are missing, how many distinct, and their ends."""
    array = flat(array)
    found = replace(column, missing=array.null_count, distinct=pc.count_distinct(array).as_py())
    if column.kind not in ("number", "integer", "datetime"):
        return found
    raw, missing = raw_numbers(column, array)
    if missing.all():
        return found
    there = raw[~missing]
    return replace(found, low=there.min().item(), high=there.max().item())


def broken_rows(
    table: pa.Table, columns: Sequence[Column], texts: Sequence[str]
) -> dict[str, np.ndarray]:
    """By rule, which rows (n,) bool break it. Raises OptionError for rules that can't be."""
    rules = parse_rules(texts, columns)
    blank = Constraints(columns=tuple(columns), rules=rules, inner=(), lines={}, sets={})
    return blank.broken(table)


def told(broken: Mapping[str, np.ndarray], *, refuse: bool) -> tuple[np.ndarray, list[str]]:
    """Which rows (n,) break any rule, and a note for each. Raises DataError if `refuse`."""
    notes: list[str] = []
    wrong: np.ndarray | bool = False
    for text, rows in broken.items():
        wrong = wrong | rows
        if rows.any():
            at = np.flatnonzero(rows)[:5] + 1
            named = ", ".join(str(i) for i in at) + (", …" if rows.sum() > 5 else "")
            found = f"{rows.sum():,} of {len(rows):,} rows break '{text}' (row {named})"
            if refuse:
                raise DataError(
                    f"{OWNER}: {found}; fix them, or set data.bad=skip to leave them out"
                )
            notes.append(f"{found}: left out of training")
    return np.asarray(wrong), notes
