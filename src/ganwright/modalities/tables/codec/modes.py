"""Gaussian mixtures of many columns at once, for cutting numbers by their modes.

After "Modeling Tabular Data using Conditional GAN" (Xu et al. 2019), section 4.2. We fit by plain EM on
quantiles instead of by variational inference on rows: a column is then a few hundred numbers whatever
its length, and all columns are fitted together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

POINTS = 512
COMPONENTS = 10
_ROUNDS = 150
_LEAST = 0.005  # components of less weight are dropped
_WIDEST = 4.0  # standard deviations on each side that are cut into bins


def mixtures(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and deviations (C, M) of the columns whose quantiles are `points` (C, P)."""
    centre = points.mean(axis=1, keepdims=True)
    scale = np.maximum(points.std(axis=1, keepdims=True), np.finfo(float).tiny)
    x = (points - centre) / scale
    at = ((np.arange(COMPONENTS) + 0.5) / COMPONENTS * x.shape[1]).astype(int)
    means = x[:, at]
    weights = np.full(means.shape, 1 / COMPONENTS)
    least = 1e-3
    deviations = np.full(means.shape, 1 / COMPONENTS) + least
    for _ in range(_ROUNDS):
        belongs = _responsibilities(x, weights, means, deviations)
        mass = belongs.sum(axis=1) + 1e-12
        weights = mass / x.shape[1]
        means = np.einsum("cpm,cp->cm", belongs, x) / mass
        spread = np.einsum("cpm,cp->cm", belongs, x**2) / mass - means**2
        deviations = np.sqrt(np.maximum(spread, least**2))
    weights = np.where(weights < _LEAST, 0, weights)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights, means * scale + centre, deviations * scale


def _responsibilities(
    x: np.ndarray, weights: np.ndarray, means: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    """How much each component (last axis) has of each point: (C, P, M), summing to 1."""
    with np.errstate(divide="ignore"):
        logs = np.log(weights / deviations)[:, None]
    logs = logs - 0.5 * ((x[:, :, None] - means[:, None]) / deviations[:, None]) ** 2
    logs -= logs.max(axis=2, keepdims=True)
    found = np.exp(logs)
    return found / found.sum(axis=2, keepdims=True)


def by_modes(
    columns: Sequence[np.ndarray], counts: Sequence[np.ndarray], bins: int
) -> list[np.ndarray]:
    """Bins for the sorted different values of each column: equally wide ones within each mode.

    A value belongs to its most probable component. One array of whole numbers, not falling, for
    each of `columns`.
    """
    at = (np.arange(POINTS) + 0.5) / POINTS
    points = np.stack(
        [
            column[np.searchsorted(np.cumsum(count), at * count.sum())]
            for column, count in zip(columns, counts, strict=True)
        ]
    )
    weights, means, deviations = mixtures(points)
    return [
        _cut_modes(column, bins, w[w > 0], m[w > 0], d[w > 0])
        for column, w, m, d in zip(columns, weights, means, deviations, strict=True)
    ]


def _cut_modes(
    values: np.ndarray, bins: int, weights: np.ndarray, means: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    logs = np.log(weights / deviations) - 0.5 * ((values[:, None] - means) / deviations) ** 2
    mode = logs.argmax(axis=1)
    each = max(2, bins // len(means))
    place = (values - means[mode]) / (2 * _WIDEST * deviations[mode]) + 0.5
    inner = np.clip(np.floor(place * each), 0, each - 1).astype(np.int64)
    changes = (np.diff(mode) != 0) | (np.diff(inner) != 0)
    return np.append(0, np.cumsum(changes))
