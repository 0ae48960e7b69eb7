"""Features of texts: their units and pairs of units, projected on a few directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate.directions import DIRECTIONS, Directions
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.features import FeatureOptions, takes_no_weights
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.text.ngrams import TextRows, ngrams

VERSION = 1
FITTED_MOST = 20_000
COLUMNS = 1 << 16
RULE = (
    "how often a text has each unit and each pair of units that follow each other, in 65,536 columns by "
    f"hash; as for counts, {DIRECTIONS} main directions of training texts, and how long the text is"
)
_BATCH = 2048


def by_ngrams(data: Dataset, options: FeatureOptions) -> Extractor:
    """Directions of the frequencies of units and of pairs of them, and the length of the text.

    Fitted to the training texts (at most 20,000, evenly spread). The hash is of the data and the rule.
    """
    takes_no_weights("ngrams", options)
    codec: Any = data.codec
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    training = TextRows.of(data.examples(chosen), codec)
    look = Directions(_counted(training), _amounts(training), "ngrams")

    def see(texts: Sequence[str]) -> Seen:
        rows = TextRows.of(texts, codec)
        return Seen(look(_counted(rows), _amounts(rows)), None, rows)

    return Extractor(
        name="ngrams",
        hash=fingerprint(["ngrams", VERSION, RULE, FITTED_MOST, data.fingerprint, codec.to_json()]),
        width=look.width,
        codec=codec,
        batches=_batches,
        see_batch=see,
        about={"rule": RULE, "data": data.fingerprint, "fitted_on": len(chosen)},
    )


def _counted(rows: TextRows) -> sp.csr_matrix:
    """(n, columns) counts of units and pairs, by hash."""
    owners, columns = [], []
    for n in (1, 2):
        grams, owner = ngrams(rows, n)
        owners.append(owner)
        columns.append((grams % np.uint64(COLUMNS)).astype(np.int64))
    at = np.concatenate(owners), np.concatenate(columns)
    ones = np.ones(len(at[0]))
    found = sp.csr_matrix((ones, at), shape=(len(rows), COLUMNS))
    found.sum_duplicates()
    return found


def _amounts(rows: TextRows) -> np.ndarray:
    """log(1 + units), (n, 1)."""
    return np.log1p(rows.lengths)[:, None]


def _batches(parts: Iterable[Any]) -> Iterator[list[str]]:
    """Each text is processed by itself, so the batch size changes no number."""
    for part in parts:
        if not isinstance(part, list) or not all(isinstance(text, str) for text in part):
            raise DataError(f"texts: need a list of str; got {type(part).__name__}")
        for start in range(0, len(part), _BATCH):
            yield part[start : start + _BATCH]


EXTRACTORS = {"ngrams": by_ngrams}


def usual(data: Dataset) -> str:
    """The default extractor."""
    return "ngrams"
