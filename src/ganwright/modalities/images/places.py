"""Where images are odd: heat maps.

Two looks, each divided by what is usual among normal images, and averaged:

- how much a pixel differs from the same pixel of the nearest training images;
- how far the 5×5 patch around it is from the nearest of some thousand patches of training images,
  wherever those lie (as PatchCore does with features, Roth et al. 2022).

Aligned images, digits say, are told by the first, photographs by the second: docs/benchmarks.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganwright.base import seeds
from ganwright.modalities.images.codec import ImageCodec

PATCH, PATCHES = 5, 8000  # pixels a side, and how many of training images
FROM = 500  # training images that patches are of, at most
BLUR = 3  # pixels a side that a map is averaged over
RARE = 0.001  # of the pixels of normal images that lie above the middle of the scale
BLOCK = 2048  # patches that are compared at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Training images (m, H, W, C), patches (k, d) of them, and what is usual of both looks.

    `middle` is the level that a pixel in a thousand of normal images is above.
    """

    codec: ImageCodec
    known: np.ndarray
    patches: Tensor
    usual: tuple[float, float] = (1.0, 1.0)
    middle: float = 1.0

    @classmethod
    def of(
        cls, codec: ImageCodec, known: np.ndarray, normal: np.ndarray, nearest: np.ndarray
    ) -> Places:
        """From normal images (n, H, W, C) and the places of their nearest training images, (n, k)."""
        some = known[:: -(-len(known) // FROM)]
        rng = np.random.default_rng(seeds.derive(0, "detect", "patches"))
        each = -(-PATCHES // len(some))
        parts = []
        for image in some:
            own = _patches(_planes(codec, image[None]))[0].T
            parts.append(own[torch.from_numpy(rng.integers(len(own), size=min(each, len(own))))])
        plain = cls(codec=codec, known=known, patches=torch.cat(parts))
        looks = plain.looks(normal, nearest)
        usual = max(float(looks[0].mean()), 1e-6), max(float(looks[1].mean()), 1e-6)
        scaled = replace(plain, usual=usual)
        return replace(scaled, middle=float(np.quantile(scaled._levels(looks), 1 - RARE)))

    def heat(self, pixels: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Maps (n, H, W) uint8 of images (n, H, W, C): 0 is no difference, 127 the middle, 255 far."""
        levels = self._levels(self.looks(pixels, nearest))
        found: np.ndarray = (255 * levels / (levels + self.middle)).round().astype(np.uint8)
        return found

    def _levels(self, looks: tuple[Tensor, Tensor]) -> np.ndarray:
        levels = (looks[0] / self.usual[0] + looks[1] / self.usual[1]) / 2
        return blurred(levels).numpy()

    def looks(self, pixels: np.ndarray, nearest: np.ndarray) -> tuple[Tensor, Tensor]:
        """The two, (n, H, W) each, not yet divided or averaged."""
        x = _planes(self.codec, pixels)
        apart = torch.zeros(len(x), *x.shape[2:])
        for which in nearest.T:
            apart += (x - _planes(self.codec, self.known[which])).abs().mean(1) / nearest.shape[1]
        strange = []
        for one in x.split(1):
            rows = _patches(one)[0].T.split(BLOCK)
            strange.append(torch.cat([torch.cdist(r, self.patches).min(1).values for r in rows]))
        return apart, torch.stack(strange).view(apart.shape)


def _planes(codec: ImageCodec, pixels: np.ndarray) -> Tensor:
    return codec.encode(torch.tensor(pixels)).contiguous()


def _patches(x: Tensor) -> Tensor:
    """The patch around each pixel, (n, C·5·5, H·W); the border is repeated outward."""
    return functional.unfold(functional.pad(x, [PATCH // 2] * 4, mode="replicate"), (PATCH, PATCH))


def blurred(levels: Tensor) -> Tensor:
    """Maps (n, H, W) averaged over 3×3 pixels."""
    padded = functional.pad(levels[:, None], [BLUR // 2] * 4, mode="replicate")
    return functional.avg_pool2d(padded, BLUR, stride=1)[:, 0]
