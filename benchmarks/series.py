"""Series: ours against a vector autoregression and the block bootstrap, by TimeGAN's protocol and more.

    python benchmarks/series.py quality sines [--kimg 300] [--out FOLDER]
    python benchmarks/series.py odd [--kimg 50]

The data sets, each written to FOLDER as a user would have it:

sines   TimeGAN's, as its code draws them: 3,000 windows of 24 steps, 5 channels, each sin(f·t + p) with
        f, p uniform on [0, 0.1], t = 0 … 23
waves   as its paper states them: sin(2πf·t + p), f uniform on [0, 1], p on [−π, π]
macro   the quarterly US macroeconomic series that come with statsmodels, 1959 to 2009: growth in percent of
        GDP, consumption, investment, government spending, income, prices and money; bill rate, unemployment
co2     weekly carbon dioxide over Mauna Loa, 1958 to 2001, which comes with statsmodels, holes and all
energy  4,000 hours of an imagined house, by the process in `energy`

Windows are judged at n = the number of training windows, 400 at most, against the held-out part that
neither training nor selection saw. Real training windows in the samples' place give the floor.
`seconds` are of one thread's CPU time, without scores and snapshots.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ganwright as gw
from ganwright.base.options import build, parse
from ganwright.data import DataOptions
from ganwright.train import Run

SHOWN = (
    "discriminative", "predictive", "fid", "marginals", "increments", "autocorrelation",
    "cross_correlation", "spectrum", "closer", "stretches",
)  # fmt: skip
MOST = 400


def sines(folder: Path, *, paper: bool = False) -> tuple[Path, dict[str, Any]]:
    """TimeGAN's sines as an array."""
    rng, size = np.random.default_rng(0), (3000, 1, 5)
    t = np.arange(24.0)[None, :, None]
    if paper:
        x = np.sin(2 * np.pi * rng.uniform(0, 1, size) * t + rng.uniform(-np.pi, np.pi, size))
    else:
        x = np.sin(rng.uniform(0, 0.1, size) * t + rng.uniform(0, 0.1, size))
    path = folder / ("waves.npz" if paper else "sines.npz")
    np.savez(path, samples=x.astype(np.float32))
    return path, {"data.form": "series"}


