"""Conditions on rows: which codes they allow, and which part of a code (for the syntax see `clauses`).

All clauses must hold. A row without a value only satisfies ``missing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ganwright.base.errors import OptionError, message, nearest
from ganwright.data.clauses import (
    MISSING,
    OPERATORS,
    OWNER,
    Clause,
    Range,
    Written,
    clause_of,
    clauses_in,
    from_mapping,
    is_nothing,
    parsed,
    shown,
    split_outside_quotes,
    unquoted,
)
from ganwright.modalities.tables.codec.constraints import Constraints
from ganwright.modalities.tables.codec.fields import CategoryField, Field, NumberField
from ganwright.modalities.tables.codec.pieces import Pieces
from ganwright.modalities.tables.codec.remade import Remade
from ganwright.modalities.tables.codec.rules import Fixed
from ganwright.modalities.tables.codec.spans import Span, Spans, span_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import Line, raw_numbers

_POINT = 1e-6  # the share of its bin that a single value counts for
_LISTED = 8
_TRUE = frozenset(["true", "t", "yes", "y", "on", "1"])
_FALSE = frozenset(["false", "f", "no", "n", "off", "0"])


@dataclass(frozen=True, kw_only=True, eq=False)
class Allowed:
    """A condition on rows, as the nets and the codec need it.

    `text` is its readable form. `fields` are the places of the conditioned fields. `codes` (ΣK,) bool are
    the allowed codes of all fields, and `share` (ΣK,) in 0 … 1 is how much of each code's training rows is
    allowed. `pieces` are, by field, the allowed parts of codes that are partly allowed.
    """

    text: str
    fields: tuple[int, ...]
    codes: np.ndarray
    share: np.ndarray
    pieces: Mapping[int, Pieces]


class Coded(Protocol):
    """What a condition applies to: a codec's columns and fields, and the places of their codes."""

    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def fields(self) -> tuple[Field, ...]: ...
    @property
    def remade(self) -> Mapping[str, Remade]: ...
    @property
    def constraints(self) -> Constraints | None: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def learned(self) -> tuple[str, ...]: ...
    @property
    def by_name(self) -> dict[str, Field]: ...
    @property
    def offsets(self) -> np.ndarray: ...
    @property
    def width(self) -> int: ...


def allowed(codec: Coded, where: str | Mapping[str, Any]) -> Allowed:
    """Parses the condition `where`. Raises OptionError in one line (see `TableCodec`)."""
    names = [column.name for column in codec.columns]
    if isinstance(where, str):
        clauses = [parsed(part, names) for part in clauses_in(where) if part.strip()]
    elif isinstance(where, Mapping):
        clauses = [from_mapping(str(name), value) for name, value in where.items()]
    else:
        raise OptionError(f"{OWNER}: must be text or a mapping; got {type(where).__name__}")
    share = np.ones(codec.width)
    pieces: dict[int, Pieces] = {}
    by_field: dict[int, list[Clause]] = {}
    joined: dict[str, list[Clause]] = {}
    for clause in clauses:
        if codec.constraints is not None and clause.name in codec.constraints.made:
            joined.setdefault(clause.name, []).append(clause)
        elif clause.name in codec.learned:
            by_field.setdefault(codec.names.index(clause.name), []).append(clause)
        else:
            _check_remade(codec, clause)
    for c, those in by_field.items():
        found, part = _of_field(codec.fields[c], those)
        share[codec.offsets[c] : codec.offsets[c + 1]] = found
        if part is not None:
            pieces[c] = part
    for c, found, part in _of_combinations(codec, joined):
        share[codec.offsets[c] : codec.offsets[c + 1]] = found
        by_field[c] = []
        if part is not None:
            pieces[c] = part
    return Allowed(
        text=where if isinstance(where, str) else ", ".join(clause.text for clause in clauses),
        fields=tuple(sorted(by_field)),
        codes=share > 0,
        share=share,
        pieces=pieces,
    )


