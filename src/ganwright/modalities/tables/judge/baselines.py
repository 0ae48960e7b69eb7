"""Baselines: rows made from training rows without training a model.

Each gives tables with all columns of the training rows; only the columns of the layout are made.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ganwright.base.seeds import derive
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.tables.columns.axis import from_axis
from ganwright.modalities.tables.judge.cells import Axis, Cells, Layout

NEIGHBOURS = 5


def independent(training: pa.Table, n: int, seed: int) -> pa.Table:
    """Every column drawn by itself from the training rows: right shapes, no trends."""
    columns = [
        column.take(pa.array(_drawn(training.num_rows, n, seed, name)))
        for name, column in zip(training.column_names, training.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=training.schema)


def _drawn(rows: int, n: int, seed: int, name: str) -> np.ndarray:
    return np.random.default_rng(derive(seed, "independent", name)).integers(rows, size=n)


def smote(
    training: pa.Table,
    features: np.ndarray,
    layout: Layout,
    n: int,
    seed: int,
    *,
    neighbours: int = NEIGHBOURS,
) -> pa.Table:
    """Rows between neighbours, after SMOTE-NC (Chawla et al. 2002), over all classes alike.

    Each row begins at a training row drawn at random; one of its 5 nearest of the same class of the
    target (any, where the target is no category) is drawn. Numbers lie at a random place between
    the two, at its own where the neighbour's is missing; categories are what most of the
    neighbours have. `features` (rows, d) say what is near. Numbers keep the decimals of their column's
    type, and whole numbers stay whole. No row has a neighbour in a class of one: those are repeated.
    """
    rng = np.random.default_rng(derive(seed, "smote"))
    cells = layout.cells(training)
    start = rng.integers(training.num_rows, size=n)
    near = _neighbours(features, _classes(cells), start, neighbours)  # (n, k) rows
    other = near[np.arange(n), rng.integers(near.shape[1], size=n)]
    place = rng.random(n)
    made = {name: training.column(name).take(pa.array(start)) for name in training.column_names}
    for i, axis in enumerate(layout.axes):
        a, b = cells.numbers[start, i], cells.numbers[other, i]
        b = np.where(np.isnan(b), a, b)
        kind = training.schema.field(axis.name).type
        made[axis.name] = _between(a + place * (b - a), axis, kind)
    for i, words in enumerate(layout.words):
        if words.name != layout.target:
            whose = _majority(cells.codes[:, i], near)
            made[words.name] = training.column(words.name).take(pa.array(whose))
    return pa.Table.from_arrays([made[f.name] for f in training.schema], schema=training.schema)


def _classes(cells: Cells) -> np.ndarray:
    names = [words.name for words in cells.layout.words]
    if cells.layout.target not in names:
        return np.zeros(len(cells), np.int64)
    return cells.codes[:, names.index(cells.layout.target)].astype(np.int64)


def _neighbours(features: np.ndarray, classes: np.ndarray, start: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k nearest of each of `start` in its own class, itself not among them, (n, k)."""
    found = np.repeat(start[:, None], k, axis=1)
    for label in np.unique(classes[start]):
        rows, asking = np.flatnonzero(classes == label), np.flatnonzero(classes[start] == label)
        most = min(k, len(rows) - 1)
        if most < 1:
            continue
        few = np.unique(start[asking])
        whose = nearest(
            FeatureMatrix(features[rows]), FeatureMatrix(features[few]), k=most + 1
        ).indices.numpy()
        whose = rows[whose]
        # Itself goes where it stands; else, among equals, the last.
        own = whose == few[:, None]
        own[~own.any(1), -1] = True
        whose = whose[~own].reshape(len(few), most)
        picked = whose[np.searchsorted(few, start[asking])]
        found[asking] = picked[:, np.arange(k) % most]
    return found


def _between(values: np.ndarray, axis: Axis, kind: pa.DataType) -> pa.ChunkedArray:
    """Numbers in the column's own type and digits."""
    if axis.column.decimals is not None:
        values = np.round(values, axis.column.decimals)
    known = ~np.isnan(values)
    made = from_axis(axis.column, np.where(known, values, 0.0), known)
    return pa.chunked_array([made]).cast(kind)


def _majority(codes: np.ndarray, near: np.ndarray) -> np.ndarray:
    """A row (n,) among `near` that has the commonest code of them; the nearest of equals."""
    given = codes[near]
    votes = (given[:, :, None] == given[:, None]).sum(2)
    return near[np.arange(len(near)), votes.argmax(1)]


def blocks(table: pa.Table, size: int = 2000) -> Iterator[pa.Table]:
    """A table in parts."""
    for start in range(0, table.num_rows, size):
        yield table.slice(start, size)
