"""A residual U-Net (Ronneberger et al. 2015) for grids of any size and aspect.

No normalisation and no batch statistics: what is made of a place depends on the pixels within `reach` of
it alone, so a large picture can be computed in overlapping tiles, exactly. Skips are sums, which cost
nothing; residual branches and the last layer start at 0 (Fixup, Zhang et al. 2019). The latent, if there
is one, shifts the features of the coarsest map and of every finer one on the way back, alike everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from ganwright.nets.layers import LEAK, initialise

WIDEST = 4  # channels stop doubling at this multiple of the first map's
ENDS = 2  # convolutions outside the blocks: the first and the last


class Residual(nn.Module):
    """x + f(x) with two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) to the same."""
        y: Tensor = self.second(functional.leaky_relu(self.first(x), LEAK))
        return functional.leaky_relu(x + y, LEAK)


class UNet(nn.Module):
    """(b, before, H, W) to (b, after, H, W): `depth` halvings, `blocks` residual blocks at each size."""

    def __init__(
        self, before: int, after: int, *, width: int, depth: int, blocks: int, latent: int
    ) -> None:
        super().__init__()
        widths = [width * min(2**i, WIDEST) for i in range(depth + 1)]
        self.widths = widths  # of the maps on the way down
        self.unit = 2**depth  # sides are padded to its multiples
        # 3×3 convolutions reach one pixel of their own map each; a corner of it may be anywhere in the unit.
        passes = [4 * blocks] * depth + [2 * blocks]
        reach = ENDS + sum(count * 2**level for level, count in enumerate(passes)) + self.unit
        self.reach = -(-reach // self.unit) * self.unit
        self.first = nn.Conv2d(before, width, 3, padding=1)
        self.fine = nn.ModuleList(_blocks(w, blocks) for w in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.coarsest = _blocks(widths[-1], blocks)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.back = nn.ModuleList(_blocks(w, blocks) for w in widths[:-1])
        shifted = widths if latent else []
        self.shift = nn.ModuleList(nn.Linear(latent, w) for w in shifted)
        self.last = nn.Conv2d(width, after, 3, padding=1)
        initialise(self, "leaky-relu")
        for name, module in self.named_modules():
            if name.endswith("second") or name == "last":
                for weight in module.parameters():
                    nn.init.zeros_(weight)

    def features(self, x: Tensor) -> list[Tensor]:
        """x (b, before, H, W) to the maps of all sizes on the way down, the finest first."""
        x = functional.leaky_relu(self.first(padded(x, self.unit)), LEAK)
        kept = []
        for blocks, down in zip(self.fine, self.down, strict=True):
            x = blocks(x)
            kept.append(x)
            x = functional.leaky_relu(down(x), LEAK)
        return [*kept, x]

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """x (b, before, H, W), z (b, latent) to (b, after, H, W); 0 everywhere at the start."""
        return self.completed(self.features(x), z, x.shape[2:])

    def completed(self, maps: list[Tensor], z: Tensor | None, size: Sequence[int]) -> Tensor:
        """The result (b, after, *size) from `features`."""
        *kept, x = maps
        x = self.coarsest(self._shifted(x, z, len(kept)))
        for level in reversed(range(len(kept))):
            x = functional.pixel_shuffle(self.up[level](x), 2) + kept[level]
            x = self.back[level](self._shifted(x, z, level))
        made: Tensor = self.last(x)
        return made[:, :, : size[0], : size[1]]

    def _shifted(self, x: Tensor, z: Tensor | None, level: int) -> Tensor:
        if z is None or not self.shift:
            return x
        return x + self.shift[level](z).to(x.dtype)[:, :, None, None]


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(channels) for _ in range(count)))


def padded(x: Tensor, unit: int) -> Tensor:
    """x (b, c, H, W), continued by its last row and column to sides that are multiples of `unit`."""
    below, right = -x.shape[2] % unit, -x.shape[3] % unit
    return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
