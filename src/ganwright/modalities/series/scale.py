"""The scale of a channel: from its own units to numbers of mean 0 and deviation 1, and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.stats

BENDS = ("linear", "log", "asinh")
WIDE = (
    5.0  # largest over smallest value above which a positive channel may be learned as logarithms
)
FAR = 12.0  # robust deviations from the median beyond which a channel has heavy tails


@dataclass(frozen=True, kw_only=True)
class Scale:
    """u = (bend(x) − middle) / spread, within the range that training values have.

    "log" is for positive values that spread over factors, "asinh" for heavy tails: asinh((x − about)/unit).
    """

    bend: str = "linear"
    about: float = 0.0
    unit: float = 1.0
    middle: float = 0.0
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def fit(cls, values: np.ndarray) -> Scale:
        """Of the values (n,) of training rows; NaN is missing."""
        x = values[np.isfinite(values)]
        low, high = float(x.min()), float(x.max())
        median = float(np.median(x))
        unit = 1.4826 * float(np.median(np.abs(x - median)))
        bend = "linear"
        if low > 0 and high / low > WIDE and _skew(np.log(x)) < _skew(x):
            bend = "log"
        elif unit > 0 and max(high - median, median - low) / unit > FAR:
            bend = "asinh"
        rough = cls(bend=bend, about=median, unit=unit or 1.0, low=low, high=high)
        bent = rough._bent(x)
        spread = float(bent.std())
        return cls(
            bend=bend, about=median, unit=unit or 1.0, middle=float(bent.mean()),
            spread=spread if spread > 0 else 1.0, low=low, high=high,
        )  # fmt: skip

    def _bent(self, x: np.ndarray) -> np.ndarray:
        if self.bend == "log":
            return np.log(np.maximum(x, self.low / 10))
        return np.arcsinh((x - self.about) / self.unit) if self.bend == "asinh" else x

    def forth(self, x: np.ndarray) -> np.ndarray:
        """Values → about N(0, 1); NaN stays."""
        found: np.ndarray = (self._bent(x) - self.middle) / self.spread
        return found

    def back(self, u: np.ndarray) -> np.ndarray:
        """The reverse, within the range of the training values."""
        bent = u * self.spread + self.middle
        with np.errstate(over="ignore"):
            if self.bend == "log":
                x = np.exp(bent)
            elif self.bend == "asinh":
                x = np.sinh(bent) * self.unit + self.about
            else:
                x = bent
        return np.asarray(np.clip(x, self.low, self.high))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Scale:
        """Raises KeyError, TypeError, ValueError for anything but what `to_json` wrote."""
        numbers = ("about", "unit", "middle", "spread", "low", "high")
        scale = cls(bend=str(tree["bend"]), **{name: float(tree[name]) for name in numbers})
        sound = scale.bend in BENDS and scale.unit > 0 and scale.spread > 0
        if not sound or not np.isfinite([getattr(scale, name) for name in numbers]).all():
            raise ValueError("impossible scale")
        return scale


def _skew(x: np.ndarray) -> float:
    return abs(float(scipy.stats.skew(x)))
