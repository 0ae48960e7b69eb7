"""What the choice of `train` rests on: speeds, the recipe by time, the rate by batch.

    python benchmarks/default.py speeds [--sides 28 64] [--turns 3]
    python benchmarks/default.py recipes NAME=PATH … --seconds 30 120 --seeds 0 1
    python benchmarks/default.py batches NAME=PATH … --kimg 120 --seeds 0

`speeds`: examples per second of processor time, in float32 and bfloat16, by instruction set. For "avx2" the
same machine is told to use no more than AVX2 (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA), in a process of its
own; turns alternate. `recipes`: `relativistic` in its narrow form against `r3gan` xs, each for so many
seconds of processor time by its own measured speed, at 32 pixels at most; the FID of the last model on
learned features, with its 95 % interval and floor. `batches`: the narrow form at other batches, its rate
times a power of the growth, for the same number of examples.

Give every process one thread (OMP_NUM_THREADS=1). Runs are kept in `--out`, and not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import ganwright as gw
from ganwright.base.options import override
from ganwright.modalities.images.choice import NARROW, WEAK
from ganwright.modalities.images.expect import SMALL
from ganwright.train.recipes import RECIPES, Recipe
from ganwright.train.trainer import Trainer

SIDE = 32
ISAS = {"native": {}, "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}}
PRECISIONS = ("float32", "bfloat16")


def recipes(size: int) -> dict[str, Recipe]:
    """The recipes that are compared, for images of so many numbers."""
    weak = WEAK if size <= SMALL else {}
    wide = override(RECIPES["relativistic"].make(), weak)
    return {
        "mlp-small": RECIPES["mlp-small"].make(),
        "relativistic, narrow": override(wide, NARROW),
        "relativistic": wide,
        "r3gan": override(RECIPES["r3gan"].make(), weak),
    }


def speed(recipe: Recipe, data: gw.Dataset, seconds: float = 2.0) -> float:
    """Examples per second of processor time."""
    trainer = Trainer(recipe, data, "cpu")
    trainer.round()
    began, before = time.process_time(), trainer.seen
    while (spent := time.process_time() - began) < seconds or trainer.seen == before:
        trainer.round()
    return (trainer.seen - before) / spent


# --- speeds --------------------------------------------------------------------------------------


def noise(folder: Path, side: int) -> gw.Dataset:
    path = folder / f"{side}.npy"
    shape = (1024, side, side, 1 if side < SIDE else 3)
    np.save(path, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    return gw.open_data(path)


def one_turn(sides: list[int]) -> list[tuple[str, float]]:
    """Every speed once, in this process."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANWRIGHT_CACHE"] = folder
        for side in sides:
            data = noise(Path(folder), side)
            for name, recipe in recipes(data.spec.size).items():
                if name == "mlp-small" and side > SIDE:
                    continue
                for precision in PRECISIONS:
                    asked = override(recipe, {"train.precision": precision})
                    found.append((f"{name}|{side}|{precision}", speed(asked, data)))
    return found


def speeds(o: argparse.Namespace) -> None:
    if o.one:
        print(json.dumps(one_turn(o.sides)))
        return
    found: dict[tuple[str, str], list[float]] = {}
    words = [sys.executable, __file__, "speeds", "--one", "--sides", *map(str, o.sides)]
    for _ in range(o.turns):
        for isa, settings in ISAS.items():
            line = subprocess.run(
                words, check=True, stdout=subprocess.PIPE, env=os.environ | settings
            )
            for cell, value in json.loads(line.stdout):
                found.setdefault((cell, isa), []).append(value)
    columns = [(isa, precision) for isa in ISAS for precision in PRECISIONS]
    print("| recipe | side | " + " | ".join(f"{isa}, {p}" for isa, p in columns) + " |")
    print("|---|---" + "|---" * len(columns) + "|")
    for head in dict.fromkeys(cell.rpartition("|")[0] for cell, _ in found):
        name, side = head.split("|")
        medians = [statistics.median(found[f"{head}|{p}", isa]) for isa, p in columns]
        print(f"| `{name}` | {side} | " + " | ".join(f"{m:,.0f}" for m in medians) + " |")


# --- trained runs --------------------------------------------------------------------------------


