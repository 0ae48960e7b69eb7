"""Cuts a column of numbers into bins, each with a fine table of the values within it.

Bins are sets of adjacent distinct values. A value that many rows have (a spike: zero, a popular round
number) gets its own bin; the rest is cut into equal shares, so that a bin may lie on both sides of a
spike. Decoding never gives a value outside a bin's own stretches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEW = 100  # a column of up to this many distinct values has one bin per value
_REPEATED = 5  # … if each occurs this often, on average
SEGMENTS = 16  # inner quantiles of a bin
_LEAST_ROWS = 20  # share of rows in a bin cut off a tail, or in a lesser spike
_TAILS = (0.0025, 0.01)  # where an outer bin is cut again if the tail is long


@dataclass(frozen=True)
class Bins:
    """The bins of one column on its axis of positions.

    The line is cut at `cuts` (I - 1,) into I stretches, and `owner` (I,) is the bin of each. Bin k
    has the segments ``starts[k] … starts[k + 1]`` of equal share each, from `first` to `last`
    (on a grid both are possible values). `counts` (K,) are rows, `means` (K,) mean positions.
    """

    cuts: np.ndarray
    owner: np.ndarray
    starts: np.ndarray
    first: np.ndarray
    last: np.ndarray
    counts: np.ndarray
    means: np.ndarray

    def __len__(self) -> int:
        return len(self.counts)

    def find(self, positions: np.ndarray) -> np.ndarray:
        """The bin of each position (n,); the nearest one for positions between bins or outside."""
        return self.owner[np.searchsorted(self.cuts, positions)]


def equal_shares(values: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    """Which bin each value (U,) has, numbered in order, in about equal shares of `counts`.

    The outer bins of a long tail are cut again, so that extremes don't share one huge bin.
    """
    total = counts.sum()
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    ends = np.cumsum(counts)
    middles = (ends - counts / 2) / total
    if bins > 1:
        low, near, far, high = np.interp((0.01, 0.1, 0.9, 0.99), middles, values)
        body = max(far - near, np.finfo(float).tiny)
        enough = [s for s in _TAILS if s < 1 / bins and s * total >= _LEAST_ROWS]
        if low - values[0] > body / 4:
            shares = np.union1d(shares, enough)
        if values[-1] - high > body / 4:
            shares = np.union1d(shares, [1 - s for s in enough])
    return np.searchsorted(shares, middles)


def cut(
    values: np.ndarray, counts: np.ndarray, bins: int, *, rest: np.ndarray | None
) -> np.ndarray:
    """The bin of each different value: (U,) sorted values with their counts → (U,) int.

    `rest` (U,), if given, are bins for the values that are not spikes, instead of equal shares.
    """
    total = counts.sum()
    if len(values) <= max(FEW, bins) and total >= _REPEATED * len(values):
        return _merged(counts, total)
    spikes = counts >= max(0.5 / bins, 0.005) * total
    left = total - counts[spikes].sum()
    room = max(1, bins - int(spikes.sum()))
    wanted = max(round(bins * left / total), min(16, bins // 4))
    wanted = int(np.clip(min(wanted, left // _REPEATED), 1, room))
    lesser = (counts >= max(_LEAST_ROWS, left / wanted / 2)) & ~spikes
    if lesser.sum() > room - wanted:  # the most frequent of them
        order = np.argsort(np.where(lesser, -counts, 0), kind="stable")
        lesser[order[max(0, room - wanted) :]] = False
    spikes |= lesser
    groups = np.zeros(len(values), np.int64)
    plain = ~spikes
    if plain.any():
        groups[plain] = (
            equal_shares(values[plain], counts[plain], wanted) if rest is None else rest[plain]
        )
    groups[spikes] = groups.max() + 1 + np.arange(spikes.sum())
    return groups


def _merged(counts: np.ndarray, total: int) -> np.ndarray:
    """One bin per value, except that adjacent rare values share one."""
    groups = np.arange(len(counts))
    if len(counts) <= FEW // 3:
        return groups
    held, least = 0.0, total / 2000
    for i in range(1, len(counts)):
        rare = counts[i] < least and counts[i - 1] < least
        held = held + counts[i] if rare and held + counts[i] < 2 * least else 0.0
        groups[i] = groups[i - 1] if held else groups[i - 1] + 1
    return groups


def build(
    values: np.ndarray,
    counts: np.ndarray,
    groups: np.ndarray,
    *,
    grid: bool,
    segments: int = SEGMENTS,
) -> Bins:
    """The bins of sorted different values (U,) that `groups` (U,) puts together.

    A bin has about `segments`, which on a grid give any whole position from first to last, else any
    between them.
    """
    edges = np.flatnonzero(np.diff(groups)) + 1
    run_starts, run_ends = np.append(0, edges), np.append(edges, len(values))
    order = np.unique(groups[run_starts], return_index=True)[1]  # bins in order of first value
    number = np.empty(groups.max() + 1, np.int64)
    number[groups[run_starts][np.sort(order)]] = np.arange(len(order))
    owner = number[groups[run_starts]]
    bins = len(order)
    of_bin = np.bincount(number[groups], counts, bins)
    of_run = np.add.reduceat(counts, run_starts)
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(bins)]
    for start, end, rows, bin_ in zip(run_starts, run_ends, of_run, owner, strict=True):
        several = max(1, round(segments * rows / of_bin[bin_]))
        parts[bin_].append(_segments(values[start:end], counts[start:end], several, grid))
    first = [np.concatenate([f for f, _ in part]) for part in parts]
    last = [np.concatenate([e for _, e in part]) for part in parts]
    starts = np.cumsum([0, *(len(f) for f in first)])
    shares = counts / of_bin[number[groups]]
    means = np.bincount(number[groups], shares * values, bins).clip(values[0], values[-1])
    return Bins(
        cuts=_between(values[run_ends[:-1] - 1], values[run_starts[1:]]),
        owner=owner,
        starts=starts,
        first=np.concatenate(first),
        last=np.concatenate(last),
        counts=of_bin,
        means=means,
    )


def _between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Half way, and below `after` however close they are."""
    middle = before / 2 + after / 2
    return np.where((middle >= after) | (middle < before), before, middle)


def _segments(
    values: np.ndarray, counts: np.ndarray, segments: int, grid: bool
) -> tuple[np.ndarray, np.ndarray]:
    """First and last position of about `segments` parts of a run, of equal share each."""
    if len(values) == 1:
        return np.repeat(values, segments), np.repeat(values, segments)
    ends = np.cumsum(counts)
    total = ends[-1]
    if grid and len(values) <= max(2, segments // 2):  # the values themselves, in their shares
        times = np.maximum(1, np.rint(segments * counts / total)).astype(np.int64)
        each = np.repeat(values, times)
        return each, each
    if grid:
        segments = max(1, min(segments, int(total)))
        at = np.arange(segments + 1) * total / segments
        first = np.searchsorted(ends, at[:-1], side="right")
        last = np.searchsorted(ends, at[1:], side="left")
        return values[first], values[np.minimum(last, len(values) - 1)]
    segments = max(1, min(segments, len(values) - 1))
    places = np.concatenate([[0], (ends - counts / 2)[1:-1] / total, [1]])
    knots = np.interp(np.linspace(0, 1, segments + 1), places, values)
    return knots[:-1], knots[1:]
