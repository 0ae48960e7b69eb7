"""TimeGAN's two scores (Yoon, Jarrett & van der Schaar 2019): can windows be told apart, and do they teach?

Both train a recurrent net of two layers of gated units. Theirs has 2,000 steps at a rate of 0.001; ours
300 at a rate that falls from 0.01 to 0, which ends at about the same loss in a fraction of the time.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.evaluate.intervals import Estimate, normal, wilson
from ganwright.modalities.series.quality import Rows

STEPS, RATE, BATCH = 300, 1e-2, 128
MOST, LEAST = 2000, 20  # windows of each side
TESTED = 0.2  # the share of each side that is tested, the last of it: windows overlap


class _Net(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        width = min(32, max(8, channels))
        self.layers = nn.GRU(channels, width, num_layers=2, batch_first=True)
        self.last = nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        """(b, T, channels) to (b, T, out)."""
        found: Tensor = self.last(self.layers(x)[0])
        return found


def discriminative(real: Rows, fake: Rows) -> Estimate:
    """|accuracy − ½| of a net that tells real windows from made ones, on a fifth that it has not seen."""
    sides = [_seen(side) for side in (real, fake)]
    count = min(map(len, sides))
    if count < LEAST:
        raise DataError(f"needs {LEAST} windows of each side; there are {count}")
    sides = [_some(side, count) for side in sides]
    held = max(1, round(TESTED * count))
    x, y = _stacked([side[:-held] for side in sides])
    net = _trained(x.shape[2], 1, x, y, "discriminative")
    tested, truth = _stacked([side[-held:] for side in sides])
    with torch.no_grad():
        right = ((net(tested)[:, -1, 0] > 0) == (truth > 0.5)).float().mean().item()
    found = wilson(right * 2 * held, 2 * held)
    ends = sorted((abs(found.low - 0.5), abs(found.high - 0.5)))
    crosses = found.low <= 0.5 <= found.high
    low, high = (0.0 if crosses else ends[0]), ends[1]
    return Estimate(abs(right - 0.5), low, high, found.error, "Wilson")


def predictive(real: Rows, fake: Rows) -> Estimate:
    """The mean absolute error, in deviations, of a net that predicts all channels one step ahead.

    It learns from made windows and is tested on real ones.
    """
    made, tested = _seen(fake), _some(_seen(real), MOST)
    if min(len(made), len(tested)) < LEAST:
        raise DataError(f"needs {LEAST} windows of each side")
    made = _some(made, MOST)
    channels = real.values.shape[2]
    x, y = made[:, :-1], made[:, 1:, :channels]
    net = _trained(x.shape[2], channels, x, y, "predictive")
    with torch.no_grad():
        errors = (net(tested[:, :-1]) - tested[:, 1:, :channels]).abs().mean((1, 2)).numpy()
    spread = float(errors.std(ddof=1)) / math.sqrt(len(errors))
    return normal(float(errors.mean()), spread, "spread over real windows")


def _seen(rows: Rows) -> Tensor:
    """Values and, where any is missing, which are there: (n, T, ·)."""
    parts = [rows.whole, ~np.isnan(rows.values)]
    return torch.from_numpy(np.concatenate(parts, 2).astype(np.float32))


def _some(x: Tensor, most: int) -> Tensor:
    """At most so many, in their order."""
    most = min(most, MOST)
    if len(x) <= most:
        return x
    chosen = np.random.default_rng(seeds.derive(0, "scores")).permutation(len(x))[:most]
    return x[torch.from_numpy(np.sort(chosen))]


def _stacked(sides: list[Tensor]) -> tuple[Tensor, Tensor]:
    real, fake = sides
    return torch.cat(sides), torch.cat([torch.ones(len(real)), torch.zeros(len(fake))])


def _trained(channels: int, out: int, x: Tensor, y: Tensor, purpose: str) -> _Net:
    """A net that was trained to give y; of numbers y (n,) at the last step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(0, purpose))
        net = _Net(channels, out)
        optimiser = torch.optim.Adam(net.parameters(), RATE)
        falls = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for _ in range(STEPS):
            rows = torch.randint(len(x), (BATCH,))
            made = net(x[rows])
            if y.dim() == 1:
                loss = binary_cross_entropy_with_logits(made[:, -1, 0], y[rows])
            else:
                loss = l1_loss(made, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            falls.step()
    return net.eval()
