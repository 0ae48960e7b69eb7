"""Nearest neighbours and comparisons of distances: fast in float32, decided in float64.

Distances come in blocks from one matrix product, ‖x‖² + ‖y‖² − 2x·y, after taking off a common
centre. That loses digits where two points lie close together, so what the product can't decide is
computed again from differences: the nearest neighbours' own distances always, a comparison when
it is closer than the rounding error. A search that rounding may have misled (tight clusters far
from the centre, many duplicates) is done again in float64. Exact copies are at distance exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ganwright.base.errors import DataError, message
from ganwright.evaluate.rows import Rows, at_least

ROW_BLOCK = 1024
COLUMN_BLOCK = 4096
SPARE = 3  # more candidates than asked for, so that rounding can't lose a neighbour
MANY = 0.05  # beyond this share of undecided pairs, a block is done again in float64
PAIR_BYTES = 32 * 2**20


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


def _dtype(a: Rows, b: Rows) -> torch.dtype:
    """float64 in few dimensions, where it costs next to nothing, and where squares overflow."""
    largest = max(a.largest, b.largest)
    return torch.float32 if a.d > 64 and 1e-12 < largest < 1e15 else torch.float64


def _product(x: Tensor, y: Tensor, y_norm: Tensor, i: int, j: int) -> Block:
    """`y_norm` are the squared norms of the rows of y."""
    x_norm = torch.linalg.vecdot(x, x)[:, None]
    squared = torch.addmm(y_norm[None], x, y.T, alpha=-2)
    squared += x_norm
    # The error of a dot product of d terms grows like √d · eps · ‖x‖‖y‖; this is a wide margin.
    scale = torch.finfo(x.dtype).eps * (4 + math.sqrt(x.shape[1]) / 4)
    slack = scale * (x_norm.sqrt() + y_norm.max().sqrt()).square()
    return Block(squared.clamp_(min=0), slack, i, j)


def squared_blocks(
    a: Rows,
    b: Rows,
    centre: Tensor,
    *,
    triangle: bool = False,
    dtype: torch.dtype | None = None,
) -> Iterator[Block]:
    """All pairs' squared distances; with `triangle` (a is b) each pair at least once."""
    dtype = dtype or _dtype(a, b)
    centre = centre.to(dtype)
    width = COLUMN_BLOCK if not triangle else 2 * ROW_BLOCK
    for j, y in b.blocks(dtype, width):
        y -= centre
        y_norm = torch.linalg.vecdot(y, y)
        for i in range(0, min(a.n, j + width) if triangle else a.n, ROW_BLOCK):
            x = a.block(i, i + ROW_BLOCK, dtype)
            x -= centre
            yield _product(x, y, y_norm, i, j)


def exact_squared(a: Rows, b: Rows, i: Tensor, j: Tensor) -> Tensor:
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


def within(a: Rows, b: Rows, block: Block, limits: Tensor, closed: bool) -> Tensor:
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
    if len(i) > MANY * unsure.numel() and squared.dtype != torch.float64:
        x = a.block(block.i, block.i + len(squared), torch.float64)
        y = b.block(block.j, block.j + squared.shape[1], torch.float64)
        centre = x.mean(0)
        x -= centre
        y -= centre
        finer = _product(x, y, torch.linalg.vecdot(y, y), block.i, block.j)
        return within(a, b, finer, limits, closed)
    whole = limits.expand(squared.shape)
    exact = exact_squared(a, b, i + block.i, j[:, None] + block.j)[:, 0]
    limit = whole[i, j]
    sure[i, j] = exact <= limit if closed else exact < limit
    return sure


class _Best:
    """The candidates so far of each query: the least squared distances and whose they are."""

    def __init__(self, n: int, k: int, device: torch.device, dtype: torch.dtype) -> None:
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

    def refined(self, asking: Rows, reference: Rows, k: int) -> tuple[Found, Tensor]:
        """The k nearest by exact distances, and for which queries rounding may have lost one."""
        who = torch.arange(asking.n, device=self.indices.device)
        exact = exact_squared(asking, reference, who, self.indices)
        exact.masked_fill_(self.squared.isinf(), math.inf)  # places that were never filled
        exact, order = exact.sort(1)
        found = Found(exact[:, :k], self.indices.gather(1, order)[:, :k])
        # Who was not kept lies no nearer than this.
        beyond = self.squared.amax(1).double() - self.slack
        return found, found.squared[:, -1] > beyond


def nearest(reference: Rows, queries: Rows | None = None, *, k: int = 1) -> Found:
    """The k nearest reference rows of each query, Euclidean; ties in no particular order.

    Without `queries` the reference asks for itself, and no row counts as its own neighbour (an
    equal row does). Raises DataError when there are fewer than k neighbours to find.
    """
    own = queries is None
    asking = reference if queries is None else queries
    at_least("k", k, 1)
    available = reference.n - own
    if available < k:
        problem = f"{k} nearest neighbours take at least {k + own} rows; got {reference.n}"
        raise DataError(message("neighbours", problem))
    kept, dtype = min(k + SPARE, available), _dtype(asking, reference)
    best = _Best(asking.n, kept, reference.device, dtype)
    centre = reference.mean()
    for squared, slack, i, j in squared_blocks(asking, reference, centre, triangle=own):
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
    if dtype != torch.float64 and kept < available and doubtful.any():
        again = doubtful.nonzero()[:, 0]
        rows = asking.subset(again.cpu().numpy())
        best = _Best(rows.n, kept, reference.device, torch.float64)
        for squared, slack, i, j in squared_blocks(rows, reference, centre, dtype=torch.float64):
            if own:
                whose = again[i : i + len(squared), None]
                squared.masked_fill_(whose == _index(j, squared.shape[1], squared), math.inf)
            best.offer(i, squared, j, slack[:, 0])
        better, _ = best.refined(rows, reference, k)
        found.squared[again], found.indices[again] = better.squared, better.indices
    return found


def _index(start: int, count: int, like: Tensor) -> Tensor:
    return torch.arange(start, start + count, device=like.device)
