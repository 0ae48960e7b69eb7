"""The spec of a row of counts."""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.base.errors import ModelError
from ganwright.base.spec import Spec

AXES = ("word",)


@dataclass(frozen=True, kw_only=True)
class CountsSpec(Spec):
    """A row holds how often each word occurs.

    `shares` says how often each word occurs in the data, `totals` are quantiles of the sums of rows,
    and `high` is the largest count.
    """

    shares: tuple[float, ...] = ()
    totals: tuple[int, ...] = ()
    high: int = 0
    things = "rows of counts"

    def check(self) -> None:
        super().check()
        shared = all(0 <= x <= 1 for x in self.shares) and len(self.shares) in (0, *self.shape)
        summed = all(0 <= n < 2**31 for n in (*self.totals, self.high))
        if not shared or not summed or len(self.totals) > 2**16:
            raise ModelError("model.json: impossible shares or totals of the counts")
