"""Weighted parts of codes: the members of a tail code, or the part of a bin that a condition leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Pieces:
    """For some codes a list of pieces from `first` to `last`, drawn by a place in [0, 1).

    `rank` (K,) numbers those codes, -1 for the others; `ends` (P,) is rank + the cumulative share
    of each piece within its code, so that one search finds the piece of any (code, place).
    """

    rank: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def build(
        cls,
        codes: np.ndarray,
        first: np.ndarray,
        last: np.ndarray,
        shares: np.ndarray,
        choices: int,
    ) -> Pieces:
        """From pieces (P,) grouped by rising code; shares within a code need not sum to one."""
        present, starts = np.unique(codes, return_index=True)
        rank = np.full(choices, -1, np.int64)
        rank[present] = np.arange(len(present))
        sums = np.cumsum(shares, dtype=np.float64)
        before = np.append(0, sums)[starts]
        totals = np.diff(np.append(before, sums[-1:]))
        of = rank[codes]
        ends = of + np.clip((sums - before[of]) / totals[of], 0, 1)
        if len(starts):
            ends[np.append(starts[1:], len(codes)) - 1] = np.arange(len(present)) + 1.0
        return cls(rank, ends, np.asarray(first), np.asarray(last))

    def find(
        self, codes: np.ndarray, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which rows have pieces, the piece of each, and the place within the piece in [0, 1]."""
        ranks = self.rank[codes]
        rows = np.flatnonzero(ranks >= 0)
        ranks = ranks[rows]
        # the search must stay within the code, however rounding falls
        at = np.minimum(ranks + places[rows], np.nextafter(ranks + 1.0, 0))
        piece = np.searchsorted(self.ends, at, side="right")
        before = np.where(piece > 0, self.ends[piece - 1], 0.0)
        before = np.maximum(before, ranks)
        width = np.maximum(self.ends[piece] - before, np.finfo(float).tiny)
        return rows, piece, np.clip((at - before) / width, 0, 1)

    def members(self, codes: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
        """Writes the member drawn for each row that has pieces, where pieces are single members."""
        rows, piece, _ = self.find(codes, places)
        if len(rows):
            out[rows] = self.first[piece]

    def positions(
        self, codes: np.ndarray, places: np.ndarray, out: np.ndarray, *, grid: bool
    ) -> None:
        """Writes the position drawn for each row that has pieces; whole ones if on a grid."""
        rows, piece, within = self.find(codes, places)
        if len(rows):
            first, last = self.first[piece], self.last[piece]
            if grid:
                found = np.floor(first + within * (last - first + 1))
            else:
                found = first * (1 - within) + last * within
            out[rows] = np.clip(found, first, last)
