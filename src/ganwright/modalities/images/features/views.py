"""What pictures (b, C, H, W) are changed to, to learn features from them, and losses to learn by."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def view(x: Tensor) -> Tensor:
    """Each picture moved and changed in contrast and brightness, by chance."""
    contrast = torch.empty(len(x), 1, 1, 1).uniform_(0.7, 1.3)
    brightness = torch.empty(len(x), 1, 1, 1).uniform_(-0.2, 0.2)
    return moved(x, 0.12, 12, 0.15) * contrast + brightness


def expander(width: int) -> nn.Module:
    """What VICReg's loss looks at features through."""
    return nn.Sequential(nn.Linear(width, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256))


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """VICReg's loss (eq. 6, with its weights 25, 25 and 1) of two views' embeddings (b, d)."""
    loss = 25 * functional.mse_loss(a, b)
    for z in (a, b):
        loss = loss + 25 * functional.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() / 2
        covariance = z.T.cov()
        off = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = loss + off / len(covariance)
    return loss


def moved(x: Tensor, shift: float, degrees: float, zoom: float) -> Tensor:
    """Each picture shifted (by a share of its side), turned and zoomed by chance; never mirrored.

    Letters and organs are not the same in a mirror. The border is repeated outward.
    """
    n, _, height, width = x.shape
    angle = torch.empty(n).uniform_(-1, 1) * math.radians(degrees)
    scale = 1 + torch.empty(n).uniform_(-zoom, zoom)
    at = torch.empty(n, 2).uniform_(-2 * shift, 2 * shift)
    aspect = height / width
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [cos, -sin * aspect, at[:, 0], sin / aspect, cos, at[:, 1]]
    grid = functional.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def quarter_turns(x: Tensor) -> tuple[Tensor, Tensor]:
    """Square pictures turned by each number of quarters, (4 b, C, H, H), and those numbers (4 b,)."""
    turned = torch.cat([torch.rot90(x, quarters, (2, 3)) for quarters in range(4)])
    return turned, torch.arange(4).repeat_interleave(len(x))


def told_apart(features: Tensor, whose: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, eq. 2) of features (b, d) of identities (b,)."""
    directions = functional.normalize(features, dim=1)
    itself = torch.eye(len(whose), dtype=torch.bool)
    alike = (directions @ directions.T / temperature).masked_fill(itself, -torch.inf)
    same = (whose[:, None] == whose[None]) & ~itself
    likely = alike - alike.logsumexp(1, keepdim=True)
    return -(likely.masked_fill(~same, 0).sum(1) / same.sum(1)).mean()
