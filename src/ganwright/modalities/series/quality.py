"""How similar two sets of windows are: in values and steps, over time, between channels, in holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats

from ganwright.base.errors import DataError
from ganwright.evaluate.memorisation import Memorisation, memorisation
from ganwright.modalities.series.innovations import carried

STRETCH = 4  # a stretch is a window's length divided by this
STRETCHES = 4  # of each window
COMPARED = 50_000  # stretches of training windows
FEWEST = 2  # windows whose stretches can be compared


@dataclass(frozen=True, eq=False)
class Rows:
    """Windows (n, T, C) in deviations, NaN where missing."""

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | np.ndarray) -> Rows:
        return Rows(self.values[rows])

    @staticmethod
    def joined(parts: list[Rows]) -> Rows:
        """All windows of all parts."""
        return Rows(np.concatenate([part.values for part in parts]))

    @property
    def whole(self) -> np.ndarray:
        """The windows with the last known value where one is missing."""
        return carried(self.values)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Differences between two sets of windows; 0 is the same.

    `marginals` and `increments` are Kolmogorov–Smirnov distances of values and of steps from one to
    the next, `autocorrelation` the mean absolute difference of correlations at lags up to half a
    window, `cross_correlation` that between channels at lags 0 and 1, `spectrum` the total variation
    between the shares of power by frequency; all are means over channels or pairs of them.
    """

    marginals: float
    increments: float
    autocorrelation: float
    cross_correlation: float
    spectrum: float


def quality(real: Rows, fake: Rows) -> Quality:
    """All of them."""
    a, b = real.whole, fake.whole
    return Quality(
        marginals=_distance(real.values, fake.values),
        increments=_distance(np.diff(real.values, axis=1), np.diff(fake.values, axis=1)),
        autocorrelation=float(np.abs(autocorrelations(a) - autocorrelations(b)).mean()),
        cross_correlation=float(np.abs(cross_correlations(a) - cross_correlations(b)).mean()),
        spectrum=float(np.abs(spectra(a) - spectra(b)).sum(0).mean() / 2),
    )


def _distance(real: np.ndarray, fake: np.ndarray) -> float:
    found = []
    for c in range(real.shape[2]):
        sides = [side[..., c][~np.isnan(side[..., c])] for side in (real, fake)]
        empty = not len(sides[0]) or not len(sides[1])
        found.append(1.0 if empty else float(scipy.stats.ks_2samp(*sides).statistic))
    return float(np.mean(found))


def autocorrelations(x: np.ndarray) -> np.ndarray:
    """Of windows (n, T, C), pooled, at the lags 1 … T / 2: (T / 2, C)."""
    return np.stack([_lagged(x, x, lag) for lag in range(1, x.shape[1] // 2 + 1)])


def cross_correlations(x: np.ndarray) -> np.ndarray:
    """Between each two channels (C > 1) at lag 0, and one step later: (2, C, C)."""
    channels = range(x.shape[2])
    return np.stack(
        [[_lagged(x[..., [c]], x, lag) for c in channels] for lag in (0, min(1, x.shape[1] - 1))]
    )


def _lagged(x: np.ndarray, y: np.ndarray, lag: int) -> np.ndarray:
    """Correlations of x with y so many steps later, by channel; 0 where one doesn't vary."""
    a = x[:, : x.shape[1] - lag] - x.mean((0, 1))
    b = y[:, lag:] - y.mean((0, 1))
    both = x.std((0, 1)) * y.std((0, 1))
    return np.asarray(np.where(both > 1e-12, (a * b).mean((0, 1)) / np.maximum(both, 1e-12), 0.0))


def spectra(x: np.ndarray) -> np.ndarray:
    """Shares of a window's power by frequency, without its mean: (T // 2, C)."""
    power = (np.abs(np.fft.rfft(x - x.mean(1, keepdims=True), axis=1)) ** 2).mean(0)[1:]
    return np.asarray(power / np.maximum(power.sum(0), 1e-12))


def holes(real: Rows, fake: Rows) -> float:
    """The mean absolute difference of the channels' shares of missing values. Raises DataError for none."""
    shares = [np.isnan(side.values).mean((0, 1)) for side in (real, fake)]
    if not shares[0].any() and not shares[1].any():
        raise DataError("no values are missing")
    return float(np.abs(shares[0] - shares[1]).mean())


def stretches(training: Rows, held: Rows, fake: Rows) -> Memorisation:
    """The data-copying test on short stretches of windows: a quarter of their length.

    A sample that is pasted from training windows is near to none of them as a whole.
    """
    fewest = min(map(len, (training, held, fake)))
    if fewest < FEWEST:
        raise DataError(f"stretches: needs at least {FEWEST} rows; got {fewest}")
    return memorisation(_cut(training, COMPARED), _cut(held), _cut(fake))


def _cut(rows: Rows, most: int | None = None) -> np.ndarray:
    """Stretches (n, ·) at several places of each window; of training windows at every place."""
    x = rows.whole
    size = max(2, x.shape[1] // STRETCH)
    last = x.shape[1] - size
    places = (
        np.unique(np.linspace(0, last, STRETCHES).astype(int)) if most is None else range(last + 1)
    )
    found = np.concatenate([x[:, at : at + size].reshape(len(x), -1) for at in places])
    if most is not None and len(found) > most:
        found = found[np.random.default_rng(0).permutation(len(found))[:most]]
    return found.astype(np.float32)
