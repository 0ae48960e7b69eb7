"""Foundations that know nothing of GANs or images: errors, names, options, specs, seeds, run folders."""
