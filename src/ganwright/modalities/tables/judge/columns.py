"""Column shapes and pair trends: how close are the rows' to the real ones'?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from ganwright.base.errors import DataError, message
from ganwright.base.seeds import derive
from ganwright.modalities.tables.judge.cells import Cells, Words, enough, fine_bins

LEAST, LEAST_RARE = 2, 220
MOST_COLUMNS = 200  # whose pairs are counted; of more, a seeded draw
CORRELATED, ASSOCIATED = 0.5, 0.3  # more is a trend
RARE, RAREST_ROWS, SAMPLED, HALF = 0.05, 10, 10, 0.5


@dataclass(frozen=True)
class Quality:
    """What `quality` finds; 1 is as the real rows, 0 has nothing in common with them.

    `columns` and `overlaps` (columns,) go with `layout.names`; `pairs` (k, k) with `chosen`, the
    places of the columns whose pairs were counted, NaN where a pair has no trend to have.
    """

    shapes: float  # mean of `columns`
    trends: float  # mean of `pairs` that have a trend in the real rows; NaN for a single column
    quality: float
    worst: float  # the least of `overlaps`
    worst_name: str
    correlation: float  # mean absolute difference of the associations
    columns: np.ndarray
    overlaps: np.ndarray
    pairs: np.ndarray
    trending: np.ndarray  # which pairs have a trend in the real rows
    chosen: np.ndarray


def quality(real: Cells, fake: Cells) -> Quality:
    """Shapes and trends, as SDMetrics' quality report has them (DataCebo, 2022), and what is worst.

    A column of numbers scores 1 − the Kolmogorov–Smirnov distance, with missing below every number;
    one of categories 1 − the total variation, missing being one of them. A pair of numbers scores
    1 − |ρ_real − ρ_fake| / 2 with Pearson's ρ of the rows where both are there, averaged with
    1 − the total variation of which of them is missing where any is; every other pair 1 − the total
    variation of their joint counts, numbers cut at the deciles of the training rows (SDMetrics cuts
    at equal widths). Only pairs with a trend in the real rows count, as in SDMetrics since 0.27: |ρ|
    over 0.5, other pairs Cramér's V over 0.3; all where none has. Categories beyond the 64 most
    frequent count as one in pairs. Of more than 200 columns, the pairs of 200. `worst` is the least
    overlap, 1 − total variation over 20 quantile bins or categories, of any column: stricter than KS
    where a spike is spread out. Raises DataError for fewer than two rows.
    """
    enough(real, "real", LEAST), enough(fake, "fake", LEAST)
    columns, overlaps = shape_scores(real, fake), column_overlaps(real, fake)
    chosen = _chosen(len(columns))
    one, other = Pairs(real, chosen), Pairs(fake, chosen)
    pairs, drift = pair_scores(one, other), one.association() - other.association()
    upper = np.triu_indices(len(chosen), 1)
    trending = one.trending() & ~np.isnan(pairs)
    counted = trending if trending.any() else ~np.isnan(pairs)
    there = pairs[upper][counted[upper]]
    shapes = float(columns.mean())
    trends = float(there.mean()) if len(there) else float("nan")
    least = int(overlaps.argmin())
    return Quality(
        shapes=shapes,
        trends=trends,
        quality=(shapes + trends) / 2 if len(there) else shapes,
        worst=float(overlaps[least]),
        worst_name=real.layout.names[least],
        correlation=float(np.abs(drift[upper]).mean()) if len(upper[0]) else float("nan"),
        columns=columns,
        overlaps=overlaps,
        pairs=pairs,
        trending=trending,
        chosen=chosen,
    )


def _chosen(columns: int) -> np.ndarray:
    if columns <= MOST_COLUMNS:
        return np.arange(columns)
    rng = np.random.default_rng(derive(0, "pairs"))
    return np.sort(rng.permutation(columns)[:MOST_COLUMNS])


# --- columns -------------------------------------------------------------------------------------


def shape_scores(real: Cells, fake: Cells) -> np.ndarray:
    """1 − KS of numbers, 1 − TV of categories, (columns,)."""
    numbers = [
        1 - ks_distance(real.numbers[:, i], fake.numbers[:, i])
        for i in range(real.numbers.shape[1])
    ]
    words = [
        1 - _variation(real.codes[:, i], fake.codes[:, i], words.size)
        for i, words in enumerate(real.layout.words)
    ]
    return np.array([*numbers, *words])


def column_overlaps(real: Cells, fake: Cells) -> np.ndarray:
    """1 − TV of every column, numbers in bins of the training rows, (columns,)."""
    numbers = [
        1
        - _variation(
            fine_bins(real.numbers[:, i], axis),
            fine_bins(fake.numbers[:, i], axis),
            len(axis.fine) + 2,
        )
        for i, axis in enumerate(real.layout.axes)
    ]
    return np.array([*numbers, *shape_scores(real, fake)[len(numbers) :]])


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of the two distribution functions; NaN lies below every number."""
    a, b = (np.sort(np.where(np.isnan(x), -np.inf, x)) for x in (a, b))
    at = np.concatenate([a, b])
    below = [np.searchsorted(x, at, side="right") / len(x) for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _variation(a: np.ndarray, b: np.ndarray, size: int) -> float:
    p, q = (np.bincount(x, minlength=size) / len(x) for x in (a, b))
    return float(np.abs(p - q).sum() / 2)


# --- pairs ---------------------------------------------------------------------------------------


class Pairs:
    """The sums that pairs of columns are judged by, from one pass of matrix products."""

    def __init__(self, cells: Cells, chosen: np.ndarray | None = None) -> None:
        layout = cells.layout
        chosen = np.arange(len(layout.names)) if chosen is None else chosen
        self.n, self.p = len(cells), int((chosen < len(layout.axes)).sum())  # numbers come first
        x = cells.numbers[:, chosen[: self.p]]
        self.there = (~np.isnan(x)).astype(np.float64)
        self.x = _standard(x, cells, chosen[: self.p])
        codes, self.sizes = cells.binned[:, chosen], cells.sizes[chosen]
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.onehot = scipy.sparse.csr_array(
            (
                np.ones(codes.size),
                (codes + self.starts).ravel(),
                np.arange(0, codes.size + 1, codes.shape[1]),
            ),
            shape=(self.n, int(self.sizes.sum())),
        )
        self.joint = (self.onehot.T @ self.onehot).toarray()  # counts

    def correlations(self) -> np.ndarray:
        """Pearson's ρ of the rows where both numbers are there, (p, p); NaN where one is constant."""
        both = self.there.T @ self.there
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (self.x.T @ self.there) / both  # of row i where j is there too
            square = (np.square(self.x).T @ self.there) / both - mean**2
            cross = (self.x.T @ self.x) / both - mean * mean.T
            square = np.where(square > 1e-12, square, np.nan)
            return np.clip(cross / np.sqrt(square * square.T), -1, 1)

    def missing(self) -> np.ndarray:
        """Shares of both there, only the first, only the second, neither, (4, p, p)."""
        both, alone = self.there.T @ self.there / self.n, self.there.mean(0)
        first, second = alone[:, None] - both, alone[None] - both
        return np.stack([both, first, second, 1 - both - first - second])

    def association(self) -> np.ndarray:
        """How much columns go together (c, c): |ρ| keeps its sign, else 0 … 1; 1 on the diagonal.

        Pearson's ρ for numbers; for categories Cramér's V, for mixed pairs the correlation ratio, both
        without the share that chance gives to few rows (Bergsma 2013; Kelley 1935). Undefined is 0.
        """
        found = np.zeros((len(self.sizes), len(self.sizes)))
        p = self.p
        found[:p, :p] = np.nan_to_num(self.correlations())
        found[p:, p:] = self._cramer()[p:, p:]
        found[:p, p:] = self._ratios()
        found[p:, :p] = found[:p, p:].T
        np.fill_diagonal(found, 1.0)
        return found

    def trending(self) -> np.ndarray:
        """Which pairs are associated, (c, c) bool, by SDMetrics' definition of a trend."""
        found = self._cramer() > ASSOCIATED
        found[: self.p, : self.p] = np.abs(np.nan_to_num(self.correlations())) > CORRELATED
        return found

    def _blocks(self, matrix: np.ndarray) -> np.ndarray:
        """Sums over each pair of columns, (c, c)."""
        return np.add.reduceat(np.add.reduceat(matrix, self.starts, 0), self.starts, 1)

    def _cramer(self) -> np.ndarray:
        counts = self.joint.diagonal()
        expected = np.outer(counts, counts) / self.n
        chi = self._blocks(np.divide(self.joint**2, expected, where=expected > 0,
                                     out=np.zeros_like(expected))) - self.n  # fmt: skip
        kinds = np.add.reduceat((counts > 0).astype(np.float64), self.starts)
        free = np.outer(kinds - 1, kinds - 1)
        phi = np.maximum(0, chi / self.n - free / max(1, self.n - 1))
        reduced = kinds - (kinds - 1) ** 2 / max(1, self.n - 1)
        least = np.minimum(reduced[:, None], reduced[None]) - 1
        return np.sqrt(np.clip(np.divide(phi, least, where=least > 1e-9,
                                         out=np.zeros_like(phi)), 0, 1))  # fmt: skip

    def _ratios(self) -> np.ndarray:
        """Correlation ratios of numbers over categories, (p, q)."""
        begin = int(self.starts[self.p]) if self.p < len(self.starts) else self.joint.shape[0]
        words = self.onehot[:, begin:]
        if not self.p or words.shape[1] == 0:
            return np.zeros((self.p, len(self.sizes) - self.p))
        starts = self.starts[self.p :] - begin
        n = words.T @ self.there  # rows of a value where the number is there, (values, p)
        sums = words.T @ self.x
        with np.errstate(divide="ignore", invalid="ignore"):
            between = np.add.reduceat(np.where(n > 0, sums**2 / n, 0), starts, 0)
            rows = self.there.sum(0)
            mean = self.x.sum(0) / rows
            total = np.square(self.x).sum(0) - rows * mean**2
            share = (between - rows * mean**2) / np.where(total > 1e-9 * rows, total, np.nan)
            kinds = np.add.reduceat((n > 0).astype(np.float64), starts, 0)
            share = 1 - (1 - share) * (rows - 1) / np.maximum(rows - kinds, 1)
        return np.sqrt(np.clip(np.nan_to_num(share), 0, 1)).T


def _standard(x: np.ndarray, cells: Cells, chosen: np.ndarray) -> np.ndarray:
    """By the mean and spread of the training rows, so that nothing cancels; 0 where missing."""
    axes = [cells.layout.axes[i] for i in chosen]
    mean = np.array([a.values.mean() if len(a.values) else 0.0 for a in axes])
    spread = np.array([a.values.std() if len(a.values) else 1.0 for a in axes])
    return np.nan_to_num((x - mean) / np.where(spread > 0, spread, 1.0))


def pair_scores(real: Pairs, fake: Pairs) -> np.ndarray:
    """The score of each pair, (c, c); NaN on the diagonal and where there is no trend."""
    p = real.p
    scores = 1 - real._blocks(np.abs(real.joint / real.n - fake.joint / fake.n)) / 2
    ours, theirs = real.correlations(), fake.correlations()
    # A column that is constant only in the samples has lost its trends.
    similar = 1 - np.abs(ours - np.nan_to_num(theirs)) / 2
    gaps = 1 - np.abs(real.missing() - fake.missing()).sum(0) / 2
    any_missing = (real.there.mean(0) < 1) | (fake.there.mean(0) < 1)
    either = any_missing[:, None] | any_missing[None]
    scores[:p, :p] = np.where(either, (similar + gaps) / 2, similar)
    np.fill_diagonal(scores, np.nan)
    return scores


# --- rare values ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rare:
    """How many rare values the samples kept."""

    share: float
    kept: int
    of: int
    lost: tuple[str, ...]  # "column = value", the most frequent first

    def says(self) -> str:
        """Which values were lost, in words; empty where none was."""
        if not self.lost:
            return ""
        more = f", and {len(self.lost) - 5} more" if len(self.lost) > 5 else ""
        return (
            f"{len(self.lost)} of {self.of} rare values are lost: {', '.join(self.lost[:5])}{more}"
        )


def rare(training: Cells, fake: Cells) -> Rare:
    """The share of rare categories that the samples have at half their share or more.

    Rare is a value of less than 5 % of the training rows, and 10 of these at least; of those with
    fewer than 10 expected among the samples nothing can be said and nothing is. Missing is a value.
    Raises DataError when there is none, or fewer than 220 rows of either.
    """
    enough(training, "training", LEAST_RARE), enough(fake, "fake", LEAST_RARE)
    found: list[tuple[float, bool, str]] = []
    for i, words in enumerate(training.layout.words):
        p, q = (np.bincount(c.codes[:, i], minlength=words.size) for c in (training, fake))
        share = p / len(training)
        asked = (share < RARE) & (p >= RAREST_ROWS) & (share * len(fake) >= SAMPLED)
        kept = q / len(fake) >= HALF * share
        found += [
            (share[j], bool(kept[j]), f"{words.name} = {_named(words, int(j))}")
            for j in np.flatnonzero(asked)
        ]
    if not found:
        raise DataError(message("rare", "no category is rare, and frequent enough to count"))
    kept_count = sum(kept for _, kept, _ in found)
    lost = tuple(name for _, kept, name in sorted(found, reverse=True) if not kept)
    return Rare(kept_count / len(found), kept_count, len(found), lost)


def _named(words: Words, code: int) -> str:
    return "missing" if code >= len(words.values) else str(words.values[code].as_py())