def _of_combinations(
    codec: Coded, clauses: Mapping[str, list[Clause]]
) -> Iterator[tuple[int, np.ndarray, Pieces | None]]:
    """For each field of combinations: the allowed share of each code, and the parts (see `_of_field`).

    Raises OptionError for a column that is computed from others in any other way.
    """
    masks: dict[str, np.ndarray] = {}
    absent: dict[str, bool] = {}
    for name, those in clauses.items():
        assert codec.constraints is not None
        rule = codec.constraints.made[name]
        if not isinstance(rule, Fixed):
            asked = " and ".join(f"'{need}'" for need in rule.needs)
            raise OptionError(
                f"{OWNER}: column '{name}' is computed by the constraint '{rule.text}', so a condition on it "
                f"can't be met exactly; use {asked}"
            )
        joint = codec.constraints.joint(rule, codec.by_name)
        own = joint.alone(name)
        left, _ = _of_field(own, those)
        at = joint.parts[name][1]
        lost = bool(left[-1]) if own.missing is not None else False
        mask = np.where(at >= 0, left[at] > 0, lost)
        owner = joint.field.name
        masks[owner] = masks.get(owner, np.ones(len(mask), bool)) & mask
        absent[owner] = absent.get(owner, True) and lost
    for owner, mask in masks.items():
        field = codec.by_name[owner]
        assert isinstance(field, CategoryField)
        share, part = _cut_members(field, mask)
        share = np.append(share, float(absent[owner])) if field.missing is not None else share
        if not share.any():
            said = ", ".join(c.text for those in clauses.values() for c in those)
            raise OptionError(
                f"{OWNER}: no combination of {owner} seen in training satisfies {said}"
            )
        yield codec.names.index(owner), share, part


def _check_remade(codec: Coded, clause: Clause) -> None:
    """A condition on a column that is not learned: only a constant's own value is allowed."""
    column = next((one for one in codec.columns if one.name == clause.name), None)
    if column is None:
        raise OptionError(
            message(OWNER, f"no column '{clause.name}'", allowed=codec.learned, got=clause.name)
        )
    value = codec.remade[column.name].shown
    asked = [v.text if isinstance(v, Written) else str(v) for v in clause.values]
    if (
        column.kind == "constant"
        and clause.operator == "="
        and value.lower() in (text.lower() for text in asked)
    ):
        return
    problem = f"is not learned ({column.kind}{': ' + column.note if column.note else ''})"
    if column.kind == "constant":
        problem = f"is {value} in every row"
    raise OptionError(f"{OWNER}: column '{clause.name}' {problem}")


# --- reading -----------------------------------------------------------------------------------


def _of_field(field: Field, clauses: list[Clause]) -> tuple[np.ndarray, Pieces | None]:
    """The allowed share of each code (K,), and the parts of those that are partly allowed."""
    clauses = [split for clause in clauses for split in _read_numbers(field, clause)]
    absent = True
    asked: list[tuple[Clause, list[Any]]] = []
    for clause in clauses:
        values = [v for v in clause.values if not _is_missing(field, v)]
        missing = len(values) < len(clause.values)
        if missing and field.missing is None and clause.operator == "=":
            raise OptionError(f"{OWNER}: column '{field.name}' was never missing in training")
        absent = absent and missing and clause.operator == "="
        if values or clause.operator == "=":  # else x!=missing, which doesn't restrict values
            asked.append((clause, values))
    if isinstance(field, NumberField):
        spans, apart = Spans.every(field.line), np.ones(len(field.tallies), bool)
        for clause, values in asked:
            apart &= _apart(field, clause, values)
            spans = spans & _spans(field, clause, values)
        share, pieces = _cut_bins(field, spans)
        share = np.append(share, apart)
    else:
        mask = np.ones(len(field.values), bool)
        for clause, values in asked:
            mask &= _members(field, clause, values)
        share, pieces = _cut_members(field, mask)
    share = np.append(share, float(absent)) if field.missing is not None else share
    if not share.any():
        raise OptionError(f"{OWNER}: {_nothing_left(field, clauses)}")
    return share, pieces


