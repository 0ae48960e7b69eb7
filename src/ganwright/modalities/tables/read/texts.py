"""Text columns that contain numbers, dates or times: detected from all their values, and read."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, OptionError
from ganwright.modalities.tables.columns import moments, numerals
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Kind
from ganwright.modalities.tables.columns.kinds import MOST_OWN

if TYPE_CHECKING:
    from ganwright.modalities.tables.columns.column import Column

# In a column of numbers or dates these stand for a missing value; in a column of words they are
# words like others. Compared in small letters.
NA_WORDS = frozenset(
    {"na", "n/a", "n.a.", "nan", "null", "none", "nil", "nat", "<na>", "(null)", "#n/a", "#na"}
    | {"#null!", "#value!", "#div/0!", "?", "-", "--", "."}
)
_INFINITE = frozenset(["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"])
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE, _ZERO_FIRST = r"^[+-]?\d+$", r"^[+-]?0\d"
_NATIVE = (
    pa.date32(),
    pa.timestamp("s"),
    pa.timestamp("us"),
    pa.timestamp("ns"),
    pa.timestamp("us", "UTC"),
)
_MOSTLY = 0.9
_NAMED = 3
_PLAIN_MOMENTS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S")  # as their types are written anyway
_LARGEST_WHOLE = 2**53
_MARKS = {"point": ".", "comma": ","}


@dataclass(frozen=True)
class Marks:
    """What is known of the numbers in a file: the decimal mark, and whether ; is between cells."""

    decimal: str = ""
    semicolons: bool = False

    @classmethod
    def of(cls, chosen: str, delimiter: str) -> Marks:
        """From data.table.decimal and the delimiter."""
        return cls(_MARKS.get(chosen, ""), delimiter == ";")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a text column is read; `missing` are the texts that mean a missing value.

    `form` is that of dates that stay text, `written` that of numbers, and of moments that are not
    written as their type is. `decimal` is the decimal mark, where the values leave no other; `doubt`
    says that its commas may mean thousands or decimals.
    """

    type: pa.DataType
    missing: tuple[str, ...] = ()
    form: str = ""
    written: str = ""
    decimal: str = ""
    doubt: bool = False
    notes: tuple[str, ...] = ()

    @property
    def dates(self) -> bool:
        return bool(self.form) or pa.types.is_temporal(self.type)

    @property
    def numeral(self) -> bool:
        """Whether it holds numbers of a form of their own."""
        plain = not self.written or pa.types.is_temporal(self.type)
        return not plain and not numerals.format_of(self.written).plain

    @property
    def about(self) -> dict[str, str]:
        """What the field of the column says of it."""
        said = {"form": self.form, "written": self.written}
        return {key: value for key, value in said.items() if value}

    def __call__(self, array: pa.Array) -> pa.Array:
        """Text (n,) → values (n,) of `type`."""
        if self.missing:
            hidden = pc.is_in(array, value_set=pa.array(self.missing, pa.string()))
            array = pc.if_else(hidden, None, array)
        if pa.types.is_null(self.type):
            return pa.nulls(len(array))
        if pa.types.is_string(self.type):
            return array
        if self.written and not pa.types.is_temporal(self.type):
            return self._numbers(array)
        try:
            return array.cast(self.type)
        except pa.ArrowInvalid:
            if not pa.types.is_integer(self.type):
                raise
            return self._whole(array.cast(pa.float64()))  # "7.0" is

    def _numbers(self, array: pa.Array) -> pa.Array:
        values, known = numerals.read(array, self.written)
        rest = pc.if_else(pa.array(known), None, array)  # plain ones, or none at all
        numbers = pc.if_else(pa.array(known), pa.array(values), rest.cast(pa.float64()))
        return self._whole(numbers) if pa.types.is_integer(self.type) else numbers.cast(self.type)

    def _whole(self, numbers: pa.Array) -> pa.Array:
        """The nearest whole numbers: 1.5 may occur where training only had whole ones."""
        return pc.round(numbers).cast(self.type)


