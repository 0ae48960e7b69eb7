"""What convolutional nets need to know about the sizes of grids: images, spectrograms."""

from __future__ import annotations

import math

from ganwright.base.errors import OptionError
from ganwright.base.spec import Spec


def picture(spec: Spec, owner: str, *, least: int = 1) -> tuple[int, int, int]:
    """(channels, height, width) of a spec with three axes. Raises OptionError for any other."""
    if len(spec.axes) != 3:
        raise OptionError(f"{owner}: needs pictures, got {spec.things}")
    channels, height, width = spec.shape
    if min(height, width) < least:
        raise OptionError(
            f"{owner}: needs sides of at least {least} pixels, got {height}×{width}; "
            "use the mlp nets, or a larger data.size"
        )
    return channels, height, width


def doublings(height: int, width: int) -> int:
    """How often a convolutional net halves a picture: until the longer side is at most 8.

    At least twice, as far as the shorter side allows.
    """
    wanted = max(2, math.ceil(math.log2(max(height, width) / 8)))
    return min(wanted, int(math.log2(min(height, width))))
