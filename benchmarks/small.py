"""Few images: what augmentation gains, on 500 digits and on 200 flowers at 32×32.

    python benchmarks/small.py --digits MNIST_FOLDER --flowers FLOWERS.zip [--kimg 60] [--seeds 2]

That many training images are drawn from each set; a model is trained on them without augmentation and
with each kind of it, for the same number of examples, everything else equal. Features come from a
network trained on all training images of the whole set, most of which no model saw: FID of 5,000 samples
against all held-out images. Memorisation is measured on pixels: the probability that a sample lies closer
to its nearest training image than a held-out image does (0.5 is none, 1 is copying), and exact copies.
The few training images themselves, taken as samples, are listed for comparison.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import ganwright as gw
from ganwright.base.options import override
from ganwright.data import DataOptions
from ganwright.evaluate.coverage import Manifold, neighbourhood
from ganwright.evaluate.distances import fid
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.judge import look, rows
from ganwright.evaluate.memorisation import memorisation
from ganwright.evaluate.stats import statistics
from ganwright.train.plan import with_decay
from ganwright.train.run import named
from ganwright.train.trainer import Trainer, precision_on

SAMPLES = 5_000
WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "scheduled": {"game.augment.mode": "scheduled"},
    "adaptive": {"game.augment.mode": "adaptive", "game.augment.speed_kimg": 50},
    "diffaug": {"game.augment.mode": "diffaug"},
}


class Judge:
    """Scores samples against held-out pictures of the whole set."""

    def __init__(self, data: gw.Dataset, few: np.ndarray) -> None:
        self.data, self.extractor = data, choose_extractor("learned", data)
        real = look(self.extractor, rows(data, data.heldout)).features
        self.real = statistics(real)
        rng = np.random.default_rng(0)
        self.manifold = Manifold(real[np.sort(rng.permutation(len(real))[:SAMPLES])])
        self.few, self.held = self._flat(data.rows[few]), self._flat(data.rows[data.heldout][:2000])
        some = np.sort(rng.permutation(data.train)[:SAMPLES])
        self.floor = fid(self.real, look(self.extractor, rows(data, some)).features)

    def _flat(self, pictures: np.ndarray) -> np.ndarray:
        return np.asarray(pictures, np.float32).reshape(len(pictures), -1) / 255

    def __call__(self, pictures: np.ndarray) -> tuple[float, str]:
        seen = look(self.extractor, np.array_split(pictures, max(1, len(pictures) // 500))).features
        value, near = fid(self.real, seen), neighbourhood(self.manifold, seen)
        known = memorisation(self.few, self.held, self._flat(pictures[:2000]))
        return value, (
            f"{value:.2f} | {near.precision:.2f} | {near.recall:.2f} | {near.coverage:.2f} | "
            f"{known.closer:.1%} | {known.copies}"
        )


def study(name: str, data: gw.Dataset, count: int, o: argparse.Namespace) -> None:
    """The rows of one set."""
    few = np.sort(np.random.default_rng(1).permutation(data.train)[:count])
    judge = Judge(data, few)
    print(f"| {name} | (the {count} themselves) | | | | {judge(np.asarray(data.rows[few]))[1]} |")
    without = replace(data, train=few, labels=None, spec=replace(data.spec, classes=()))
    values: dict[str, list[float]] = {}
    for way, settings in WAYS.items():
        if way not in o.ways:
            continue
        for seed in range(o.seeds):
            base = {"train.seed": seed, "train.kimg": o.kimg, "train.batch": o.batch}
            recipe = override(
                named(o.recipe), base | settings | dict(i.split("=", 1) for i in o.set)
            )
            recipe = with_decay(recipe, o.kimg)
            precision = precision_on("auto", "cpu")
            recipe = replace(recipe, train=replace(recipe.train, precision=precision))
            trainer, began = Trainer(recipe, without, "cpu"), time.perf_counter()
            while trainer.seen < o.kimg * 1000:
                trainer.round()
            spent = time.perf_counter() - began
            made = trainer.model().sample(SAMPLES, seed=1)
            value, cells = judge(made)
            values.setdefault(way, []).append(value)
            p = "" if trainer.game.augment is None else f"{float(trainer.game.augment.p):.2f}"
            print(f"| {name} | {way} | {seed} | {p} | {spent:.0f} | {cells} |", flush=True)
            if o.out:
                n, (height, width, channels) = 10, made.shape[1:]
                sheet = made[: n * n].reshape(n, n, height, width, channels).swapaxes(1, 2)
                sheet = sheet.reshape(n * height, n * width, channels).squeeze()
                Image.fromarray(sheet).save(o.out / f"small-{name}-{way}-{seed}.png")
    for way, found in values.items():
        if way != "none" and "none" in values:
            gain = 1 - np.mean(found) / np.mean(values["none"])
            print(
                f"\n{name}: {way} lowers the FID by {gain:.0%} "
                f"(mean of {o.seeds} seeds; floor {judge.floor:.2f})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", help="MNIST's folder")
    parser.add_argument("--flowers", help="a folder or zip of pictures, a folder a class")
    parser.add_argument(
        "--counts", type=int, nargs=2, default=(500, 200), help="of digits, flowers"
    )
    parser.add_argument("--kimg", type=float, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--recipe", default="relativistic")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--set", nargs="*", default=[], help="key=value … for all")
    parser.add_argument("--out", type=Path, help="folder for grids of samples")
    o = parser.parse_args()
    if o.out:
        o.out.mkdir(parents=True, exist_ok=True)
    print(
        "| set | augmentation | seed | last p | s | FID | precision | recall | coverage | closer | copies |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    if o.digits:
        study("digits", gw.open_data(o.digits), o.counts[0], o)
    if o.flowers:
        small = override(DataOptions(), {"size": 32})
        study("flowers", gw.open_data(o.flowers, options=small), o.counts[1], o)


if __name__ == "__main__":
    main()