_UNKNOWN = Marks()


def reading_of(
    name: str, column: pa.ChunkedArray, wish: Kind | None, bad: str, marks: Marks = _UNKNOWN
) -> Reading:
    """Detects what a text column contains; `wish` is the kind set by the user.

    With a wish for numbers or dates, other texts become missing or, with ``bad="refuse"``, a DataError.
    Raises OptionError when nothing in the column is of the wished kind.
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
        return _wished(name, wish, rest, weights, tokens, bad, marks)
    told: tuple[str, ...] = ()
    if tokens:
        shown = ", ".join(f"'{t}'" for t in tokens[:_NAMED])
        told = (f"'{name}': {shown} are missing values ({int(counts[absent].sum()):,} in all)",)
    found = _numbers(name, rest, marks) or _dates(name, rest, weights)
    if found is not None and not pa.types.is_string(found.type) | bool(found.form):
        return _with(found, tokens, told)
    if found is not None:  # dates in words of their own, or codes that only look like numbers
        return _with(found, tokens if found.form else (), told if found.form else ())
    return Reading(type=pa.string(), notes=_nearly(name, rest, weights) if wish is None else ())


def as_given(name: str, found: Reading, *, silent: bool) -> Reading:
    """A column that was given as text, left so; a note where it reads as numbers or dates.

    A column with a form is learned as numbers or dates, and generated as text of that form.
    """
    if silent or pa.types.is_null(found.type):
        return Reading(type=pa.string())
    if found.numeral or found.form:
        return replace(found, type=pa.string())
    if found.written and found.dates:
        note = f"'{name}': read as {found.written}"
        return replace(found, type=pa.string(), form=found.written, written="", notes=(note,))
    if pa.types.is_string(found.type):
        return Reading(type=pa.string(), notes=found.notes)
    what, kind = ("dates", "datetime") if found.dates else ("numbers", "number")
    note = f"'{name}' is text that reads as {what}; data.table.kinds '{name}={kind}' converts it"
    return Reading(type=pa.string(), notes=(note,))


def reading_as(column: Column, array: pa.ChunkedArray, marks: Marks = _UNKNOWN) -> Reading:
    """How a column of text is read whose type is known."""
    known = type_of(column.type)
    text = pa.types.is_string(known)
    if pa.types.is_null(known) or (text and not column.form):
        return Reading(type=known)
    values = array.unique().drop_null()
    absent = pc.is_in(pc.utf8_lower(values), value_set=pa.array(sorted(NA_WORDS)))
    tokens = tuple(values.filter(absent).to_pylist())
    if text or pa.types.is_temporal(known):
        return Reading(type=known, missing=tokens, form=column.form)
    written = column.written
    rest = values.filter(pc.invert(absent))
    if not written and not pc.all(pc.match_substring_regex(rest, _NUMBER)).as_py():
        other = numerals.form_of(rest, decimal=marks.decimal)
        written = other.form if other else ""
    return Reading(type=known, missing=tokens, written=written)


def _with(found: Reading, missing: tuple[str, ...], notes: tuple[str, ...]) -> Reading:
    return replace(found, missing=missing, notes=(*found.notes, *notes))


def _numbers(name: str, texts: pa.Array, marks: Marks, *, codes: bool = True) -> Reading | None:
    """A reading when all are numbers; codes like 007 stay text unless `codes` is False."""
    infinite = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(_INFINITE)))
    numeric = pc.match_substring_regex(texts, _NUMBER)
    if not pc.all(pc.or_(numeric, infinite)).as_py():
        finite = texts.filter(pc.invert(infinite))
        found = _formed(name, finite, marks) if len(finite) else None
        endless = found is not None and found.numeral and len(finite) < len(texts)
        return replace(found, type=pa.float64()) if found and endless else found
    if codes and pc.any(pc.match_substring_regex(texts, _ZERO_FIRST)).as_py():
        return Reading(type=pa.string())
    if marks.decimal == "," and (grouped := _formed(name, texts, marks)):
        return grouped  # 8.047 beside 3,5 is of thousands
    if pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        try:
            pc.ascii_ltrim(texts, "+").cast(pa.int64())
        except pa.ArrowInvalid:
            note = f"'{name}' contains whole numbers of more than 18 digits: read as text"
            return Reading(type=pa.string(), notes=(note,))
        plus = pc.any(pc.starts_with(texts, "+")).as_py()
        return Reading(type=pa.float64() if plus else pa.int64())
    either = marks.semicolons and numerals.may_be_grouped(texts)
    fixed = numerals.fixed_form(texts.filter(pc.invert(infinite)))
    return Reading(type=pa.float64(), written=fixed, decimal="" if either else ".")


def _formed(name: str, texts: pa.Array, marks: Marks) -> Reading | None:
    """A reading of thousands, money, percent or decimal commas."""
    found = numerals.form_of(texts, decimal=marks.decimal, semicolons=marks.semicolons)
    if found is None:
        return None
    plain = pc.all(pc.match_substring_regex(texts, _NUMBER)).as_py()
    if plain and not numerals.format_of(found.form).group:
        return None
    if found.doubt:
        some = next((t for t in texts.to_pylist() if "," in t), texts[0].as_py())
        note = (
            f"'{name}': the comma in '{some}' may mark thousands or decimals, so the column is read as "
            "text; set data.table.decimal=point or =comma"
        )
        return Reading(type=pa.string(), doubt=True, notes=(note,))
    values, _ = numerals.read(texts, found.form)
    whole = found.whole and np.abs(values).max() < _LARGEST_WHOLE
    note = f"'{name}': read as numbers written {found.form}"
    style = numerals.format_of(found.form)
    return Reading(
        type=pa.int64() if whole else pa.float64(),
        written=found.form,
        decimal=style.mark if style.most else "",
        notes=(note,),
    )


def _dates(name: str, texts: pa.Array, weights: np.ndarray) -> Reading | None:
    """A reading of dates or times: all of them, or all but a few, which are values of their own."""
    found = moments.forms_of(texts)
    if not found:
        return None
    form = found[0]
    ticks, known = moments.read(texts, form)
    native = _native(texts, form, ticks)
    if native is not None:
        return native
    odd = texts.filter(pa.array(~known))
    mostly = weights[known].sum() > weights.sum() / 2 and known.sum() > 2 * len(odd)
    if len(odd) > MOST_OWN or not mostly:
        return None
    twice = f"; {found[1]} would fit too" if len(found) > 1 else ""
    notes = [f"'{name}': read as {form}{twice}"]
    if len(odd):
        notes.append(_own(name, odd.to_pylist(), int(weights[~known].sum())))
    return Reading(type=pa.string(), form=form, notes=tuple(notes))


def _own(name: str, odd: list[str], count: int) -> str:
    shown = ", ".join(f"'{t}'" for t in odd[:_NAMED])
    several = (
        "not a date, but kept as a value of its own"
        if len(odd) == 1
        else "not dates, but kept as values of their own"
    )
    return f"'{name}': {shown} {'is' if len(odd) == 1 else 'are'} {several} ({count:,} in all)"


def _native(texts: pa.Array, form: str, ticks: np.ndarray) -> Reading | None:
    """A reading in a type of Arrow's, which takes ISO 8601 alone; None where an offset is lost."""
    if not form.startswith("%Y-") or re.search(r"(%Z|[+-]\d\d:?(\d\d)?)$", form):
        return None
    for kind in _NATIVE:
        try:
            texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        if kind == pa.timestamp("us", "UTC") and not pc.all(pc.ends_with(texts, "Z")).as_py():
            return None
        exact = form not in _PLAIN_MOMENTS and moments.write(ticks, form, None, None).equals(texts)
        return Reading(type=kind, written=form if exact else "")
    return None


