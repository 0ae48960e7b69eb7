"""Deep, narrow nets that see their input again at every stage.

The latent is joined to the features of every stage, so no stage can lose it; each stage adds to its
input (He et al. 2016), so hundreds of stages train.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.nets.layers import (
    ACTIVATIONS,
    Activation,
    DiscriminatorNorm,
    GeneratorNorm,
    Head,
    LatentInput,
    batch_norm,
    bounded,
    initialise,
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
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of features dropped")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return LatentSkipDiscriminator(self, spec)


class Stages(nn.Module):
    """h ← h + f([h, input]) for each stage, from h = first(input)."""

    def __init__(
        self, features: int, width: int, depth: int, activation: str, norm: str, dropout: float = 0
    ) -> None:
        super().__init__()
        self.first = bounded(nn.Linear(features, width), norm)
        self.stages = nn.ModuleList()
        for _ in range(depth):
            layers = [bounded(nn.Linear(width + features, width), norm)]
            layers += [*batch_norm(norm, width, flat=True), ACTIVATIONS[activation]()]
            layers += [nn.Dropout(dropout)] if dropout else []
            self.stages.append(nn.Sequential(*layers))
        # Each of `depth` additions brings 1/depth of the variance: the sum stays near 1 at any depth.
        self.scale = depth**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) to (batch, width)."""
        h: Tensor = self.first(x)
        for stage in self.stages:
            h = h + self.scale * stage(torch.cat([h, x], dim=1))
        return h


class LatentSkipGenerator(nn.Module):
    def __init__(self, o: LatentSkipGeneratorOptions, spec: Spec, latent: int) -> None:
        super().__init__()
        self.shape = spec.shape
        self.input = LatentInput(latent, len(spec.classes))
        self.stages = Stages(self.input.features, o.width, o.depth, o.activation, o.norm)
        self.last = nn.Linear(o.width, spec.size)
        initialise(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, latent) to (batch, *shape) in [-1, 1]."""
        return torch.tanh(self.last(self.stages(self.input(z, labels)))).unflatten(1, self.shape)


class LatentSkipDiscriminator(nn.Module):
    def __init__(self, o: LatentSkipDiscriminatorOptions, spec: Spec) -> None:
        super().__init__()
        self.mixes_examples = o.norm == "batch"
        # The example is first brought to the stages' width: joined whole, it would outweigh them.
        self.project = nn.Sequential(
            nn.Flatten(),
            bounded(nn.Linear(spec.size, o.width), o.norm),
            ACTIVATIONS[o.activation](),
        )
        self.stages = Stages(o.width, o.width, o.depth, o.activation, o.norm, o.dropout)
        self.head = Head(o.width, len(spec.classes), o.norm)
        initialise(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, *shape) to logits (batch,)."""
        logits: Tensor = self.head(self.stages(self.project(x)), labels)
        return logits