def trained(recipe: Recipe, path: str, out: Path, kimg: float, seed: int) -> gw.Run:
    """The run in a folder, trained if it has not ended yet."""
    if out.is_dir() and (told := gw.Run(out).log) and told[-1]["event"] == "done":
        return gw.Run(out)
    settings = flat(recipe) | {"train.score_features": "off"}
    side = max(gw.open_data(path).spec.shape[1:])
    settings |= {"data.size": SIDE} if side > SIDE else {}
    return gw.train(
        path, recipe=recipe.name, out=out, kimg=kimg, seed=seed, device="cpu", settings=settings,
        resume=(out / "recipe.toml").is_file(),
    )  # fmt: skip


def flat(recipe: Recipe) -> dict[str, Any]:
    """What a recipe changes of the one of its name."""
    from ganwright.base.options import flatten

    usual = flatten(RECIPES[recipe.name].make())
    return {name: value for name, value in flatten(recipe).items() if value != usual.get(name)}


def judged(run: gw.Run, path: str) -> str:
    fid = gw.evaluate(gw.load(run.path / "model"), path, features="learned").measures["fid"]
    return f"{fid.value:.2f} ({fid.low:.2f} to {fid.high:.2f}) | {fid.floor:.2f}"


def at_side(path: str) -> gw.Dataset:
    data = gw.open_data(path)
    return gw.open_data(path, size=SIDE) if max(data.spec.shape[1:]) > SIDE else data


def by_time(o: argparse.Namespace) -> None:
    print("| set | seconds | seed | recipe | kimg | FID | floor |")
    print("|---|---|---|---|---|---|---|")
    for name, _, path in (item.partition("=") for item in o.sets):
        data = at_side(path)
        found = recipes(data.spec.size)
        sides = {one: found[one] for one in ("relativistic, narrow", "r3gan")}
        fast = {one: speed(recipe, data, 5.0) for one, recipe in sides.items()}
        for seconds in o.seconds:
            for seed in o.seeds:
                for one, recipe in sides.items():
                    kimg = round(fast[one] * seconds / 1000)
                    out = o.out / f"{name}-{recipe.name}-{seconds:g}s-seed-{seed}"
                    run = trained(recipe, path, out, kimg, seed)
                    told = judged(run, path)
                    seen = run.log[-1]["kimg"]
                    print(
                        f"| {name} | {seconds:g} | {seed} | `{one}` | {seen:.0f} | {told} |",
                        flush=True,
                    )


def by_batch(o: argparse.Namespace) -> None:
    print("| set | kimg | batch | rate | seed | FID | floor |")
    print("|---|---|---|---|---|---|---|")
    for name, _, path in (item.partition("=") for item in o.sets):
        base = recipes(at_side(path).spec.size)["relativistic, narrow"]
        cells = [(64, 0.0)] + [(batch, power) for batch in o.batches for power in o.powers]
        for batch, power in cells:
            for seed in o.seeds:
                growth = (batch / 64) ** power
                settings: dict[str, Any] = {"train.batch": batch}
                for player in ("generator_optimiser", "discriminator_optimiser"):
                    its = getattr(base, player)
                    settings[f"{player}.rate"] = its.rate * growth
                    settings[f"{player}.final_rate"] = its.final_rate * growth
                recipe = override(base, settings)
                out = o.out / f"{name}-batch-{batch}-power-{power:g}-kimg-{o.kimg:g}-seed-{seed}"
                run = trained(recipe, path, out, o.kimg, seed)
                rate = recipe.generator_optimiser.rate
                told = judged(run, path)
                print(f"| {name} | {o.kimg:g} | {batch} | {rate:g} | {seed} | {told} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("speeds")
    verb.add_argument("--sides", type=int, nargs="+", default=[28, 32, 64])
    verb.add_argument("--turns", type=int, default=3)
    verb.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    verb.set_defaults(do=speeds)
    verb = verbs.add_parser("recipes")
    verb.add_argument("sets", nargs="+", help="NAME=PATH of images")
    verb.add_argument("--seconds", type=float, nargs="+", default=[30, 120])
    verb.set_defaults(do=by_time)
    batches = verbs.add_parser("batches")
    batches.add_argument("sets", nargs="+", help="NAME=PATH of images")
    batches.add_argument("--kimg", type=float, default=120)
    batches.add_argument("--batches", type=int, nargs="+", default=[256])
    batches.add_argument("--powers", type=float, nargs="+", default=[0, 0.5, 1])
    batches.set_defaults(do=by_batch)
    for one in (verb, batches):
        one.add_argument("--seeds", type=int, nargs="+", default=[0])
        one.add_argument("--out", type=Path, default=Path("benchmark-runs/default"))
    o = parser.parse_args()
    o.do(o)


if __name__ == "__main__":
    main()
