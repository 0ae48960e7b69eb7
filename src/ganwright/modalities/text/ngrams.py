"""Texts as numbers for measures, and the n-grams in them, exact and all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

ORDERS = {"words": 5, "characters": 8, "bytes": 8}


@dataclass(frozen=True, eq=False)
class TextRows:
    """Texts as units: each a hash of 64 bits, (units,), and where each text ends, (n,).

    By hash, so that units that a model doesn't know count as well. `symbols` is how many units the
    training data has, `order` the length of n-grams that language models of such units look at.
    """

    units: np.ndarray
    ends: np.ndarray
    symbols: int
    order: int

    @classmethod
    def of(cls, texts: Sequence[str], codec: Any) -> TextRows:
        """Texts cut as the codec cuts them, as far as it sees them."""
        cut = [codec.cut(text)[: codec.length] for text in texts]
        marks = [_mark(unit) for units in cut for unit in units]
        ends = np.cumsum([len(units) for units in cut], dtype=np.int64)
        return cls(np.array(marks, np.uint64), ends, len(codec.vocabulary), ORDERS[codec.units])

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """Units of each text, (n,)."""
        return self.ends - self.starts

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, rows: slice | np.ndarray) -> TextRows:
        chosen = np.arange(len(self))[rows]
        lengths = self.lengths[chosen]
        ends = np.cumsum(lengths)
        inner = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
        places = np.repeat(self.starts[chosen], lengths) + inner
        return TextRows(self.units[places], ends, self.symbols, self.order)

    @staticmethod
    def joined(parts: list[TextRows]) -> TextRows:
        """All texts of all parts."""
        shifts = np.cumsum([0, *(len(part.units) for part in parts[:-1])])
        return TextRows(
            np.concatenate([part.units for part in parts]),
            np.concatenate([part.ends + shift for part, shift in zip(parts, shifts, strict=True)]),
            parts[0].symbols,
            parts[0].order,
        )


@cache
def _mark(unit: str) -> int:
    raw = unit.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest())


def ngrams(rows: TextRows, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all n-grams within texts, (m,) uint64, and the text that each is in, (m,)."""
    size = len(rows.units) - n + 1
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    if size < 1:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    found = rows.units[:size].copy()
    for i in range(1, n):
        found = mixed(found, rows.units[i : i + size])
    within = owner[:size] == owner[n - 1 : n - 1 + size]
    return found[within], owner[:size][within]


def mixed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hashes of pairs of hashes (Steele et al. 2014, the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        x = first * np.uint64(0x9E3779B97F4A7C15) + second
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))
