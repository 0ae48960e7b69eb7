"""How much images surprise a network that learned to tell by which quarter one was turned.

On images like those it learned from it is right, on others it is not (Golan & El-Yaniv 2018, "Deep
anomaly detection using geometric transformations", with quarter turns alone).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from ganwright.data import Dataset
from ganwright.modalities.images.features.learned import Look, learned
from ganwright.modalities.images.features.views import quarter_turns

LEAST_USUAL = 0.01  # nats


@dataclass(frozen=True, eq=False)
class Turns:
    """The network, and how much images of training surprise it, in nats."""

    look: Look
    usual: float
    alone: ClassVar[bool] = True  # other views make a score worse

    @classmethod
    def of(cls, data: Dataset, known: np.ndarray) -> Turns:
        """Learned from the training part; `known` (n, H, W, C) say what is usual."""
        plain = cls(cast(Look, learned(data, task="turns").see_batch), 1.0)
        return cls(plain.look, max(float(plain.oddness(known).mean()), LEAST_USUAL))

    def see(self, pixels: np.ndarray) -> Tensor:
        """Features (n, d) of images as they are."""
        return torch.from_numpy(self.look(pixels).features)

    @torch.inference_mode()
    def oddness(self, pixels: np.ndarray) -> np.ndarray:
        """−log p of the right quarter, mean of the four, 1 is usual; (n,) of images (n, H, W, C)."""
        found = []
        for block in np.array_split(pixels, -(-len(pixels) // 64)):
            turned, quarters = quarter_turns(self.look.planes(block))
            likely = self.look.network.logits(self.look.network(turned)).log_softmax(1)
            found.append(-likely.gather(1, quarters[:, None]).view(4, -1).mean(0))
        return torch.cat(found).double().cpu().numpy() / self.usual
