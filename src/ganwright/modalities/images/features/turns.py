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
from torch.nn import functional

from ganwright.data import Dataset
from ganwright.evaluate.learned import Network, See, Task, learned
from ganwright.modalities.images.features.learned import Pictures
from ganwright.modalities.images.features.views import quarter_turns

LEAST_USUAL = 0.01  # nats


@dataclass(frozen=True)
class Square(Pictures):
    """Pictures made square, to learn turns by (Gidaris et al. 2018)."""

    name = "turns"

    @property
    def shape(self) -> tuple[int, int, int]:
        channels, *sides = super().shape
        return channels, min(sides), min(sides)

    def look(self, stored: np.ndarray) -> Tensor:
        x = super().look(stored)
        side = min(x.shape[2:])
        return x if x.shape[2] == x.shape[3] else functional.adaptive_avg_pool2d(x, side)

    def task(self, data: Dataset) -> Task:
        return Quarters(self, data)


@dataclass(frozen=True, eq=False)
class Quarters(Task):
    """By which quarter a picture was turned."""

    sight: Square
    data: Dataset
    outputs = 4

    def loss(self, network: Network, index: np.ndarray) -> Tensor:
        x = self.sight.look(self.data.rows[index[: -(-len(index) // 4)]])
        turned, quarters = quarter_turns(self.sight.moved(x))
        return functional.cross_entropy(network.logits(network(turned)), quarters)


@dataclass(frozen=True, eq=False)
class Turns:
    """The network, and how much images of training surprise it, in nats."""

    look: See
    usual: float
    alone: ClassVar[bool] = True  # other views make a score worse

    @classmethod
    def of(cls, data: Dataset, known: np.ndarray) -> Turns:
        """Learned from the training part; `known` (n, H, W, C) say what is usual."""
        plain = cls(cast(See, learned(data, Square(data.codec)).see_batch), 1.0)
        return cls(plain.look, max(float(plain.oddness(known).mean()), LEAST_USUAL))

    def see(self, pixels: np.ndarray) -> Tensor:
        """Features (n, d) of images as they are."""
        return torch.from_numpy(self.look(pixels).features)

    @torch.inference_mode()
    def oddness(self, pixels: np.ndarray) -> np.ndarray:
        """−log p of the right quarter, mean of the four, 1 is usual; (n,) of images (n, H, W, C)."""
        found = []
        for block in np.array_split(pixels, -(-len(pixels) // 64)):
            turned, quarters = quarter_turns(self.look.sight.look(block))
            likely = self.look.network.logits(self.look.network(turned)).log_softmax(1)
            found.append(-likely.gather(1, quarters[:, None]).view(4, -1).mean(0))
        return torch.cat(found).double().cpu().numpy() / self.usual
