"""The rules that determine a column's kind, from its type, values and name."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.modalities.tables.columns import moments, numerals
from ganwright.modalities.tables.columns.axis import as_texts, values_of
from ganwright.modalities.tables.columns.column import Kind

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
_PLACES = frozenset(["zip", "zipcode", "postcode", "postal", "plz"])
_DIGITS = "^[0-9]+([ -][0-9]+)*$"
MOST_OWN = 8  # values that are not dates, in a column of dates
_NO_DAYS = frozenset({0, 1, -1, 9999_99_99, 9999_12_31, 8888_88_88, 7777_77_77, 2999_12_31})
_COUNT_NAMES = frozenset(["num", "number", "count", "amount", "total", "mean", "size"])
TARGET_NAMES = (
    *("target", "label", "class", "y", "outcome", "income", "response", "diagnosis", "survived"),
    *("churn", "price", "species", "quality"),
)


def is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


@dataclass(frozen=True)
class Facts:
    """What the rules look at: `values` are the distinct ones without missing, `known` rows."""

    name: str
    user: str
    form: str
    type: pa.DataType
    values: pa.Array
    rows: int
    known: int
    written: str = ""

    @classmethod
    def of(
        cls, name: str, array: pa.ChunkedArray, user: str, form: str, written: str = ""
    ) -> Facts:
        values = array.unique().drop_null()
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        known = len(array) - array.null_count
        return cls(name, user, form, array.type, values, len(array), known, written)

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
        if self.written and not numerals.format_of(self.written).plain:
            form = self.written if pa.types.is_string(self.type) else ""
            return ("integer" if self.whole else "number"), form, f"numbers written {self.written}"
        if pa.types.is_string(self.type):
            return self._text()
        return self._number()

    @property
    def whole(self) -> bool:
        """Whether numbers of a form are whole ones."""
        return bool(self.written) and not numerals.format_of(self.written).most

    def _number(self) -> tuple[Kind, str, str]:
        numbers = values_of(self.values)
        if numbers.dtype.kind == "f" and np.isinf(numbers).any():
            return "number", "", ""
        whole = numbers.dtype.kind != "f" or bool((numbers == np.rint(numbers)).all())
        plain: Kind = "integer" if pa.types.is_integer(self.type) else "number"
        if whole and self.days_form():
            return "datetime", "%Y%m%d", "whole numbers that are dates, YYYYMMDD"
        # pandas makes whole numbers with gaps into floats.
        if not whole or (plain == "number" and self.known == self.rows):
            return plain, "", ""
        numbers = np.sort(numbers.astype(np.int64)) if np.abs(numbers).max() < 2**62 else numbers
        if numbers.dtype.kind == "f":
            return plain, "", ""
        if plain == "integer" and self._counts(numbers):
            return "identifier", "", "all distinct, in sequence or by name"
        if self.distinct == 2 and numbers[0] == 0 and numbers[1] == 1:
            return "boolean", "", "0 and 1"
        if self._codes(numbers):
            return "category", "", "few whole numbers that look like codes"
        return plain, "", ""

    def days_form(self, least: float = 0.9) -> str:
        """ "%Y%m%d" where whole numbers are dates, but for a few: 0, 99991231."""
        if not (pa.types.is_integer(self.type) or pa.types.is_floating(self.type)):
            return ""
        numbers = values_of(self.values)
        ranged = (numbers >= 1800_01_01) & (numbers <= 2200_12_31)
        days = ranged & moments.read(as_texts(self.values), "%Y%m%d")[1]
        odd = numbers[~days]
        usual = set(odd.tolist()) <= _NO_DAYS or days.sum() >= least * len(numbers)
        few = len(odd) <= MOST_OWN and days.sum() >= 2
        return "%Y%m%d" if few and usual and days.sum() > len(odd) else ""

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
        # Digits of which some repeat are codes, such as postcodes: identifiers don't repeat.
        digits = pc.all(pc.match_substring_regex(self.values, _DIGITS)).as_py()
        codes = digits and (self.distinct < self.known or self.names(_PLACES))
        if self.known == self.rows and (named or (share >= _MOSTLY_DISTINCT and not codes)):
            return "identifier", "", "nearly all distinct: made anew"
        return "category", "", ""

    def names(self, words: frozenset[str]) -> bool:
        """Whether the column's name contains one of the words: customer_id, CustomerID, sex."""
        parts = [p.lower() for p in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", self.name)]
        return any(p in words for p in parts) and not any(p in _COUNT_NAMES for p in parts)


_MOST_DECIMALS = 9


def decimals_of(numbers: np.ndarray, near: float) -> int | None:
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
