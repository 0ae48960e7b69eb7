"""A discriminator of patches (Isola et al. 2017): a logit for each place of a grid of any size.

It also sees the first channels of the condition, where it is told to: with a picture that is to be repaired
it judges whether the result belongs to it, with a mask it knows which parts were made.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.nets.layers import LEAK, Discriminator, initialise
from ganwright.nets.shape import picture

WIDEST = 4


@options
class PatchDiscriminatorOptions:
    """Strided convolutions, then one logit for each place that is left."""

    kind: Literal["patch"] = "patch"
    width: int = Field(default=32, ge=1, le=4096, description="channels at full resolution")
    depth: int = Field(default=2, ge=0, le=8, description="how often the size is halved")
    sees: int = Field(
        default=0, ge=0, le=260, description="channels of the condition seen beside the picture"
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return PatchDiscriminator(self, spec)


class PatchDiscriminator(Discriminator):
    def __init__(self, o: PatchDiscriminatorOptions, spec: Spec) -> None:
        super().__init__()
        channels, _, _ = picture(spec, "discriminator", least=2**o.depth)
        self.sees = o.sees
        widths = [o.width * min(2**i, WIDEST) for i in range(o.depth + 1)]
        layers = [nn.Conv2d(channels + o.sees, o.width, 3, padding=1)]
        layers += [nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths)]
        layers += [nn.Conv2d(widths[-1], widths[-1], 3, padding=1)]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Conv2d(widths[-1], 1, 1)
        initialise(self, "leaky-relu")

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x (b, c, H, W), condition (b, sees …, H, W) to logits (b · places,), an example's in a row."""
        if self.sees:
            assert condition is not None
            x = torch.cat([x, condition[:, : self.sees].to(x.dtype)], dim=1)
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), LEAK)
        with torch.autocast(x.device.type, enabled=False):  # losses compare logits
            logits: Tensor = self.head(x.to(self.head.weight.dtype))
        return logits.flatten()
