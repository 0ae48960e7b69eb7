"""Baselines without a model: independent columns, and SMOTE between two real rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from tables_judge import Table


def independent(table: Table, n: int, seed: int = 0) -> pd.DataFrame:
    """Each column drawn by itself: right margins and no relation at all."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {c: table.train[c].to_numpy()[rng.integers(0, len(table.train), n)] for c in table.columns}
    )


def smote(table: Table, n: int, seed: int = 0, k: int = 5, *, vote: bool = True) -> pd.DataFrame:
    """Rows between real rows of one class and a near neighbour (Chawla et al. 2002, SMOTE-NC).

    Each class has its share of the training rows; where the target is a number, above and below
    its median are the classes and the target is interpolated like the rest (Kotelnikov et al.
    2023, from which the use as a baseline is). Numbers lie at a random place between the two rows,
    rounded to as many decimals as the training rows have; categories are the vote of the k
    neighbours, or with `vote=False` one of the two rows', each by itself.
    """
    rng, source = np.random.default_rng(seed), table.source
    target = table.train[source.target]
    groups = (target > target.median()) if source.regression else target
    parts = []
    for value, share in groups.value_counts(normalize=True).items():
        rows = table.train[groups == value].reset_index(drop=True)
        parts.append(_between(table, rows, round(share * n), k, vote, rng))
    made = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=seed)
    return made.head(n).reset_index(drop=True)


def _between(
    table: Table, rows: pd.DataFrame, n: int, k: int, vote: bool, rng: np.random.Generator
) -> pd.DataFrame:
    k = min(k, len(rows) - 1)
    if k < 1:
        return rows.iloc[np.zeros(n, int)]
    numbers = table.source.numbers(table.train)
    words = [c for c in table.columns if c not in numbers]
    space = _space(table, rows, numbers, words)
    near = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(space)
    base = rng.integers(0, len(rows), n)
    some, place = np.unique(base, return_inverse=True)
    neighbours = _without_self(near.kneighbors(space[some], return_distance=False), some)[place]
    other = neighbours[np.arange(n), rng.integers(0, k, n)]
    made = {}
    for c in table.columns:
        values = rows[c].to_numpy()
        if c in words:
            made[c] = (
                _vote(values, neighbours)
                if vote and c != table.source.target
                else np.where(rng.random(n) < 0.5, values[base], values[other])
            )
    share = rng.random(n)  # one place for all the numbers: on the line between the two
    for c in numbers:
        values = rows[c].to_numpy(float)
        drawn = values[base] + share * (values[other] - values[base])
        made[c] = drawn.round(_decimals(table.train[c]))
    return pd.DataFrame(made)[table.columns]


def _space(
    table: Table, rows: pd.DataFrame, numbers: list[str], words: list[str]
) -> sparse.csr_array | np.ndarray:
    """Where neighbours are looked for: numbers over their range, a different category costing the
    median standard deviation of the numbers, as in SMOTE-NC."""
    low, high = table.train[numbers].min(), table.train[numbers].max()
    scaled = ((rows[numbers] - low) / (high - low).replace(0, 1)).to_numpy(float)
    cost = float(np.median(scaled.std(axis=0)))
    blocks = [scaled]
    for c in words:
        codes, values = pd.factorize(rows[c])
        blocks.append(np.eye(len(values))[codes] * cost / np.sqrt(2))
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _without_self(neighbours: np.ndarray, own: np.ndarray) -> np.ndarray:
    """k of the k + 1 nearest, the row itself left out; where equal rows hide it, the last one."""
    mine = neighbours == own[:, None]
    mine[~mine.any(axis=1), -1] = True
    return neighbours[~mine].reshape(len(own), -1)


def _vote(values: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    codes, names = pd.factorize(values)
    votes = np.zeros((len(neighbours), len(names)), np.int16)
    for column in neighbours.T:
        votes[np.arange(len(neighbours)), codes[column]] += 1
    return np.asarray(names)[votes.argmax(axis=1)]


def _decimals(column: pd.Series, most: int = 6) -> int:
    values = column.to_numpy(float)
    return next((d for d in range(most) if np.allclose(values, values.round(d), rtol=0)), most)
