"""A net over a picture of any size, tile by tile, in bounded memory and without seams.

A net that looks no further than `reach` gives each tile the same values that it would have in the whole
picture, when it is also shown what lies within `reach` of the tile. Nothing has to be blended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

SIDE = 512  # pixels of a tile, without what lies around it


class Box(NamedTuple):
    """A part of a picture: rows top … bottom, columns left … right."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)


@torch.inference_mode()
def tiled(
    make: Callable[[Tensor], Tensor],
    part: Callable[[Box], Tensor],
    height: int,
    width: int,
    *,
    reach: int,
    unit: int,
    side: int = SIDE,
) -> Iterator[tuple[Box, Tensor]]:
    """The results (c, h, w) of all tiles of a picture.

    `part` gives what the net is shown of a box (1, given, h, w); `unit` is what the net pads sides to a
    multiple of, and tiles start at its multiples, as in the whole picture.
    """
    side, reach = -(-side // unit) * unit, -(-reach // unit) * unit
    for top in range(0, height, side):
        for left in range(0, width, side):
            own = Box(top, left, min(top + side, height), min(left + side, width))
            seen = Box(
                max(0, top - reach),
                max(0, left - reach),
                min(own.bottom + reach, height),
                min(own.right + reach, width),
            )
            made = make(part(seen))[0]
            inner = Box(*(o - s for o, s in zip(own, (seen.top, seen.left) * 2, strict=True)))
            yield own, made[:, inner.rows, inner.columns]
