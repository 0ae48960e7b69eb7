"""Judging tables: the baselines, and rows given as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ganwright.base import seeds
from ganwright.base.errors import DataError, message
from ganwright.data import Dataset
from ganwright.data.packing import is_table_name
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.plain import Plain, overlap_with
from ganwright.modalities.tables.judge.baselines import blocks, independent, smote
from ganwright.modalities.tables.read.tables import conform, read_table

FITTED_MOST = 50_000  # training rows that references are made from


def _training(data: Dataset, seed: int) -> pa.Table:
    rng = np.random.default_rng(seeds.derive(seed, "rivals"))
    table: Any = data.examples(np.sort(rng.permutation(data.train)[:FITTED_MOST]))
    return table


def baseline(data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[pa.Table]:
    """The simplest model of rows: each column drawn by itself from the training rows."""
    return blocks(independent(_training(data, seed), n, seed))


def smote_rows(data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[pa.Table]:
    """Rows interpolated between neighbouring training rows, by the extractor's distance."""
    training = _training(data, seed)
    seen = extractor.see(training)
    assert seen.cells is not None  # of rows
    return blocks(smote(training, seen.features, seen.cells.layout, n, seed))


OTHERS = {"smote": smote_rows}  # further references


def fits(owner: str, codec: Any, data: Dataset) -> None:
    """Raises DataError unless rows of `codec` have the data's columns."""
    theirs: Any = data.codec
    if codec.kind != theirs.kind:
        raise DataError(f"{owner} {codec.kind}s, but '{data.source}' contains a table")
    wanted, made = ([c.name for c in one.columns] for one in (theirs, codec))
    lacking = [name for name in wanted if name not in made]
    if lacking:
        problem = f"{owner} no column '{lacking[0]}', which '{data.source}' has"
        raise DataError(message("", problem, allowed=made, got=lacking[0]))


def plain(path: str | os.PathLike[str], data: Dataset) -> Plain:
    """Rows from a file, in the order and types of the data's columns.

    Raises DataError for a column that is not there or can't be read as the data's is.
    """
    codec: Any = data.codec
    if not is_table_name(Path(path)):
        raise DataError(
            f"'{path}' is not a table (.csv, .tsv, .parquet or .arrow), but '{data.source}' is"
        )
    given = read_table(Path(path), codec.columns, whole=True)
    found = conform(given, codec.columns, f"'{path}'")
    known = {c.name for c in codec.columns}
    more = [name for name in given.column_names if name not in known]
    return Plain(
        n=found.num_rows,
        examples=lambda indices: found.take(pa.array(indices)),
        asked=None,
        overlap=overlap_with(data, codec.digests(found)),
        notes=(f"columns that are not in the data are ignored: {', '.join(more)}",) if more else (),
    )
