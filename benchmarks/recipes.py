"""Does every recipe reach recognisable digits? Trains each on MNIST and classifies its samples.

    python benchmarks/recipes.py MNIST_FOLDER --out benchmark-runs [--minutes 8] [--recipes a,b]
                                 [--no-labels]

MNIST_FOLDER holds the four idx files of MNIST. Training uses the labels, as by default; --no-labels
leaves the classes and their balance to the generator. Confidently classified digits alone prove nothing,
because one image per class would suffice: "variety" is the mean distance between two samples of one
class, relative to that of real digits. Prints a table for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import ganwright as gw
from ganwright.train import RECIPES
from judge import train_judge

SAMPLES = 10_000
MLP = ("mlp", "mlp-small", "mlp-small-minimax", "latent-skip", "latent-skip-minimax")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, default=Path("benchmark-runs"))
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--no-labels", action="store_true")
    o = parser.parse_args()
    data = gw.open_data(o.data)
    judge, accuracy = train_judge(data)
    print(f"judge: {accuracy:.2%} of held-out digits right\n")
    print("| recipe | kimg | minutes | sure of | wanted | rarest class | variety |")
    print("|---|---|---|---|---|---|---|")
    if o.no_labels:
        print("without labels\n")
    real = np.stack([data[i] for i in data.heldout[:SAMPLES]])
    typical = judge.judge(real).spread
    noise = np.random.default_rng(0).integers(0, 256, real.shape, dtype=np.uint8)
    shuffled = np.random.default_rng(0).permuted(real.reshape(len(real), -1), axis=1)
    for name, pictures in (
        ("real, held out", real),
        ("noise", noise),
        ("real, pixels shuffled", shuffled.reshape(real.shape)),
    ):
        seen = judge.judge(pictures)
        print(f"| ({name}) | | | {seen.sure:.1%} | | {seen.least:.1%} | |", flush=True)
    for name in o.recipes.split(","):
        out = o.out / name
        if not (out / "model").is_dir():
            settings = {"data.labels": not o.no_labels, "train.score_features": "off"}
            gw.train(o.data, recipe=name, out=out, minutes=o.minutes, settings=settings)
        seen = judge.judge(gw.load(out).sample(SAMPLES, seed=1))
        last = gw.Run(out).log[-1]
        wanted = "≥ 80 %" if name in MLP else "≥ 90 %"
        print(
            f"| `{name}` | {last['kimg']:,.0f} | {last['seconds'] / 60:.1f} | {seen.sure:.1%} "
            f"| {wanted} | {seen.least:.1%} | {seen.spread / typical:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