def macro(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Growth and rates, 202 quarters."""
    from statsmodels.datasets import macrodata

    data = macrodata.load_pandas().data
    quarter = pd.PeriodIndex.from_fields(
        year=data.year.astype(int), quarter=data.quarter.astype(int), freq="Q"
    )
    grown = ["realgdp", "realcons", "realinv", "realgovt", "realdpi", "cpi", "m1"]
    frame = (100 * np.log(data[grown]).diff()).round(4)
    frame[["tbilrate", "unemp"]] = data[["tbilrate", "unemp"]]
    frame.insert(0, "quarter", quarter.to_timestamp().strftime("%Y-%m-%d"))
    path = folder / "macro.csv"
    frame[1:].to_csv(path, index=False)
    return path, {"data.series.length": 12}


def co2(folder: Path) -> tuple[Path, dict[str, Any]]:
    """One channel with a trend, a yearly cycle and missing weeks."""
    from statsmodels.datasets import co2 as data

    frame = data.load_pandas().data.rename_axis("week").reset_index()
    path = folder / "co2.csv"
    frame.to_csv(path, index=False)
    return path, {"data.series.length": 24}


def energy(folder: Path, hours: int = 4000) -> tuple[Path, dict[str, Any]]:
    """An imagined house.

    Outdoor temperature: yearly and daily cycles and an AR(1) of 0.97; light: the sun's height times a
    cloudiness, zero at night; indoor temperature: an exponential mean of outdoor with a thermostat;
    humidity: falls with temperature, AR(1) of 0.9; load: log-normal around a daily pattern and heating,
    with appliances that run for some hours; wind: the exponential of an AR(1) of 0.8.
    """
    rng, t = np.random.default_rng(0), np.arange(hours)
    day, year = 2 * np.pi * t / 24, 2 * np.pi * t / 8766

    def ar(phi: float, deviation: float) -> np.ndarray:
        x = np.zeros(hours)
        for i in range(1, hours):
            x[i] = phi * x[i - 1] + rng.normal(0, deviation)
        return x

    outside = 8 - 9 * np.cos(year) - 4 * np.cos(day - 0.6) + ar(0.97, 0.5)
    sun = np.maximum(0, -np.cos(day) - 0.3 * np.cos(year))
    light = 600 * sun * (0.2 + 0.8 / (1 + np.exp(-ar(0.9, 0.6))))
    inside = np.zeros(hours)
    inside[0] = 20
    for i in range(1, hours):
        heating = 0.35 * max(0.0, 20.5 - inside[i - 1])
        pull = 0.03 * (outside[i] - inside[i - 1])
        inside[i] = inside[i - 1] + pull + heating + rng.normal(0, 0.05)
    humidity = np.clip(70 - 1.2 * (outside - 8) + ar(0.9, 2.0), 15, 100)
    running = np.zeros(hours)
    for start in np.flatnonzero(rng.random(hours) < 0.06):
        running[start : start + rng.integers(1, 4)] += rng.gamma(3, 250)
    base = 180 + 120 * np.exp(-(((t % 24) - 19) ** 2) / 8) + 80 * np.exp(-(((t % 24) - 7) ** 2) / 4)
    load = (base + 25 * np.maximum(0, 16 - outside)) * np.exp(ar(0.6, 0.15)) + running
    wind = 3 * np.exp(ar(0.8, 0.3))
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2025-01-01", periods=hours, freq="h").strftime("%Y-%m-%d %H:%M"),
            "load": load.round(0), "outside": outside.round(2), "inside": inside.round(2),
            "humidity": humidity.round(1), "light": light.round(0), "wind": wind.round(2),
        }
    )  # fmt: skip
    path = folder / "energy.csv"
    frame.to_csv(path, index=False)
    return path, {"data.series.length": 24}


SETS = {
    "sines": sines,
    "waves": lambda folder: sines(folder, paper=True),
    "macro": macro,
    "co2": co2,
    "energy": energy,
}


def trained(o: argparse.Namespace, name: str) -> tuple[Run, Path]:
    """A run on a set as a user would start it, or the one that is there, and its data."""
    o.out.mkdir(parents=True, exist_ok=True)
    path, settings = SETS[name](o.out)
    if (folder := o.out / f"{name}-{o.seed}").is_dir():
        return Run(folder), path
    run = gw.train(
        path, out=folder, kimg=o.kimg, seed=o.seed, progress=False,
        settings=settings | {"train.score_kimg": o.kimg / 4} | dict(map(_pair, o.set)),
    )  # fmt: skip
    return run, path


def opened(run: Run, path: Path) -> gw.Dataset:
    """The data as the run opened them."""
    return gw.open_data(path, options=build(DataOptions, run.model.recipe["data"]))


def _pair(text: str) -> tuple[str, Any]:
    return parse(text)


def quality(o: argparse.Namespace) -> None:
    """Real windows, the baselines and ours, each judged in the same way."""
    print("| windows | " + " | ".join(SHOWN) + " | seconds |")
    print("|---" * (len(SHOWN) + 2) + "|", flush=True)
    for name in o.names:
        began = time.process_time()
        run, path = trained(o, name)
        spent = time.process_time() - began
        data = opened(run, path)
        card = gw.evaluate(run, n=min(MOST, len(data.train)))
        entries = card.measures
        there = [m for m in SHOWN if m in entries]
        rows: dict[str, dict[str, float | None]] = {
            "real": {m: entries[m].floor for m in there},
            "block bootstrap": {m: entries[m].baseline for m in there},
            "autoregression": {m: entries[m].others.get("var") for m in there},
            "ours": {m: entries[m].value for m in there},
        }
        for who, values in rows.items():
            cells = ["–" if (v := values.get(m)) is None else f"{v:.3f}" for m in SHOWN]
            took = f"{spent:.0f}" if who == "ours" else ""
            print(f"| {name}: {who} | {' | '.join(cells)} | {took} |", flush=True)
        told = entries["discriminative"]
        print(
            f"\n{name}: discriminative {told.value:.3f} [{told.low:.3f}, {told.high:.3f}]\n",
            flush=True,
        )


def odd(o: argparse.Namespace) -> None:
    """Planted faults in the energy set: how well windows with one are told from those without."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors

    run, path = trained(o, "energy")
    frame = pd.read_csv(path)
    held = frame[int(0.8 * len(frame)) :].reset_index(drop=True)
    numbers = frame.columns[1:]
    train = frame[: int(0.8 * len(frame))][numbers]
    spread, length = train.std(), 24
    rng = np.random.default_rng(o.seed)
    print("| fault | ours | nearest neighbour | isolation forest |\n|---|---|---|---|")
    past = np.stack([((train - train.mean()) / spread)[i : i + length].to_numpy().ravel()
                     for i in range(0, len(train) - length, 6)])  # fmt: skip
    near, forest = NearestNeighbors().fit(past), IsolationForest(random_state=0).fit(past)
    for fault in ("spike", "stuck", "swapped", "shifted in time"):
        broken, marks = held.copy(), np.zeros(len(held), bool)
        for at in range(30, len(held) - 30, 60):
            where = slice(at, at + (1 if fault == "spike" else 12))
            column = rng.choice(["outside", "inside", "humidity"])
            x = broken[column].to_numpy().copy()
            if fault == "spike":
                x[where] += 3 * spread[column] * rng.choice([-1, 1])
            elif fault == "stuck":
                x[where] = x[at]
            elif fault == "swapped":
                x[where] = x[where][::-1]
            else:
                x[where] = held[column].to_numpy()[at + 12 : at + 24]
            broken[column], marks[where] = x, True
        found = gw.detect(run, broken)
        starts = np.arange(0, len(broken) - length + 1, length // 2)[: len(found)]
        truth = np.array([marks[s : s + length].any() for s in starts])
        flat = np.stack([((broken[numbers] - train.mean()) / spread)[s : s + length].to_numpy().ravel()
                         for s in starts])  # fmt: skip
        scores = (found["score"], near.kneighbors(flat)[0][:, -1], -forest.score_samples(flat))
        print(
            f"| {fault} | " + " | ".join(f"{roc_auc_score(truth, s):.3f}" for s in scores) + " |",
            flush=True,
        )


def ahead(o: argparse.Namespace) -> None:
    """Forecasts of the last quarter of held-out windows: continuous ranked probability score, by the window.

    Of 50 futures each; in deviations of the channel, mean over steps and channels; less is better.
    """
    from ganwright.modalities.series.baselines import Autoregression
    from ganwright.modalities.series.forecast import continued
    from ganwright.modalities.series.given import Histories

    draws = 50
    print(
        "| windows | ours | autoregression | training windows drawn at random |\n|---|---|---|---|"
    )
    for name in o.names:
        run, path = trained(o, name)
        data = opened(run, path)
        codec: Any = data.codec
        some = data.examples(data.heldout[:: max(1, len(data.heldout) // 60)])
        known = 3 * codec.length // 4
        count = len(some)
        histories = Histories(
            names=("",) * count,
            examples=some,
            lengths=np.full(count, known),
            begins=np.zeros(count),
        )
        which = np.repeat(np.arange(count), draws)
        made = codec.scaled(continued(run.model, histories, which, 0)[..., : codec.width])
        training = codec.scaled(data.examples(data.train)[..., : codec.width])
        truth, rng = codec.scaled(some[..., : codec.width]), np.random.default_rng(0)
        model = Autoregression.fit(training)
        rival = model.after(truth[which][:, :known], codec.length - known, rng)
        blind = training[rng.integers(len(training), size=len(which)), known:]
        found = [_crps(x.reshape(count, draws, -1), truth[:, known:].reshape(count, -1))
                 for x in (made[:, known:], rival, blind)]  # fmt: skip
        print(f"| {name} | " + " | ".join(f"{x:.3f}" for x in found) + " |", flush=True)


def _crps(draws: np.ndarray, truth: np.ndarray) -> float:
    """E|X − y| − ½E|X − X′| (Gneiting & Raftery 2007, equation 21), of draws (n, m, ·) and truth (n, ·)."""
    near = np.abs(draws - truth[:, None]).mean()
    m = draws.shape[1]
    ordered = np.sort(draws, axis=1)
    weights = (2 * np.arange(1, m + 1) - m - 1)[None, :, None]
    apart = 2 * (weights * ordered).sum(1) / (m * (m - 1))
    return float(near - apart.mean() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_subparsers(required=True).add_parser
    for verb in (quality, ahead, odd):
        sub = add(verb.__name__, help=verb.__doc__)
        sub.set_defaults(command=verb)
        if verb is not odd:
            sub.add_argument("names", nargs="+", choices=list(SETS))
        sub.add_argument("--kimg", type=float, default=300, help="of our training")
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
        sub.add_argument("--out", type=Path, default=Path("benchmark-runs/series"))
    o = parser.parse_args()
    o.command(o)


if __name__ == "__main__":
    main()
