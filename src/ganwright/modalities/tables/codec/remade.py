"""Columns that are not learned, and what samples have in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, ModelError
from ganwright.modalities.tables.codec.fields import plain_values, values_of
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import flat

_LOOKED_AT = 1000
_LONGEST = 1 << 16
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, kw_only=True)
class Remade:
    """A constant `value` (as in JSON), an identifier numbered onwards in its own form, or nothing.

    An identifier of text is `before` + its number + `after`, the number with zeros in front to
    `digits`; `uuid` says that it has the form of one.
    """

    column: Column
    value: Any = None
    before: str = ""
    after: str = ""
    digits: int = 0
    uuid: bool = False

    def make(self, start: int, count: int) -> pa.Array:
        """What rows ``start … start + count`` have in this column."""
        kind = type_of(self.column.type)
        if self.column.kind == "identifier":
            return self._identifiers(start, count, kind)
        if self.value is None:
            return pa.nulls(count, kind)
        return pa.repeat(values_of([self.value], kind)[0], count)

    def _identifiers(self, start: int, count: int, kind: pa.DataType) -> pa.Array:
        numbers = pa.array(np.arange(start, start + count))
        if not pa.types.is_string(kind):
            try:
                return numbers.cast(kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                return pa.nulls(count, kind)
        if self.uuid:
            hexes = (f"{number:032x}" for number in range(start, start + count))
            form = ((h[:8], h[8:12], h[12:16], h[16:20], h[20:]) for h in hexes)
            return pa.array(["-".join(parts) for parts in form], kind)
        text = numbers.cast(kind)
        if self.digits:
            text = pc.utf8_lpad(text, self.digits, "0")
        return pc.binary_join_element_wise(self.before, text, self.after, "")

    def after_all(self, values: pa.ChunkedArray) -> int:
        """The first number above all that `values`, identifiers of this column, have."""
        there = values.drop_null()
        if self.uuid:
            numbers = (int(text.replace("-", ""), 16) for text in there.to_pylist())
            return 1 + max([len(values), *(n for n in numbers if n < 2**62)])
        if not len(there):
            return len(values)
        if pa.types.is_integer(there.type):
            return int(pc.max(there).as_py()) + 1
        form = re.compile(f"{re.escape(self.before)}0*([0-9]{{1,17}}){re.escape(self.after)}")
        found = (form.fullmatch(text) for text in there.cast(pa.string()).to_pylist())
        return 1 + max((int(m[1]) for m in found if m), default=-1)

    def more(self, start: int, count: int) -> pa.Array:
        """`count` identifiers from `start` on. Raises DataError where their type has no room."""
        kind = type_of(self.column.type)
        if pa.types.is_integer(kind) and start + count - 1 > np.iinfo(str(kind)).max:
            what = f"{kind} has no room for {count:,} more above {start - 1:,}: use a wider type"
            raise DataError(f"new identifiers in column '{self.column.name}': {what}")
        return self.make(start, count)

    @property
    def shown(self) -> str:
        """The constant as text."""
        return str(self.make(0, 1)[0])

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "before": self.before,
            "after": self.after,
            "digits": self.digits,
            "uuid": self.uuid,
        }


def remade_of(column: Column, values: pa.ChunkedArray) -> Remade:
    """How samples fill a column that is not learned."""
    if column.kind == "constant":
        there = values.slice(0, 1) if not values.null_count else values.drop_null().slice(0, 1)
        if len(there):
            value = plain_values(flat(there))[0]
            if len(str(value)) <= _LONGEST:
                return Remade(column=column, value=value)
    if column.kind == "identifier" and pa.types.is_string(values.type):
        return _form(column, values.slice(0, _LOOKED_AT).drop_null().to_pylist())
    return Remade(column=column)


def _form(column: Column, texts: list[str]) -> Remade:
    if texts and all(_UUID.fullmatch(text) for text in texts):
        return Remade(column=column, uuid=True)
    found = [re.fullmatch(r"(.*?)(\d{1,17})(\D*)", text, re.DOTALL) for text in texts]
    forms = {(m[1], m[3]) if m else None for m in found}
    if len(forms) != 1 or None in forms or not texts:
        return Remade(column=column, before=f"{column.name}_"[:64])
    ((before, after),) = (form for form in forms if form)
    lengths = {len(m[2]) for m in found if m}
    padded = len(lengths) == 1 and any(m[2].startswith("0") for m in found if m)
    return Remade(
        column=column,
        before=before[:_LONGEST],
        after=after[:_LONGEST],
        digits=lengths.pop() if padded else 0,
    )


def remade_from_json(tree: Any, column: Column) -> Remade:
    """Reads what `to_json` wrote. Raises ModelError, KeyError, TypeError or ValueError."""
    made = Remade(
        column=column,
        value=tree["value"],
        before=str(tree["before"]),
        after=str(tree["after"]),
        digits=int(tree["digits"]),
        uuid=bool(tree["uuid"]),
    )
    texts = (str(made.value), made.before, made.after)
    if any(len(text) > _LONGEST for text in texts) or not 0 <= made.digits <= 64:
        raise ModelError(f"model.json: impossible form of column '{column.name}'")
    try:
        made.make(0, 1)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        raise ModelError(
            f"model.json: the value of column '{column.name}' is not of its type"
        ) from None
    return made
