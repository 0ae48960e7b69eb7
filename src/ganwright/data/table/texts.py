"""Columns of text that hold numbers, dates or times: found out by all their values, and read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, OptionError
from ganwright.data.table.axis import read_moments, type_of
from ganwright.data.table.kinds import Kind

# In a column of numbers or dates these stand for a missing value; in a column of words they are
# words like others. Compared in small letters.
NA_WORDS = frozenset(
    {"na", "n/a", "n.a.", "nan", "null", "none", "nil", "nat", "<na>", "(null)", "#n/a", "#na"}
    | {"#null!", "#value!", "#div/0!", "?", "-", "--", "."}
)
_INFINITE = frozenset(["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"])
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE, _ZERO_FIRST, _COMMA = r"^[+-]?\d+$", r"^[+-]?0\d", r"^[+-]?\d+(,\d+)?$"
_DATED = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_NATIVE = (
    pa.date32(),
    pa.timestamp("s"),
    pa.timestamp("us"),
    pa.timestamp("ns"),
    pa.timestamp("us", "UTC"),
)
_DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y")
_TIMES = ("%H:%M", "%H:%M:%S")
_FORMS = (*_TIMES, *(f"{day}{time}" for day in _DAYS for time in ("", *(f" {t}" for t in _TIMES))))
_MOSTLY = 0.9
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a column of text becomes what it holds; `missing` are the texts that stand for nothing."""

    type: pa.DataType
    missing: tuple[str, ...] = ()
    comma: bool = False
    form: str = ""
    notes: tuple[str, ...] = ()

    @property
    def dates(self) -> bool:
        return bool(self.form) or pa.types.is_temporal(self.type)

    def __call__(self, array: pa.Array) -> pa.Array:
        """Text (n,) → values (n,) of `type`."""
        if self.missing:
            hidden = pc.is_in(array, value_set=pa.array(self.missing, pa.string()))
            array = pc.if_else(hidden, None, array)
        if self.comma:
            array = pc.replace_substring(array, ",", ".")
        if pa.types.is_null(self.type):
            return pa.nulls(len(array))
        if pa.types.is_string(self.type):
            return array
        try:
            return array.cast(self.type)
        except pa.ArrowInvalid:
            if not pa.types.is_integer(self.type):
                raise
            return array.cast(pa.float64()).cast(self.type)  # "7.0" is whole


def reading_of(name: str, column: pa.ChunkedArray, wish: Kind | None, bad: str) -> Reading:
    """Finds what a column of text holds; `wish` is the kind that the user says it is of.

    With a wish for numbers or dates, texts that are none become missing, or with ``bad="refuse"``
    a DataError. Raises OptionError when nothing in the column is of the wished kind.
    """
    counted = pc.value_counts(column.drop_null())
    values, counts = counted.field("values"), counted.field("counts").to_numpy()
    if not len(values):
        return Reading(type=pa.null())
    words = pc.utf8_lower(values)
    absent = pc.is_in(words, value_set=pa.array(sorted(NA_WORDS))).to_numpy(zero_copy_only=False)
    rest, weights = values.filter(pa.array(~absent)), counts[~absent]
    if not len(rest):
        return Reading(type=pa.string())
    tokens = tuple(values.filter(pa.array(absent)).to_pylist())
    if wish in ("number", "integer", "datetime"):
        return _wished(name, wish, rest, weights, tokens, bad)
    told: tuple[str, ...] = ()
    if tokens:
        shown = ", ".join(f"'{t}'" for t in tokens[:_NAMED])
        told = (f"'{name}': {shown} are missing values ({int(counts[absent].sum()):,} in all)",)
    found = _numbers(name, rest) or _dates(name, rest)
    if found is not None and not pa.types.is_string(found.type) | bool(found.form):
        return _with(found, tokens, told)
    if found is not None:  # dates in words of their own, or codes that only look like numbers
        return _with(found, tokens if found.form else (), told if found.form else ())
    return Reading(type=pa.string(), notes=_nearly(name, rest, weights) if wish is None else ())


def as_given(name: str, found: Reading, *, silent: bool) -> Reading:
    """A column that was given as text, left so; a note where it reads as numbers or dates."""
    if silent or pa.types.is_null(found.type):
        return Reading(type=pa.string())
    if pa.types.is_string(found.type) and not found.form:
        return Reading(type=pa.string(), notes=found.notes)
    what, kind = ("dates", "datetime") if found.dates else ("numbers", "number")
    note = f"'{name}' is text that reads as {what}; data.table.kinds '{name}={kind}' makes it so"
    return Reading(type=pa.string(), notes=(note,))


def reading_as(kind: str, column: pa.ChunkedArray) -> Reading:
    """How a column of text is read whose type is known."""
    known = type_of(kind)
    if pa.types.is_string(known) or pa.types.is_null(known):
        return Reading(type=known)
    values = column.unique().drop_null()
    absent = pc.is_in(pc.utf8_lower(values), value_set=pa.array(sorted(NA_WORDS)))
    rest = values.filter(pc.invert(absent))
    comma = pa.types.is_floating(known) and _decimal_comma("", rest) is not None
    tokens = tuple(values.filter(absent).to_pylist())
    return Reading(type=known, missing=tokens, comma=bool(len(rest)) and comma)


