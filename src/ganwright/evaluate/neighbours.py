"""Nearest neighbours and comparisons of distances: fast in few digits, decided in float64.

Distances come in blocks from one matrix product, ‖x‖² + ‖y‖² − 2x·y, after taking off a common
centre: in bfloat16 where the processor has it, else in float32. Each block carries a bound on its
own rounding error, and what that leaves open is computed again from differences in float64: the
nearest neighbours' own distances always, a comparison when it is closer than the bound. A search
that rounding may have misled (tight clusters far from the centre, many duplicates) is done again
with more digits. So the answer does not depend on the type, and exact copies are at distance
exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ganwright.base.errors import DataError, message
from ganwright.evaluate.matrix import FeatureMatrix, at_least

ROW_BLOCK = 1024
COLUMN_BLOCK = 4096
SPARE = {torch.bfloat16: 16, torch.float32: 3, torch.float64: 3}  # candidates beyond k
MANY = 0.01  # beyond this share of undecided pairs, a block is done again with more digits
BFLOAT = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
PAIR_BYTES = 2 * 2**20  # small enough to stay in the cache


class Found(NamedTuple):
    """The nearest of each query, nearest first."""

    squared: Tensor  # (queries, k), float64
    indices: Tensor  # (queries, k)

    @property
    def distances(self) -> Tensor:
        return self.squared.sqrt()


class Block(NamedTuple):
    """Squared distances of the rows from `i` to the columns from `j`, and how wrong they may be."""

    squared: Tensor
    slack: Tensor  # (rows, 1)
    i: int
    j: int
    dtype: torch.dtype  # that the product was computed in


class _Side(NamedTuple):
    """Centred rows, rounded for the product."""

    rows: Tensor
    norm: Tensor  # squared, of the rows before rounding
    lost: Tensor  # the norm of what rounding took away


def _dtype(a: FeatureMatrix, b: FeatureMatrix) -> torch.dtype:
    """float64 in few dimensions, where it costs next to nothing, and where squares overflow."""
    largest = max(a.largest, b.largest)
    if a.d <= 64 or not 1e-12 < largest < 1e15:
        return torch.float64
    short = BFLOAT and a.d >= 256 and a.device.type == "cpu"
    return torch.bfloat16 if short else torch.float32


def _finer(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype == torch.bfloat16 else torch.float64


def _side(rows: FeatureMatrix, start: int, size: int, centre: Tensor, dtype: torch.dtype) -> _Side:
    x = rows.block(start, start + size, _finer(dtype) if dtype == torch.bfloat16 else dtype)
    x -= centre.to(x.dtype)
    norm = torch.linalg.vecdot(x, x)
    if dtype != torch.bfloat16:
        return _Side(x, norm, torch.zeros_like(norm))
    short = x.to(dtype)
    x -= short
    return _Side(short, norm, torch.linalg.vecdot(x, x).sqrt())


def _product(x: _Side, y: _Side, i: int, j: int) -> Block:
    dtype = x.rows.dtype
    if dtype == torch.bfloat16:  # the product comes rounded to bfloat16, too
        squared = torch.add(y.norm[None], x.rows @ y.rows.T, alpha=-2)
    else:
        squared = torch.addmm(y.norm[None], x.rows, y.rows.T, alpha=-2)
    squared += x.norm[:, None]
    here, there = x.norm.sqrt(), y.norm.max().sqrt()
    # A dot product of d terms is wrong by about √d · eps · ‖x‖‖y‖; this is a wide margin.
    eps = torch.finfo(squared.dtype).eps
    slack = eps * (4 + math.sqrt(x.rows.shape[1]) / 4) * (here + there).square()
    if dtype == torch.bfloat16:  # Cauchy–Schwarz on what rounding took, and half a last digit
        slack += 2.04 * (x.lost * there + here * y.lost.max() + 2**-9 * here * there)
    return Block(squared.clamp_(min=0), slack[:, None], i, j, dtype)


def squared_blocks(
    a: FeatureMatrix,
    b: FeatureMatrix,
    centre: Tensor,
    *,
    triangle: bool = False,
    dtype: torch.dtype | None = None,
) -> Iterator[Block]:
    """All pairs' squared distances; with `triangle` (a is b) each pair at least once."""
    dtype = dtype or _dtype(a, b)
    width = COLUMN_BLOCK if not triangle else 2 * ROW_BLOCK
    for j in range(0, b.n, width):
        y = _side(b, j, width, centre, dtype)
        for i in range(0, min(a.n, j + width) if triangle else a.n, ROW_BLOCK):
            yield _product(_side(a, i, ROW_BLOCK, centre, dtype), y, i, j)


