"""Modes covered: a ring of 8 and a grid of 25 Gaussians in the plane, and Stacked MNIST's 1,000.

    python benchmarks/modes.py ring grid [--seeds 10]
    python benchmarks/modes.py stacked --data MNIST_FOLDER [--minutes 20]

In the plane: modes with a sample within 3σ, and the share of samples that lie within 3σ of a mode.
Coverage alone is not enough: a cloud can "cover" 25 of 25 modes. Stacked MNIST: three random digits as
the three channels of an image, 1,000 classes. 26,000 samples are classified channel by channel, and the
KL divergence of the class histogram from equal shares is given, next to its sampling noise (K−1)/2n and
to the score of real stacks with the same classifier.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ganwright as gw
from ganwright.base.spec import Spec
from ganwright.evaluate import (
    ClassCoverage,
    Mixture,
    class_coverage,
    grid,
    mode_coverage,
    ring,
    stacked_labels,
)
from ganwright.game import (
    GameOptions,
    GammaOptions,
    LatentOptions,
    OptimiserOptions,
    PenaltyOptions,
)
from ganwright.nets import MLPDiscriminatorOptions, MLPGeneratorOptions
from ganwright.train import Recipe, TrainOptions
from ganwright.train.trainer import Trainer
from judge import Judge, train_judge

POINTS = 100_000
SAMPLES, STACKS = 26_000, 60_000
REAL_AWAY = np.sqrt(2 * np.log(2))  # median distance from the centre, in σ, of draws in the plane
MARGIN = 1.25  # the outermost centre comes to 1/MARGIN of the generator's range


@dataclass
class Plane:
    """Points of the plane, as a trainer sees data."""

    points: Tensor  # (n, 2) in [-1, 1]
    labels: None = None
    spec = Spec(axes=("coordinate",), shape=(2,))
    kind = "table"  # a row of two numbers

    @property
    def train(self) -> np.ndarray:
        return np.arange(len(self.points))

    @property
    def codec(self) -> Plane:
        return self

    def encode(self, stored: Tensor) -> Tensor:
        return stored

    given = encode

    def batch(self, indices: np.ndarray) -> tuple[Tensor, None]:
        return self.points[indices], None


def plain(seed: int) -> Recipe:
    """The first GAN: non-saturating, nothing else."""
    adam = OptimiserOptions(rate=2e-4)
    return Recipe(
        name="non-saturating",
        latent=LatentOptions(dim=16),
        generator=MLPGeneratorOptions(widths=(128, 128, 128)),
        discriminator=MLPDiscriminatorOptions(widths=(128, 128, 128)),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        train=TrainOptions(batch=256, seed=seed, precision="float32"),
    )


def modern(seed: int, kimg: float) -> Recipe:
    """Relativistic pairs with R1 and R2, whose weight and rate fall, from latents of −1 and 1.

    A net is continuous: fed with normal latents, it spends samples on the way from mode to mode.
    Between corners of a cube there is no way. The discriminator is the wider and slower of the two:
    one of the generator's width lost modes again on some seeds, once γ was small.
    """
    train = TrainOptions(batch=256, seed=seed, precision="float32", average_kimg=60)
    generator = OptimiserOptions(rate=5e-3, final_rate=2e-5, decay_kimg=kimg, beta1=0.0, beta2=0.99)
    return replace(
        plain(seed),
        name="relativistic",
        train=train,
        latent=LatentOptions(kind="bernoulli", dim=16),
        generator=MLPGeneratorOptions(widths=(64, 64, 64)),
        discriminator=MLPDiscriminatorOptions(widths=(128, 128, 128)),
        game=GameOptions(
            loss="relativistic-paired",
            penalty=PenaltyOptions(r1=0.3, r2=0.3),
            gamma=GammaOptions(final=0.025, decay_kimg=0.7 * kimg),
        ),
        generator_optimiser=generator,
        discriminator_optimiser=replace(generator, rate=3e-3),
    )


def in_the_plane(name: str, mixture: Mixture, seeds: int, plain_seeds: int, kimg: float) -> None:
    """A row for each recipe and seed."""
    scale = MARGIN * float(np.abs(mixture.centres).max())
    for make, count in ((plain, plain_seeds), (lambda seed: modern(seed, kimg), seeds)):
        for seed in range(count):
            points = mixture.sample(POINTS, seed=seed) / scale
            data: Any = Plane(torch.from_numpy(points.astype(np.float32)))
            trainer, began = Trainer(make(seed), data, "cpu"), time.perf_counter()
            while trainer.seen < kimg * 1000:
                trainer.round()
            seconds = time.perf_counter() - began
            latents = trainer.recipe.latent.draw(seed + 1, 0, 10_000)
            with torch.inference_mode():
                made = trainer.average.network(latents).double().numpy() * scale
            found = mode_coverage(made, mixture)
            away = np.linalg.norm(made[:, None] - mixture.centres, axis=2).min(1) / mixture.sigma
            print(
                f"| {name} | {trainer.recipe.name} | {seed} | {kimg:g} | {seconds:.0f} | "
                f"{found.covered} of {found.modes} | {found.share:.1%} (real "
                f"{found.expected_share:.1%}) | {np.median(away):.2f} (real {REAL_AWAY:.2f}) | "
                f"{found.kl:.3f} |",
                flush=True,
            )


def stacks(data: gw.Dataset, indices: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n pictures of three digits each: uint8 (n, 28, 28, 3)."""
    chosen = np.random.default_rng(seed).choice(indices, (n, 3))
    return np.concatenate([data.rows[chosen[:, i]] for i in range(3)], axis=-1)


