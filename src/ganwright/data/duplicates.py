"""Examples that are equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.data.dataset import Dataset

NAMED = 5  # of groups, and of each


@dataclass(frozen=True)
class Equals:
    """Exact duplicates, by content: `groups` of equal examples, `extra` beyond the first of each.

    `named` shows the first of the groups; `dropped` are test examples that are also in training.
    """

    groups: int
    extra: int
    dropped: int
    named: tuple[tuple[str, ...], ...]


def equals(data: Dataset, hashes: np.ndarray) -> Equals:
    """Exact duplicates, by the `hashes` (n,) of their content."""
    order = np.argsort(hashes, kind="stable")
    starts = np.flatnonzero(np.diff(hashes[order], prepend=hashes[order][:1] + np.uint64(1)))
    groups = [g for g in np.split(order, starts[1:]) if len(g) > 1]
    groups.sort(key=lambda group: int(group[0]))
    named = tuple(tuple(data.name_of(i) for i in group[:NAMED]) for group in groups[:NAMED])
    twice = int(np.isin(hashes[data.dropped], hashes[data.train]).sum())
    return Equals(len(groups), sum(len(g) - 1 for g in groups), twice, named)
