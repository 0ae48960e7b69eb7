"""What a translation keeps of the picture, without pairs: the contrast of patches (CUT, Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 0.07
PLACES = 64  # of each map that are compared


class PatchContrast(nn.Module):
    """−log p of telling, among places of one picture, which one a place of its translation comes from."""

    def __init__(self, widths: Sequence[int], features: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, features), nn.ReLU(), nn.Linear(features, features))
            for width in widths
        )

    def forward(self, made: Sequence[Tensor], given: Sequence[Tensor]) -> Tensor:
        """Maps (b, c, h, w) of both pictures, by the same net, to the mean over maps and places, (b,).

        As in equation 3 there, other places of the same picture are the negatives, and the given picture's
        features are held fixed.
        """
        values = []
        for head, own, theirs in zip(self.heads, made, given, strict=True):
            count = own.shape[2] * own.shape[3]
            chosen = torch.randperm(count, device=own.device)[:PLACES]
            query, key = (
                functional.normalize(head(maps.flatten(2)[:, :, chosen].mT.float()), dim=2)
                for maps in (own, theirs)
            )
            logits = query @ key.detach().mT / TEMPERATURE  # (b, places, places)
            values.append(-functional.log_softmax(logits, 2).diagonal(dim1=1, dim2=2).mean(1))
        return torch.stack(values).mean(0)
