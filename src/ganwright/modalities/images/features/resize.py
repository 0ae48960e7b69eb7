"""The two resizings of published extractors. Which one is used is part of an extractor's hash."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def bilinear_tf1(x: Tensor, size: int) -> Tensor:
    """(b, C, H, W) → (b, C, size, size) as TensorFlow 1's ``resize_bilinear`` did by default.

    Output pixel i is taken at i·(n / size) — corners not aligned, no half pixel, no smoothing
    before shrinking — and mixed linearly from the two pixels around it, in float32: first along
    rows, then along columns. PyTorch's own bilinear takes it at (i + ½)·(n / size) − ½, which
    moves the picture and the FID.
    """
    return _stretch(_stretch(x, size, 3), size, 2)


def _stretch(x: Tensor, size: int, axis: int) -> Tensor:
    n = x.shape[axis]
    at = torch.arange(size, dtype=torch.float32, device=x.device) * float(np.float32(n / size))
    low = at.long()
    share = (at - low).view([-1 if i == axis else 1 for i in range(x.ndim)])
    before = x.index_select(axis, low)
    after = x.index_select(axis, (low + 1).clamp_max(n - 1))
    return before + (after - before) * share


def bicubic(pictures: np.ndarray, size: int) -> np.ndarray:
    """uint8 (n, H, W, 3) → uint8 (n, size, size, 3) by Pillow: bicubic, smoothed when shrinking."""
    square, kind = (size, size), Image.Resampling.BICUBIC
    made = [np.asarray(Image.fromarray(picture).resize(square, kind)) for picture in pictures]
    return np.stack(made) if made else np.empty((0, size, size, 3), np.uint8)