def _read_numbers(field: Field, clause: Clause) -> Iterator[Clause]:
    """Text in a mapping, for an ordered column, is read like text in a clause."""
    if not (isinstance(field, NumberField) or not _is_words(field)):
        yield clause
        return
    if len(clause.values) == 1 and isinstance(text := clause.values[0], str):
        rest = text if text.strip().startswith(OPERATORS) else f"={text}"
        yield clause_of(clause.name, rest.strip(), clause.text)
        return
    values = tuple(Written(v) if isinstance(v, str) else v for v in clause.values)
    yield Clause(clause.name, clause.operator, values, clause.text)


def _is_missing(field: Field, value: Any) -> bool:
    if isinstance(value, Written):
        if value.quoted or value.text.lower() != MISSING:
            return False
        if field.missing is None and isinstance(field, CategoryField) and _is_words(field):
            return value.text not in field.values.to_pylist()
        return True
    return not isinstance(value, Range) and is_nothing(value)


def _is_words(field: CategoryField) -> bool:
    return bool(pa.types.is_string(field.values.type) or pa.types.is_boolean(field.values.type))


def _sides(value: Any, *, ranges: bool = True) -> Range | None:
    """The two sides of a range, None if it is none."""
    if isinstance(value, Range):
        return value
    if not ranges or not isinstance(value, Written) or value.quoted:
        return None
    parts = list(split_outside_quotes(value.text, ".."))
    if len(parts) != 2 or not any(part.strip() for part in parts):
        return None
    low, high = (unquoted(part).text if part.strip() else None for part in parts)
    return Range(low, high)


def _one_span(field: Field, line: Line, clause: Clause, value: Any) -> Span:
    """The range that one alternative of an ordered column means, on its axis."""

    def read(side: Any) -> Span:
        side = side.text if isinstance(side, Written) else side
        try:
            return span_of(line, side)
        except (ValueError, ArithmeticError, TypeError):
            column = field.column
            what = "a date or time" if column.kind == "datetime" else "a number"
            problem = f"column '{field.name}' needs {what}; got {str(side)[:60]!r}"
            raise OptionError(f"{OWNER}: {problem}") from None

    sides = _sides(value)
    if sides is None:
        span = read(value)
        return {
            "<": Span(None, span.low, high_open=True),
            "<=": Span(None, span.high, high_open=span.high_open),
            ">": Span(span.high, None, low_open=not span.high_open),
            ">=": Span(span.low, None),
        }.get(clause.operator, span)
    if clause.operator not in ("=", "!="):
        raise OptionError(f"{OWNER}: a range can't follow {clause.operator!r} in {clause.text!r}")
    low = Span(None, None) if is_nothing(sides.low) else read(sides.low)
    high = Span(None, None) if is_nothing(sides.high) else read(sides.high)
    span = Span(low.low, high.high, high_open=high.high_open)
    if span.low is not None and span.high is not None and span.low > span.high:
        problem = f"the range {shown(sides)} ends before it begins"
        raise OptionError(f"{OWNER}: column '{field.name}': {problem}")
    return span


def _spans(field: NumberField, clause: Clause, values: list[Any]) -> Spans:
    """The positions that a clause allows."""
    line = field.line
    found = Spans.none(line)
    for value in values:
        if clause.operator in ("=", "!=") and _named_apart(field, value).any():
            continue
        one = Spans.of(line, _one_span(field, line, clause, value))
        beside = _meant_apart(field, clause, value).any()
        if clause.operator != "!=" and not _overlaps(field, one) and not beside:
            raise OptionError(f"{OWNER}: {_not_seen(field, clause, value)}")
        found = found | one
    return ~found if clause.operator == "!=" else found


