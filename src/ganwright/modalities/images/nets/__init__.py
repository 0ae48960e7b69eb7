"""Convolutional nets for images."""

from ganwright.modalities.images.nets.dcgan import (
    DCGANDiscriminatorOptions,
    DCGANGeneratorOptions,
    DenseConvGeneratorOptions,
)
from ganwright.modalities.images.nets.r3gan import R3GANDiscriminatorOptions, R3GANGeneratorOptions

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "DCGANDiscriminatorOptions",
    "DCGANGeneratorOptions",
    "DenseConvGeneratorOptions",
    "R3GANDiscriminatorOptions",
    "R3GANGeneratorOptions",
]

GENERATORS = (DenseConvGeneratorOptions, DCGANGeneratorOptions, R3GANGeneratorOptions)
DISCRIMINATORS = (DCGANDiscriminatorOptions, R3GANDiscriminatorOptions)
