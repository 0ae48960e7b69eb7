"""Convolutional nets (Radford et al. 2016), and the dense-to-conv generator.

Any image size: the generator doubles ⌈size / 2ᵏ⌉ k times and crops the excess; the discriminator
halves, rounding down.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.nets.layers import (
    ACTIVATIONS,
    Activation,
    Discriminator,
    DiscriminatorNorm,
    Dropout,
    Generator,
    GeneratorNorm,
    Group,
    Head,
    LatentInput,
    MinibatchStd,
    Pack,
    initialise,
    normalised,
    packed,
    spectral_normalise,
)
from ganwright.nets.mlp import Widths
from ganwright.nets.shape import doublings, picture

WIDEST = 512  # channels at low resolution stop doubling here


@options
class DCGANGeneratorOptions:
    """Project, then transposed convolutions that double the size, tanh."""

    kind: Literal["dcgan"] = "dcgan"
    width: int = Field(
        default=64, ge=1, le=4096, description="channels at half the full resolution"
    )
    activation: Activation = Field(default="leaky-relu", description="between the layers")
    norm: GeneratorNorm = Field(default="batch", description="after each layer but the last")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return ConvGenerator(spec, latent, (), self.width, self.activation, self.norm)


@options
class DenseConvGeneratorOptions:
    """Dense layers, reshape, then transposed convolutions that double the size, tanh."""

    kind: Literal["dense-conv"] = "dense-conv"
    widths: Widths = Field(default=(256, 512, 1024), description="widths of the dense layers")
    width: int = Field(
        default=128, ge=1, le=4096, description="channels at half the full resolution"
    )
    activation: Activation = Field(default="leaky-relu", description="between the layers")
    norm: GeneratorNorm = Field(default="batch", description="after each layer but the last")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return ConvGenerator(spec, latent, self.widths, self.width, self.activation, self.norm)


@options
class DCGANDiscriminatorOptions:
    """Strided convolutions that halve the size, then one logit."""

    kind: Literal["dcgan"] = "dcgan"
    width: int = Field(
        default=64, ge=1, le=4096, description="channels at half the full resolution"
    )
    activation: Activation = Field(default="leaky-relu", description="after each convolution")
    norm: DiscriminatorNorm = Field(
        default="none", description="after each layer, or of its weights"
    )
    dropout: float = Field(default=0.0, ge=0, le=0.9, description="share of features dropped")
    pack: Pack = 1
    minibatch_std: Group = 0

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return ConvDiscriminator(self, spec)


class ConvGenerator(Generator):
    """Dense layers (none for a DCGAN), a projection to few pixels, transposed convolutions."""

    def __init__(
        self,
        spec: Spec,
        latent: int,
        dense: tuple[int, ...],
        width: int,
        activation: str,
        norm: str,
    ) -> None:
        super().__init__()
        channels, self.height, self.width = picture(spec, "generator", least=4)
        times = doublings(self.height, self.width)
        self.input = LatentInput(latent, len(spec.classes))
        widths = [min(width * 2**i, max(width, WIDEST)) for i in reversed(range(times))]
        start = (widths[0], -(-self.height // 2**times), -(-self.width // 2**times))

        def after(features: int, *, flat: bool) -> list[nn.Module]:
            return [*normalised(norm, features, flat=flat), ACTIVATIONS[activation]()]

        layers: list[nn.Module] = []
        for before, features in pairwise([self.input.features, *dense]):
            layers += [nn.Linear(before, features), *after(features, flat=True)]
        pixels = start[0] * start[1] * start[2]
        before = dense[-1] if dense else self.input.features
        layers += [nn.Linear(before, pixels), nn.Unflatten(1, start), *after(start[0], flat=False)]
        for before, features in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, features, 4, 2, 1), *after(features, flat=False)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1))
        initialise(self, activation)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, latent) to (batch, channels, height, width) in [-1, 1]."""
        x: Tensor = self.layers(self.input(z, labels))
        top, left = (x.shape[2] - self.height) // 2, (x.shape[3] - self.width) // 2
        return torch.tanh(x[:, :, top : top + self.height, left : left + self.width])


class ConvDiscriminator(Discriminator):
    def __init__(self, o: DCGANDiscriminatorOptions, spec: Spec) -> None:
        super().__init__()
        channels, height, width = picture(spec, "discriminator", least=4)
        times = doublings(height, width)
        self.mixes_examples = o.norm == "batch"
        self.pack, self.group = o.pack, o.pack * max(o.minibatch_std, 1)
        widths = [min(o.width * 2**i, max(o.width, WIDEST)) for i in range(times)]
        layers: list[nn.Module] = []
        for stage, (before, features) in enumerate(pairwise([o.pack * channels, *widths])):
            layers += [nn.Conv2d(before, features, 4, 2, 1)]
            if stage or o.norm != "batch":  # batch norm on pixels makes DCGANs oscillate
                layers += normalised(o.norm, features, flat=False)
            layers += [ACTIVATIONS[o.activation]()]
            layers += [Dropout(o.dropout)] if o.dropout else []
        varied = MinibatchStd(o.minibatch_std)
        self.layers = nn.Sequential(*layers, varied, nn.Flatten())
        pixels = (height >> times) * (width >> times)
        features = widths[-1] + varied.features
        self.head = Head(features * pixels, len(spec.classes), o.pack)
        initialise(self, o.activation)
        if o.norm == "spectral":
            spectral_normalise(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, channels, height, width) to logits (batch / pack,)."""
        logits: Tensor = self.head(self.layers(packed(x, self.pack)), labels)
        return logits
