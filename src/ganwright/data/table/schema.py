"""What the columns of a table are: names, kinds, and the types to give back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import ModelError, OptionError, message
from ganwright.data.table.axis import read_moments, to_axis, values_of

Kind = Literal[
    "number",
    "integer",
    "boolean",
    "category",
    "datetime",
    "text",
    "identifier",
    "constant",
    "empty",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
MODELLED: frozenset[Kind] = frozenset({"number", "integer", "boolean", "category", "datetime"})


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


# --- the rules ---------------------------------------------------------------------------------

_FEW, _CODES, _TARGETS = 20, 10, 50
_ENOUGH = 20  # rows, before "all distinct" says anything
_MOSTLY_DISTINCT, _HALF = 0.95, 0.5
_LONG_TEXT = 40.0
_WORDS = (
    {"true", "false"},
    {"yes", "no"},
    {"y", "n"},
    {"t", "f"},
    {"on", "off"},
    {"0", "1"},
)
_IDENTIFIER_NAMES = frozenset(["id", "ids", "uuid", "guid", "key", "index", "ticket", "name", "nr"])
_CODE_NAMES = frozenset(
    {"sex", "gender", "type", "class", "code", "codes", "category", "group", "cluster", "status"}
    | {"state", "region", "zone", "race", "education", "marriage", "marital", "grade", "level"}
    | {"zip", "postcode", "zipcode", "month", "weekday"}
)
_COUNT_NAMES = frozenset(["num", "number", "count", "amount", "total", "mean", "size"])
TARGET_NAMES = (
    *("target", "label", "class", "y", "outcome", "income", "response", "diagnosis", "survived"),
    *("churn", "price", "species", "quality"),
)


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
    facts = _Facts.of(
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
    return replace(blank, **facts.axis(blank)) if kind in _ORDERED else blank


_ORDERED: frozenset[Kind] = frozenset({"number", "integer", "datetime"})


def _check_wish(facts: _Facts, wish: Kind, form: str) -> None:
    kind = facts.type
    able = {
        "number": _is_number(kind),
        "integer": pa.types.is_integer(kind),
        "datetime": pa.types.is_temporal(kind) or bool(form),
        "boolean": facts.distinct <= 2,
        "constant": facts.distinct <= 1,
        "empty": facts.distinct == 0,
    }
    if not able.get(wish, True):
        what = f"{facts.distinct:,} values of type {kind}"
        raise OptionError(f"data.table.kinds: '{facts.name}' can't be {wish}: it holds {what}")


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


@dataclass(frozen=True)
class _Facts:
    """What the rules look at: `values` are the distinct ones without missing, `known` rows."""

    name: str
    user: str
    form: str
    type: pa.DataType
    values: pa.Array
    rows: int
    known: int

    @classmethod
    def of(cls, name: str, array: pa.ChunkedArray, user: str, form: str) -> _Facts:
        values = array.unique().drop_null()
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        return cls(name, user, form, array.type, values, len(array), len(array) - array.null_count)

    @property
    def distinct(self) -> int:
        return len(self.values)

    def judge(self) -> tuple[Kind, str, str]:
        """(kind, form, the rule that decided)."""
        if not self.known:
            return "empty", "", "all missing"
        if self.distinct == 1 and self.known == self.rows:
            return "constant", "", "one value everywhere"
        if pa.types.is_boolean(self.type):
            return "boolean", "", ""
        if self.user.startswith("category"):
            return "category", "", "a category by its type"
        if pa.types.is_temporal(self.type) or self.form:
            return "datetime", self.form, self.form and f"dates written {self.form}"
        if pa.types.is_string(self.type):
            return self._text()
        return self._number()

    def _number(self) -> tuple[Kind, str, str]:
        numbers = values_of(self.values)
        whole = numbers.dtype.kind != "f" or bool((numbers == np.rint(numbers)).all())
        plain: Kind = "integer" if pa.types.is_integer(self.type) else "number"
        # pandas makes whole numbers with gaps into floats.
        if not whole or (plain == "number" and self.known == self.rows):
            return plain, "", ""
        numbers = np.sort(numbers.astype(np.int64)) if np.abs(numbers).max() < 2**62 else numbers
        if numbers.dtype.kind == "f":
            return plain, "", ""
        if plain == "integer" and self._counts(numbers):
            return "identifier", "", "all distinct, in sequence or by name"
        if plain == "integer" and _are_days(numbers):
            return "datetime", "%Y%m%d", "whole numbers that are dates, YYYYMMDD"
        if self.distinct == 2 and numbers[0] == 0 and numbers[1] == 1:
            return "boolean", "", "0 and 1"
        if self._codes(numbers):
            return "category", "", "few whole numbers that look like codes"
        return plain, "", ""

    def _counts(self, numbers: np.ndarray) -> bool:
        if self.distinct < self.rows or self.rows < 2:
            return False
        if self.names(_IDENTIFIER_NAMES):
            return True
        years = numbers[0] >= 1500 and numbers[-1] <= 2200
        return self.rows >= _ENOUGH and numbers[-1] - numbers[0] == self.rows - 1 and not years

    def _codes(self, numbers: np.ndarray) -> bool:
        if self.rows < _ENOUGH:
            return False
        if self.distinct <= _TARGETS and self.name.lower() in TARGET_NAMES:
            return True
        if self.distinct <= _FEW and self.names(_CODE_NAMES):
            return True
        row = numbers[0] == 1 and numbers[-1] == self.distinct
        return row and 2 <= self.distinct <= _CODES

    def _text(self) -> tuple[Kind, str, str]:
        if self.distinct == 2:
            words = {w.lower() for w in self.values.to_pylist()}
            if words in _WORDS:
                return "boolean", "", ""
        share = self.distinct / self.known
        if self.known < _ENOUGH or share <= _HALF:
            return "category", "", ""
        some = self.values.slice(0, 10_000)
        length = float(pc.mean(pc.utf8_length(some)).as_py())
        spaces = float(pc.mean(pc.count_substring(some, " ")).as_py())
        if spaces >= 2 or length > _LONG_TEXT:
            return "text", "", "mostly distinct, with many words: left empty"
        named = self.names(_IDENTIFIER_NAMES)
        if self.known == self.rows and (share >= _MOSTLY_DISTINCT or named):
            return "identifier", "", "nearly all distinct: made anew"
        return "category", "", ""

    def names(self, words: frozenset[str]) -> bool:
        """Whether one of the words stands in the column's name: customer_id, CustomerID, sex."""
        parts = [p.lower() for p in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", self.name)]
        return any(p in words for p in parts) and not any(p in _COUNT_NAMES for p in parts)

    def axis(self, column: Column) -> dict[str, Any]:
        """Range and decimals."""
        numbers, known = to_axis(column, self.values)
        numbers = numbers[known]
        if not len(numbers):
            return {}
        decimals = (
            _decimals(numbers, 1e-6 if self.type == pa.float32() else 1e-12)
            if column.kind == "number"
            else None
        )
        return {
            "low": numbers.min().item(),
            "high": numbers.max().item(),
            "decimals": decimals,
        }


def _are_days(numbers: np.ndarray) -> bool:
    if len(numbers) < 2 or numbers[0] < 1800_01_01 or numbers[-1] > 2200_12_31:
        return False
    texts = pa.array(numbers).cast(pa.string())
    return read_moments(texts, "%Y%m%d").null_count == 0


_MOST_DECIMALS = 9


def _decimals(numbers: np.ndarray, near: float) -> int | None:
    if numbers.dtype.kind != "f":
        return 0
    if np.abs(numbers).max() > 1e15:
        return None
    for digits in range(_MOST_DECIMALS + 1):
        for part in (numbers[:1000], numbers):
            if not np.isclose(np.round(part, digits), part, rtol=near, atol=0).all():
                break
        else:
            return digits
    return None