def classify(judge: Judge, pictures: np.ndarray) -> ClassCoverage:
    """Which of the 1,000 classes the pictures fall into."""
    digits = [judge.see(pictures[..., i : i + 1]).argmax(1) for i in range(3)]
    return class_coverage(stacked_labels(np.stack(digits, axis=1)), 1000)


def stacked(folder: str, o: argparse.Namespace) -> None:
    """Trains on stacks and prints how many of the 1,000 modes there are."""
    mnist = gw.open_data(folder)
    judge, accuracy = train_judge(mnist)
    real = classify(judge, stacks(mnist, mnist.heldout, SAMPLES, seed=1))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "stacks.npy"
        np.save(path, stacks(mnist, mnist.train, STACKS, seed=0))
        os.environ["GANWRIGHT_CACHE"] = name
        settings = {"train.score_features": "off"} | dict(item.split("=", 1) for item in o.set)
        minutes = None if o.stacked_kimg else o.minutes
        run = gw.train(
            path, recipe=o.recipe, minutes=minutes, kimg=o.stacked_kimg, seed=o.seed, out=o.out,
            settings=settings,
        )  # fmt: skip
    made = gw.load(run.path).sample(SAMPLES, seed=1)
    found, last = classify(judge, made), run.log[-1]
    print(f"\njudge: {accuracy:.2%} of held-out digits right; floor (K−1)/2n = {found.floor:.4f}\n")
    print("| samples | kimg | minutes | modes of 1,000 | KL | n |")
    print("|---|---|---|---|---|---|")
    print(f"| (real stacks, held out) | | | {real.covered} | {real.kl:.4f} | {real.n:,} |")
    print(
        f"| `{o.recipe}`, seed {o.seed} | {last['kimg']:,.0f} | {last['seconds'] / 60:.1f} | "
        f"{found.covered} | {found.kl:.4f} | {found.n:,} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", choices=("ring", "grid", "stacked"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--plain", type=int, default=1, help="seeds of the plain GAN beside it")
    parser.add_argument("--seed", type=int, default=0, help="of stacked")
    parser.add_argument("--kimg", type=float, default=2600, help="of ring and grid")
    parser.add_argument("--data", help="MNIST's folder, for stacked")
    parser.add_argument("--minutes", type=float, default=20, help="of stacked")
    parser.add_argument("--stacked-kimg", type=float, help="of stacked, in place of minutes")
    parser.add_argument("--set", nargs="*", default=[], help="of stacked: key=value …")
    parser.add_argument("--recipe", default="relativistic", help="of stacked")
    parser.add_argument("--out", type=Path, default=Path("benchmark-runs/stacked"))
    o = parser.parse_args()
    if set(o.sets) - {"stacked"}:
        print("| set | recipe | seed | kimg | seconds | modes | within 3σ | median, in σ | KL |")
        print("|---|---|---|---|---|---|---|---|---|")
    for name in o.sets:
        if name == "stacked":
            if not o.data:
                parser.error("stacked: needs --data, MNIST's folder")
            stacked(o.data, o)
        else:
            in_the_plane(name, {"ring": ring, "grid": grid}[name](), o.seeds, o.plain, o.kimg)  # type: ignore[dict-item]


if __name__ == "__main__":
    main()
