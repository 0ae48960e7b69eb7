"""Which examples are held out. By content, so it is stable when data is added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Indices (int64) of training and held-out examples; `dropped` are in neither.

    `official` says that the data came with a test part. A dropped example is one of that part that is
    also in training, or whose class is not.
    """

    train: np.ndarray
    heldout: np.ndarray
    dropped: np.ndarray
    note: str = ""
    official: bool = False


def split(hashes: np.ndarray, holdout: float, official: np.ndarray | None) -> Split:
    """Splits by content hash (n,) uint64, or as the data itself says (`official`, n booleans).

    An example is held out when hash / 2⁶⁴ < holdout: it stays on its side whatever is added later, and
    equal examples are on the same side. In small data a side may come out empty: held-out then stays
    empty, but training gets the example with the largest hash, with its equals.
    """
    if official is not None:
        return _official(hashes, official)
    held = hashes < np.uint64(int(holdout * 2**64))
    note = ""
    if held.all():
        held = hashes != hashes.max()
        note = "all examples would be held out: the one with the largest hash is trained on"
    elif not held.any() and holdout > 0:
        note = "too few examples: none is held out"
    return Split(np.flatnonzero(~held), np.flatnonzero(held), np.empty(0, np.int64), note)


def _official(hashes: np.ndarray, official: np.ndarray) -> Split:
    twice = official & np.isin(hashes, hashes[~official])
    dropped = np.flatnonzero(twice)
    note = f"{len(dropped):,} test examples are also in training: left out" if len(dropped) else ""
    return Split(np.flatnonzero(~official), np.flatnonzero(official & ~twice), dropped, note, True)


def halves(hashes: np.ndarray, heldout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The held-out indices in two halves, by the lowest bit of the hash: selection and final."""
    odd = (hashes[heldout] & np.uint64(1)).astype(bool)
    return heldout[~odd], heldout[odd]
