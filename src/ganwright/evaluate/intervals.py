"""Confidence intervals, and the floor: what real data scores in the samples' place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.special

from ganwright.base.errors import DataError, OptionError, message
from ganwright.evaluate.matrix import AnyFeatures, FeatureMatrix, at_least, shuffled

Statistic = Callable[..., float]


@dataclass(frozen=True)
class Estimate:
    """A number, its interval, its standard error, and how the interval was made."""

    value: float
    low: float
    high: float
    error: float
    method: str

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise OptionError(message("", f"level must lie between 0 and 1; got {level}"))
    return (1 + level) / 2


def normal(
    value: float, error: float, method: str, *, level: float = 0.95, df: float = math.inf
) -> Estimate:
    """value ± t · error, with Student's t of `df` degrees of freedom."""
    quantile = _tail(level)
    t = scipy.special.ndtri(quantile) if math.isinf(df) else scipy.special.stdtrit(df, quantile)
    half = float(t) * error
    return Estimate(value, value - half, value + half, error, method)


def wilson(successes: float, n: int, *, level: float = 0.95) -> Estimate:
    """A share and its score interval (Wilson 1927); stays within [0, 1], also for 0 or n of n."""
    at_least("n", n, 1)
    if not 0 <= successes <= n:
        raise OptionError(message("", f"successes must lie between 0 and {n}; got {successes}"))
    share = successes / n
    z = float(scipy.special.ndtri(_tail(level)))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    # Exact at the ends, where rounding would put the bound past the share itself.
    low, high = min(low, share), max(high, share)
    return Estimate(share, low, high, math.sqrt(share * (1 - share) / n), "Wilson")


def jackknife(
    function: Statistic,
    *samples: AnyFeatures,
    blocks: int = 20,
    seed: int = 0,
    level: float = 0.95,
    fixed: tuple[int, ...] = (),
) -> Estimate:
    """Any measure with an interval, by leaving out blocks (delete-a-group jackknife).

    Each sample is cut at random into `blocks` groups; the measure is computed without each group in
    turn. The variances of the samples add up; `fixed` names samples (by position) taken as given, such
    as a shared reference. Calls `function` with `FeatureMatrix`, once, and `blocks` times more for each
    sample that is not fixed. Student's t, blocks − 1 degrees of freedom.

    The interval is for the measure *at this n*: a bias that depends on n (FID's) is in the value and in
    the interval alike. Groups consist of whole examples, so an example must not occupy several rows.
    Not for measures at the edge of their range (FID of two equal distributions), where it is too wide:
    use `floor`.
    """
    at_least("blocks", blocks, 2)
    rows = [FeatureMatrix(sample, f"sample {i}", blocks) for i, sample in enumerate(samples)]
    value = function(*rows)
    variance = 0.0
    for i, part in enumerate(rows):
        if i in fixed:
            continue
        groups = np.array_split(shuffled(part.n, seed, "jackknife", i), blocks)
        left_out = []
        for group in groups:
            kept = np.delete(np.arange(part.n), group)
            given = [part.subset(kept) if j == i else r for j, r in enumerate(rows)]
            left_out.append(function(*given))
        variance += (blocks - 1) * float(np.var(left_out))
    method = f"jackknife over {blocks} blocks"
    return normal(value, math.sqrt(variance), method, level=level, df=blocks - 1)


@dataclass(frozen=True)
class Floor:
    """The score of real data against other real data of the same sizes."""

    value: float  # the mean over the splits
    low: float  # the least and the greatest of them
    high: float
    n: int
    against: int
    splits: int


def floor(
    function: Statistic,
    real: AnyFeatures,
    *,
    n: int,
    against: int | None = None,
    splits: int = 5,
    seed: int = 0,
) -> Floor:
    """What `function(real, fake)` gives when the fakes are real: the best that a model can hope for.

    `splits` times the real rows are shuffled; the first `n` play the fakes, the next `against`
    (default n) the reference. Use the n and the reference size of the score it stands beside.
    Raises DataError when there are too few real rows for both.
    """
    against = n if against is None else against
    at_least("splits", splits, 1)
    rows = FeatureMatrix(real, "real")
    if n + against > rows.n:
        problem = f"a floor at n = {n} against {against} needs {n + against} real rows"
        raise DataError(message("floor", f"{problem}; got {rows.n}"))
    found = []
    for i in range(splits):
        order = shuffled(rows.n, seed, "floor", i)
        played, reference = rows.subset(order[:n]), rows.subset(order[n : n + against])
        found.append(function(reference, played))
    return Floor(float(np.mean(found)), min(found), max(found), n, against, splits)
