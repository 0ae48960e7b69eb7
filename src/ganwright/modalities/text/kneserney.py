"""An n-gram language model with interpolated Kneser–Ney smoothing, as a judge of texts.

Kneser and Ney 1995, with one discount n₁/(n₁ + 2n₂) per order (Ney et al. 1994). A judge, not a player:
it needs no training beyond counting, has no random part, and is unlike the nets it judges.

    p_k(w | h) = max(c(hw) − D, 0) / c(h·) + D·N(h·) / c(h·) · p_{k−1}(w | h')

c counts, at the highest order, how often hw occurs; at lower ones, how many different units stand before it.
N(h·) counts different units after h, and h' is h without its first unit. p_0 is uniform over the units of
the training data, the end of a text and one unknown unit. An h that never occurred leaves p_{k−1}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ganwright.evaluate.intervals import Estimate, normal
from ganwright.modalities.text.ngrams import TextRows, mixed

BEGIN, END = np.uint64(1), np.uint64(2)  # marks of the places before a text, and of its end
LEAST_DISCOUNT = 0.1


class _Order(NamedTuple):
    """Counts of one order: of n-grams and of what comes before their last unit, by sorted hash."""

    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    followers: np.ndarray
    discount: float


@dataclass(frozen=True, eq=False)
class KneserNey:
    """What was counted in some texts."""

    orders: tuple[_Order, ...]
    symbols: int

    @classmethod
    def fit(cls, rows: TextRows, order: int) -> KneserNey:
        """From texts, up to n-grams of that order."""
        grams = _grams(rows, order)
        found: list[_Order] = []
        for k in range(order, 0, -1):
            here, before = grams[k], grams[k - 1]
            unique, first, counts = np.unique(here.hashes, return_index=True, return_counts=True)
            if k < order:  # how many different units stand before it
                at = np.unique(grams[k + 1].hashes, return_index=True)[1]
                counts = np.bincount(
                    np.searchsorted(unique, here.hashes[at]), minlength=len(unique)
                )
            contexts, group = np.unique(before.before[first], return_inverse=True)
            once, twice = int((counts == 1).sum()), int((counts == 2).sum())
            found.append(
                _Order(
                    grams=unique,
                    counts=counts,
                    contexts=contexts,
                    totals=np.bincount(group, counts),
                    followers=np.bincount(group),
                    discount=max(once / max(1, once + 2 * twice), LEAST_DISCOUNT),
                )
            )
        return cls(tuple(reversed(found)), rows.symbols)

    def chances(self, rows: TextRows) -> np.ndarray:
        """p of each unit of all texts given those before it, and of each end: (units + texts,)."""
        grams = _grams(rows, len(self.orders))
        chance = np.full(len(grams[1].hashes), 1 / (self.symbols + 2))
        for k, order in enumerate(self.orders, start=1):
            count = _looked_up(order.grams, order.counts, grams[k].hashes)
            before = grams[k - 1].before
            total = _looked_up(order.contexts, order.totals, before)
            followers = _looked_up(order.contexts, order.followers, before)
            d, known = order.discount, total > 0
            better = (np.maximum(count - d, 0) + d * followers * chance) / np.where(known, total, 1)
            chance = np.where(known, better, chance)
        return chance

    def costs(self, rows: TextRows) -> tuple[np.ndarray, np.ndarray]:
        """−log p of each text in nats, (n,), and its units with the end, (n,)."""
        lengths = rows.lengths + 1
        starts = np.cumsum(lengths) - lengths
        return np.add.reduceat(-np.log(self.chances(rows)), starts), lengths


class _Grams(NamedTuple):
    """Of each unit and end: the hash of the n-gram that ends there, and of the one that ends before it."""

    hashes: np.ndarray
    before: np.ndarray


def _grams(rows: TextRows, order: int) -> list[_Grams]:
    """For n = 0 … order; texts are led by as many marks as the order needs."""
    pad, lengths = order, rows.lengths
    wide = lengths + pad + 1
    ends = np.cumsum(wide)
    units = np.full(int(wide.sum()), BEGIN, np.uint64)
    starts = ends - wide + pad
    inner = np.arange(len(rows.units)) - np.repeat(rows.starts, lengths)
    units[np.repeat(starts, lengths) + inner] = rows.units
    units[ends - 1] = END
    told = np.ones(len(units), bool)
    for i in range(pad):
        told[starts - 1 - i] = False
    places = np.flatnonzero(told)
    hashes, found = np.zeros(len(units), np.uint64), []
    for n in range(order + 1):
        if n:
            hashes = units.copy() if n == 1 else _longer(units, n)
        found.append(_Grams(hashes[places], hashes[places - 1]))
    return found


def _longer(units: np.ndarray, n: int) -> np.ndarray:
    """The hash of the n units that end at each place."""
    size = len(units) - n + 1
    found = units[:size].copy()
    for i in range(1, n):
        found = mixed(found, units[i : i + size])
    return np.concatenate([np.zeros(n - 1, np.uint64), found])


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where there is none."""
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0).astype(np.float64)


def score(training: TextRows, judged: TextRows, order: int) -> Estimate:
    """Nats a unit that a model of some texts needs for others; the interval is over the latter."""
    costs, lengths = KneserNey.fit(training, order).costs(judged)
    value = float(costs.sum() / lengths.sum())
    off = costs - value * lengths
    n = len(costs)
    error = float(np.sqrt(np.square(off).sum() * n / max(1, n - 1))) / float(lengths.sum())
    return normal(value, error, "ratio of means over texts")
