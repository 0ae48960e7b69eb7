"""Fully connected nets: any spec, flattened (Goodfellow et al. 2014)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

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

Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...], Field(max_length=256)]


@options
class MLPGeneratorOptions:
    """Latent → widths → every number of the example, tanh."""

    kind: Literal["mlp"] = "mlp"
    widths: Widths = Field(
        default=(256, 512, 1024), min_length=1, description="widths of the layers"
    )
    activation: Activation = Field(default="leaky-relu", description="between the layers")
    norm: GeneratorNorm = Field(default="none", description="after each layer")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return MLPGenerator(self, spec, latent)


@options
class MLPDiscriminatorOptions:
    """Every number of the example → widths → one logit."""

    kind: Literal["mlp"] = "mlp"
    widths: Widths = Field(
        default=(1024, 512, 256), min_length=1, description="widths of the layers"
    )
    activation: Activation = Field(default="leaky-relu", description="between the layers")
    norm: DiscriminatorNorm = Field(
        default="none", description="after each layer, or of its weights"
    )
    dropout: float = Field(default=0.0, ge=0, le=0.9, description="share of features dropped")
    pack: Pack = 1
    minibatch_std: Group = 0

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return MLPDiscriminator(self, spec)


class MLPGenerator(Generator):
    def __init__(self, o: MLPGeneratorOptions, spec: Spec, latent: int) -> None:
        super().__init__()
        self.shape = spec.shape
        self.input = LatentInput(latent, len(spec.classes))
        layers: list[nn.Module] = []
        for before, after in pairwise([self.input.features, *o.widths]):
            layers += [nn.Linear(before, after), *normalised(o.norm, after, flat=True)]
            layers += [ACTIVATIONS[o.activation]()]
        self.layers = nn.Sequential(*layers, nn.Linear(o.widths[-1], spec.size))
        initialise(self, o.activation)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, latent) to (batch, *shape) in [-1, 1]."""
        return torch.tanh(self.layers(self.input(z, labels))).unflatten(1, self.shape)


class MLPDiscriminator(Discriminator):
    def __init__(self, o: MLPDiscriminatorOptions, spec: Spec) -> None:
        super().__init__()
        self.mixes_examples = o.norm == "batch"
        self.pack, self.group = o.pack, o.pack * max(o.minibatch_std, 1)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise([o.pack * spec.size, *o.widths]):
            layers += [nn.Linear(before, after), *normalised(o.norm, after, flat=True)]
            layers += [ACTIVATIONS[o.activation]()]
            layers += [Dropout(o.dropout)] if o.dropout else []
        self.layers = nn.Sequential(*layers)
        self.varied = MinibatchStd(o.minibatch_std)
        self.head = Head(o.widths[-1] + self.varied.features, len(spec.classes), o.pack)
        initialise(self, o.activation)
        if o.norm == "spectral":
            spectral_normalise(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, *shape) to logits (batch / pack,)."""
        features = self.varied(self.layers(packed(x, self.pack)))
        logits: Tensor = self.head(features, labels)
        return logits