def _wished(
    name: str,
    wish: Kind,
    texts: pa.Array,
    weights: np.ndarray,
    tokens: tuple[str, ...],
    bad: str,
    marks: Marks,
) -> Reading:
    """A reading for numbers or dates of those texts that are; the rest is missing."""
    if wish == "datetime":
        good, found = _wished_dates(name, texts, weights)
    else:
        good, found = _wished_numbers(name, texts, marks)
    days = found is not None and wish == "datetime" and pa.types.is_integer(found.type)
    whole = found is not None and (wish != "integer" or pa.types.is_integer(found.type))
    if found is None or not whole:
        what = {"datetime": "date", "integer": "whole number"}.get(wish, wish)
        some = texts[0].as_py()
        raise OptionError(f"data.table.kinds: '{name}' can't be {wish}: '{some}' is not a {what}")
    junk = texts.filter(pa.array(~good)).to_pylist()
    if not junk or days:
        return _with(found, tokens, ())
    shown = ", ".join(f"'{t}'" for t in junk[:_NAMED])
    count = int(weights[~good].sum())
    cells = "1 cell is" if count == 1 else f"{count:,} cells are"
    text = f"'{name}': {cells} not of kind {wish} ({shown})"
    if bad == "refuse":
        raise DataError(text)
    loud = "warning: " if count > weights.sum() / 2 else ""  # nearly everything becomes missing
    return _with(found, (*tokens, *junk), (f"{loud}{text}: missing",))


