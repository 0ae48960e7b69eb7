"""What a classifier learns from the rows: predicting the target, and telling fakes from real.

Both use gradient-boosted trees (scikit-learn's, at its defaults), which take numbers, categories and
missing values as they are and are the strictest judge of tables that is still fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn.metrics

from ganwright.base.errors import DataError, message
from ganwright.base.seeds import derive
from ganwright.evaluate.intervals import Estimate, normal
from ganwright.evaluate.matrix import shuffled
from ganwright.evaluate.twosample import TwoSample, cross_fitted
from ganwright.modalities.tables.judge.cells import Cells, Words, enough

LEAST = 50
MOST_VALUES = 254  # of a category, that the trees tell apart; rarer ones are one
FOLDS, MOST = 5, 10_000
DRAWS = 200  # of the test rows, for an interval


@dataclass(frozen=True)
class Utility:
    """How well a model trained on the rows predicts real ones it never saw."""

    score: Estimate
    measure: str  # "macro-F1" or "R²"
    target: str
    n: int  # rows it was trained on
    against: int

    def says(self) -> str:
        """What was predicted, and how that is counted."""
        return (
            f"use for prediction is the {self.measure} of '{self.target}', by boosted trees that "
            f"were trained on {self.n:,} rows"
        )


def utility(real: Cells, fake: Cells, *, seed: int = 0) -> Utility:
    """Train on made, test on real: macro-F1 of a category, R² of a number.

    Boosted trees are fitted to the fakes and asked for the layout's target in the real rows; rows
    without it are left out. A class that the fakes lack is never predicted right. The interval is
    of drawing other test rows; what drawing other fakes does is not in it. Raises DataError without
    a target, for fewer than 50 rows a side, or fakes that all have one value of it.
    """
    layout = fake.layout
    if layout.target is None:
        raise DataError(message("utility", "the data has no column to predict"))
    enough(real, "real", LEAST), enough(fake, "fake", LEAST)
    place = layout.names.index(layout.target)
    y, known = _asked(fake, place)
    truth, there = _asked(real, place)
    if min(known.sum(), there.sum()) < LEAST:
        raise DataError(message("utility", f"'{layout.target}' is missing in nearly all rows"))
    y, truth = y[known], truth[there]
    x, masked = _inputs(fake[known], place)
    test, _ = _inputs(real[there], place)
    number = place < len(layout.axes)
    if len(np.unique(y)) == 1 and not number:
        guess = np.full(len(truth), y[0])
    else:
        with one_thread():
            guess = _trees(number, masked, derive(seed, "utility")).fit(x, y).predict(test)
    score = _r2 if number else _macro_f1
    rng = np.random.default_rng(derive(seed, "utility", "test"))
    weights = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), DRAWS)
    found = score(truth, guess, weights)
    value = float(score(truth, guess, np.ones((1, len(truth))))[0])
    error = float(found.std(ddof=1))
    return Utility(
        normal(value, error, "bootstrap over the real rows"),
        "R²" if number else "macro-F1", layout.target, len(y), len(truth),
    )  # fmt: skip


def detection(real: Cells, fake: Cells, *, seed: int = 0) -> TwoSample:
    """`two_sample` by boosted trees on the rows as they are; 0.5 is indistinguishable.

    Equally many of each side, 10,000 at most, 5-fold cross-fitted. Raises DataError for fewer than
    50 rows a side.
    """
    enough(real, "real", LEAST), enough(fake, "fake", LEAST)
    n = min(len(real), len(fake), MOST)
    sides = [
        side[shuffled(len(side), seed, "detection", name)[:n]]
        for side, name in ((real, "real"), (fake, "fake"))
    ]
    both = [_inputs(side) for side in sides]
    x, masked = np.concatenate([matrix for matrix, _ in both]), both[0][1]

    def make(number: int) -> Any:
        return _trees(False, masked, number)

    with one_thread():
        return cross_fitted(x, n, make, "trees", folds=FOLDS, seed=seed)


def one_thread() -> Any:
    """A context: trees on few rows gain little by more, and wait for each other on shared cores."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")


def _trees(number: bool, masked: np.ndarray, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    make = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    # A tenth for early stopping would be drawn by class; every row counts where there are few.
    return make(categorical_features=masked, early_stopping=False, random_state=seed % 2**32)


def _asked(cells: Cells, place: int) -> tuple[np.ndarray, np.ndarray]:
    """The target (n,), and in which rows it is there."""
    p = len(cells.layout.axes)
    if place < p:
        values = cells.numbers[:, place]
        return values, ~np.isnan(values)
    words, codes = cells.layout.words[place - p], cells.codes[:, place - p]
    return codes, codes != words.missing


def _inputs(cells: Cells, without: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as they are and categories by number, (n, columns), and which are categories."""
    words = cells.layout.words
    codes = np.stack(
        [_few(cells.codes[:, i], w) for i, w in enumerate(words)] or [np.empty((len(cells), 0))],
        axis=1,
    ).reshape(len(cells), -1)
    x = np.concatenate([cells.numbers, codes], axis=1)
    masked = np.arange(x.shape[1]) >= len(cells.layout.axes)
    if without is not None:
        x, masked = np.delete(x, without, axis=1), np.delete(masked, without)
    if x.shape[1] == 0:
        raise DataError(message("utility", "there is no other column to predict from"))
    return x, masked


def _few(codes: np.ndarray, words: Words) -> np.ndarray:
    """Codes below 255, as the trees take them; NaN where missing."""
    found = np.minimum(codes, MOST_VALUES - 1).astype(np.float64)
    found[codes == words.missing] = np.nan
    return found


def _macro_f1(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean F1 of the classes in `truth`, of each row of `weights` (draws, n)."""
    classes = np.unique(truth)
    real, said = truth[:, None] == classes, guess[:, None] == classes
    right = weights @ (real & said)
    total = weights @ real.astype(np.float64) + weights @ said.astype(np.float64)
    return np.divide(2 * right, total, where=total > 0, out=np.zeros(total.shape)).mean(1)


def _r2(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if weights.shape[0] == 1:
        return np.array([sklearn.metrics.r2_score(truth, guess)])
    n = weights.sum(1)
    mean = weights @ truth / n
    total = weights @ np.square(truth) - n * mean**2
    left = weights @ np.square(truth - guess)
    return 1 - left / np.maximum(total, 1e-300)
