"""Quarter turns of pictures, and a loss that tells identities apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
