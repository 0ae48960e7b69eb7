"""Of runs made to fail, how many end healthy with the guard, and how many without?

    python benchmarks/guard.py [--seeds 6] [--kimg 30] [--factor 1.5] [--only 0,1] [--out FOLDER]

Trains small nets on digits, once as they should be and with each fault, several seeds, each with
`train.repairs` as by default and with 0, as --no-guard. A run ends healthy when its last score, an FID, is
at most `--factor` times the median of the healthy runs of that recipe. Also says how often the guard acted
in the healthy runs: each time is a false alarm. Prints a table for docs/reliability.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import ganwright as gw
from ganwright.base.errors import Diverged

BOTH = ("generator_optimiser.rate", "discriminator_optimiser.rate")
# By name: the recipe, and what is wrong.
FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "minimax, D's rate 0.01": ("mlp-small-minimax", {BOTH[1]: 0.01}),
    "minimax, D's rate 0.05": ("mlp-small-minimax", {BOTH[1]: 0.05}),
    "mlp, both rates 0.01": ("mlp", dict.fromkeys(BOTH, 0.01)),
    "mlp, both rates 0.1": ("mlp", dict.fromkeys(BOTH, 0.1)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--kimg", type=float, default=24)
    parser.add_argument("--factor", type=float, default=1.5)
    parser.add_argument("--only", default="0,1,2,3", help="numbers of faults")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = asked.out or Path(folder)
        print("| made to fail by | healthy FID | healthy with the guard | without | the guard |")
        print("|---|---|---|---|---|")
        chosen = [list(FAULTS)[int(i)] for i in asked.only.split(",")]
        known: dict[str, list[tuple[float, list[str]]]] = {}
        for number, name in enumerate(chosen):
            recipe, wrong = FAULTS[name]
            seeds = range(asked.seeds)

            def run(tag: str, recipe: str = recipe, **settings: Any) -> tuple[float, list[str]]:
                return trained(out / tag, recipe, asked.kimg, settings)

            key = recipe
            if key not in known:
                known[key] = [run(f"{number}-good-{s}", seed=s) for s in seeds]
            good = known[key]
            bound = asked.factor * median(fid for fid, _ in good)
            with_, without = (
                [run(f"{number}-{r}-{s}", **(wrong | {"train.repairs": r}), seed=s) for s in seeds]
                for r in (3, 0)
            )
            healthy = [sum(fid <= bound for fid, _ in runs) for runs in (with_, without)]
            fids = ["/".join(f"{fid:.0f}" for fid, _ in runs) for runs in (with_, without)]
            acted = [problem for _, problems in with_ for problem in problems]
            false = sum(len(problems) for _, problems in good)
            words = ", ".join(f"{acted.count(p)}× {p}" for p in dict.fromkeys(acted)) or "never"
            print(
                f"| {name} | {bound / asked.factor:.1f} ({false} false alarms) "
                f"| {healthy[0]} of {asked.seeds} (FID {fids[0]}) "
                f"| {healthy[1]} of {asked.seeds} (FID {fids[1]}) | {words} |",
                flush=True,
            )


def trained(
    out: Path, recipe: str, kimg: float, settings: dict[str, Any]
) -> tuple[float, list[str]]:
    """The last FID of a run, infinite where there is none, and what the guard went back for."""
    every = {"report": 1, "snapshot": 1, "checkpoint": 1, "score": kimg / 2}
    settings = settings | {f"train.{name}_kimg": value for name, value in every.items()}
    seed, lost = settings.pop("seed"), False
    try:
        gw.train("digits", recipe=recipe, kimg=kimg, seed=seed, out=out, settings=settings)
    except Diverged:
        lost = True
    events = gw.Run(out).log
    scores = [e["fid"] for e in events if e["event"] == "score"]
    acted = [e["problem"] for e in events if e["event"] == "guard" and "back_to" in e]
    return (float("inf") if lost or not scores else scores[-1]), acted


if __name__ == "__main__":
    main()
