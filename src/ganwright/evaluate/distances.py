"""Distances between two sets of features: FID, FID at infinite n, KID; and the Inception Score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.special
import torch
from torch import Tensor

from ganwright.base.errors import DataError, OptionError, message
from ganwright.evaluate.intervals import Estimate, normal
from ganwright.evaluate.matrix import (
    AnyFeatures,
    FeatureMatrix,
    at_least,
    pair,
    same_width,
    shuffled,
)
from ganwright.evaluate.stats import Statistics, statistics

Side = AnyFeatures | Statistics


class _Gaussian(NamedTuple):
    mean: np.ndarray
    trace: float
    rows: np.ndarray | None  # centred and scaled, so that rowsᵀ rows = covariance; when n ≤ d
    full: Statistics | None  # else


def _gaussian(side: Side, owner: str, ddof: int) -> _Gaussian:
    if isinstance(side, Statistics):
        return _Gaussian(side.mean, float(side.covariance.trace()), None, side)
    rows = FeatureMatrix(side, owner, least=ddof + 1)
    if rows.n > rows.d:
        return _gaussian(statistics(rows, ddof=ddof), owner, ddof)
    x = rows.array()
    mean = x.mean(0)
    x = (x - mean) / math.sqrt(rows.n - ddof)
    return _Gaussian(mean, float(np.vdot(x, x)), x, None)


def _trace_of_root(a: _Gaussian, b: _Gaussian) -> float:
    """tr √(A^½ B A^½), which is the nuclear norm of any root of A times any root of B."""
    if a.rows is not None and b.rows is not None:
        return float(scipy.linalg.svdvals(a.rows @ b.rows.T, check_finite=False).sum())
    if b.full is None:
        a, b = b, a
    assert b.full is not None  # the other case has returned above
    root = a.rows if a.full is None else a.full.root
    assert root is not None
    inner = root @ b.full.covariance @ root.T
    inner = (inner + inner.T) / 2
    values = scipy.linalg.eigvalsh(inner, check_finite=False, overwrite_a=True)
    return float(np.sqrt(np.maximum(values, 0.0)).sum())


def _frechet(a: _Gaussian, b: _Gaussian) -> float:
    same_width(a.mean.size, b.mean.size)
    shift = float(np.square(a.mean - b.mean).sum())
    # A squared distance: below 0 is rounding.
    return max(0.0, shift + a.trace + b.trace - 2 * _trace_of_root(a, b))


def fid(real: Side, fake: Side, *, ddof: int = 1) -> float:
    """The Fréchet distance of two Gaussians fitted to features; ≥ 0, lower is better.

    ‖μ₁ − μ₂‖² + tr S₁ + tr S₂ − 2 tr √(S₁^½ S₂ S₁^½) (Heusel et al. 2017, with the network's
    features: the "FID"). Either side is features (n, d) or `Statistics`. All in float64. The last
    term comes from the eigenvalues of a symmetric matrix, so it is real and ≥ 0 whatever the
    covariances; from n ≤ d features it is exact without ever building a d × d matrix. Covariances
    of features divide by n − `ddof`.

    Biased: its expectation falls with n, so numbers with different n don't compare
    (`fid_infinite`, `kid`). Raises DataError for too few rows, NaN or different widths.
    """
    return _frechet(_gaussian(real, "real", ddof), _gaussian(fake, "fake", ddof))


@dataclass(frozen=True)
class Extrapolation:
    """FID at n → ∞: the intercept of a line through (1/n, FID)."""

    value: float  # may fall below 0 by noise; clipping would bias it
    error: float  # standard error of the intercept from the fit alone
    slope: float
    sizes: tuple[int, ...]
    scores: tuple[float, ...]


def fid_infinite(
    real: Side, fake: AnyFeatures, *, points: int = 15, least: int | None = None, seed: int = 0
) -> Extrapolation:
    """FID extrapolated to infinitely many fakes (Chong & Forsyth 2020, FID∞).

    FID is close to linear in 1/n, so it is computed on `points` random subsets of the fakes, from
    `least` (default n/10, the paper's 5,000 of 50,000) to all, and the line's value at 1/n = 0 is
    the answer. The reference stays whole, as in the paper, so the bias from *its* size remains.
    Raises DataError below 10 rows.
    """
    at_least("points", points, 3)
    rows = FeatureMatrix(fake, "fake", 10)
    least = max(2, rows.n // 10) if least is None else at_least("least", least, 2)
    sizes = np.unique(np.linspace(least, rows.n, points).astype(int))
    if least > rows.n or len(sizes) < 3:
        problem = f"needs three sizes between {least} and n = {rows.n}"
        raise DataError(message("fid_infinite", problem))
    reference = _gaussian(real, "real", 1)
    scores = []
    for size in sizes.tolist():
        subset = rows.subset(np.sort(shuffled(rows.n, seed, "fid_infinite", size)[:size]))
        scores.append(_frechet(reference, _gaussian(subset, "fake", 1)))
    x, y = 1.0 / sizes, np.array(scores)
    spread = np.square(x - x.mean()).sum()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    value = float(y.mean() - slope * x.mean())
    rest = np.square(y - value - slope * x).sum() / (len(x) - 2)
    error = math.sqrt(rest * (1 / len(x) + x.mean() ** 2 / spread))
    return Extrapolation(value, error, slope, tuple(sizes.tolist()), tuple(scores))


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    base = x @ y.T
    base = base.div_(x.shape[1]).add_(1.0)
    return base * base * base


def _sums_within(rows: FeatureMatrix, size: int) -> Tensor:
    """Σ_{j≠i} k(xᵢ, xⱼ) for each i."""
    sums = torch.zeros(rows.n, dtype=torch.float64, device=rows.device)
    for start, x in rows.blocks(torch.float64, size):
        within = _kernel(x, x)
        sums[start : start + len(x)] += within.sum(1) - within.diagonal()
        for other in range(start + size, rows.n, size):
            y = rows.block(other, other + size, torch.float64)
            k = _kernel(x, y)
            sums[start : start + len(x)] += k.sum(1)
            sums[other : other + len(y)] += k.sum(0)
    return sums


def kid(
    real: AnyFeatures, fake: AnyFeatures, *, level: float = 0.95, block: int = 2048
) -> Estimate:
    """The kernel distance KID, unbiased, over all pairs; 0 for equal distributions, lower is better.

    Squared maximum mean discrepancy with k(x, y) = (x·y/d + 1)³ (Bińkowski et al. 2018). The
    U-statistic leaves out the pairs of an example with itself, so its expectation does not depend
    on n; it may fall below 0. Every pair counts, in blocks, in float64: time O(n²d), memory
    O(n + block²). The error is the two-sample delete-one jackknife, exact from the kernel's row
    sums; where the two distributions are equal it is too large (by about √2), never too small.
    Raises DataError below 3 rows.
    """
    a, b = pair(real, fake, 3)
    m, n = a.n, b.n
    within_a, within_b = _sums_within(a, block), _sums_within(b, block)
    across_a = torch.zeros(m, dtype=torch.float64, device=a.device)
    across_b = torch.zeros(n, dtype=torch.float64, device=b.device)
    for i, x in a.blocks(torch.float64, block):
        for j, y in b.blocks(torch.float64, block):
            k = _kernel(x, y)
            across_a[i : i + len(x)] += k.sum(1)
            across_b[j : j + len(y)] += k.sum(0)
    aa, bb, ab = within_a.sum(), within_b.sum(), across_a.sum()
    mean_aa, mean_bb = aa / (m * (m - 1)), bb / (n * (n - 1))
    value = mean_aa + mean_bb - 2 * ab / (m * n)
    without_a = (
        (aa - 2 * within_a) / ((m - 1) * (m - 2)) + mean_bb - 2 * (ab - across_a) / ((m - 1) * n)
    )
    without_b = (
        mean_aa + (bb - 2 * within_b) / ((n - 1) * (n - 2)) - 2 * (ab - across_b) / (m * (n - 1))
    )
    variance = (m - 1) * without_a.var(correction=0) + (n - 1) * without_b.var(correction=0)
    return normal(float(value), math.sqrt(float(variance)), "jackknife over examples", level=level)


def kid_subsets(
    real: AnyFeatures, fake: AnyFeatures, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """(mean, standard deviation) of KID over random subsets, as torch-fidelity reports it.

    Unbiased too, but noisier than `kid` and its deviation is that of one subset, not of the mean.
    Raises DataError when a side has fewer than `size` rows.
    """
    at_least("subsets", subsets, 1)
    a, b = pair(real, fake, at_least("size", size, 3))
    found = []
    for i in range(subsets):
        one = a.subset(shuffled(a.n, seed, "kid", "real", i)[:size])
        two = b.subset(shuffled(b.n, seed, "kid", "fake", i)[:size])
        found.append(kid(one, two).value)
    return float(np.mean(found)), float(np.std(found))


def check_probabilities(probabilities: AnyFeatures, owner: str = "probabilities") -> np.ndarray:
    """Class probabilities (n, classes) as float64. Raises DataError unless each row sums to 1."""
    p = FeatureMatrix(probabilities, owner).array()
    if p.min() < 0 or np.abs(p.sum(1) - 1).max() > 1e-3:
        problem = f"each row must be ≥ 0 and sum to 1; got sums {p.sum(1).min():.4g}"
        raise DataError(message(owner, f"{problem} … {p.sum(1).max():.4g}"))
    return p


def inception_score(
    probabilities: AnyFeatures, *, splits: int = 10, seed: int | None = 0
) -> tuple[float, float]:
    """(mean, standard deviation over splits) of exp(E KL(p(y|x) ‖ p(y))); 1 … classes, higher better.

    Salimans et al. 2016. Rows are shuffled by `seed` (None keeps their order, as the original code
    does) and cut into `splits` parts of n/splits; fewer rows a split give lower scores, so state
    both. The deviation divides by splits − 1 (0 for one split). Raises DataError for fewer than
    two rows a split.
    """
    p = check_probabilities(probabilities)
    at_least("splits", splits, 1)
    if len(p) < 2 * splits:
        problem = f"{splits} splits need at least {2 * splits} rows; got {len(p)}"
        raise DataError(message("inception_score", problem))
    if seed is not None:
        p = p[shuffled(len(p), seed, "inception_score")]
    scores = []
    for part in np.array_split(p, splits):
        gain = scipy.special.xlogy(part, part) - scipy.special.xlogy(part, part.mean(0))
        scores.append(math.exp(gain.sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores, ddof=1)) if splits > 1 else 0.0


def class_kl(fake: np.ndarray, real: np.ndarray | None = None) -> float:
    """KL(fake ‖ real) in nats between two class histograms (counts); 0 is equal, lower is better.

    Without `real` against equal shares, as Stacked MNIST is scored. A class that real counts
    don't have would make it infinite, so then every class of real gets half a count more
    (Krichevsky & Trofimov). Its floor is `modes.kl_floor`. Raises OptionError for other lengths,
    negative or empty counts.
    """
    p = _counts(fake, "fake")
    q = np.ones_like(p) if real is None else _counts(real, "real")
    if len(p) != len(q):
        problem = f"histograms of {len(p)} fake and {len(q)} real classes"
        raise OptionError(message("class_kl", problem))
    if (q == 0).any():
        q = q + 0.5
    return max(0.0, float(scipy.special.rel_entr(p / p.sum(), q / q.sum()).sum()))


def class_obeyed(asked: np.ndarray, probabilities: AnyFeatures) -> float:
    """The share of samples that a classifier assigns to the class they were asked for; 0 … 1.

    `asked` (n,) are numbers of columns. Its ceiling is the classifier's accuracy on real examples.
    Raises DataError unless there is one class per row.
    """
    p = check_probabilities(probabilities)
    wanted = np.asarray(asked)
    if wanted.shape != (len(p),) or wanted.dtype.kind not in "iu":
        problem = f"needs one requested class per row; got {wanted.dtype} {wanted.shape} for {len(p)} rows"
        raise DataError(message("class_obeyed", problem))
    return float((p.argmax(1) == wanted).mean())


def _counts(counts: np.ndarray, owner: str) -> np.ndarray:
    found = np.asarray(counts, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or found.min() < 0 or found.sum() <= 0:
        raise OptionError(message("class_kl", f"{owner} needs one count per class, not all zero"))
    return found
