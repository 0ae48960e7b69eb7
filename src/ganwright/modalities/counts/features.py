"""Features of rows of counts: words projected on a few directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate.directions import DIRECTIONS, Directions
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.features import FeatureOptions, takes_no_weights
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.counts.quality import CountRows
from ganwright.modalities.counts.sparse import Counts

VERSION = 1
FITTED_MOST = 50_000
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
    layout = CountRows.fit(training)
    look = Directions(training.matrix, _amounts(training), "counts")

    def see(rows: Counts) -> Seen:
        return Seen(look(rows.matrix, _amounts(rows)), None, layout.of(rows))

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