def _wished_dates(
    name: str, texts: pa.Array, weights: np.ndarray
) -> tuple[np.ndarray, Reading | None]:
    """Which texts are dates, and how those are read."""
    all_of = np.ones(len(texts), bool)
    if pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        return all_of, _numbers(name, texts, _UNKNOWN, codes=False)  # YYYYMMDD, or none
    whole = _dates(name, texts, weights)
    if whole is not None:
        return all_of, whole
    good = _dated(texts)
    kept = texts.filter(pa.array(good))
    return good, _dates(name, kept, weights[good]) if len(kept) else None


def _wished_numbers(name: str, texts: pa.Array, marks: Marks) -> tuple[np.ndarray, Reading | None]:
    """Which texts are numbers, and how those are read."""
    if marks.semicolons and not marks.decimal:
        marks = replace(marks, decimal=",")  # ambiguous numbers are read in the usual way there
    plain = _numeric(texts)
    formed = numerals.best_of(texts, decimal=marks.decimal)
    good = plain if formed is None or plain.sum() >= formed.sum() else formed
    kept = texts.filter(pa.array(good))
    if not len(kept):
        return good, None
    return good, _numbers(name, kept, marks, codes=False) or _numbers(
        name, kept, _UNKNOWN, codes=False
    )


def _numeric(texts: pa.Array) -> np.ndarray:
    return pc.match_substring_regex(texts, _NUMBER).to_numpy(zero_copy_only=False)


def _dated(texts: pa.Array) -> np.ndarray:
    """Which texts are dates of the form that most of them have."""
    found = moments.forms_of(texts)
    return moments.read(texts, found[0])[1] if found else np.zeros(len(texts), bool)


def _nearly(name: str, texts: pa.Array, weights: np.ndarray) -> tuple[str, ...]:
    """A note on columns that are numbers or dates except for a few cells."""
    formed = numerals.best_of(texts)
    numeric = _numeric(texts)
    numeric = numeric if formed is None or numeric.sum() >= formed.sum() else formed
    for good, what, kind in ((numeric, "numbers", "number"), (_dated(texts), "dates", "datetime")):
        share = weights[good].sum() / weights.sum()
        if _MOSTLY <= share < 1:
            shown = ", ".join(f"'{t}'" for t in texts.filter(pa.array(~good)).to_pylist()[:_NAMED])
            return (
                f"'{name}' is {min(share, 0.999):.1%} {what}, but not {shown}: read as a category; "
                f"data.table.kinds '{name}={kind}' makes those cells missing",
            )
    return ()
