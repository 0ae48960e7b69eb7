"""Features of rows of counts: what is frequent in them, projected on a few directions."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from ganwright.base.errors import DataError

DIRECTIONS = 62


class Directions:
    """From counts (n, columns) and amounts (n, k) of rows to features (n, width) float32.

    log(1 + count), weighted by how few training rows have the column, each row brought to length 1; its
    coordinates along the main directions of training rows, of mean variance 1; and how far its amounts
    are from their mean, in deviations. Raises DataError where there are too few rows for a direction.
    """

    def __init__(self, training: sp.csr_matrix, amounts: np.ndarray, owner: str) -> None:
        rows, columns = training.shape
        having = np.bincount(training.indices, minlength=columns)
        self.weights = np.log((1 + rows) / (1 + having)) + 1
        most = min(DIRECTIONS, columns - 1, rows - 1)
        if most < 1:
            raise DataError(f"{owner}: too few rows to find directions in")
        _, _, axes = randomized_svd(self._weighted(training), most, random_state=0)
        self.axes = axes.T
        found = self._weighted(training) @ self.axes
        self.middle = found.mean(0)
        spread = float(found.var(0).mean())
        self.scale = 1 / np.sqrt(spread) if spread > 0 else 1.0
        self.mean, self.deviation = amounts.mean(0), amounts.std(0) + 1e-3
        self.width = most + amounts.shape[1]

    def _weighted(self, rows: sp.csr_matrix) -> sp.csr_matrix:
        found = sp.csr_matrix(rows.astype(np.float64).log1p().multiply(self.weights))
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).reshape(-1))
        return sp.csr_matrix(sp.diags(1 / np.where(lengths > 0, lengths, 1)) @ found)

    def __call__(self, rows: sp.csr_matrix, amounts: np.ndarray) -> np.ndarray:
        along = (self._weighted(rows) @ self.axes - self.middle) * self.scale
        beside = (amounts - self.mean) / self.deviation
        return np.concatenate([along, beside], axis=1).astype(np.float32)
