"""The parts that several nets share: activations, normalisation, heads, initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from ganwright.base.errors import OptionError
from ganwright.base.names import Names
from ganwright.base.spec import Spec

LEAK = 0.2
Activation = Literal["relu", "leaky-relu", "prelu", "silu", "elu", "gelu", "tanh"]

ACTIVATIONS: Names[Callable[[], nn.Module]] = Names(
    "activation",
    {
        "relu": nn.ReLU,
        "leaky-relu": lambda: nn.LeakyReLU(LEAK),
        "prelu": lambda: nn.PReLU(init=LEAK),
        "silu": nn.SiLU,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "tanh": nn.Tanh,
    },
)

# Keras calls 0.8 what keeps of the old statistics; torch calls 0.2 what is taken of the new.
BATCH_MOMENTUM = 0.2

GeneratorNorm = Literal["none", "batch"]
DiscriminatorNorm = Literal["none", "batch", "layer", "spectral"]


def batch_norm(kind: str, channels: int, *, flat: bool) -> list[nn.Module]:
    """The normalisation layer that `kind` asks for after a layer of `channels`, if any.

    `flat` says that the features are (batch, channels), not (batch, channels, height, width).
    """
    if kind == "batch":
        make = nn.BatchNorm1d if flat else nn.BatchNorm2d
        return [make(channels, momentum=BATCH_MOMENTUM)]
    if kind == "layer":  # over all features of one example: one group
        return [nn.LayerNorm(channels) if flat else nn.GroupNorm(1, channels)]
    return []


def bounded(layer: nn.Module, norm: str) -> nn.Module:
    """The layer, its spectral norm held at 1 if `norm` is "spectral" (Miyato et al. 2018)."""
    return spectral_norm(layer) if norm == "spectral" else layer


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """He et al. 2015 for every weight: N(0, gain²/fan-in) with the gain of a LeakyReLU; biases 0.

    A transposed convolution of stride s spreads each input over kernel²/s² taps, so its fan-in is
    smaller than torch's count. Embeddings keep their own.
    """
    gain = math.sqrt(2 / (1 + LEAK**2))
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight
            if is_parametrized(module, "weight"):  # the weight itself is computed from this one
                weight = module.parametrizations.weight.original  # type: ignore[union-attr, assignment]
            if isinstance(module, nn.ConvTranspose2d):
                fan_in = weight[:, 0].numel() / math.prod(module.stride)
            else:
                fan_in = weight[0].numel()
            weight.normal_(0, gain / math.sqrt(fan_in))
            if module.bias is not None:
                module.bias.zero_()


class LatentInput(nn.Module):
    """Joins the latent and the embedding of the label, where there are classes."""

    def __init__(self, latent: int, classes: int, embedding: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, embedding) if classes else None
        self.features = latent + (embedding if classes else 0)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """z (batch, latent) and labels (batch,) to (batch, features)."""
        if self.embed is None:
            return z
        return torch.cat([z, self.embed(labels)], dim=1)


class Head(nn.Module):
    """The discriminator's last layer: one logit, by projection on the label's embedding.

    D(x, y) = w·h(x) + v_y·h(x) (Miyato and Koyama 2018, equation 4); without classes the first
    term alone.
    """

    def __init__(self, features: int, classes: int, norm: str = "none") -> None:
        super().__init__()
        self.linear = bounded(nn.Linear(features, 1), norm)
        self.embed: nn.Module | None = None
        if classes:
            embed = nn.Embedding(classes, features)
            nn.init.normal_(embed.weight, std=1 / math.sqrt(features))
            self.embed = bounded(embed, norm)

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """features (batch, features) and labels (batch,) to logits (batch,)."""
        logits: Tensor = self.linear(features).squeeze(1)
        if self.embed is None:
            return logits
        return logits + (self.embed(labels) * features).sum(1)


def picture(spec: Spec, owner: str, *, least: int = 1) -> tuple[int, int, int]:
    """(channels, height, width) of a spec. Raises OptionError where a net of pictures doesn't fit."""
    if spec.axes != ("channel", "height", "width"):
        raise OptionError(f"{owner}: needs pictures, got examples with axes {spec.axes}")
    channels, height, width = spec.shape
    if min(height, width) < least:
        raise OptionError(
            f"{owner}: needs sides of at least {least} pixels, got {height}×{width}; "
            "use the mlp nets, or a larger data.size"
        )
    return channels, height, width


def doublings(height: int, width: int, *, least: int = 2) -> int:
    """How often a convolutional net halves a picture: until the longer side is at most 8.

    At least `least` times, as far as the shorter side allows.
    """
    wanted = max(least, math.ceil(math.log2(max(height, width) / 8)))
    return min(wanted, int(math.log2(min(height, width))))
