"""The two simplest ways to more series: a vector autoregression, and pasting stretches of real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ORDERS = 4  # largest order of the autoregression
RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Autoregression:
    """x_t = a + Σ A_k x_{t−k} + e_t (Lütkepohl 2005, section 3.2), by least squares.

    `weights` (1 + p·C, C) are a and the transposed A_k one below the other, `errors` (m, C) the residuals.
    """

    order: int
    weights: np.ndarray
    errors: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, order: int | None = None) -> Autoregression:
        """Of windows (n, T, C); without `order` the one with the least BIC, 4 at most."""
        if order is not None:
            return cls._of(x, order)
        found = [cls._of(x, p) for p in range(1, min(ORDERS, x.shape[1] - 1) + 1)]
        return min(found, key=lambda one: one.bic)

    @classmethod
    def _of(cls, x: np.ndarray, order: int) -> Autoregression:
        count, length, channels = x.shape
        past = [x[:, order - k : length - k] for k in range(1, order + 1)]
        design = np.concatenate([np.ones((count, length - order, 1)), *past], 2)
        a, b = design.reshape(-1, 1 + order * channels), x[:, order:].reshape(-1, channels)
        gram = a.T @ a
        gram[np.diag_indices_from(gram)] += RIDGE * len(a)
        weights = np.linalg.solve(gram, a.T @ b)
        return cls(order, weights, b - a @ weights)

    @property
    def bic(self) -> float:
        """log det Σ + log m / m · number of weights (Schwarz 1978)."""
        m, channels = self.errors.shape
        covariance = self.errors.T @ self.errors / m + 1e-12 * np.eye(channels)
        return float(np.linalg.slogdet(covariance)[1] + np.log(m) / m * self.weights.size)

    def after(self, x: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
        """The next steps (n, steps, C) of series (n, t, C), t ≥ p, with residuals drawn again."""
        path = [x[:, -k] for k in range(self.order, 0, -1)]
        for _ in range(steps):
            past = np.concatenate([np.ones((len(x), 1)), *path[: -self.order - 1 : -1]], 1)
            shock = self.errors[rng.integers(len(self.errors), size=len(x))]
            path.append(np.clip(past @ self.weights + shock, -1e6, 1e6))
        return np.stack(path[self.order :], 1)


def autoregressive(x: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Windows (n, T, C) of an autoregression; each begins as some training window does."""
    model = Autoregression.fit(x)
    begin = x[rng.integers(len(x), size=n)][:, : model.order]
    return np.concatenate([begin, model.after(begin, x.shape[1] - model.order, rng)], 1)


def pasted(x: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """The moving block bootstrap (Künsch 1989): halves of training windows one after the other."""
    length = x.shape[1]
    size = -(-length // 2)
    parts = []
    for _ in range(2):
        rows, at = rng.integers(len(x), size=n), rng.integers(length - size + 1, size=n)
        parts.append(x[rows[:, None], at[:, None] + np.arange(size)])
    return np.concatenate(parts, 1)[:, :length]
