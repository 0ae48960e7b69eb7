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
