"""Hidden cells: in rows of codes, a cell is its code, or negative where it is hidden.

`HIDDEN` means an unknown value; ~code, which is also negative, one that a loss must still know.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

HIDDEN = -1
Cells = TypeVar("Cells", np.ndarray, Tensor)


def hide(codes: Tensor, where: Tensor) -> Tensor:
    """The same cells (b, C), hidden `where` (b, C) says."""
    return torch.where(where, ~codes, codes)


def is_hidden(cells: Cells) -> Cells:
    """Which cells are hidden."""
    return cells < 0


def revealed(cells: Tensor) -> Tensor:
    """The codes that `hide` was given."""
    return torch.where(cells < 0, ~cells, cells)
