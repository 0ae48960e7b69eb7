"""From a spec to the two players: one family of nets per file; no losses, no saving.

New net: one file, and its options in the lists here.
"""

from __future__ import annotations

from typing import Annotated

from torch import nn

from ganwright.base.options import Field
from ganwright.modalities.counts.nets import CountsDiscriminatorOptions, CountsGeneratorOptions
from ganwright.modalities.images.nets.dcgan import (
    DCGANDiscriminatorOptions,
    DCGANGeneratorOptions,
    DenseConvGeneratorOptions,
)
from ganwright.modalities.images.nets.r3gan import R3GANDiscriminatorOptions, R3GANGeneratorOptions
from ganwright.modalities.tables.nets import TableDiscriminatorOptions, TableGeneratorOptions
from ganwright.nets.latent_skip import LatentSkipDiscriminatorOptions, LatentSkipGeneratorOptions
from ganwright.nets.layers import ACTIVATIONS
from ganwright.nets.mlp import MLPDiscriminatorOptions, MLPGeneratorOptions
from ganwright.nets.stages import Staged, freeze, stages_of

__all__ = [
    "ACTIVATIONS",
    "DISCRIMINATORS",
    "GENERATORS",
    "CountsDiscriminatorOptions",
    "CountsGeneratorOptions",
    "DCGANDiscriminatorOptions",
    "DCGANGeneratorOptions",
    "DenseConvGeneratorOptions",
    "DiscriminatorOptions",
    "GeneratorOptions",
    "LatentSkipDiscriminatorOptions",
    "LatentSkipGeneratorOptions",
    "MLPDiscriminatorOptions",
    "MLPGeneratorOptions",
    "R3GANDiscriminatorOptions",
    "R3GANGeneratorOptions",
    "Staged",
    "TableDiscriminatorOptions",
    "TableGeneratorOptions",
    "count_parameters",
    "freeze",
    "stages_of",
]

GeneratorOptions = Annotated[
    MLPGeneratorOptions
    | LatentSkipGeneratorOptions
    | DenseConvGeneratorOptions
    | DCGANGeneratorOptions
    | R3GANGeneratorOptions
    | TableGeneratorOptions
    | CountsGeneratorOptions,
    Field(discriminator="kind"),
]
DiscriminatorOptions = Annotated[
    MLPDiscriminatorOptions
    | LatentSkipDiscriminatorOptions
    | DCGANDiscriminatorOptions
    | R3GANDiscriminatorOptions
    | TableDiscriminatorOptions
    | CountsDiscriminatorOptions,
    Field(discriminator="kind"),
]

# Those of pictures that take any activation and norm; r3gan has neither to choose, and each of the other
# modalities has one pair of its own.
GENERATORS = (
    MLPGeneratorOptions,
    LatentSkipGeneratorOptions,
    DenseConvGeneratorOptions,
    DCGANGeneratorOptions,
)
DISCRIMINATORS = (
    MLPDiscriminatorOptions,
    LatentSkipDiscriminatorOptions,
    DCGANDiscriminatorOptions,
)


def count_parameters(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(parameter.numel() for parameter in network.parameters())
