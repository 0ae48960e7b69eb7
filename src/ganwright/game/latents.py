"""The distributions that latents are drawn from, each as a function of uniforms.

A latent is a function of (seed, index): the same whatever batch it is drawn in, so training resumes
and sampling repeats exactly. Every distribution is the image of independent uniforms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from ganwright.base import seeds
from ganwright.base.errors import OptionError, message
from ganwright.base.names import Names
from ganwright.base.options import Field, options

CUT = 2.0  # of the truncated normal, in standard deviations


def normal(uniform: np.ndarray) -> np.ndarray:
    """N(0, 1) in every coordinate."""
    return ndtri(uniform)


def flat(uniform: np.ndarray) -> np.ndarray:
    """Uniform on [−1, 1] in every coordinate."""
    return 2 * uniform - 1


def within(bound: float, uniform: np.ndarray) -> np.ndarray:
    """N(0, 1) conditioned on |z| ≤ bound, in every coordinate."""
    low, high = ndtr(-bound), ndtr(bound)
    # Rounding must not push the end of a tail beyond the bound.
    return ndtri(low + (high - low) * uniform).clip(-bound, bound)


def truncated_normal(uniform: np.ndarray) -> np.ndarray:
    """N(0, 1) conditioned on |z| ≤ 2."""
    return within(CUT, uniform)


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


# What is left of each when coordinates are drawn again until |z| ≤ bound (Brock et al. 2019, section
# 3.1): a function of the same uniforms, so nothing is in fact drawn again. Coordinates on a sphere
# depend on each other, and of −1 and 1 none is nearer to the mean.
RESAMPLED: dict[str, Callable[[float, np.ndarray], np.ndarray]] = {
    "normal": within,
    "uniform": lambda bound, uniform: min(bound, 1.0) * flat(uniform),
    "truncated-normal": lambda bound, uniform: within(min(bound, CUT), uniform),
}
Truncate = Literal["shrink", "resample"]


@options
class LatentOptions:
    """The generator's random input."""

    kind: Literal["normal", "uniform", "truncated-normal", "hypersphere", "bernoulli"] = Field(
        default="normal", description="distribution of the latent"
    )
    dim: int = Field(default=100, ge=1, le=65536, description="length of the latent")

    def draw(self, seed: int, start: int, count: int) -> Tensor:
        """Latents `start` … `start + count` of `seed`: float32 (count, dim) on the CPU."""
        uniform = seeds.uniforms(seed, start, count, self.dim)
        return torch.from_numpy(LATENTS[self.kind](uniform).astype(np.float32))

    def draw_on(self, device: torch.device | str, count: int) -> Tensor:
        """`count` latents of the same distribution, drawn by torch's generator on `device`."""
        shape = (count, self.dim)
        if self.kind == "truncated-normal":
            return nn.init.trunc_normal_(torch.empty(shape, device=device), a=-CUT, b=CUT)
        if self.kind in ("uniform", "bernoulli"):
            flat = 2 * torch.rand(shape, device=device) - 1
            return flat if self.kind == "uniform" else 1 - 2 * (flat < 0).float()
        z = torch.randn(shape, device=device)
        if self.kind == "hypersphere":
            z = z * (math.sqrt(self.dim) / z.norm(dim=1, keepdim=True))
        return z

    def check_truncation(self, truncation: float, how: str = "shrink") -> None:
        """Raises OptionError for a truncation out of range, or one that this latent doesn't support."""
        if how not in get_args(Truncate):
            raise OptionError(
                message("truncate", f"can't be {how!r}", allowed=get_args(Truncate), got=how)
            )
        if how == "shrink" and not 0 <= truncation <= 1:
            raise OptionError(f"truncation: must lie between 0 and 1; got {truncation}")
        if how == "resample" and self.kind not in RESAMPLED:
            raise OptionError(
                f"truncate: coordinates of a {self.kind} latent can't be redrawn; use 'shrink'"
            )
        if not truncation >= 0:
            raise OptionError(f"truncation: must be at least 0; got {truncation}")

    def draw_truncated(
        self, seed: int, start: int, count: int, truncation: float, how: str = "shrink"
    ) -> Tensor:
        """As `draw`, nearer to the mean: less varied and more typical. Latent i still belongs to (seed, i).

        "shrink" keeps the share `truncation` of each latent's way from the mean, in [0, 1]: 1 leaves
        it, 0 gives the mean. It is the interpolation of Karras et al. 2019 (appendix B), in w: our
        generators' first layers are linear in (z, class embedding), w = Az + Be + c, so w of ψz is
        w̄ + ψ(w − w̄), with w̄ = Be + c the mean of the class. All our latents have the mean 0; those
        on a sphere or a cube's corners leave it as w leaves what it was trained on.

        "resample" draws coordinates again until |z| ≤ `truncation` (Brock et al. 2019, section 3.1), in
        the latent's own units: a bound of infinity is no truncation, 0 the mean. Raises OptionError as
        `check_truncation` does.
        """
        self.check_truncation(truncation, how)
        if how == "shrink":
            return self.draw(seed, start, count) * truncation
        uniform = seeds.uniforms(seed, start, count, self.dim)
        return torch.from_numpy(RESAMPLED[self.kind](truncation, uniform).astype(np.float32))
