"""What the columns of a table are: names, kinds, and the types to give back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ganwright.base.errors import ModelError

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
