"""A small classifier trained on real digits, used to evaluate the recipes' digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ganwright.data import Dataset

SURE = 0.9


@dataclass(frozen=True)
class Verdict:
    """How a classifier of real digits sees pictures."""

    sure: float  # share classified with more than 0.9 confidence
    shares: list[float]  # of each class among all
    spread: float  # mean distance of two pictures taken for the same class, in units of a pixel

    @property
    def least(self) -> float:
        """The share of the rarest class."""
        return min(self.shares)


class Judge(nn.Module):
    """Two convolutions and two dense layers: 28×28 grey digits to ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits

    @torch.inference_mode()
    def see(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 (n, 28, 28, 1) to class probabilities (n, 10)."""
        self.eval()
        found = []
        for part in np.array_split(pictures, max(1, len(pictures) // 500)):
            x = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 127.5 - 1
            found.append(self(x).softmax(1).numpy())
        return np.concatenate(found)

    def judge(self, pictures: np.ndarray) -> Verdict:
        """How sure it is of pictures, and what it takes them for."""
        seen = self.see(pictures)
        counts = np.bincount(seen.argmax(1), minlength=10)
        sure = float((seen.max(1) > SURE).mean())
        return Verdict(sure, (counts / len(pictures)).tolist(), _spread(pictures, seen.argmax(1)))


def _spread(pictures: np.ndarray, classes: np.ndarray, most: int = 300) -> float:
    flat = torch.from_numpy(pictures.reshape(len(pictures), -1)).float() / 255
    within = [torch.pdist(flat[torch.from_numpy(classes == c)][:most]) for c in range(10)]
    return float(torch.cat(within).mean())


def train_judge(data: Dataset, *, passes: int = 4, seed: int = 0) -> tuple[Judge, float]:
    """A judge of `data` (MNIST), and its accuracy on the held-out part."""
    torch.manual_seed(seed)
    judge, rng = Judge(), np.random.default_rng(seed)
    steps = passes * (len(data.train) // 128)
    optimiser = torch.optim.Adam(judge.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(steps):
        stored, labels = data.batch(rng.choice(data.train, 128, replace=False))
        loss = nn.functional.cross_entropy(judge(data.codec.encode(stored)), labels)  # type: ignore[arg-type]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    stored, labels = data.batch(data.heldout)
    right = judge.see(stored.numpy()).argmax(1) == labels.numpy()  # type: ignore[union-attr]
    return judge, float(right.mean())
