"""Mean and covariance of streamed features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.linalg
import torch

from ganwright.base.errors import DataError, message
from ganwright.evaluate.matrix import AnyFeatures, FeatureMatrix, same_width


@dataclass(frozen=True, eq=False)
class Statistics:
    """The Gaussian fitted to n examples: mean (d,) and covariance (d, d), float64.

    Raises DataError when the shapes don't fit or a number is not finite.
    """

    n: int
    mean: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        d = self.mean.shape[0] if self.mean.ndim == 1 else -1
        if self.covariance.shape != (d, d):
            shapes = f"{self.mean.shape} and {self.covariance.shape}"
            raise DataError(message("statistics", f"mean and covariance don't fit: {shapes}"))
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise DataError(message("statistics", "mean or covariance has NaN or infinite values"))

    @property
    def d(self) -> int:
        return int(self.mean.shape[0])

    @cached_property
    def root(self) -> np.ndarray:
        """R (r, d) with RᵀR = covariance, kept for the next time; r < d where it is singular."""
        try:
            return scipy.linalg.cholesky(self.covariance, check_finite=False)
        except np.linalg.LinAlgError:
            values, vectors = scipy.linalg.eigh(self.covariance, check_finite=False)
            kept = values > self.d * np.finfo(np.float64).eps * max(values[-1], 0.0)
            return np.sqrt(values[kept])[:, None] * vectors[:, kept].T


class Moments:
    """Running mean and covariance in float64; memory O(d²) however many rows pass.

    Blocks are centred by their own mean and merged (Chan, Golub & LeVeque 1983), so nothing
    cancels when the mean is large beside the spread.

    >>> moments = Moments().update(np.array([[0.0], [1.0]])).update(np.array([[5.0]]))
    >>> moments.n, float(moments.result().mean[0]), float(moments.result().covariance[0, 0])
    (3, 2.0, 7.0)
    """

    def __init__(self) -> None:
        self.n = 0
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))  # Σ (x − mean)(x − mean)ᵀ

    def update(self, batch: AnyFeatures) -> Self:
        """Adds rows (n, d). Raises DataError for NaN, infinite values or another width."""
        rows = FeatureMatrix(batch)
        if self.n:
            same_width(self._mean.size, rows.d, ("earlier", "later batches"))
        for _, block in rows.blocks(torch.float64):
            x = block.cpu().numpy()
            mean = x.mean(0)
            centred = x - mean
            self._add(len(x), mean, centred.T @ centred)
        return self

    def merge(self, other: Moments) -> Self:
        """Adds what another has seen (another process, another part of the data)."""
        if self.n and other.n:
            same_width(self._mean.size, other._mean.size, ("one side", "the other"))
        if other.n:
            self._add(other.n, other._mean, other._scatter)
        return self

    def _add(self, n: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        if self.n == 0:
            self.n, self._mean, self._scatter = n, mean.copy(), scatter.copy()
            return
        total = self.n + n
        step = mean - self._mean
        self._scatter += scatter
        self._scatter += np.outer(step * (self.n * n / total), step)
        self._mean = self._mean + step * (n / total)
        self.n = total

    def result(self, *, ddof: int = 1) -> Statistics:
        """The statistics so far.

        The covariance divides by n − `ddof`: 1 as `np.cov` and most of the FID literature do; 0
        as NVIDIA's StyleGAN code does, which matters only for a few hundred rows. Raises
        DataError below ddof + 1 rows.
        """
        if self.n <= ddof:
            needed = f"needs at least {ddof + 1} rows for a covariance; got {self.n}"
            raise DataError(message("statistics", needed))
        scatter = (self._scatter + self._scatter.T) / 2
        return Statistics(self.n, self._mean.copy(), scatter / (self.n - ddof))


def statistics(features: AnyFeatures, *, ddof: int = 1) -> Statistics:
    """Mean and covariance of features (n, d) in one call."""
    return Moments().update(features).result(ddof=ddof)
