"""Mode coverage on data with known modes, by the protocols of the usual benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.seeds import derive
from ganwright.evaluate.distances import class_kl
from ganwright.evaluate.matrix import AnyFeatures, FeatureMatrix, at_least, same_width


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equal Gaussians of one width around known centres."""

    centres: np.ndarray  # (modes, d)
    sigma: float

    def sample(self, n: int, *, seed: int = 0) -> np.ndarray:
        """n draws (n, d), float64; row i does not depend on the rows after it."""
        rng = np.random.default_rng(derive(seed, "mixture", "mode"))
        noise = np.random.default_rng(derive(seed, "mixture", "noise"))
        which = rng.integers(len(self.centres), size=n)
        drawn = noise.standard_normal((n, self.centres.shape[1]))
        found: np.ndarray = self.centres[which] + self.sigma * drawn
        return found


def ring(modes: int = 8, *, radius: float = 1.0, sigma: float = 0.01) -> Mixture:
    """Gaussians on a circle (Metz et al. 2017's ring of 8; sizes as in VEEGAN)."""
    angle = 2 * np.pi * np.arange(at_least("modes", modes, 1)) / modes
    return Mixture(radius * np.stack([np.cos(angle), np.sin(angle)], 1), sigma)


def grid(side: int = 5, *, spacing: float = 2.0, sigma: float = 0.05) -> Mixture:
    """side² Gaussians on a square grid around 0 (the grid of 25)."""
    axis = spacing * (np.arange(at_least("side", side, 1)) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2), sigma)


@dataclass(frozen=True)
class ModeCoverage:
    """How samples cover a mixture. Read `covered` and `share` together: either alone misleads."""

    covered: int  # modes with at least one good sample
    modes: int
    share: float  # samples within `sigmas` of their nearest centre
    kl: float  # KL of the good samples' mode histogram to equal shares, nats; inf without any
    expected_share: float  # what true samples of the mixture would have
    n: int


def mode_coverage(samples: AnyFeatures, mixture: Mixture, *, sigmas: float = 3.0) -> ModeCoverage:
    """Modes covered, and the share of samples within 3σ (Euclidean) of a centre.

    A sample is good within `sigmas` · σ of its nearest centre; a mode is covered by one good
    sample (VEEGAN, PacGAN). In two dimensions real draws reach a share of 1 − exp(−4.5) = 0.989.
    Raises DataError for NaN or another number of coordinates.
    """
    rows = FeatureMatrix(samples, "samples")
    same_width(mixture.centres.shape[1], rows.d, ("mixture", "samples"))
    counts = np.zeros(len(mixture.centres))
    for _, block in rows.blocks(torch.float64, 8192):
        x = block.cpu().numpy()
        distance = np.stack([np.square(x - c).sum(1) for c in mixture.centres], 1)
        which = distance.argmin(1)
        good = distance.min(1) <= (sigmas * mixture.sigma) ** 2
        counts += np.bincount(which[good], minlength=len(counts))
    good_ones = counts.sum()
    # P(χ²_d ≤ sigmas²), the regularised gamma function.
    half = torch.tensor([rows.d / 2, sigmas**2 / 2], dtype=torch.float64)
    return ModeCoverage(
        covered=int((counts > 0).sum()),
        modes=len(counts),
        share=float(good_ones / rows.n),
        kl=class_kl(counts) if good_ones else float("inf"),
        expected_share=float(torch.special.gammainc(half[0], half[1])),
        n=rows.n,
    )


@dataclass(frozen=True)
class ClassCoverage:
    """Which classes samples fall into, as Stacked MNIST is scored."""

    covered: int
    modes: int
    kl: float  # to equal shares, nats
    floor: float  # what equal shares themselves would give at this n
    n: int


def class_coverage(labels: np.ndarray, classes: int) -> ClassCoverage:
    """Classes met and KL(shares ‖ equal) of predicted labels (n,), each in 0 … classes − 1.

    Stacked MNIST (Srivastava et al. 2017): labels of 26,000 samples (1,000 classes: one digit a
    channel) by a classifier whose accuracy belongs beside the result. Raises DataError for labels
    outside the classes.
    """
    at_least("classes", classes, 1)
    found = np.asarray(labels)
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "iu":
        problem = f"labels must be a list of whole numbers; got {found.dtype} {found.shape}"
        raise DataError(message("class_coverage", problem))
    if found.min() < 0 or found.max() >= classes:
        problem = f"labels must lie in 0 … {classes - 1}; got {found.min()} … {found.max()}"
        raise DataError(message("class_coverage", problem))
    counts = np.bincount(found, minlength=classes)
    covered = int((counts > 0).sum())
    return ClassCoverage(
        covered, classes, class_kl(counts), kl_floor(classes, len(found)), len(found)
    )


def stacked_labels(digits: np.ndarray) -> np.ndarray:
    """One label in 0 … 999 from three digits a row (n, 3): hundreds, tens, ones."""
    found = np.asarray(digits)
    if found.ndim != 2 or found.shape[1] != 3 or found.min() < 0 or found.max() > 9:
        raise OptionError(
            message("stacked_labels", f"needs (n, 3) digits; got shape {found.shape}")
        )
    return found.astype(np.int64) @ np.array([100, 10, 1])


def kl_floor(classes: int, n: int, against: int | None = None) -> float:
    """The KL between equal histograms from sampling noise alone: (K − 1)/(2n), in nats.

    The mean of a χ² with K − 1 degrees of freedom over 2n (Wilks); `against` adds the noise of a
    reference that is itself counted from so many. Holds for n well above K.
    """
    at_least("n", n, 1)
    return (classes - 1) / 2 * (1 / n + (1 / against if against else 0.0))