def _named_apart(field: NumberField, value: Any) -> np.ndarray:
    """Which of the values apart (S,) a value names: inf, 0000-00-00, 9999-12-31."""
    if not len(field.tallies) or field.apart is None or isinstance(value, Range):
        return np.zeros(len(field.tallies), bool)
    text = value.text if isinstance(value, Written) else value
    if pa.types.is_floating(field.apart.type):
        try:
            return np.asarray(field.apart.to_numpy(zero_copy_only=False) == float(text))
        except (TypeError, ValueError):
            return np.zeros(len(field.tallies), bool)
    return np.array([str(one) == str(text).strip() for one in field.apart], bool)


def _apart(field: NumberField, clause: Clause, values: list[Any]) -> np.ndarray:
    """Which of the values apart (S,) a clause allows."""
    meant = [_meant_apart(field, clause, value) for value in values]
    return _any_of(meant, clause, len(field.tallies))


def _any_of(meant: list[np.ndarray], clause: Clause, count: int) -> np.ndarray:
    """Which of `count` values any of the alternatives means; with !=, which none does."""
    found = np.any(meant, axis=0) if meant else np.zeros(count, bool)
    return ~found if clause.operator == "!=" else found


def _meant_apart(field: NumberField, clause: Clause, value: Any) -> np.ndarray:
    """Which of the values apart (S,) one alternative means, by name or by its range."""
    named = _named_apart(field, value)
    if not len(named) or (named.any() and clause.operator in ("=", "!=")):
        return named
    span = _one_span(field, field.line, clause, value)
    low = -np.inf if span.low is None else float(span.low)
    high = np.inf if span.high is None else float(span.high)
    places = _places_apart(field)
    found: np.ndarray = (places >= low) & (places <= high)
    return found


def _places_apart(field: NumberField) -> np.ndarray:
    """Where the values apart (S,) lie on the column's axis: infinitely far, or NaN for nowhere."""
    assert field.apart is not None
    if pa.types.is_floating(field.apart.type) and not field.column.form:
        found: np.ndarray = field.apart.to_numpy(zero_copy_only=False).astype(np.float64)
        return found
    raw, nowhere = raw_numbers(field.column, field.apart)
    return np.where(nowhere, np.nan, raw.astype(np.float64))


def _overlaps(field: NumberField, spans: Spans) -> bool:
    return bool(((spans.high >= field.line.low) & (spans.low <= field.line.high)).any())


def _not_seen(field: NumberField, clause: Clause, value: Any) -> str:
    ends = field.line.values(np.array([field.line.low, field.line.high]))
    between = f"'{field.name}' ranged from {ends[0]} to {ends[1]} in training"
    lone = _sides(value) is None and clause.operator == "="
    if lone and isinstance(field, NumberField) and field.line.grid:
        step = field.line.values(np.array([0.0, 1.0])) if field.line.high else ends
        return f"{between}, in steps like {step[0]} to {step[1]}; {shown(value)} is not among them"
    return f"{between}; nothing satisfies {clause.text}"


