"""A small network trained on the user's own pictures: for anything but photographs (`evaluate.learned`).

Two views of one picture are shifted, turned, scaled and changed in contrast.

No view is blurred or made noisy: a network taught to overlook blur or noise would overlook them in
samples as well. `tests/features` holds both ways to the order that this is for: held-out digits are
far nearer to the training digits than blurred, noisy or mode-dropping ones. Measured there with the
default steps, FID to the training digits, with labels / without: held-out 0.7 / 1.7, noise of 64
grey levels 12 / 15, blur of 0.7 pixels 13 / 18, the zeros missing 5.6 / 6.3, five classes missing
44 / 35, uniform noise 67 / 124.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganwright.base.errors import DataError, message
from ganwright.data import Dataset
from ganwright.evaluate import learned as network
from ganwright.evaluate.extractor import Extractor
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.pictures import (
    LEAST_SIDE,
    PLANES_RULE,
    batches,
    planes,
    small_size,
)

LONGEST = 64
RULE = f"{PLANES_RULE}; a side over {LONGEST} is averaged down to it"


def learned(
    data: Dataset, *, steps: int | None = None, seed: int = 0, device: str = "cpu"
) -> Extractor:
    """See `evaluate.learned`. Raises DataError for pictures under 4 pixels a side too."""
    codec = data.codec
    if min(small_size(codec, LONGEST)) < LEAST_SIDE:
        problem = f"needs pictures of at least {LEAST_SIDE} pixels per side; got {codec.height}×{codec.width}"
        raise DataError(message("features 'learned'", f"{problem}: use 'pixels'"))
    return network.learned(data, Pictures(codec), steps=steps, seed=seed, device=device)


@dataclass(frozen=True)
class Pictures(network.Sight):
    """Pictures as a network sees them."""

    codec: ImageCodec

    name, rule, things, instead = "learned", RULE, "pictures", "pixels"

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.codec.channels, *small_size(self.codec, LONGEST))

    def look(self, stored: np.ndarray) -> Tensor:
        return planes(stored, self.codec, LONGEST)

    def moved(self, x: Tensor) -> Tensor:
        return moved(x, 0.08, 10, 0.1)

    def view(self, x: Tensor) -> Tensor:
        return _view(x)

    def batches(self, parts: Iterable[Any], size: int) -> Iterator[np.ndarray]:
        return batches(parts, self.codec, size)


def _view(x: Tensor) -> Tensor:
    contrast = torch.empty(len(x), 1, 1, 1).uniform_(0.7, 1.3)
    brightness = torch.empty(len(x), 1, 1, 1).uniform_(-0.2, 0.2)
    return moved(x, 0.12, 12, 0.15) * contrast + brightness


def moved(x: Tensor, shift: float, degrees: float, zoom: float) -> Tensor:
    """Each picture shifted (by a share of its side), turned and zoomed by chance; never mirrored.

    Letters and organs are not the same in a mirror. The border is repeated outward.
    """
    n, _, height, width = x.shape
    angle = torch.empty(n).uniform_(-1, 1) * math.radians(degrees)
    scale = 1 + torch.empty(n).uniform_(-zoom, zoom)
    at = torch.empty(n, 2).uniform_(-2 * shift, 2 * shift)
    aspect = height / width
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [cos, -sin * aspect, at[:, 0], sin / aspect, cos, at[:, 1]]
    grid = functional.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
