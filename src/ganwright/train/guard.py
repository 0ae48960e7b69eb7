"""Watching for collapse: are the samples as different from each other as the data?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganwright.train.trainer import Trainer

COLLAPSED = 0.3  # samples this much less various than the data deserve a warning


def spread(x: Tensor) -> float:
    """The mean distance between two different examples of (n, *shape)."""
    flat = x.flatten(1).double()
    return float(torch.pdist(flat).mean())


def variety(trainer: Trainer, samples: np.ndarray) -> float:
    """The spread of samples as a share of that of as many real examples: 1 is like the data.

    Near 0 the generator makes one thing only. It says nothing about quality.
    """
    real, _ = trainer.data.batch(trainer.data.train[: len(samples)])
    codec = trainer.data.codec
    made = spread(codec.encode(torch.from_numpy(samples)))
    return made / max(spread(codec.encode(real)), 1e-12)
