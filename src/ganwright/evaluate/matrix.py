"""Features as given: one row per example, checked once, read in blocks.

A measure never copies a whole feature matrix. It asks for blocks, so its memory stays small beside
the features themselves, and a memory-mapped array is read from the disk as it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.seeds import derive

Features = np.ndarray | Tensor
BLOCK_BYTES = 32 * 2**20
LARGEST = 1e100  # beyond, squares overflow: as good as infinite


class FeatureMatrix:
    """A matrix of features (n, d): numpy or torch, any real type.

    Raises DataError, naming `owner`, when it is no matrix of finite numbers or has fewer than
    `least` rows.
    """

    data: Features
    device: torch.device
    largest: float  # of all absolute values

    def __init__(self, features: AnyFeatures, owner: str = "features", least: int = 1) -> None:
        if isinstance(features, FeatureMatrix):
            self.data, self.device = features.data, features.device
            self.largest = features.largest
        elif isinstance(features, Tensor):
            # Apple's devices have no float64.
            self.data = features.detach().cpu() if features.is_mps else features.detach()
            self.device = self.data.device
        else:
            self.data, self.device = np.asarray(features), torch.device("cpu")
            flags = self.data.flags
            if flags.writeable and flags.c_contiguous and self.data.dtype.char in "efd":
                self.data = torch.from_numpy(self.data)  # the same memory
        if self.data.ndim != 2 or self.data.shape[1] == 0:
            shape = tuple(self.data.shape)
            raise DataError(
                message(owner, f"needs a matrix, one row per example; got shape {shape}")
            )
        self.n, self.d = (int(size) for size in self.data.shape)
        if self.n < least:
            raise DataError(message(owner, f"needs at least {least} rows; got {self.n}"))
        if not isinstance(features, FeatureMatrix):
            self._check(owner)

    def _check(self, owner: str) -> None:
        if isinstance(self.data, np.ndarray) and self.data.dtype.kind not in "fiub":
            raise DataError(message(owner, f"needs real numbers; got {self.data.dtype}"))
        self.largest, bad, first = 0.0, 0, 0
        for start, block in self.blocks(torch.float64):
            reach = block.abs().amax(1).nan_to_num(nan=torch.inf)  # counted just below
            wrong = reach > LARGEST
            if not bad and wrong.any():
                first = start + int(wrong.nonzero()[0])
            bad += int(wrong.sum())
            self.largest = max(self.largest, float(reach.max()))
        if bad:
            problem = (
                f"{bad} of {self.n} rows have NaN or infinite values; the first is row {first}"
            )
            raise DataError(message(owner, problem))

    def __len__(self) -> int:
        return self.n

    def block(self, start: int, stop: int, dtype: torch.dtype) -> Tensor:
        """Rows `start` … `stop` as a tensor of their own."""
        return self._tensor(self.data[start:stop], dtype)

    def take(self, index: Tensor, dtype: torch.dtype) -> Tensor:
        """The rows at `index`, in its order."""
        if isinstance(self.data, Tensor):
            return self.data.index_select(0, index.to(self.device)).to(dtype)
        return self._tensor(self.data[index.cpu().numpy()], dtype)

    @staticmethod
    def _tensor(part: Features, dtype: torch.dtype) -> Tensor:
        """A copy in any case: what a caller does to it never reaches the features."""
        if isinstance(part, np.ndarray):
            return torch.from_numpy(np.array(part, order="C")).to(dtype)
        return part.to(dtype, copy=True)

    def blocks(self, dtype: torch.dtype, size: int | None = None) -> Iterator[tuple[int, Tensor]]:
        """(start, block) from the first row to the last; about 32 MiB each unless `size` says."""
        size = size or max(1, BLOCK_BYTES // (8 * self.d))
        for start in range(0, self.n, size):
            yield start, self.block(start, min(start + size, self.n), dtype)

    def array(self) -> np.ndarray:
        """All rows as float64; only for measures that work on few rows."""
        return self.block(0, self.n, torch.float64).cpu().numpy()

    def mean(self) -> Tensor:
        """The mean row, float64."""
        total = torch.zeros(self.d, dtype=torch.float64, device=self.device)
        for _, block in self.blocks(torch.float64):
            total += block.sum(0)
        return total / self.n

    def subset(self, index: np.ndarray) -> FeatureMatrix:
        """A copy of the rows at `index`; not checked again."""
        where = torch.from_numpy(index)
        part = FeatureMatrix.__new__(FeatureMatrix)
        part.data = self.data[where.to(self.device) if isinstance(self.data, Tensor) else index]
        part.device, part.largest = self.device, self.largest
        part.n, part.d = len(index), self.d
        return part


AnyFeatures = Features | FeatureMatrix


def same_width(a: int, b: int, names: tuple[str, str] = ("real", "fake")) -> None:
    """Raises DataError unless both sides have equally many features."""
    if a != b:
        problem = f"features of {names[0]} and {names[1]} differ in width: {a} and {b}"
        raise DataError(message("", f"{problem}; they must come from one extractor"))


def pair(
    real: AnyFeatures, fake: AnyFeatures, least: int = 1, names: tuple[str, str] = ("real", "fake")
) -> tuple[FeatureMatrix, FeatureMatrix]:
    """Both sides, checked, equally wide."""
    a, b = FeatureMatrix(real, names[0], least), FeatureMatrix(fake, names[1], least)
    same_width(a.d, b.d, names)
    return a, b


def at_least(name: str, value: int, least: int) -> int:
    """`value`, or an OptionError when it is below `least`."""
    if value < least:
        raise OptionError(message("", f"{name} must be at least {least}; got {value}"))
    return value


def shuffled(n: int, seed: int, *purpose: int | str) -> np.ndarray:
    """0 … n − 1 in an order that `seed` and `purpose` decide."""
    return np.random.default_rng(derive(seed, *purpose)).permutation(n)
