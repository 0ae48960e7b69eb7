"""Nets that fit any spec, and the layers that all nets share.

Nets for one modality are in its part `nets`. New net: one file, and its options in the lists here or
there.
"""

from __future__ import annotations

from torch import nn

from ganwright.nets.latent_skip import LatentSkipDiscriminatorOptions, LatentSkipGeneratorOptions
from ganwright.nets.layers import ACTIVATIONS, PlayerOptions
from ganwright.nets.mlp import MLPDiscriminatorOptions, MLPGeneratorOptions
from ganwright.nets.stages import Staged, freeze, stages_of

__all__ = [
    "ACTIVATIONS",
    "DISCRIMINATORS",
    "GENERATORS",
    "LatentSkipDiscriminatorOptions",
    "LatentSkipGeneratorOptions",
    "MLPDiscriminatorOptions",
    "MLPGeneratorOptions",
    "PlayerOptions",
    "Staged",
    "count_parameters",
    "freeze",
    "stages_of",
]

GENERATORS = (MLPGeneratorOptions, LatentSkipGeneratorOptions)
DISCRIMINATORS = (MLPDiscriminatorOptions, LatentSkipDiscriminatorOptions)


def count_parameters(network: nn.Module) -> int:
    """How many trainable parameters the network has."""
    return sum(parameter.numel() for parameter in network.parameters())
