"""Is a longer run better than a shorter one? The image recipe that `train` chooses, by γ and length.

    python benchmarks/longer.py NAME=PATH … --kimg 60 800 [--gammas 1 0.3] [--seeds 0 1] [--wide]

Each run is `relativistic` with classes where there are any: the narrow nets that a short time on a CPU
gets, or those of the recipe (`--wide`), at their own rates, and pictures of at most 32 pixels. Scores in
training are FIDs of 1,000 samples on learned features against half of the held-out images: the best one,
the last one before the rate falls (at 70 % of the run), and the last. The card's FID is that of the last
model, which need not be the one that the run keeps as its best, by `ganwright evaluate`: other samples,
the other half, with 95 % interval. The lines below the table compare the last models' FIDs between γ.

Runs are kept in `--out`; the same command goes on where it was stopped. Give every run one thread
(OMP_NUM_THREADS=1), so that it is repeated bit for bit.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import ganwright as gw
from ganwright.modalities.images.choice import NARROW

SIDE, SCORES = 32, 20
DECAY_FROM = 0.7


def train(path: str, out: Path, kimg: float, gamma: float, seed: int, wide: bool) -> gw.Run:
    """The run in a folder: as it is, if it has ended, else what is left of it to be trained."""
    if out.is_dir() and (told := gw.Run(out).log) and told[-1]["event"] == "done":
        return gw.Run(out)
    side = max(gw.open_data(path).spec.shape[1:])
    settings: dict[str, Any] = {
        **({} if wide else NARROW),
        **({"data.size": SIDE} if side > SIDE else {}),
        "game.penalty.r1": gamma,
        "game.penalty.r2": gamma,
        "train.score_kimg": kimg / SCORES,
        "train.score_features": "learned",
    }
    return gw.train(
        path, recipe="relativistic", out=out, kimg=kimg, seed=seed, device="cpu", settings=settings,
        resume=(out / "recipe.toml").is_file(),
    )  # fmt: skip


def row(run: gw.Run, path: str, kimg: float) -> tuple[float, str]:
    """The FID of the last model, and the cells of its row."""
    scores = [event for event in run.log if event["event"] == "score"]
    best = min(scores, key=lambda event: event["fid"])
    before = [event for event in scores if event["kimg"] <= DECAY_FROM * kimg][-1]
    model = gw.load(run.path / "model")
    fid = gw.evaluate(model, path, features="learned").measures["fid"]
    in_training = f"{best['fid']:.2f} at {best['kimg']:.0f} | {before['fid']:.2f}"
    on_card = f"{fid.value:.2f} ({fid.low:.2f} to {fid.high:.2f}) | {fid.floor:.2f}"
    return fid.value, f"{in_training} | {scores[-1]['fid']:.2f} | {on_card}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", help="NAME=PATH of images")
    parser.add_argument("--kimg", type=float, nargs="+", default=[60, 800])
    parser.add_argument("--gammas", type=float, nargs="+", default=[1, 0.3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--wide", action="store_true", help="nets and rate as in the recipe")
    parser.add_argument("--out", type=Path, default=Path("benchmark-runs/longer"))
    o = parser.parse_args()
    print("| set | kimg | γ | seed | best, kimg | at 70 % | last | card | floor |")
    print("|---|---|---|---|---|---|---|---|---|")
    told = []
    for name, _, path in (item.partition("=") for item in o.sets):
        for kimg in o.kimg:
            found: dict[float, list[float]] = {gamma: [] for gamma in o.gammas}
            for seed in o.seeds:
                for gamma in o.gammas:
                    nets = "wide-" if o.wide else ""
                    out = o.out / f"{name}-{nets}gamma-{gamma:g}-seed-{seed}-kimg-{kimg:g}"
                    run = train(path, out, kimg, gamma, seed, o.wide)
                    value, cells = row(run, path, kimg)
                    found[gamma].append(value)
                    print(f"| {name} | {kimg:g} | {gamma:g} | {seed} | {cells} |", flush=True)
            first, *others = (statistics.mean(values) for values in found.values())
            told += [
                f"{name}, {kimg:g} kimg: FID at γ = {gamma:g} is {value / first:.2f} times that at "
                f"γ = {o.gammas[0]:g}; seeds {', '.join(map(str, o.seeds))}"
                for gamma, value in zip(o.gammas[1:], others, strict=True)
            ]
    print("\n" + "\n".join(told))


if __name__ == "__main__":
    main()
