"""Few examples, with and without a pretrained model: half of the classes as source, the other half as target.

    python benchmarks/transfer.py [--data digits] [--few 100] [--kimg 10] [--source-kimg 60] [--seeds 3]

A source is trained on all images of the lower half of the classes. Then models are trained on `few`
images of the upper half from random weights, from the source, and from the source with frozen stages of
the discriminator (Freeze-D), for the same kimg each. FID on learned features against all images of the
upper half, most of which no run has seen; the source itself and real images for comparison. No labels are
used.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import ganwright as gw

SMALL = {"generator.width": 32, "discriminator.width": 32, "train.precision": "float32"}


def saved(path: Path, pictures: np.ndarray) -> Path:
    """Pictures without labels in a file."""
    np.savez(path, images=pictures)
    return path


def trained(data: Path, out: Path, kimg: float, seed: int, **rest: Any) -> gw.Run:
    """A run that is not scored on the way: its last model counts."""
    settings = {"train.score_features": "off", **rest.pop("settings", {})}
    return gw.train(data, out=out, kimg=kimg, seed=seed, device="cpu", settings=settings, **rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--kimg", type=float, default=10)
    parser.add_argument("--source-kimg", type=float, default=60)
    parser.add_argument("--recipe", default="relativistic")
    parser.add_argument("--freeze", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seeds", type=int, default=3)
    a = parser.parse_args()
    data = gw.open_data(a.data)
    assert data.labels is not None
    half = len(data.spec.classes) // 2
    lower, upper = data.rows[data.labels < half], data.rows[data.labels >= half]
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        real = saved(place / "upper.npz", upper)

        def judge(name: str, run: gw.Run) -> None:
            card = gw.evaluate(run.model, real, features="learned")
            found.setdefault(name, []).append(card.measures["fid"].value)
            found.setdefault("floor", []).append(card.measures["fid"].floor)  # type: ignore[arg-type]
            print(f"{name:24} {card.measures['fid'].value:8.2f}", file=sys.stderr, flush=True)

        for seed in range(a.seeds):
            chosen = np.random.default_rng(seed).choice(len(upper), a.few, replace=False)
            few = saved(place / f"few-{seed}.npz", upper[chosen])
            source = trained(
                saved(place / "lower.npz", lower), place / f"source-{seed}", a.source_kimg, seed,
                recipe=a.recipe, settings=SMALL,
            )  # fmt: skip
            judge("the source itself", source)
            arms: dict[str, dict[str, Any]] = {
                "from nothing": {"recipe": a.recipe, "settings": SMALL},
                "from the source": {"start_from": source},
            } | {
                f"… {n} stages of D frozen": {
                    "start_from": source, "settings": {"train.freeze_d": n},
                }
                for n in a.freeze
            }  # fmt: skip
            for number, (name, rest) in enumerate(arms.items()):
                judge(name, trained(few, place / f"run-{seed}-{number}", a.kimg, seed, **rest))
    print(
        f"FID of {a.data}, {a.few} pictures, {a.kimg:g} kimg, {a.seeds} seeds: median (least, most)"
    )
    for name, values in found.items():
        print(f"{name:24} {statistics.median(values):8.2f} ({min(values):.2f}, {max(values):.2f})")


if __name__ == "__main__":
    main()
