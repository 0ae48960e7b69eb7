"""Conditions on rows: which codes they leave, and which part of a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ganwright.data.table.pieces import Pieces


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """What rows must be like, as the nets and the codec need it.

    `text` says it for people. `fields` are the places of the conditioned fields. Of the codes of
    all fields `allowed` (ΣK,) bool are left, and of each a `share` (ΣK,) in 0 … 1 of its training
    rows. `pieces` are, by field, what is left of codes that are allowed in part.
    """

    text: str
    fields: tuple[int, ...]
    allowed: np.ndarray
    share: np.ndarray
    pieces: Mapping[int, Pieces]
