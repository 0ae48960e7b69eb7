"""The classifier two-sample test: can a classifier tell real from fake?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from ganwright.base.errors import DataError, message
from ganwright.base.names import Names
from ganwright.base.seeds import derive
from ganwright.evaluate.intervals import Estimate, normal, wilson
from ganwright.evaluate.matrix import AnyFeatures, at_least, pair, shuffled

Make = Callable[[int], Any]  # from a seed to a classifier of scikit-learn


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))


def _knn(seed: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors=15))


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=100, random_state=seed % 2**32)


CLASSIFIERS: Names[Make] = Names(
    "classifier", {"logistic": _logistic, "knn": _knn, "boosting": _boosting}
)


@dataclass(frozen=True)
class TwoSample:
    """How well a classifier tells fakes from reals on examples it has not seen."""

    accuracy: Estimate  # 0.5 is indistinguishable
    auc: Estimate  # 0.5 is indistinguishable
    p: float  # chance of such an accuracy, or higher, by guessing
    n: int  # examples of each side
    classifier: str


def two_sample(
    real: AnyFeatures,
    fake: AnyFeatures,
    *,
    classifier: str = "logistic",
    folds: int = 5,
    most: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> TwoSample:
    """The classifier two-sample test (Lopez-Paz & Oquab 2017), cross-fitted.

    Equally many of both sides (the larger is thinned at random, and both to `most`); each example is
    scored by a classifier that was fitted on the other `folds` − 1 parts. Accuracy has a Wilson
    interval, AUC DeLong's (1988) within folds, averaged; `p` is the one-sided binomial. `logistic` sees
    differences of means, `knn` and `boosting` any shape. That one classifier finds no difference does
    not mean that there is none. Raises DataError below 10 rows a fold and side.
    """
    at_least("folds", folds, 2)
    at_least("most", most, 10 * folds)
    make = CLASSIFIERS[classifier]
    a, b = pair(real, fake, 10 * folds)
    n = min(a.n, b.n, most)
    x = np.concatenate(
        [
            side.subset(shuffled(side.n, seed, "two_sample", name)[:n]).array()
            for side, name in ((a, "real"), (b, "fake"))
        ]
    )
    return cross_fitted(x, n, make, classifier, folds=folds, seed=seed, level=level)


def cross_fitted(
    x: np.ndarray,
    n: int,
    make: Make,
    classifier: str,
    *,
    folds: int = 5,
    seed: int = 0,
    level: float = 0.95,
) -> TwoSample:
    """The test on `x` (2n, d), the reals first; each example is scored by those of other folds."""
    is_real = np.repeat([1, 0], n)
    fold = np.tile(np.arange(n) % folds, 2)
    right, areas, variances = 0.0, [], []
    for i in range(folds):
        held = fold == i
        model = make(derive(seed, "two_sample", classifier, i))
        with warnings.catch_warnings():
            # A classifier that is not fully fitted is still a valid test.
            warnings.filterwarnings("ignore", message="lbfgs failed to converge")
            model.fit(x[~held], is_real[~held])
        score = model.predict_proba(x[held])[:, 1]
        truth = is_real[held] == 1
        # A score of exactly ½ is a guess, half right.
        right += ((score > 0.5) == truth)[score != 0.5].sum() + (score == 0.5).sum() / 2
        area, variance = delong(score[truth], score[~truth])
        areas.append(area)
        variances.append(variance)
    auc = normal(
        float(np.mean(areas)), math.sqrt(sum(variances)) / folds, "DeLong within folds", level=level
    )
    p = float(scipy.stats.binom.sf(math.floor(right) - 1, 2 * n, 0.5))
    return TwoSample(wilson(right, 2 * n, level=level), auc, p, n, classifier)


def delong(high: np.ndarray, low: np.ndarray) -> tuple[float, float]:
    """(AUC, its variance) of scores of positives and negatives; ties count half (DeLong 1988)."""
    m, n = len(high), len(low)
    if m < 2 or n < 2:
        raise DataError(message("AUC", f"needs at least 2 of each side; got {m} and {n}"))
    ranks = scipy.stats.rankdata(np.concatenate([high, low]))
    above = (ranks[:m] - scipy.stats.rankdata(high)) / n  # share of negatives below each positive
    below = (
        1 - (ranks[m:] - scipy.stats.rankdata(low)) / m
    )  # share of positives above each negative
    return float(above.mean()), float(above.var(ddof=1) / m + below.var(ddof=1) / n)
