"""The spec of a window of series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.base.errors import ModelError
from ganwright.base.spec import Spec
from ganwright.modalities.series.innovations import Memory

AXES = ("channel", "time")


@dataclass(frozen=True, kw_only=True)
class SeriesSpec(Spec):
    """A window is seen as the innovations of its C channels, their values, and where they are not missing.

    `channels` is C; `holes` are the channels with missing values, in order, each of which has a mask,
    and `present` what share of them is there.
    `means` (C·T) and `covariances` (C·T·T, or C·T by the lag) are of the values. Of the S numbers that
    describe a whole series, `sizes` are how many values each has (0: it is a number), `middles` and
    `spreads` standardise them, and `described` (m·S) are those of some training windows.
    """

    channels: int = 0
    holes: tuple[int, ...] = ()
    present: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    covariances: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    middles: tuple[float, ...] = ()
    spreads: tuple[float, ...] = ()
    described: tuple[float, ...] = ()
    things = "windows of series"

    @property
    def length(self) -> int:
        """Steps of a window."""
        return self.shape[1]

    @property
    def memory(self) -> Memory:
        """How values go on from those before."""
        size = (self.channels, self.length)
        whole = len(self.covariances) == self.channels * self.length**2
        covariances = np.array(self.covariances).reshape(size + (self.length,) * whole)
        return Memory.of(np.array(self.means).reshape(size), covariances)

    @property
    def table(self) -> np.ndarray:
        """`described` as (m, S)."""
        return np.array(self.described, np.float64).reshape(-1, max(1, len(self.sizes)))

    def check(self) -> None:
        super().check()
        seen = 2 * self.channels + len(self.holes)
        described = len(self.sizes)
        fits = (
            self.axes == AXES
            and self.shape[0] == seen
            and len(self.means) == self.channels * self.shape[1]
            and len(self.covariances) in (len(self.means), len(self.means) * self.shape[1])
            and all(0 <= hole < self.channels for hole in self.holes)
            and len(self.present) == len(self.holes)
            and all(0 < share < 1 for share in self.present)
            and all(0 <= size <= 2**16 for size in self.sizes)
            and len(self.middles) == len(self.spreads) == described
            and (not described or (self.described and len(self.described) % described == 0))
        )
        if not fits or not np.isfinite([*self.means, *self.covariances, *self.described]).all():
            raise ModelError("model.json: impossible spec of series")
