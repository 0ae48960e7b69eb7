"""Precision, recall, density and coverage, from nearest-neighbour balls.

Around each point lies a ball that reaches its k-th nearest neighbour of its own kind; the balls
together are the *manifold*. Precision: share of fakes inside the real one. Recall: share of reals
inside the fake one (both Kynkäänniemi et al. 2019, k = 3). Density: how many real balls a fake
lies in, over k; coverage: share of real balls with a fake inside (both Naeem et al. 2020, k = 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.base.errors import OptionError, message
from ganwright.evaluate.intervals import Estimate, normal, wilson
from ganwright.evaluate.matrix import AnyFeatures, FeatureMatrix, at_least, same_width
from ganwright.evaluate.neighbours import nearest, squared_blocks, within

K_PRECISION = 3
K_DENSITY = 5


class Manifold:
    """Points with the distances to their 1st … k-th neighbours; made once, used for every score.

    Keeps the features as they are given, not a copy. Time O(n²d), memory O(nk + block). Raises
    DataError for fewer than k + 1 rows, NaN or infinite values.
    """

    def __init__(self, features: AnyFeatures, k: int = K_DENSITY, *, owner: str = "real") -> None:
        at_least("k", k, 1)
        self.rows = FeatureMatrix(features, owner, k + 1)
        self.k = k
        self.squared = nearest(self.rows, k=k).squared
        self.centre = self.rows.mean()

    @property
    def n(self) -> int:
        return self.rows.n

    def squared_radii(self, k: int) -> Tensor:
        """Squared distance of each point to its k-th neighbour, float64 (n,)."""
        if not 1 <= k <= self.k:
            raise OptionError(
                message("", f"k must lie between 1 and the manifold's {self.k}; got {k}")
            )
        return self.squared[:, k - 1]


@dataclass(frozen=True)
class Neighbourhood:
    """The four scores and what they were counted from; higher is better, 1 is as good as real.

    precision, recall and coverage lie in 0 … 1; density may pass 1. `density_error` is the standard
    error of its mean over the fakes. `intervals` hold the manifolds fixed: they cover the noise of
    the points that are counted, not that of the balls.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    density_error: float
    n_real: int
    n_fake: int

    def intervals(self, *, level: float = 0.95) -> dict[str, Estimate]:
        """Wilson intervals of the three shares; of density, a mean, the normal one."""
        counted = {
            "precision": (self.precision, self.n_fake),
            "recall": (self.recall, self.n_real),
            "coverage": (self.coverage, self.n_real),
        }
        shares = {
            name: wilson(round(share * n), n, level=level) for name, (share, n) in counted.items()
        }
        error = self.density_error
        return {**shares, "density": normal(self.density, error, "mean over fakes", level=level)}


def neighbourhood(
    real: Manifold | AnyFeatures,
    fake: Manifold | AnyFeatures,
    *,
    k_precision: int = K_PRECISION,
    k_density: int = K_DENSITY,
    closed: bool = True,
) -> Neighbourhood:
    """Precision and recall at `k_precision`, density and coverage at `k_density`, in one pass.

    Give `Manifold`s to reuse their radii. `closed` counts a point at exactly the radius as inside:
    the official precision and recall do (``<=``), the `prdc` package (`closed=False`, one k for
    all four) does not. They differ only at ties: in data with duplicates an open ball of radius 0
    is empty, so perfect copies would miss it. Memory beside the features: a few blocks. Raises
    DataError for too few rows, NaN or different widths.
    """
    k = max(at_least("k", k_precision, 1), at_least("k", k_density, 1))
    a = real if isinstance(real, Manifold) else Manifold(real, k)
    if isinstance(fake, Manifold):
        same_width(a.rows.d, fake.rows.d)
        b = fake
    else:
        rows = FeatureMatrix(fake, "fake", k_precision + 1)
        same_width(a.rows.d, rows.d)
        b = Manifold(rows, k_precision, owner="fake")
    real_small, real_large = a.squared_radii(k_precision), a.squared_radii(k_density)
    fake_small = b.squared_radii(k_precision)
    precise, counts = _zeros(b.n, a), torch.zeros(b.n, dtype=torch.int64, device=a.rows.device)
    recalled, covered = _zeros(a.n, a), _zeros(a.n, a)
    for block in squared_blocks(a.rows, b.rows, a.centre):
        height, width = block.squared.shape
        here, there = slice(block.i, block.i + height), slice(block.j, block.j + width)
        inside = within(a.rows, b.rows, block, real_large[here, None], closed)
        counts[there] += inside.sum(0)
        covered[here] |= inside.any(1)
        if k_precision != k_density:
            inside = within(a.rows, b.rows, block, real_small[here, None], closed)
        precise[there] |= inside.any(0)
        inside = within(a.rows, b.rows, block, fake_small[None, there], closed)
        recalled[here] |= inside.any(1)
    return Neighbourhood(
        precision=float(precise.double().mean()),
        recall=float(recalled.double().mean()),
        density=float(counts.double().mean() / k_density),
        coverage=float(covered.double().mean()),
        density_error=_error(counts) / k_density,
        n_real=a.n,
        n_fake=b.n,
    )


def _error(counts: Tensor) -> float:
    """Standard error of their mean; by whole sums, so that it does not see their order."""
    n, total, squares = len(counts), int(counts.sum()), int(counts.square().sum())
    return math.sqrt((squares - total * total / n) / (n - 1) / n)


def _zeros(n: int, like: Manifold) -> Tensor:
    return torch.zeros(n, dtype=torch.bool, device=like.rows.device)
