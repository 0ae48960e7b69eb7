"""What one example is, in words that every modality shares."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ganwright.base.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the nets see of one example.

    `axes` names the axes of `shape`, without the batch: ``("channel", "height", "width")`` for
    a picture. Values lie in [-1, 1]. `classes` are the names of the labels, in label order;
    empty when the data has none.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers one example has."""
        return math.prod(self.shape)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Spec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            spec = cls(
                axes=tuple(str(a) for a in tree["axes"]),
                shape=tuple(int(n) for n in tree["shape"]),
                classes=tuple(str(c) for c in tree["classes"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model.json: 'spec' is not readable ({error!r})") from None
        if len(spec.axes) != len(spec.shape) or any(not 0 < n <= 2**16 for n in spec.shape):
            raise ModelError(f"model.json: impossible shape {spec.shape} for axes {spec.axes}")
        return spec
