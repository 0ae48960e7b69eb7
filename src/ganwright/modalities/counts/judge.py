"""Judging counts: the baseline, and rows given as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.data import Dataset, open_data
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.plain import Maker, Plain, overlap_with
from ganwright.modalities.counts.options import CountsOptions
from ganwright.modalities.counts.sparse import Counts

BLOCK = 500
OTHERS: dict[str, Maker] = {}  # further references


def baseline(data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[Counts]:
    """The simplest model of counts: totals of training rows, and words drawn independently."""
    training: Any = data.examples(data.train)
    rng = np.random.default_rng(seeds.derive(seed, "independent words"))
    totals = rng.choice(training.totals, n)
    shares = data.codec.counts / data.codec.counts.sum()
    for start in range(0, n, BLOCK):
        made = rng.multinomial(totals[start : start + BLOCK], shares)
        yield Counts(sp.csr_matrix(made.astype(np.int64)))


def fits(owner: str, codec: Any, data: Dataset) -> None:
    """Raises DataError unless `codec` has the data's words."""
    theirs: Any = data.codec
    if codec.kind != theirs.kind:
        raise DataError(f"{owner} {codec.kind}s, but '{data.source}' contains counts")
    if codec.names != theirs.names:
        if codec.width == theirs.width:
            raise DataError(f"{owner} counts of words other than those of '{data.source}'")
        raise DataError(
            f"{owner} counts of {codec.width:,} words, but '{data.source}' has {theirs.width:,}"
        )


def plain(path: str | os.PathLike[str], data: Dataset) -> Plain:
    """Rows from a file, in the order of the data's words.

    Raises DataError for counts of other words or, without names, of another number of words.
    """
    few = replace(data.options.of(CountsOptions), min_documents=1)
    own = open_data(path, options=replace(data.options.having(few), form="counts", holdout=0.0))
    mine, theirs = own.codec, data.codec
    if not mine.words or not theirs.words:
        if mine.width != theirs.width:
            raise DataError(
                f"'{path}' has {mine.width:,} columns, but '{data.source}' has {theirs.width:,}"
            )
        places = np.arange(mine.width)
    else:
        there = {word: i for i, word in enumerate(theirs.words)}
        places = np.array([there.get(word, -1) for word in mine.words])
        if (places < 0).all():
            raise DataError(f"'{path}' has none of the words of '{data.source}'")
    known = np.flatnonzero(places >= 0)
    move = sp.csr_matrix(
        (np.ones(len(known), np.int64), (known, places[known])), shape=(mine.width, theirs.width)
    )
    left = mine.width - len(known)
    stored: Any = own.rows
    matrix = sp.csr_matrix(stored.matrix @ move)
    matrix.sort_indices()
    found = Counts(matrix)
    return Plain(
        n=len(found),
        examples=lambda indices: found[indices],
        asked=None,
        overlap=overlap_with(data, theirs.digests(found)),
        notes=(f"{left:,} words that are not in the data are ignored",) if left else (),
    )
