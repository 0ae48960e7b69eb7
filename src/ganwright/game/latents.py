"""The distributions that latents are drawn from, each as a function of uniforms.

A latent is a function of (seed, index): the same whatever batch it is drawn in, so training resumes
and sampling repeats exactly. Every distribution is the image of independent uniforms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from ganwright.base import seeds
from ganwright.base.names import Names
from ganwright.base.options import Field, options

CUT = 2.0  # of the truncated normal, in standard deviations


def normal(uniform: np.ndarray) -> np.ndarray:
    """N(0, 1) in every coordinate."""
    return ndtri(uniform)


def flat(uniform: np.ndarray) -> np.ndarray:
    """Uniform on [−1, 1] in every coordinate."""
    return 2 * uniform - 1


def truncated_normal(uniform: np.ndarray) -> np.ndarray:
    """N(0, 1) on condition that |z| ≤ 2."""
    low, high = ndtr(-CUT), ndtr(CUT)
    return ndtri(low + (high - low) * uniform)


def hypersphere(uniform: np.ndarray) -> np.ndarray:
    """Uniform on the sphere of radius √d, so that coordinates have variance 1."""
    z = ndtri(uniform)
    return z * (np.sqrt(z.shape[1]) / np.linalg.norm(z, axis=1, keepdims=True))


def bernoulli(uniform: np.ndarray) -> np.ndarray:
    """−1 or 1 with equal chance in every coordinate."""
    return np.where(uniform < 0.5, -1.0, 1.0)


LATENTS: Names[Callable[[np.ndarray], np.ndarray]] = Names(
    "latent distribution",
    {
        "normal": normal,
        "uniform": flat,
        "truncated-normal": truncated_normal,
        "hypersphere": hypersphere,
        "bernoulli": bernoulli,
    },
)


@options
class LatentOptions:
    """What the generator starts from."""

    kind: Literal["normal", "uniform", "truncated-normal", "hypersphere", "bernoulli"] = Field(
        default="normal", description="distribution of the latent"
    )
    dim: int = Field(default=100, ge=1, le=65536, description="length of the latent")

    def draw(self, seed: int, start: int, count: int) -> Tensor:
        """Latents `start` … `start + count` of `seed`: float32 (count, dim) on the CPU."""
        uniform = seeds.uniforms(seed, start, count, self.dim)
        return torch.from_numpy(LATENTS[self.kind](uniform).astype(np.float32))
