"""Cells whose value is not known, wherever rows are codes: a cell is its code, or negative.

`HIDDEN` stands where nobody knows the value; ~code, which is negative, too, where a loss must still
know it.
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
