"""Features of rows of counts: words projected on a few directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.features import FeatureOptions, takes_no_weights
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.counts.quality import CountRows
from ganwright.modalities.counts.sparse import Counts

VERSION = 1
FITTED_MOST = 50_000
DIRECTIONS = 62
RULE = (
    "log(1 + count), weighted by how few training rows have the word, each row brought to length 1; its "
    f"coordinates along the {DIRECTIONS} main directions of training rows, of mean variance 1; and how far "
    "the logarithms of its total and of its number of words are from their mean, in deviations"
)
_BATCH = 2048


def counts(data: Dataset, options: FeatureOptions) -> Extractor:
    """Directions of the logarithms of counts, and how much there is in a row.

    Fitted to the training rows (at most 50,000, evenly spread). The hash is of the data and the
    rule. Raises DataError when the rows have no directions.
    """
    takes_no_weights("counts", options)
    codec: Any = data.codec
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    training: Any = data.examples(chosen)
    layout, look = CountRows.fit(training), _Directions(training)

    def see(rows: Counts) -> Seen:
        return Seen(look(rows), None, layout.of(rows))

    return Extractor(
        name="counts",
        hash=fingerprint(["counts", VERSION, RULE, FITTED_MOST, data.fingerprint, codec.to_json()]),
        width=look.width,
        codec=codec,
        batches=_batches,
        see_batch=see,
        about={
            "rule": RULE,
            "data": data.fingerprint,
            "fitted_on": len(chosen),
            "watched": len(layout.watched),
        },
    )


class _Directions:
    """From rows of counts to features (n, width) float32."""

    def __init__(self, training: Counts) -> None:
        matrix = training.matrix
        rows, words = matrix.shape
        having = np.bincount(matrix.indices, minlength=words)
        self.weights = np.log((1 + rows) / (1 + having)) + 1
        most = min(DIRECTIONS, words - 1, rows - 1)
        if most < 1:
            raise DataError("counts: too few rows to find directions in")
        _, _, axes = randomized_svd(self._weighted(training), most, random_state=0)
        self.axes = axes.T
        found = self._weighted(training) @ self.axes
        self.middle = found.mean(0)
        spread = float(found.var(0).mean())
        self.scale = 1 / np.sqrt(spread) if spread > 0 else 1.0
        amounts = _amounts(training)
        self.mean, self.deviation = amounts.mean(0), amounts.std(0) + 1e-3
        self.width = most + amounts.shape[1]

    def _weighted(self, rows: Counts) -> sp.csr_matrix:
        found = sp.csr_matrix(rows.matrix.astype(np.float64).log1p().multiply(self.weights))
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).reshape(-1))
        return sp.csr_matrix(sp.diags(1 / np.where(lengths > 0, lengths, 1)) @ found)

    def __call__(self, rows: Counts) -> np.ndarray:
        along = (self._weighted(rows) @ self.axes - self.middle) * self.scale
        amounts = (_amounts(rows) - self.mean) / self.deviation
        return np.concatenate([along, amounts], axis=1).astype(np.float32)


def _amounts(rows: Counts) -> np.ndarray:
    """log(1 + total), and log(1 + words that are not zero): (n, 2)."""
    return np.log1p(np.stack([rows.totals, np.diff(rows.matrix.indptr)], axis=1))


def _batches(parts: Iterable[Any]) -> Iterator[Counts]:
    """Each row is processed by itself, so the batch size changes no number."""
    for part in parts:
        if not isinstance(part, Counts):
            raise DataError(f"rows: need counts; got {type(part).__name__}")
        for start in range(0, len(part), _BATCH):
            yield part[slice(start, start + _BATCH)]


EXTRACTORS = {"counts": counts}


def usual(data: Dataset) -> str:
    """The default extractor."""
    return "counts"
