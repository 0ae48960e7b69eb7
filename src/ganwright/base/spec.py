"""The shape and meaning of one example, as the nets see it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from ganwright.base.errors import ModelError

MOST_CHOICES = 2**20  # of one example, all its fields together
MOST_NUMBERS = 2**28  # of one example: an hour of sound, or an image of 9,000 pixels a side
_READ: dict[
    str, Callable[[Any], Any]
] = {  # a field's type, as it is written, and how JSON gives it
    "tuple[str, ...]": lambda values: tuple(str(value) for value in values),
    "tuple[int, ...]": lambda values: tuple(int(value) for value in values),
    "tuple[float, ...]": lambda values: tuple(float(value) for value in values),
    "int": int,
}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the nets see of one example; a modality adds fields of its own in a subclass.

    `axes` names the axes of `shape`, without the batch: ``("channel", "height", "width")`` for
    an image. Values lie in [-1, 1]. `classes` are the names of the labels, in label order;
    empty when the data has none.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    largest: ClassVar[int] = MOST_NUMBERS  # numbers along one axis

    @property
    def things(self) -> str:
        """What the examples are, in a word for messages."""
        return f"examples with axes {self.axes}"

    @property
    def size(self) -> int:
        """How many numbers one example has."""
        return math.prod(self.shape)

    def to_json(self) -> dict[str, Any]:
        """As plain values; what a subclass adds is left out where it is the default."""
        usual = {field.name: field.default for field in fields(self)}
        general = {field.name for field in fields(Spec)}
        return {k: v for k, v in asdict(self).items() if k in general or v != usual[k]}

    @classmethod
    def from_json(cls, tree: Any) -> Self:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            needed = ("axes", "shape", "classes")
            names = [f for f in fields(cls) if f.name in needed or f.name in tree]
            spec = cls(**{f.name: _READ[str(f.type)](tree[f.name]) for f in names})
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"model.json: 'spec' is not readable ({error!r})") from None
        spec.check()
        return spec

    def check(self) -> None:
        """Raises ModelError for an impossible spec."""
        sized = all(0 < n <= self.largest for n in self.shape) and self.size <= MOST_NUMBERS
        if len(self.axes) != len(self.shape) or not sized:
            raise ModelError(f"model.json: impossible shape {self.shape} for axes {self.axes}")
