"""Samples that come as files: nobody knows what made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Plain:
    """Samples in the data's own form, and what a reader must know of how they came to it.

    `asked` (n,) are the classes they were made as, by the data's numbers, where that is known.
    `overlap` gives which of the samples equal one of the data's rows at given indices, a share.
    """

    n: int
    examples: Callable[[np.ndarray], Any]
    asked: np.ndarray | None
    overlap: Callable[[np.ndarray], float]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
