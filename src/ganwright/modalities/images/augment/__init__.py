"""Augmentation of images before the discriminator sees them."""

from ganwright.modalities.images.augment.operations import Options, Views, moved

__all__ = ["Options", "Views", "moved"]
