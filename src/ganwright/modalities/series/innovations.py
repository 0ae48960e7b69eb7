"""A channel's values ↔ its innovations: what a linear model can't predict from the channel's past.

With Γ the covariance (T, T) of a window of a stationary channel and LLᵀ = Γ its Cholesky factor, the
innovations of values x are e = L⁻¹x: causal, of variance 1, and uncorrelated (Brockwell & Davis 1991,
section 5.2). The nets see both: of smooth or slowly wandering channels the values alone would hide
what happens from one step to the next.
"""

from __future__ import annotations

import numpy as np

FLOOR = 0.05  # deviations of a step that innovations of perfectly predictable channels have at least


def autocovariances(x: np.ndarray) -> np.ndarray:
    """Of windows (n, T) of mean 0, at the lags 0 … T − 1: (T,)."""
    length = x.shape[1]
    found = np.empty(length)
    for lag in range(length):
        found[lag] = float((x[:, : length - lag] * x[:, lag:]).mean())
    return found


def factors(memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L and L⁻¹ (C, T, T) of autocovariances (C, T)."""
    forth, back = [], []
    for gamma in memory:
        lags = np.abs(np.subtract.outer(np.arange(len(gamma)), np.arange(len(gamma))))
        step = 2 * max(gamma[0] - gamma[1], 0) if len(gamma) > 1 else gamma[0]
        least = max(FLOOR**2 * step, 1e-7 * gamma[0], 1e-9)
        values, vectors = np.linalg.eigh(gamma[lags])
        # Estimated lag by lag, Γ may have eigenvalues below 0.
        whole = (vectors * np.maximum(values, least)) @ vectors.T
        factor = np.linalg.cholesky(whole)
        forth.append(factor)
        back.append(np.linalg.inv(factor))
    return np.stack(forth), np.stack(back)


def carried(x: np.ndarray) -> np.ndarray:
    """Windows (n, T, C) whose missing values are the last that was there, 0 where none was."""
    there = ~np.isnan(x)
    places = np.where(there, np.arange(x.shape[1])[None, :, None], -1)
    last = np.maximum.accumulate(places, axis=1)
    found = np.take_along_axis(x, np.maximum(last, 0), axis=1)
    return np.where(last < 0, 0.0, found)
