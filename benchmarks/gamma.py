"""Fixed against automatic γ: a sweep of fixed values and the automatic one, on several data sets.

    python benchmarks/gamma.py NAME=PATH … [--gammas 0.1 0.3 1 3] [--seeds 2] [--kimg 24]

Each model is `relativistic` with classes where there are any, at a constant rate, trained for the same
number of examples; the score is the FID of 3,000 samples on learned features against held-out images.
For each set the last line says how far the automatic γ is from the best of the sweep (means over seeds)
and how far two seeds of one setting differ; smaller differences mean nothing.
`steepness` is d·E‖∇D‖² over the second half, `γ` its last value.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np

import ganwright as gw
from ganwright.base.options import override
from ganwright.data import DataOptions
from ganwright.train.run import named
from ganwright.train.trainer import Trainer, precision_on
from quality import Judge

SAMPLES = 3000


def train(
    data: gw.Dataset, settings: dict[str, Any], kimg: float, judge: Judge
) -> tuple[float, str]:
    """One run: the FID, and the cells of its row."""
    base = {f"{who}_optimiser.final_rate": None for who in ("generator", "discriminator")}
    recipe = override(named("relativistic"), base | settings)
    recipe = replace(recipe, train=replace(recipe.train, precision=precision_on("auto", "cpu")))
    trainer, began, steep = Trainer(recipe, data, "cpu"), time.perf_counter(), []
    while trainer.seen < kimg * 1000:
        result = trainer.round()
        if trainer.seen > kimg * 500:
            steep.append(float(result.steepness))  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    value, cells = judge(trainer.model().sample(SAMPLES, seed=1))
    gamma = float(result.gamma) * recipe.game.penalty.r1  # type: ignore[arg-type]
    return value, f"{seconds:.0f} | {gamma:.3g} | {np.mean(steep):.0f} | {cells}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", help="NAME=PATH of pictures, taken at 32 pixels at most")
    parser.add_argument("--gammas", type=float, nargs="+", default=[0.1, 0.3, 1, 3])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--kimg", type=float, default=24)
    o = parser.parse_args()
    print(
        "| set | γ | seed | s | γ in the end | steepness | FID | × floor | precision | recall | coverage |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    told = []
    for item in o.sets:
        name, _, path = item.partition("=")
        data = gw.open_data(path)
        if max(data.spec.shape[1:]) > 32:
            data = gw.open_data(path, options=override(DataOptions(), {"size": 32}))
        judge, found = Judge(data), {}  # type: ignore[var-annotated]
        for gamma in [None, *o.gammas]:
            for seed in range(o.seeds):
                asked: dict[str, Any] = {"train.seed": seed, "game.gamma.auto": gamma is None}
                if gamma is not None:
                    asked |= {"game.penalty.r1": gamma, "game.penalty.r2": gamma}
                value, cells = train(data, asked, o.kimg, judge)
                found.setdefault(gamma, []).append(value)
                shown = "auto" if gamma is None else f"{gamma:g}"
                print(f"| {name} | {shown} | {seed} | {cells} |", flush=True)
        means = {gamma: statistics.mean(values) for gamma, values in found.items()}
        auto = means.pop(None)
        best = min(means, key=lambda gamma: means[gamma])
        spread = statistics.mean((max(v) - min(v)) / statistics.mean(v) for v in found.values())
        told.append(
            f"{name}: auto {auto:.2f}, best by hand {means[best]:.2f} at γ = {best:g}: "
            f"{auto / means[best] - 1:+.0%}"
            + (f"; seeds of one setting differ by {spread:.0%}" if o.seeds > 1 else "; one seed")
        )
    print("\n" + "\n".join(told))


if __name__ == "__main__":
    main()
