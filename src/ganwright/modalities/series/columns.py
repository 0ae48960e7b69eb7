"""The columns of series, and what each is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

TIME, ID, CLASS, STATIC, CHANNEL, CONSTANT = "time", "id", "class", "static", "channel", "constant"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as it came: its name, role, Arrow type, and for numbers the digits after the point.

    `values` are those of words, in order, or the one value of a constant.
    """

    name: str
    role: str
    type: str = "double"
    decimals: int | None = None
    values: tuple[str, ...] = ()

    @property
    def words(self) -> bool:
        """Whether its values are words rather than numbers."""
        return self.type == "string" or self.role == CLASS

    def written(self, codes: np.ndarray) -> pa.Array:
        """Numbers, or places among `values`, (n,) float64 as a column; NaN is missing."""
        missing = np.isnan(codes)
        if self.words:
            places = np.where(missing, 0, codes).astype(np.int64)
            words = pa.array(np.array(self.values, object)[places], pa.string(), mask=missing)
            return words.cast(pa.type_for_alias(self.type))
        kind = pa.type_for_alias(self.type)
        if pa.types.is_integer(kind):
            return pa.array(
                np.rint(np.where(missing, 0, codes)).astype(np.int64), mask=missing
            ).cast(kind)
        rounded = codes if self.decimals is None else np.round(codes, self.decimals)
        return pa.array(rounded, pa.float64(), mask=missing).cast(kind)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Column:
        """Raises KeyError, TypeError, ValueError for anything but what `to_json` wrote."""
        decimals = tree["decimals"]
        column = cls(
            name=str(tree["name"]),
            role=str(tree["role"]),
            type=str(tree["type"]),
            decimals=None if decimals is None else int(decimals),
            values=tuple(str(value) for value in tree["values"]),
        )
        if column.role not in (TIME, ID):
            pa.type_for_alias(column.type)
        return column
