"""How similar two sets of count rows are: in zeros, totals, words, and pairs of words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import scipy.stats

from ganwright.base.errors import DataError
from ganwright.modalities.counts.sparse import Counts

WATCHED = 200  # most frequent words, of which pairs are looked at
EXPECTED = (
    5.0  # rows expected to have both words of a pair by chance: with fewer, a pair says nothing
)
LEAST = 40  # rows needed to compare pairs: with fewer, hardly any pair is expected


@dataclass(frozen=True, eq=False)
class CountRows:
    """Rows of counts, and which words of them are watched: (w,) places, and (w,) medians.

    A word is high in a row that has more of it than the median of the training rows: in texts, in a
    row that has it at all.
    """

    counts: Counts
    watched: np.ndarray
    medians: np.ndarray

    @classmethod
    def fit(cls, training: Counts) -> CountRows:
        """The training rows, and by them the words to watch."""
        matrix = training.matrix
        rows, width = matrix.shape
        having = np.bincount(matrix.indices, minlength=width)
        # Words that vary: those in nearly every row, or in nearly none, co-occur with everything.
        totals = np.asarray(matrix.sum(axis=0)).reshape(-1)
        order = np.argsort(-totals, kind="stable")[: 2 * WATCHED]
        medians = np.array([_median(matrix[:, [word]], rows) for word in order])
        high = np.array(
            [
                float((matrix[:, [word]].data > m).sum()) if m or having[word] < rows else rows
                for word, m in zip(order, medians, strict=True)
            ]
        )
        varied = np.flatnonzero((high > 0) & (high < rows))[:WATCHED]
        return cls(training, order[varied], medians[varied])

    def of(self, counts: Counts) -> CountRows:
        """Other rows, with the same watched words."""
        return CountRows(counts, self.watched, self.medians)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, rows: slice | np.ndarray) -> CountRows:
        return self.of(self.counts[rows])

    @staticmethod
    def joined(parts: list[CountRows]) -> CountRows:
        """All rows of all parts."""
        matrix = sp.vstack([part.counts.matrix for part in parts], format="csr")
        return parts[0].of(Counts(sp.csr_matrix(matrix)))

    @cached_property
    def high(self) -> np.ndarray:
        """How many rows have much of each watched word, and of each two: (w, w) float64."""
        dense = self.counts.matrix[:, self.watched].toarray() > self.medians
        found = dense.astype(np.float32)
        both: np.ndarray = (found.T @ found).astype(np.float64)
        return both


def _median(column: sp.csr_matrix, rows: int) -> float:
    return float(np.median(column.toarray())) if 2 * column.nnz >= rows else 0.0


@dataclass(frozen=True, kw_only=True)
class CountQuality:
    """`zeros` is how far the shares of zeros are apart, in points of 1; `totals` the largest distance
    of the distributions of row sums (Kolmogorov and Smirnov); `words` how far the shares of the words
    overlap.
    """

    zeros: float
    totals: float
    words: float


@dataclass(frozen=True, kw_only=True)
class Company:
    """`together` is the correlation of the lifts of pairs of frequent words, over so many `pairs`."""

    together: float
    pairs: int


def count_quality(real: CountRows, fake: CountRows) -> CountQuality:
    """All three."""
    shares = [_shares(side.counts) for side in (real, fake)]
    return CountQuality(
        zeros=abs(zero_share(real.counts) - zero_share(fake.counts)),
        totals=float(scipy.stats.ks_2samp(real.counts.totals, fake.counts.totals).statistic),
        words=1 - float(np.abs(shares[0] - shares[1]).sum()) / 2,
    )


def zero_share(counts: Counts) -> float:
    """The share of all counts that are zero."""
    rows, width = counts.matrix.shape
    return 1 - counts.matrix.nnz / (rows * width)


def _shares(counts: Counts) -> np.ndarray:
    found = np.asarray(counts.matrix.sum(axis=0), np.float64).reshape(-1)
    return found / max(found.sum(), 1)


def company(real: CountRows, fake: CountRows) -> Company:
    """The correlation, over pairs of watched words, of log(P(both) / P(one)P(other)), and of how many.

    Of pairs that five real rows would have by chance. Half a row is added to each side. Raises
    DataError below `LEAST` rows of either, and where there are too few such pairs.
    """
    for owner, side in (("real", real), ("fake", fake)):
        if len(side) < LEAST:
            raise DataError(f"{owner} needs at least {LEAST} rows; got {len(side)}")
    upper = np.triu_indices(len(real.watched), 1)
    alone = np.diag(real.high)
    chance = np.outer(alone, alone)[upper] / max(1, len(real))
    kept = chance >= EXPECTED
    if kept.sum() < 3:
        raise DataError("counts: no words are frequent enough to compare pairs")
    first, second = (_lifts(side, upper)[kept] for side in (real, fake))
    if min(first.std(), second.std()) == 0:
        return Company(together=0.0, pairs=int(kept.sum()))
    return Company(together=float(np.corrcoef(first, second)[0, 1]), pairs=int(kept.sum()))


def _lifts(rows: CountRows, upper: tuple[np.ndarray, ...]) -> np.ndarray:
    both, alone = rows.high[upper], np.diag(rows.high)
    chance = np.outer(alone, alone)[upper] / max(1, len(rows))
    return np.asarray(np.log((both + 0.5) / (chance + 0.5)))
