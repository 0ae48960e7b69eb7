"""A Gaussian fitted to the training examples: the simplest model of arrays of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor

BLOCK = 500
FITTED_MOST, FITTED_NUMBERS = 5000, 2**24  # training examples, and numbers of them


def gaussian(data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[Any]:
    """`n` examples with the mean and covariance of the training examples, as the nets see them.

    Drawn as mean + Σ zᵢ (xᵢ − mean) / √(m − 1), which has exactly the covariance of the m examples
    without computing it.
    """
    rng = np.random.default_rng(seeds.derive(seed, "gaussian"))
    most = max(2, min(FITTED_MOST, FITTED_NUMBERS // math.prod(data.spec.shape)))
    stored, _ = data.batch(np.sort(rng.permutation(data.train)[:most]))
    flat = data.codec.encode(stored).flatten(1)
    mean = flat.mean(0)
    axes = (flat - mean) / math.sqrt(max(1, len(flat) - 1))
    for start in range(0, n, BLOCK):
        z = rng.standard_normal((min(BLOCK, n - start), len(axes)), np.float32)
        x = (mean + torch.from_numpy(z) @ axes).unflatten(1, data.spec.shape)
        yield data.codec.decode(x, rng.random((len(z), data.codec.uniforms)))
