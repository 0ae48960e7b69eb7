"""Deep, narrow nets that get their input again at every stage.

The latent is joined to the features of every stage, so no stage can lose it; each stage adds to what
came before (He et al. 2016), so hundreds of stages train.
"""

from __future__ import annotations

import math
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


@options
class LatentSkipGeneratorOptions:
    """Stages of one width; the latent enters each of them."""

    kind: Literal["latent-skip"] = "latent-skip"
    width: int = Field(default=256, ge=1, le=65536, description="features of every stage")
    depth: int = Field(default=6, ge=1, le=1024, description="number of stages")
    activation: Activation = Field(default="leaky-relu", description="within each stage")
    norm: GeneratorNorm = Field(default="none", description="within each stage")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return LatentSkipGenerator(self, spec, latent)


@options
class LatentSkipDiscriminatorOptions:
    """The generator's mirror image: the example's projection enters each stage."""

    kind: Literal["latent-skip"] = "latent-skip"
    width: int = Field(default=256, ge=1, le=65536, description="features of every stage")
    depth: int = Field(default=6, ge=1, le=1024, description="number of stages")
    activation: Activation = Field(default="leaky-relu", description="within each stage")
    norm: DiscriminatorNorm = Field(
        default="none", description="within each stage, or of its weights"
    )
    dropout: float = Field(default=0.0, ge=0, le=0.9, description="share of features dropped")
    pack: Pack = 1
    minibatch_std: Group = 0

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return LatentSkipDiscriminator(self, spec)


class Stages(nn.Module):
    """h ← keep·h + add·f(h, input) for each stage, from h = first(input).

    The activation stands in front of each stage's layer (He et al. 2016b): behind it, what stages
    add would have a mean of one sign, which piles up with depth until nothing else is left. As
    keep² + add² = 1, the variance of h is the same at any depth: a magnitude-preserving sum (Karras
    et al. 2024).
    """

    def __init__(
        self, features: int, width: int, depth: int, activation: str, norm: str, dropout: float = 0
    ) -> None:
        super().__init__()
        self.first = nn.Linear(features, width)
        self.active = nn.ModuleList()  # before each stage's layer, and at the end
        for _ in range(depth + 1):
            layers = [*normalised(norm, width, flat=True), ACTIVATIONS[activation]()]
            layers += [Dropout(dropout)] if dropout else []
            self.active.append(nn.Sequential(*layers))
        self.layers = nn.ModuleList(nn.Linear(width + features, width) for _ in range(depth))
        # The start then keeps a share of 1/e or more of the variance, however many stages follow.
        self.keep, self.add = math.sqrt(depth / (depth + 1)), math.sqrt(1 / (depth + 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) to (batch, width)."""
        h: Tensor = self.first(x)
        *stages, last = self.active
        for active, layer in zip(stages, self.layers, strict=True):
            h = self.keep * h + self.add * layer(torch.cat([active(h), x], dim=1))
        end: Tensor = last(h)
        return end


class LatentSkipGenerator(Generator):
    def __init__(self, o: LatentSkipGeneratorOptions, spec: Spec, latent: int) -> None:
        super().__init__()
        self.shape = spec.shape
        self.input = LatentInput(latent, len(spec.classes))
        self.stages = Stages(self.input.features, o.width, o.depth, o.activation, o.norm)
        self.last = nn.Linear(o.width, spec.size)
        initialise(self, o.activation)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, latent) to (batch, *shape) in [-1, 1]."""
        return torch.tanh(self.last(self.stages(self.input(z, labels)))).unflatten(1, self.shape)


class LatentSkipDiscriminator(Discriminator):
    def __init__(self, o: LatentSkipDiscriminatorOptions, spec: Spec) -> None:
        super().__init__()
        self.mixes_examples = o.norm == "batch"
        self.pack, self.group = o.pack, o.pack * max(o.minibatch_std, 1)
        # The example is first brought to the stages' width: joined whole, it would outweigh them.
        self.project = nn.Sequential(
            nn.Flatten(),
            nn.Linear(o.pack * spec.size, o.width),
            ACTIVATIONS[o.activation](),
        )
        self.stages = Stages(o.width, o.width, o.depth, o.activation, o.norm, o.dropout)
        self.varied = MinibatchStd(o.minibatch_std)
        self.head = Head(o.width + self.varied.features, len(spec.classes), o.pack)
        initialise(self, o.activation)
        if o.norm == "spectral":
            spectral_normalise(self)

    def from_input(self) -> list[list[nn.Module]]:
        """The projection, the first layer, then each layer with what stands before it."""
        inner = zip(self.stages.active, self.stages.layers, strict=False)
        return [[self.project], [self.stages.first], *map(list, inner)]

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, *shape) to logits (batch / pack,)."""
        features = self.varied(self.stages(self.project(packed(x, self.pack))))
        logits: Tensor = self.head(features, labels)
        return logits
