"""One column of a table: its kind, its type, and how its values are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from ganwright.base.errors import ModelError
from ganwright.modalities.tables.columns import numerals
from ganwright.modalities.tables.columns.moments import Zones

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

    `type` is the Arrow type of the canonical table, which samples have, too ("int64",
    "timestamp[us]", "string"). `missing` and `distinct` count over all rows; `distinct` leaves
    missing values out. `low` and `high` are of the axis that `axis` gives (numbers themselves,
    dates and times as whole numbers) and None for what has no order. `decimals` is the most digits
    after the point, for numbers that have few. `form` says how a date or number stands in a column
    of text or, "%Y%m%d", of whole numbers; `written` how a number or moment stands in files of
    text, where its type does not say it: "$#,##0.00". `zones` are the moments and the zones that
    were written at them, of a form with %Z. `user` is the pandas dtype to give back where
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
    written: str = ""
    zones: tuple[tuple[int, str], ...] = ()

    @property
    def numeral(self) -> bool:
        """Whether it is text that holds numbers of a form."""
        return bool(self.form) and self.kind != "datetime"

    @cached_property
    def zoned(self) -> Zones:
        """The zones, to give a new moment that of the nearest."""
        at, texts = zip(*self.zones, strict=True) if self.zones else ((), ())
        return Zones(at, texts)

    @property
    def modelled(self) -> bool:
        """Whether it is learned; other columns are constant, empty or generated anew."""
        return self.kind in MODELLED

    def to_json(self) -> dict[str, Any]:
        plain = asdict(self)  # absent values are left out, as in older models
        return {k: v for k, v in plain.items() if v or k not in ("written", "zones")}

    @classmethod
    def from_json(cls, tree: Any) -> Column:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            zones = tuple((int(at), str(text)) for at, text in tree.get("zones", ()))
            column = cls(**{**tree, "zones": zones})
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"model.json: a column is not readable ({error})") from None
        texts = [column.name, column.kind, column.type, column.form, column.user, column.note]
        texts.append(column.written)
        counts = (column.missing, column.distinct, column.decimals or 0)
        sound = all(isinstance(t, str) for t in texts) and column.kind in KINDS
        sound = sound and _sound_form(column)
        sound = sound and all(isinstance(c, int) and c >= 0 for c in counts)
        limits = (column.low, column.high)
        if not sound or not all(n is None or isinstance(n, int | float) for n in limits):
            raise ModelError(f"model.json: impossible column {tree!r}")
        return column


def _sound_form(column: Column) -> bool:
    """Whether the forms can be read and written."""
    try:
        form = column.form if column.numeral else column.written
        if form and not column.type.startswith(("timestamp", "date")):
            numerals.format_of(form)
    except ValueError:
        return False
    return True