def _with(found: Reading, missing: tuple[str, ...], notes: tuple[str, ...]) -> Reading:
    return Reading(
        type=found.type,
        missing=missing,
        comma=found.comma,
        form=found.form,
        notes=(*found.notes, *notes),
    )


def _numbers(name: str, texts: pa.Array, *, codes: bool = True) -> Reading | None:
    """A reading when all are numbers; codes like 007 stay text unless `codes` is False."""
    infinite = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(_INFINITE)))
    numeric = pc.match_substring_regex(texts, _NUMBER)
    if not pc.all(pc.or_(numeric, infinite)).as_py():
        return _decimal_comma(name, texts)
    if codes and pc.any(pc.match_substring_regex(texts, _ZERO_FIRST)).as_py():
        return Reading(type=pa.string())
    if pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        try:
            pc.ascii_ltrim(texts, "+").cast(pa.int64())
        except pa.ArrowInvalid:
            note = f"'{name}' holds whole numbers of more than 18 digits: read as text"
            return Reading(type=pa.string(), notes=(note,))
        plus = pc.any(pc.starts_with(texts, "+")).as_py()
        return Reading(type=pa.float64() if plus else pa.int64())
    return Reading(type=pa.float64())


def _decimal_comma(name: str, texts: pa.Array) -> Reading | None:
    if not pc.all(pc.match_substring_regex(texts, _COMMA)).as_py():
        return None
    note = f"'{name}': read with a decimal comma, given back with a point"
    return Reading(type=pa.float64(), comma=True, notes=(note,))


def _dates(name: str, texts: pa.Array) -> Reading | None:
    if not pc.match_substring_regex(texts.slice(0, 1), r"^\d").to_pylist()[0]:
        return None
    for kind in _NATIVE:
        try:
            texts.cast(kind)
            return Reading(type=kind)
        except pa.ArrowInvalid:
            continue
    forms = [form for form in _FORMS if _all_read(texts.slice(0, 100), form)]
    forms = [form for form in forms if _all_read(texts, form)]
    if not forms:
        return None
    twice = f"; {forms[1]} would fit too" if len(forms) > 1 else ""
    return Reading(type=pa.string(), form=forms[0], notes=(f"'{name}': read as {forms[0]}{twice}",))


def _all_read(texts: pa.Array, form: str) -> bool:
    return read_moments(texts, form).null_count == 0


def _wished(
    name: str,
    wish: Kind,
    texts: pa.Array,
    weights: np.ndarray,
    tokens: tuple[str, ...],
    bad: str,
) -> Reading:
    """A reading for numbers or dates of those texts that are; the rest is missing."""
    good = _dated(texts) if wish == "datetime" else _numeric(texts)
    kept = texts.filter(pa.array(good))
    found = None
    if len(kept):
        found = _dates(name, kept) if wish == "datetime" else _numbers(name, kept, codes=False)
    whole = found is not None and (wish != "integer" or pa.types.is_integer(found.type))
    if found is None or not whole:
        what = {"datetime": "date", "integer": "whole number"}.get(wish, wish)
        some = texts[0].as_py()
        raise OptionError(f"data.table.kinds: '{name}' can't be {wish}: '{some}' is no {what}")
    junk = texts.filter(pa.array(~good)).to_pylist()
    if not junk:
        return _with(found, tokens, ())
    shown = ", ".join(f"'{t}'" for t in junk[:_NAMED])
    count = int(weights[~good].sum())
    cells = "1 cell is" if count == 1 else f"{count:,} cells are"
    text = f"'{name}': {cells} no {wish} ({shown})"
    if bad == "refuse":
        raise DataError(text)
    return _with(found, (*tokens, *junk), (f"{text}: missing",))


def _numeric(texts: pa.Array) -> np.ndarray:
    return pc.match_substring_regex(texts, _NUMBER).to_numpy(zero_copy_only=False)


def _dated(texts: pa.Array) -> np.ndarray:
    """Which texts are dates of the form that most of them have."""
    best = np.zeros(len(texts), bool)
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", *_FORMS):
        good = pc.is_valid(read_moments(texts, form)).to_numpy(zero_copy_only=False)
        best = good if good.sum() > best.sum() else best
    return best


def _nearly(name: str, texts: pa.Array, weights: np.ndarray) -> tuple[str, ...]:
    """A word on columns that are numbers or dates but for a few cells."""
    dated = pc.match_substring_regex(texts, _DATED).to_numpy(zero_copy_only=False)
    dated = dated & _dated(texts) if dated.mean() > 0.5 else dated & False
    for good, what, kind in ((_numeric(texts), "numbers", "number"), (dated, "dates", "datetime")):
        share = weights[good].sum() / weights.sum()
        if _MOSTLY <= share < 1:
            shown = ", ".join(f"'{t}'" for t in texts.filter(pa.array(~good)).to_pylist()[:_NAMED])
            return (
                f"'{name}' is {min(share, 0.999):.1%} {what}, but not {shown}: read as a category; "
                f"data.table.kinds '{name}={kind}' makes those cells missing",
            )
    return ()