def exact_squared(a: FeatureMatrix, b: FeatureMatrix, i: Tensor, j: Tensor) -> Tensor:
    """‖a[i] − b[j]‖² from differences, float64; i (m,), j (m, k) gives (m, k).

    The same two rows give the same bits wherever they stand, so that equal distances tie.
    """
    k = j.shape[1]
    found = torch.empty(j.shape, dtype=torch.float64, device=a.device)
    step = max(1, PAIR_BYTES // (8 * a.d * k))
    for s in range(0, len(i), step):
        near = b.take(j[s : s + step].flatten(), torch.float64).view(-1, k, a.d)
        near -= a.take(i[s : s + step], torch.float64)[:, None]
        found[s : s + step] = near.square_().sum(2)
    return found


def within(
    a: FeatureMatrix, b: FeatureMatrix, block: Block, limits: Tensor, closed: bool
) -> Tensor:
    """Which pairs of a block lie within `limits` (squared, float64, broadcast over the block).

    `closed` counts a distance equal to its limit.
    """
    squared, slack = block.squared, block.slack
    bound = limits.to(squared.dtype)
    slack = slack + torch.finfo(squared.dtype).eps * bound
    sure = squared < bound - slack
    unsure = (squared <= bound + slack).logical_xor_(sure)
    if not unsure.any():
        return sure
    i, j = unsure.nonzero(as_tuple=True)
    if len(i) > MANY * unsure.numel() and block.dtype != torch.float64:
        dtype, (height, width) = _finer(block.dtype), squared.shape
        centre = a.block(block.i, block.i + height, torch.float64).mean(0)
        x = _side(a, block.i, height, centre, dtype)
        y = _side(b, block.j, width, centre, dtype)
        return within(a, b, _product(x, y, block.i, block.j), limits, closed)
    whole = limits.expand(squared.shape)
    exact = exact_squared(a, b, i + block.i, j[:, None] + block.j)[:, 0]
    limit = whole[i, j]
    sure[i, j] = exact <= limit if closed else exact < limit
    return sure


class _Best:
    """The candidates so far of each query: the least squared distances and whose they are."""

    def __init__(self, n: int, k: int, device: torch.device, dtype: torch.dtype) -> None:
        dtype = torch.float64 if dtype == torch.float64 else torch.float32
        self.squared = torch.full((n, k), math.inf, device=device, dtype=dtype)
        self.indices = torch.zeros((n, k), device=device, dtype=torch.int64)
        self.slack = torch.zeros(n, device=device, dtype=dtype)

    def offer(self, start: int, squared: Tensor, first: int, slack: Tensor) -> None:
        """`squared` (rows, columns): rows from `start`, columns from `first`."""
        stop, k = start + len(squared), self.squared.shape[1]
        values, where = squared.topk(min(k, squared.shape[1]), dim=1, largest=False, sorted=False)
        values = torch.cat([self.squared[start:stop], values], 1)
        where = torch.cat([self.indices[start:stop], where + first], 1)
        self.squared[start:stop], chosen = values.topk(k, dim=1, largest=False, sorted=False)
        self.indices[start:stop] = where.gather(1, chosen)
        self.slack[start:stop] = torch.maximum(self.slack[start:stop], slack)

    def refined(
        self, asking: FeatureMatrix, reference: FeatureMatrix, k: int
    ) -> tuple[Found, Tensor]:
        """The k nearest by exact distances, and for which queries rounding may have lost one."""
        who = torch.arange(asking.n, device=self.indices.device)
        exact = exact_squared(asking, reference, who, self.indices)
        exact.masked_fill_(self.squared.isinf(), math.inf)  # places that were never filled
        exact, order = exact.sort(1)
        found = Found(exact[:, :k], self.indices.gather(1, order)[:, :k])
        # Who was not kept lies no nearer than this.
        beyond = self.squared.amax(1).double() - self.slack
        return found, found.squared[:, -1] > beyond


def nearest(reference: FeatureMatrix, queries: FeatureMatrix | None = None, *, k: int = 1) -> Found:
    """The k nearest reference rows of each query, Euclidean; ties in no particular order.

    Without `queries` the reference asks for itself, and no row counts as its own neighbour (an
    equal row does). Raises DataError when there are fewer than k neighbours to find.
    """
    own = queries is None
    asking = reference if queries is None else queries
    at_least("k", k, 1)
    available = reference.n - own
    if available < k:
        problem = f"{k} nearest neighbours need at least {k + own} rows; got {reference.n}"
        raise DataError(message("neighbours", problem))
    dtype = _dtype(asking, reference)
    kept = min(k + SPARE[dtype], available)
    best = _Best(asking.n, kept, reference.device, dtype)
    centre = reference.mean()
    for squared, slack, i, j, _ in squared_blocks(
        asking, reference, centre, triangle=own, dtype=dtype
    ):
        if own:
            # Pairs on and below the diagonal are nobody's neighbours here: a row and itself, or
            # a pair that comes from the other side.
            if i + len(squared) > j:
                squared.masked_fill_(
                    _index(i, len(squared), squared)[:, None]
                    >= _index(j, squared.shape[1], squared),
                    math.inf,
                )
            best.offer(j, squared.T.contiguous(), i, slack.max())
        best.offer(i, squared, j, slack[:, 0])
    found, doubtful = best.refined(asking, reference, k)
    while dtype != torch.float64 and kept < available and doubtful.any():
        dtype = _finer(dtype)
        again = doubtful.nonzero()[:, 0]
        rows = asking.subset(again.cpu().numpy())
        best = _Best(rows.n, kept, reference.device, dtype)
        for squared, slack, i, j, _ in squared_blocks(rows, reference, centre, dtype=dtype):
            if own:
                whose = again[i : i + len(squared), None]
                squared.masked_fill_(whose == _index(j, squared.shape[1], squared), math.inf)
            best.offer(i, squared, j, slack[:, 0])
        better, still = best.refined(rows, reference, k)
        found.squared[again], found.indices[again] = better.squared, better.indices
        doubtful = doubtful.index_put((again,), still)
    return found


def _index(start: int, count: int, like: Tensor) -> Tensor:
    return torch.arange(start, start + count, device=like.device)
