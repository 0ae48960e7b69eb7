"""Filling missing values: randomly hidden cells are compared with the filled ones.

    python benchmarks/tables.py fill spam adult credit_default [--seeds 10] [--most 5000]

Spam follows GAIN (Yoon et al. 2018): every cell is hidden with probability 0.2, values are scaled to
0 … 1 by column, and the root mean squared error is over the hidden cells. In mixed tables numbers are
scored by RMSE in standard deviations, categories by accuracy. Iterative imputation sees categories as
ordinal codes, rounded afterwards; because it can't choose a most frequent one, `mode` is given too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from tables_data import DATA
from tables_judge import as_words, load

Found = dict[str, float]
MIXED = ("adult", "credit_default", "bank_marketing")


def fill(o: argparse.Namespace) -> None:
    """What filling gets wrong: ours beside iterative imputation, neighbours and the mean."""
    for name in o.names:
        if name == "spam":
            _print(name, "RMSE of cells scaled to 0 … 1", _spam(o), o)
        else:
            _print(name, "categories right", _mixed(name, o), o)


def _print(name: str, what: str, rounds: Iterator[dict[str, Found]], o: argparse.Namespace) -> None:
    found: dict[str, list[Found]] = {}
    for seed, players in enumerate(rounds, o.first):
        for player, result in players.items():
            found.setdefault(player, []).append(result)
            told = ", ".join(f"{key} {value:.4f}" for key, value in result.items())
            print(f"<!-- {name}, seed {seed}: {player}: {told} -->", flush=True)
    keys = list(next(iter(found.values()))[0])
    print(f"| {name}: {what}, {o.seeds} seeds | " + " | ".join(keys) + " |")
    print("|---" * (len(keys) + 1) + "|")
    for player, results in found.items():
        cells = []
        for key in keys:
            values = [result[key] for result in results]
            spread = f" ({min(values):.4f}–{max(values):.4f})" if key != "seconds" else ""
            cells.append(f"{np.mean(values):.4f}{spread}" if spread else f"{np.mean(values):.0f}")
        print(f"| {player} | " + " | ".join(cells) + " |", flush=True)


# --- numbers --------------------------------------------------------------------------------------


def _spam(o: argparse.Namespace) -> Iterator[dict[str, Found]]:
    whole = pd.read_csv(Path(DATA) / "gain_spam.csv.gz").to_numpy(float)
    low, high = whole.min(axis=0), whole.max(axis=0)
    scaled = (whole - low) / np.where(high > low, high - low, 1)
    for seed in range(o.first, o.first + o.seeds):
        hidden = np.random.default_rng(seed).random(scaled.shape) < 0.2
        holed = np.where(hidden, np.nan, scaled)
        found = {}
        for player, make in _imputers(o, seed).items():
            began = time.perf_counter()
            done = make().fit_transform(holed)
            error = float(np.sqrt(np.mean((done[hidden] - scaled[hidden]) ** 2)))
            found[player] = {"RMSE": error, "seconds": time.perf_counter() - began}
        yield found


def _imputers(o: argparse.Namespace, seed: int) -> dict[str, Callable[[], Any]]:
    from ganwright.estimators import GANImputer

    return {
        "ours (`GANImputer`)": lambda: GANImputer(random_state=seed, minutes=o.minutes),
        "`IterativeImputer` (MICE)": lambda: IterativeImputer(random_state=seed),
        "`KNNImputer`": KNNImputer,
        "mean": SimpleImputer,
    }


# --- mixed tables ---------------------------------------------------------------------------------


def _mixed(name: str, o: argparse.Namespace) -> Iterator[dict[str, Found]]:
    table = load(name)
    numbers = table.source.numbers(table.train)
    words = [c for c in table.columns if c not in numbers]
    whole = table.train.sample(min(o.most, len(table.train)), random_state=0)
    whole = whole.reset_index(drop=True)
    for seed in range(o.first, o.first + o.seeds):
        hidden = np.random.default_rng(seed).random(whole.shape) < 0.2
        holed = whole.mask(hidden)
        found = {}
        for player, filled in _fillers(numbers, words, seed, o).items():
            began = time.perf_counter()
            done = filled(holed)
            right = [
                (done[c] == whole[c])[hidden[:, whole.columns.get_loc(c)]].mean() for c in words
            ]
            errors = []
            for c in numbers:
                at = hidden[:, whole.columns.get_loc(c)]
                off = (done[c] - whole[c])[at].astype(float) / whole[c].std()
                errors.append(float(np.sqrt(np.mean(off**2))))
            found[player] = {
                "categories right": float(np.mean(right)),
                "RMSE of numbers, in deviations": float(np.mean(errors)),
                "seconds": time.perf_counter() - began,
            }
        yield found


def _fillers(
    numbers: list[str], words: list[str], seed: int, o: argparse.Namespace
) -> dict[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    from ganwright.estimators import GANImputer

    def ours(holed: pd.DataFrame) -> pd.DataFrame:
        kinds = dict.fromkeys(words, "category")
        model = GANImputer(random_state=seed, minutes=o.minutes, kinds=kinds)
        done = pd.DataFrame(model.fit_transform(holed))
        return done.assign(**{c: as_words(done[c]) for c in words})

    def mice(holed: pd.DataFrame) -> pd.DataFrame:
        codes = holed.copy()
        names = {c: np.unique(holed[c].dropna().astype(str)) for c in words}
        for c in words:
            at = pd.Categorical(holed[c], categories=names[c]).codes.astype(float)
            codes[c] = np.where(at < 0, np.nan, at)
        made = IterativeImputer(random_state=seed).fit_transform(codes.astype(float))
        done = pd.DataFrame(made, columns=holed.columns)
        for c in words:
            at = done[c].round().clip(0, len(names[c]) - 1).astype(int)
            done[c] = names[c][at]
        return done

    def mode(holed: pd.DataFrame) -> pd.DataFrame:
        values = {c: holed[c].mode()[0] for c in words} | {c: holed[c].mean() for c in numbers}
        return holed.fillna(values)

    return {"ours (`GANImputer`)": ours, "`IterativeImputer` on codes": mice, "mode, mean": mode}


def add(subparsers: Any) -> None:
    sub = subparsers.add_parser("fill", help=fill.__doc__)
    sub.set_defaults(command=fill)
    sub.add_argument("names", nargs="+", choices=("spam", *MIXED))
    sub.add_argument("--seeds", type=int, default=10)
    sub.add_argument("--first", type=int, default=0, help="of the seeds")
    sub.add_argument("--minutes", type=float, help="at most, of our training; by its passes")
    sub.add_argument("--most", type=int, default=5000, help="rows of a mixed table")
