"""A channel's values ↔ its innovations: what a linear model can't predict from the channel's past.

With μ and Γ the mean (T,) and covariance (T, T) of a channel's windows and LLᵀ = Γ its Cholesky factor,
the innovations of values x are e = L⁻¹(x − μ): causal, of variance 1, and uncorrelated (Brockwell & Davis
1991, section 5.2). The nets see both: of smooth or slowly wandering channels the values alone would hide
what happens from one step to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOOR = (
    0.05  # deviations of a step that innovations of perfectly predictable channels have at least
)
MOST = 1 << 16  # numbers of all covariances that are kept in full
LEAST = 4  # windows for each step of theirs, to estimate covariances in full


@dataclass(frozen=True, eq=False)
class Memory:
    """Means (C, T), L and L⁻¹ (C, T, T), and the deviations (C, T) of the innovations.

    Those are 1, but where a channel can be predicted so well that the floor is above what remains.
    """

    means: np.ndarray
    forth: np.ndarray
    back: np.ndarray
    spreads: np.ndarray

    @classmethod
    def of(cls, means: np.ndarray, covariances: np.ndarray) -> Memory:
        """Of means (C, T), and covariances (C, T, T) or, where those depend on the lag alone, (C, T)."""
        forth, back, spreads = [], [], []
        for gamma in covariances:
            if gamma.ndim == 1:
                at = np.arange(len(gamma))
                gamma = gamma[np.abs(np.subtract.outer(at, at))]
            variance = np.diag(gamma)
            steps = variance[1:] + variance[:-1] - 2 * np.diag(gamma, 1)
            least = max(FLOOR**2 * float(steps.mean()), 1e-7 * float(variance.mean()), 1e-9)
            values, vectors = np.linalg.eigh(gamma)
            # Estimated lag by lag, Γ may have eigenvalues below 0.
            factor = np.linalg.cholesky((vectors * (np.maximum(values, 0) + least)) @ vectors.T)
            inverse = np.linalg.inv(factor)
            forth.append(factor)
            back.append(inverse)
            left = ((inverse @ vectors) ** 2 * np.maximum(values, 0)).sum(1)
            spreads.append(np.sqrt(left))
        return cls(means, np.stack(forth), np.stack(back), np.stack(spreads))


def fitted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances, as `Memory.of` takes them, of windows (n, T, C).

    By the place in the window where there are enough windows, and not too many steps; else by the lag.
    """
    count, length, channels = x.shape
    if count >= LEAST * length and channels * length**2 <= MOST:
        means = x.mean(0).T
        moved = x - means.T
        return means, np.einsum("ntc,nsc->cts", moved, moved, optimize=True) / count
    means = np.repeat(x.mean((0, 1))[:, None], length, 1)
    moved = x - means.T
    lags = [(moved[:, : length - k] * moved[:, k:]).mean((0, 1)) for k in range(length)]
    return means, np.stack(lags, 1)


def carried(x: np.ndarray) -> np.ndarray:
    """Windows (n, T, C) whose missing values are the last that was there, 0 where none was."""
    there = ~np.isnan(x)
    places = np.where(there, np.arange(x.shape[1])[None, :, None], -1)
    last = np.maximum.accumulate(places, axis=1)
    found = np.take_along_axis(x, np.maximum(last, 0), axis=1)
    return np.where(last < 0, 0.0, found)