def _cut_bins(field: NumberField, spans: Spans) -> tuple[np.ndarray, Pieces | None]:
    """The part of each bin within `spans`: share (K,) and parts."""
    bins, line = field.bins, field.line
    code = np.repeat(np.arange(len(bins)), np.diff(bins.starts))
    weight = 1 / np.diff(bins.starts)[code]
    extra = 1.0 if line.grid else 0.0
    codes, first, last, shares = [], [], [], []
    whole = np.zeros(len(bins), np.int64)  # parts that are allowed as a whole
    for low, high in zip(spans.low, spans.high, strict=True):
        start, end = np.maximum(bins.first, low), np.minimum(bins.last, high)
        some = np.flatnonzero(start <= end)
        whole += np.bincount(code[(start == bins.first) & (end == bins.last)], minlength=len(bins))
        width = bins.last[some] - bins.first[some] + extra
        part = end[some] - start[some] + extra
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(width > 0, part / width, 1.0)
        codes.append(code[some])
        first.append(start[some])
        last.append(end[some])
        shares.append(weight[some] * np.maximum(ratio, _POINT))
    found = [np.concatenate(p) if p else np.empty(0) for p in (codes, first, last, shares)]
    if not len(found[0]):
        found = _between_values(field, spans)
    codes_, first_, last_, shares_ = found
    codes_ = codes_.astype(np.int64)
    share = np.bincount(codes_, shares_, len(bins)).clip(0, 1)
    # by the ends, not the share: excluding a single point leaves the share at 1
    partly = (share > 0) & (whole < np.diff(bins.starts))
    share[~partly] = np.rint(share[~partly])
    keep = partly[codes_]
    if not keep.any():
        return share, None
    order = np.argsort(codes_[keep], kind="stable")
    codes_, first_, last_, shares_ = (p[keep][order] for p in (codes_, first_, last_, shares_))
    return share, Pieces.build(codes_, first_, last_, shares_, field.choices)


def _between_values(field: NumberField, spans: Spans) -> list[np.ndarray]:
    """For a range in which no training value lies: the nearest wide bin provides values."""
    bins, line = field.bins, field.line
    rows = []
    for low, high in zip(spans.low, spans.high, strict=True):
        start, end = max(low, line.low), min(high, line.high)
        if start > end:
            continue
        at = int(np.searchsorted(bins.cuts, start))
        near = [i for i in (at, at + 1, at - 1) if 0 <= i < len(bins.owner)]
        wide = [bins.owner[i] for i in near if not field.single[bins.owner[i]]]
        if wide:
            rows.append((wide[0], start, end, _POINT))
    return [np.array(p) for p in zip(*rows, strict=True)] if rows else [np.empty(0)] * 4


# --- categories --------------------------------------------------------------------------------


def _members(field: CategoryField, clause: Clause, values: list[Any]) -> np.ndarray:
    """Which of the field's values a clause allows, (V,) bool."""
    meant = [_member(field, clause, value) for value in values]
    return _any_of(meant, clause, len(field.values))


def _member(field: CategoryField, clause: Clause, value: Any) -> np.ndarray:
    if pa.types.is_boolean(field.values.type):
        wanted = _truth(field, clause, value)
        return np.array([one == wanted for one in field.values.to_pylist()], bool)
    if not _is_words(field):
        return _numeric_member(field, clause, value)
    if field.ordered and (clause.operator not in ("=", "!=") or _sides(value) is not None):
        return _ordered_member(field, clause, value)
    if clause.operator not in ("=", "!=") or isinstance(value, Range):
        problem = f"column '{field.name}' has categories without an order"
        raise OptionError(f"{OWNER}: {problem}: {clause.text} can't be evaluated")
    text = value.text if isinstance(value, Written) else value
    if isinstance(text, bool | np.bool_):
        text = next(
            (v for v in field.values.to_pylist() if v.lower() in (_TRUE if text else _FALSE)), text
        )
    if field.column.kind == "boolean":  # a boolean's words, ignoring case
        same = [v for v in field.values.to_pylist() if v.lower() == str(text).lower()]
        text = same[0] if len(same) == 1 else text
    return _equal(field, str(text))


def _equal(field: CategoryField, text: str) -> np.ndarray:
    at = field.values.index(pa.scalar(text, field.values.type)).as_py()
    if at < 0 or at >= field.seen:
        texts = field.values.slice(0, field.seen)
        problem = f"column '{field.name}' has no value {text!r}"
        listed = texts.to_pylist() if field.seen <= 10_000 else []
        near = nearest(text, listed)
        if field.seen <= _LISTED:
            problem += f"; allowed: {', '.join(listed)}"
        else:
            problem += f" among {field.seen:,}"
        raise OptionError(f"{OWNER}: {problem}" + (f". Did you mean '{near}'?" if near else ""))
    found = np.zeros(len(field.values), bool)
    found[at] = True
    return found


