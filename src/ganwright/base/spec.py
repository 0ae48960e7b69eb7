"""What one example is, in words that every modality shares."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ganwright.base.errors import ModelError

MOST_CHOICES = 2**20  # of one example, all its fields together
MOST_NUMBERS = 2**28  # of one example: an hour of sound, or a picture of 9,000 pixels a side
THINGS = {  # what examples with such axes are to people
    ("channel", "height", "width"): "pictures",
    ("choice",): "rows of a table",
    ("word",): "rows of counts",
}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the nets see of one example.

    `axes` names the axes of `shape`, without the batch: ``("channel", "height", "width")`` for
    a picture. Values lie in [-1, 1]. `classes` are the names of the labels, in label order;
    empty when the data has none. A row of a table is a list of choices, ``("choice",)``: `choices`
    says how many values each has, and the nets see them one-hot, one after the other. Of each value
    `positions` says where it lies along its field's axis, in [0, 1], or -1 for one that lies on
    none, and `shares` how often the data has it. Of counts, ``("word",)``, `shares` says how often
    each word occurs, `totals` are quantiles of the sums of rows, and `high` is the largest count.
    `last` is the field that is drawn after all others, -1 if it does not matter.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    choices: tuple[int, ...] = ()
    positions: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    totals: tuple[int, ...] = ()
    high: int = 0
    last: int = -1

    @property
    def things(self) -> str:
        """What the examples are, in a word for messages."""
        return THINGS.get(self.axes, f"examples with axes {self.axes}")

    @property
    def size(self) -> int:
        """How many numbers one example has."""
        return math.prod(self.shape)

    def to_json(self) -> dict[str, Any]:
        tree = asdict(self)
        ofrows = ("choices", "positions", "shares", "totals", "high")
        if self.last < 0:
            del tree["last"]
        return {k: v for k, v in tree.items() if v or k not in ofrows}

    @classmethod
    def from_json(cls, tree: Any) -> Spec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            spec = cls(
                axes=tuple(str(a) for a in tree["axes"]),
                shape=tuple(int(n) for n in tree["shape"]),
                classes=tuple(str(c) for c in tree["classes"]),
                choices=tuple(int(n) for n in tree.get("choices", ())),
                positions=tuple(float(x) for x in tree.get("positions", ())),
                shares=tuple(float(x) for x in tree.get("shares", ())),
                totals=tuple(int(n) for n in tree.get("totals", ())),
                high=int(tree.get("high", 0)),
                last=int(tree.get("last", -1)),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"model.json: 'spec' is not readable ({error!r})") from None
        most = MOST_CHOICES if spec.choices else MOST_NUMBERS
        sized = all(0 < n <= most for n in (*spec.shape, *spec.choices))
        sized = sized and spec.size <= MOST_NUMBERS
        whole = (sum(spec.choices),) == spec.shape if spec.choices else spec.axes != ("choice",)
        axed = all(x == -1 or 0 <= x <= 1 for x in spec.positions)
        shared = all(0 <= x <= 1 for x in spec.shares)
        listed = all(len(x) in (0, *spec.shape) for x in (spec.positions, spec.shares))
        summed = len(spec.totals) <= 2**16 and all(
            0 <= n < 2**31 for n in (*spec.totals, spec.high)
        )
        placed = -1 <= spec.last < max(1, len(spec.choices))
        if not (axed and shared and listed and summed and placed):
            raise ModelError("model.json: impossible positions, shares or totals of the choices")
        if len(spec.axes) != len(spec.shape) or not sized or not whole:
            raise ModelError(f"model.json: impossible shape {spec.shape} for axes {spec.axes}")
        return spec
