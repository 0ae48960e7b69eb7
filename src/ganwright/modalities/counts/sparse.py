"""Rows of counts: some in memory, as samples are, or all of a data set mapped from disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

LARGEST = 2**31 - 1  # of one count


@dataclass(frozen=True, eq=False)
class Counts:
    """Some rows of counts, a scipy CSR matrix (n, words) with sorted columns and without zeros.

    What samples and examples of counts are inside; a scipy matrix itself has no length.
    """

    matrix: sp.csr_matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, rows: slice | np.ndarray) -> Counts:
        return Counts(self.matrix[rows])

    @property
    def totals(self) -> np.ndarray:
        """The sum of each row, (n,) int64."""
        return np.asarray(self.matrix.sum(axis=1, dtype=np.int64)).reshape(-1)

    def dense(self) -> np.ndarray:
        """(n, words) int32."""
        return np.asarray(self.matrix.toarray(), np.int32)

    @classmethod
    def of(cls, dense: np.ndarray) -> Counts:
        """From counts (n, words)."""
        import scipy.sparse as sp

        return cls(sp.csr_matrix(dense))


def joined(blocks: Iterable[Counts], width: int) -> Counts:
    """All rows of all blocks, of `width` words."""
    import scipy.sparse as sp

    parts = [block.matrix for block in blocks]
    found = sp.vstack(parts, format="csr") if parts else sp.csr_matrix((0, width), dtype=np.int32)
    return Counts(sp.csr_matrix(found))


def digests(matrix: sp.csr_matrix) -> np.ndarray:
    """A hash of each row's content, (n, 8) uint8: of the places of its counts, and the counts."""
    places = np.ascontiguousarray(matrix.indices, "<i8")
    counts = np.ascontiguousarray(matrix.data, "<i8")
    pairs = np.stack([places, counts], axis=1) if len(places) else np.empty((0, 2), "<i8")
    ends = matrix.indptr
    marks = b"".join(
        hashlib.blake2b(pairs[a:b].tobytes(), digest_size=8).digest()
        for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    )
    return np.frombuffer(marks, np.uint8).reshape(-1, 8)


class StoredCounts:
    """All rows of a data set, (n, words), on disk; indexing gives dense int32."""

    dtype = np.dtype(np.int32)
    ndim = 2

    def __init__(
        self, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, width: int
    ) -> None:
        self._parts, self.shape = (data, indices, indptr), (len(indptr) - 1, width)

    @classmethod
    def open(cls, folder: Path, width: int) -> StoredCounts:
        """Opens what `save` wrote. Raises ValueError when it is incomplete."""
        data, indices = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            for name in ("data", "indices")
        )
        indptr = np.load(folder / "indptr.npy", allow_pickle=False)
        if len(data) != len(indices) or indptr[-1] != len(data):
            raise ValueError("not what was written")
        return cls(data, indices, indptr, width)

    @staticmethod
    def save(matrix: sp.csr_matrix, folder: Path) -> None:
        """Writes the three arrays of a matrix."""
        np.save(folder / "data.npy", matrix.data.astype(np.int32, copy=False))
        np.save(folder / "indices.npy", matrix.indices.astype(np.int32, copy=False))
        np.save(folder / "indptr.npy", matrix.indptr.astype(np.int64))

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """The same as one scipy matrix, still on disk."""
        import scipy.sparse as sp

        return sp.csr_matrix(self._parts, shape=self.shape, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Dense counts: (words,) of one row by number, or (b, words) of several."""
        if isinstance(rows, int | np.integer):
            return self.pick(np.array([int(rows)])).dense()[0]
        return self.pick(rows).dense()

    def pick(self, rows: slice | np.ndarray) -> Counts:
        """Rows by number, in any order: no more than they come into memory."""
        return Counts(self.matrix[rows])
