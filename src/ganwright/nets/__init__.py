"""Nets for any spec, nets for grids (images, spectrograms), and the layers that all nets share.

Nets for one modality are in its part `nets`. A new net is one file, with its options in the list here
or there.
"""

from __future__ import annotations

from torch import nn

from ganwright.nets.dcgan import (
    DCGANDiscriminatorOptions,
    DCGANGeneratorOptions,
    DenseConvGeneratorOptions,
)
from ganwright.nets.latent_skip import LatentSkipDiscriminatorOptions, LatentSkipGeneratorOptions
from ganwright.nets.layers import ACTIVATIONS, PlayerOptions
from ganwright.nets.mlp import MLPDiscriminatorOptions, MLPGeneratorOptions
from ganwright.nets.patch import PatchDiscriminatorOptions
from ganwright.nets.r3gan import R3GANDiscriminatorOptions, R3GANGeneratorOptions
from ganwright.nets.stages import Staged, freeze, stages_of

__all__ = [
    "ACTIVATIONS",
    "DISCRIMINATORS",
    "GENERATORS",
    "DCGANDiscriminatorOptions",
    "DCGANGeneratorOptions",
    "DenseConvGeneratorOptions",
    "LatentSkipDiscriminatorOptions",
    "LatentSkipGeneratorOptions",
    "MLPDiscriminatorOptions",
    "MLPGeneratorOptions",
    "PatchDiscriminatorOptions",
    "PlayerOptions",
    "R3GANDiscriminatorOptions",
    "R3GANGeneratorOptions",
    "Staged",
    "count_parameters",
    "freeze",
    "stages_of",
]

GENERATORS = (
    MLPGeneratorOptions,
    LatentSkipGeneratorOptions,
    DenseConvGeneratorOptions,
    DCGANGeneratorOptions,
    R3GANGeneratorOptions,
)
DISCRIMINATORS = (
    MLPDiscriminatorOptions,
    LatentSkipDiscriminatorOptions,
    DCGANDiscriminatorOptions,
    R3GANDiscriminatorOptions,
    PatchDiscriminatorOptions,
)


def count_parameters(network: nn.Module) -> int:
    """How many trainable parameters the network has."""
    return sum(parameter.numel() for parameter in network.parameters())
