"""The spec of a row of a table."""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.base.errors import ModelError
from ganwright.base.spec import MOST_CHOICES, Spec

AXES = ("choice",)


@dataclass(frozen=True, kw_only=True)
class TableSpec(Spec):
    """A row is a list of choices, which the nets see one-hot, one after the other.

    `choices` says how many values each has. Of each value `positions` says where it lies along its
    field's axis, in [0, 1], or -1 for one that lies on none, and `shares` how often the data has it.
    `last` is the field that is drawn after all others, -1 if it does not matter.
    """

    choices: tuple[int, ...] = ()
    positions: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    last: int = -1
    things = "rows of a table"
    largest = MOST_CHOICES

    def check(self) -> None:
        super().check()
        if (sum(self.choices),) != self.shape or not all(n > 0 for n in self.choices):
            raise ModelError(
                f"model.json: impossible shape {self.shape} of {len(self.choices)} choices"
            )
        axed = all(x == -1 or 0 <= x <= 1 for x in self.positions)
        shared = all(0 <= x <= 1 for x in self.shares)
        listed = all(len(x) in (0, *self.shape) for x in (self.positions, self.shares))
        if not (axed and shared and listed and -1 <= self.last < len(self.choices)):
            raise ModelError("model.json: impossible positions or shares of the choices")