def _truth(field: CategoryField, clause: Clause, value: Any) -> bool:
    word = value.text if isinstance(value, Written) else value
    text = str(word).lower() if not isinstance(word, float) else str(int(word))
    if clause.operator in ("=", "!=") and text in _TRUE | _FALSE:
        return text in _TRUE
    allowed = ["true", "false"]
    raise OptionError(message(OWNER, f"column '{field.name}' can't be {text!r}", allowed=allowed))


def _numeric_member(field: CategoryField, clause: Clause, value: Any) -> np.ndarray:
    """For categories that are numbers or dates: those within the range, or the equal one."""
    raw, _ = raw_numbers(field.column, field.values)
    whole = raw.dtype.kind != "f"
    line = Line(column=field.column, step=int(whole))
    spans = Spans.of(line, _one_span(field, line, clause, value))
    found = np.zeros(len(raw), bool)
    for low, high in zip(spans.low, spans.high, strict=True):
        found |= (raw >= low) & (raw <= high)
    found &= field.code_of >= 0
    if not found.any() and clause.operator != "!=":
        values = ", ".join(str(v) for v in field.values.slice(0, min(field.seen, _LISTED)))
        problem = f"column '{field.name}' has no value {shown(value)}"
        raise OptionError(f"{OWNER}: {problem}; it has {values}" + ("…" * (field.seen > _LISTED)))
    return found


def _ordered_member(field: CategoryField, clause: Clause, value: Any) -> np.ndarray:
    place = np.empty(len(field.values), np.int64)
    assert field.levels is not None
    place[field.levels] = np.arange(len(field.values))

    def at(side: Any) -> int:
        texts = field.values.to_pylist()
        text = side.text if isinstance(side, Written) else str(side)
        if text not in texts:
            problem = f"column '{field.name}' has no value {text!r}"
            levels = field.level_values.to_pylist()
            raise OptionError(message(OWNER, problem, allowed=levels, got=text))
        return int(place[texts.index(text)])

    sides = _sides(value)
    if sides is None:
        level = at(value)
        limits = {"<": (None, level - 1), "<=": (None, level), ">": (level + 1, None)}
        low, high = limits.get(clause.operator, (level, None))
    else:
        low = None if is_nothing(sides.low) else at(sides.low)
        high = None if is_nothing(sides.high) else at(sides.high)
        if low is not None and high is not None and low > high:
            problem = f"the range {shown(sides)} ends before it begins"
            raise OptionError(f"{OWNER}: column '{field.name}': {problem}")
    found = np.ones(len(place), bool)
    if low is not None:
        found &= place >= low
    if high is not None:
        found &= place <= high
    return found


def _cut_members(field: CategoryField, mask: np.ndarray) -> tuple[np.ndarray, Pieces | None]:
    """The allowed part of each code: share (K,) and, for tail codes, the members."""
    codes = field.own + len(field.tails) - 1
    seen = field.seen
    mask = mask[:seen]
    tallies, code = field.tallies[:seen], field.code_of[:seen]
    share = np.bincount(code, tallies * mask, codes) / np.bincount(code, tallies, codes)
    partly = (share > 0) & (share < 1)
    chosen = np.flatnonzero(mask & partly[code])
    if not len(chosen):
        return share, None
    chosen = chosen[np.argsort(code[chosen], kind="stable")]
    return share, Pieces.build(code[chosen], chosen, chosen, tallies[chosen], field.choices)


def _nothing_left(field: Field, clauses: list[Clause]) -> str:
    said = ", ".join(clause.text for clause in clauses)
    return f"no value that '{field.name}' had in training satisfies {said}"
