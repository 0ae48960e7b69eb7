"""Samples given as files, whose model is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.memorisation import marks

Maker = Callable[[Dataset, Extractor, int, int], Iterator[Any]]  # of n examples, from a seed


@dataclass(frozen=True, kw_only=True)
class Plain:
    """Samples in the data's own form, and what a reader must know about their conversion.

    `asked` (n,) are the classes they were generated for, by the data's numbers, where known.
    `overlap` gives which of the samples equal one of the data's rows at given indices, a share.
    """

    n: int
    examples: Callable[[np.ndarray], Any]
    asked: np.ndarray | None
    overlap: Callable[[np.ndarray], float]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def overlap_with(data: Dataset, digests: np.ndarray) -> Callable[[np.ndarray], float]:
    """`Plain.overlap` of samples with these digests (n, 8)."""
    own = marks(digests)

    def overlap(indices: np.ndarray) -> float:
        there = data.codec.digests(data.examples(indices))
        return float(np.isin(own, marks(there)).mean())

    return overlap


def classes_of(own: Dataset, data: Dataset) -> np.ndarray | None:
    """The samples' labels as numbers of the data's classes, where all are of those."""
    if own.labels is None or not set(own.spec.classes) <= set(data.spec.classes):
        return None
    numbers = np.array([data.spec.classes.index(name) for name in own.spec.classes])
    return numbers[own.labels]


def skipped_samples(own: Dataset) -> Iterator[str]:
    """What is said of samples that can't be read."""
    if own.skipped:
        first = own.skipped[0]
        total = len(own) + len(own.skipped)
        yield (
            f"{len(own.skipped):,} of {total:,} samples can't be used and are left out; the first: "
            f"{first.name} {first.reason}"
        )
