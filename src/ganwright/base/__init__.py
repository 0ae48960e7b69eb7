"""Knows no GAN and no picture: errors, names, options, specs, seeds, run folders."""
