"""Texts: the latent game against the language model beside it, over temperatures.

    python benchmarks/text.py DATA [--test FILE] [--minutes 20] [-n 10000] [--run RUN] [--set key=value …]

DATA is text as `ganwright train` reads it. The run, and the language model within it, are trained for
`--minutes` (a run that is there already is used as it is). Then both write n texts at each temperature, with
three seeds. They are compared with FILE, or with what the run held out:

- LM score: nats a unit that a Kneser–Ney model of the reference needs for the samples;
- reverse LM: what one of the samples needs for the reference;
- JSD-4: Jensen–Shannon divergence of 4-grams in bits, and that of as many real training texts.

"behind" is how much higher the reverse LM score is than the language model's at the same LM score, linearly
between the temperatures around it; nan where its curve doesn't reach so far. ± is the standard deviation over
seeds. CPU-minutes are of training, without scores.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import ganwright as gw
from ganwright.data import Dataset
from ganwright.modalities.text.nets import COOLER, LM
from ganwright.modalities.text.ngrams import TextRows
from ganwright.modalities.text.quality import lm_scores, ngram_quality
from ganwright.model import Model

TEMPERATURES = (1.0, *COOLER)
SEEDS = 3
Point = tuple[float, float, float]  # LM score, reverse LM score, JSD of 4-grams


def trained(o: argparse.Namespace) -> Path:
    """The run; trained now if it isn't there."""
    run = o.run or Path("benchmark-runs/text") / o.data.name.partition(".")[0]
    if not (run / "model").is_dir():
        settings = dict(pair.split("=", 1) for pair in o.set)
        began = time.process_time()
        gw.train(o.data, out=run, minutes=o.minutes, settings=settings)
        spent = (time.process_time() - began) / 60
        (run / "cpu_minutes.json").write_text(json.dumps(spent))
    if (run / "cpu_minutes.json").is_file():
        spent = json.loads((run / "cpu_minutes.json").read_text())
        print(f"{spent:.1f} CPU-minutes with scores and snapshots")
    return run


def reference(data: Dataset, o: argparse.Namespace) -> TextRows:
    """The texts to compare with."""
    if o.test is None:
        return TextRows.of(data.examples(data.heldout), data.codec)
    theirs = gw.open_data(o.test, options=replace(data.options, holdout=0.0))
    return TextRows.of(theirs.examples(np.arange(len(theirs))), data.codec)


def point(real: TextRows, fake: TextRows) -> Point:
    scores = lm_scores(real, fake)
    return scores.forward.value, scores.reverse.value, ngram_quality(real, fake).jsd_4


def behind(point: np.ndarray, curve: np.ndarray) -> float:
    """By how much the reverse LM score lies above a curve of (LM score, reverse LM score)."""
    order = np.argsort(curve[:, 0])
    return float(
        point[1] - np.interp(point[0], curve[order, 0], curve[order, 1], math.nan, math.nan)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--set", nargs="*", default=[])
    o = parser.parse_args()
    run = trained(o)
    model = Model.load(run)
    data = gw.open_data(o.data, options=gw_options(model))
    real = reference(data, o)
    some = data.train[np.random.default_rng(0).permutation(len(data.train))[: o.n]]
    floor = point(real, TextRows.of(data.examples(np.sort(some)), data.codec))
    n = min(o.n, len(data.train))
    print(f"{model}, {len(real):,} texts to compare with, n = {n:,}")
    print("| who | LM score | reverse LM | JSD-4 | behind |\n|---|---|---|---|---|")
    print(f"| real texts | {floor[0]:.3f} | {floor[1]:.3f} | {floor[2]:.3f} | |", flush=True)
    found: dict[str, np.ndarray] = {}
    for family in (LM, "self"):
        for t in TEMPERATURES:
            by = f"{family}@{t:g}" if t != 1 else LM if family == LM else None
            rows = (
                TextRows.of(model.sample(n, seed=seed, by=by), data.codec)
                for seed in range(o.seeds)
            )
            found[f"{family}@{t:g}"] = np.array([point(real, one) for one in rows])
    curve = np.stack([x.mean(0) for name, x in found.items() if name.startswith(LM)])
    for name, x in found.items():
        mean, off = x.mean(0), x.std(0, ddof=1) if len(x) > 1 else x[0] * 0
        gaps = [behind(one, curve) for one in x]
        told = "" if name.startswith(LM) else f"{np.mean(gaps):+.3f} ± {np.std(gaps):.3f}"
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, off, strict=True)]
        print(f"| {name} | {' | '.join(cells)} | {told} |", flush=True)


def gw_options(model: Model):  # type: ignore[no-untyped-def]
    """How the run opened its data."""
    from ganwright.base.options import build
    from ganwright.data import DataOptions

    return build(DataOptions, model.recipe["data"], owner="model")


if __name__ == "__main__":
    main()
