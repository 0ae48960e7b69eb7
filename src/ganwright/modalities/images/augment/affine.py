"""Affine maps of images: moving, recolouring and cutting, with parameters drawn beforehand.

Each consists of a linear part and an offset and has a transpose, so that it supports derivatives of every
order (`game/augment.py` draws them, `game/fused.py` differentiates through them by hand). Shifts by whole
pixels, flips and quarter turns move pixels without changing any. All other geometry is one bilinear
resampling, of the image sharpened beforehand to make up for the average blur of bilinear weights. It
differs from lossless resampling by 5 %, bilinear alone by 8 %, bicubic by 4 % at more than twice the cost
(benchmarks/augment.py --quality). On a CPU only the images that change are processed; on other devices
all are, as finding out which would wait for the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Restores what bilinear weights take off high frequencies, on average over positions between pixels: of
# 0 … 0.2 the value nearest to band-limited resampling (benchmarks/augment.py).
SHARPEN = 0.1

FINE = 40  # binary digits of a sum below the largest number that is added
NEAREST, BILINEAR = 1, 0  # torch's numbers for its kernels
ZEROS, REFLECTION = 0, 2


def at_hand(x: Tensor) -> bool:
    """Whether Python can look at `x` without waiting for a device."""
    return x.device.type == "cpu"


class Resample(torch.autograd.Function):
    """A `Sampling` as an operation that can be differentiated any number of times.

    torch's own grid_sample can be only once. Its kernels for the image and for the image's gradient are
    linear and each other's transpose, so the derivative of either is the other.
    """

    @staticmethod
    def forward(x: Tensor, sampling: Sampling, transposed: bool) -> Tensor:
        return sampling.apply(x, transposed=transposed)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.sampling, ctx.transposed = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        found: Tensor = Resample.apply(gradients[0], ctx.sampling, not ctx.transposed)
        return found, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        found: Tensor = Resample.apply(tangents[0], ctx.sampling, ctx.transposed)
        return found


class Part(NamedTuple):
    """Pictures of a batch that are sampled alike: their numbers, or which of them (batch,)."""

    rows: Tensor
    grid: Tensor  # (pictures, height, width, 2): places in the picture, in [-1, 1]
    kernel: int


@dataclass(frozen=True)
class Sampling:
    """Where each pixel of each picture comes from.

    A picture in no part stays as it is. Outside lies its reflection, or zero.
    """

    parts: tuple[Part, ...]
    padding: int

    @classmethod
    def of(
        cls, theta: Tensor, whole: Tensor, moved: Tensor, size: tuple[int, int], padding: int
    ) -> Sampling:
        """By `theta` (batch, 2, 3), which takes places of the result to places of the picture.

        `whole` (batch,) says whether it takes pixels to pixels, `moved` whether it does anything.
        """
        parts = []
        for rows, kernel in ((whole & moved, NEAREST), (~whole, BILINEAR)):
            if at_hand(rows):
                rows = rows.nonzero().squeeze(1)
            its = theta[rows] if rows.dtype == torch.int64 else theta
            if len(its):
                parts.append(Part(rows, places(its, *size), kernel))
        return cls(tuple(parts), padding)

    def __call__(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def linear(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """`apply`, differentiable."""
        found: Tensor = Resample.apply(x, self, transposed)
        return found

    def apply(self, x: Tensor, *, transposed: bool) -> Tensor:
        """The linear map of `x` (batch, channels, height, width), or its transpose."""
        x = x.contiguous()
        result = x.clone()
        for part in self.parts:
            if part.rows.dtype == torch.bool:
                found = self._sample(x, part, transposed)
                result = torch.where(part.rows[:, None, None, None], found, result)
            else:
                result[part.rows] = self._sample(x[part.rows], part, transposed)
        return result

    def _sample(self, x: Tensor, part: Part, transposed: bool) -> Tensor:
        rest = (part.grid, part.kernel, self.padding, False)
        if part.kernel == BILINEAR and not transposed:
            x = sharpened(x)
        if not transposed:
            return torch.ops.aten.grid_sampler_2d(x, *rest)
        if at_hand(x) or x.device.type == "mps":  # where the other way was never tried
            x, _ = torch.ops.aten.grid_sampler_2d_backward(x, x, *rest, [True, False])
        else:
            x = scattered(x, *rest[:3])
        return sharpened(x) if part.kernel == BILINEAR else x


def scattered(y: Tensor, grid: Tensor, kernel: int, padding: int) -> Tensor:
    """The transpose of torch's `grid_sampler_2d`, in the same bits each time: y (b, c, h, w) to the same.

    On a GPU torch's own adds numbers in whatever order threads come. Here they are added as multiples of
    2⁻⁴⁰ of the picture's largest, whole numbers, whose sum is the same in any order.
    """
    height, width = y.shape[2:]
    largest = y.abs().amax((1, 2, 3), keepdim=True)
    exponent = FINE - torch.frexp(largest).exponent.clamp(min=-60)
    sums = torch.zeros_like(y, dtype=torch.int64).flatten(2)
    for place, weight in taps(grid, kernel, padding, height, width):
        share = torch.ldexp(y * weight[:, None], exponent).round().to(torch.int64)
        sums.scatter_add_(2, place[:, None].expand_as(y).flatten(2), share.flatten(2))
    found = torch.ldexp(sums.view(y.shape).to(y.dtype), -exponent)
    return found + (largest - largest)  # NaN where that is not finite


def taps(
    grid: Tensor, kernel: int, padding: int, height: int, width: int
) -> list[tuple[Tensor, Tensor]]:
    """What `grid_sampler_2d` reads at each place of a grid (b, h, w, 2): pixels and weights, (b, h, w)."""
    along: list[list[tuple[Tensor, Tensor]]] = []  # by axis: x first, as in grids
    for axis, side in enumerate((width, height)):
        at = ((grid[..., axis] + 1) * side - 1) / 2
        if padding == REFLECTION:
            way = (at + 0.5).abs()
            rest = way.fmod(side)
            back = (way / side).floor().remainder(2) == 1
            at = (torch.where(back, side - rest, rest) - 0.5).clamp(0, side - 1)
        if kernel == NEAREST:
            found = [(at.round(), torch.ones_like(at))]
        else:
            low = at.floor()
            found = [(low, 1 - (at - low)), (low + 1, at - low)]
        along.append(
            [
                (pixel.clamp(0, side - 1).long(), weight * ((pixel >= 0) & (pixel < side)))
                for pixel, weight in found
            ]
        )
    return [(y * width + x, by * ax) for y, by in along[1] for x, ax in along[0]]


def places(theta: Tensor, height: int, width: int) -> Tensor:
    """The grid (batch, height, width, 2) of affine maps (batch, 2, 3), as affine_grid but faster."""
    down, across = (
        (2 * torch.arange(n, device=theta.device, dtype=theta.dtype) + 1) / n - 1
        for n in (height, width)
    )
    grid = theta.new_empty(len(theta), height, width, 2)
    for axis in (0, 1):
        by_x, by_y, offset = (theta[:, axis, i, None] for i in range(3))
        grid[..., axis] = (by_x * across)[:, None, :] + (by_y * down + offset)[:, :, None]
    return grid


def sharpened(x: Tensor) -> Tensor:
    """x (…, height, width) convolved with (−s, 1 + 2s, −s) along both axes, s = SHARPEN.

    A pixel outside is its neighbour inside, which makes the map its own transpose.
    """
    for axis in (-1, -2):
        n = x.shape[axis]
        y = x * (1 + 2 * SHARPEN)
        y.narrow(axis, 1, n - 1).sub_(x.narrow(axis, 0, n - 1), alpha=SHARPEN)
        y.narrow(axis, 0, n - 1).sub_(x.narrow(axis, 1, n - 1), alpha=SHARPEN)
        y.select(axis, 0).sub_(x.select(axis, 0), alpha=SHARPEN)
        y.select(axis, n - 1).sub_(x.select(axis, n - 1), alpha=SHARPEN)
        x = y
    return x


@dataclass(frozen=True)
class Recolour:
    """x to matrix·x + mean·(mean of x) + offset, for each picture.

    `matrix` is (batch, 3, 3), or (batch, 1, 1) where all channels are treated alike; `mean` and
    `offset` (batch,).
    """

    matrix: Tensor
    mean: Tensor | None
    offset: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.offset.view(-1, 1, 1, 1)

    def linear(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """Without the offset; or the transpose of that."""
        if self.matrix.shape[1] == 1:
            result = x * self.matrix.unsqueeze(3)
        else:
            matrix = self.matrix.mT if transposed else self.matrix
            result = torch.bmm(matrix, x.flatten(2)).view(x.shape)
        if self.mean is not None:  # its own transpose
            result = result + self.mean.view(-1, 1, 1, 1) * x.mean((1, 2, 3), keepdim=True)
        return result


@dataclass(frozen=True)
class Cut:
    """Zero where `kept` (batch, 1, height, width) is 0, unchanged where it is 1."""

    kept: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.kept

    def linear(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """The same: it is linear, and its own transpose."""
        return x * self.kept


@dataclass(frozen=True)
class Drawn:
    """One draw of T for a batch: affine in the pictures, differentiable any number of times."""

    steps: tuple[Sampling | Recolour | Cut, ...] = ()

    def __call__(self, x: Tensor) -> Tensor:
        """x (batch, channels, height, width) to the same."""
        for step in self.steps:
            x = step(x)
        return x

    def linear(self, x: Tensor) -> Tensor:
        """T(x) − T(0): what T does to differences and derivatives."""
        for step in self.steps:
            x = step.linear(x)
        return x

    def transposed(self, y: Tensor) -> Tensor:
        """The transpose of `linear`: takes a gradient at T(x) to one at x."""
        for step in reversed(self.steps):
            y = step.linear(y, transposed=True)
        return y
