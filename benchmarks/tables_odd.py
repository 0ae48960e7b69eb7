"""Finding unusual rows: the open sets of ADBench, and KDD99 in the protocol of EGBAD and ALAD.

    python benchmarks/tables.py odd adbench [--sets 6_cardio] [--most 4000] [--minutes 0.25]
    python benchmarks/tables.py odd kdd [--seeds 10] [--most 20000] [--tested 50000]

ADBench, 70 % of the rows to fit on, 30 % to score, by one shuffle (at most `--most` rows of a set):
    mixed    fitted on all rows, anomalies among them
    normal   fitted on the normal rows only
Neighbours: the distance to the fifth nearest, columns in standard deviations. KDD99 (10 %): half of the
rows to fit on, using only attacks, which are the majority; the other half is scored, and the rows with
the highest scores, as many as there are non-attacks, are called anomalies. Equal rows are scored once.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from tables_data import DATA

SETS = DATA.parent / "adbench" / "adbench_open.zip"
KDD = DATA.parent / "kdd99" / "kddcup.data_10_percent.gz"
PLAYERS = ("ours", "isolation forest", "neighbours")


def odd(o: argparse.Namespace) -> None:
    """How well odd rows are found: ours beside isolation forest and nearest neighbours."""
    warnings.simplefilter("ignore")
    (adbench if o.which == "adbench" else kdd)(o)


# --- ADBench --------------------------------------------------------------------------------------


def adbench(o: argparse.Namespace) -> None:
    head = " | ".join(f"{protocol}: {p}" for protocol in ("mixed", "normal") for p in PLAYERS)
    print(f"| set | rows × columns | odd | {head} |")
    print("|---" * (3 + 2 * len(PLAYERS)) + "|", flush=True)
    found = []
    for name, x, y in sets(o):
        rng = np.random.default_rng(0)
        order = rng.permutation(len(x))
        cut = round(0.7 * len(x))
        fitted, left = order[:cut], order[cut:]
        scores = []
        for rows in (fitted, fitted[y[fitted] == 0]):
            for score in (ours(o), forest, neighbours):
                scores.append(100 * roc_auc_score(y[left], score(x[rows], x[left])))
        found.append(scores)
        cells = " | ".join(f"{score:.1f}" for score in scores)
        print(f"| {name} | {len(x):,} × {x.shape[1]} | {y.mean():.1%} | {cells} |", flush=True)
    means = " | ".join(f"{score:.1f}" for score in np.mean(found, axis=0))
    print(f"| mean of {len(found)} | | | {means} |", flush=True)
    table = np.array(found)
    for at, protocol in ((0, "mixed"), (3, "normal")):
        for other in (1, 2):
            wins = int(np.sum(table[:, at] > table[:, at + other]))
            print(f"{protocol}: ours above {PLAYERS[other]} on {wins} of {len(table)}", flush=True)


def sets(o: argparse.Namespace) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, rows and which are odd; the small ones first."""
    with zipfile.ZipFile(SETS) as file:
        for entry in sorted(file.infolist(), key=lambda e: e.file_size):
            name = entry.filename.removesuffix(".npz")
            if o.sets and name not in o.sets:
                continue
            stored = np.load(io.BytesIO(file.read(entry)))
            x, y = stored["X"].astype(float), stored["y"].astype(int).ravel()
            if x.shape[1] > o.columns:
                print(f"| {name} | {len(x):,} × {x.shape[1]} | left out |" + " |" * 6, flush=True)
                continue
            some = np.random.default_rng(1).permutation(len(x))[: o.most]
            yield name, x[some], y[some]


def ours(o: argparse.Namespace, seed: int = 0) -> Callable[[Any, Any], np.ndarray]:
    from ganwright.estimators import GANOutlierDetector

    def score(fitted: Any, left: Any) -> np.ndarray:
        model = GANOutlierDetector(random_state=seed, minutes=o.minutes).fit(fitted)
        return -np.asarray(model.score_samples(left))

    return score


def forest(fitted: np.ndarray, left: np.ndarray, seed: int = 0) -> np.ndarray:
    return -IsolationForest(random_state=seed).fit(fitted).score_samples(left)


def neighbours(fitted: np.ndarray, left: np.ndarray) -> np.ndarray:
    scaler = StandardScaler().fit(fitted)
    near = NearestNeighbors(n_neighbors=min(5, len(fitted))).fit(scaler.transform(fitted))
    return np.asarray(near.kneighbors(scaler.transform(left))[0][:, -1])


# --- KDD99 ----------------------------------------------------------------------------------------


def kdd(o: argparse.Namespace) -> None:
    frame = pd.read_csv(KDD, header=None)
    frame.columns = [f"c{i}" for i in range(frame.shape[1])]
    strange = (frame.pop("c41") == "normal.").to_numpy()
    print(f"| seed | ours, F1 | isolation forest | neighbours | seconds of ours, {o.most:,} rows |")
    print("|---" * 5 + "|", flush=True)
    found = []
    for seed in range(o.seeds):
        order = np.random.default_rng(seed).permutation(len(frame))
        half = len(order) // 2
        fitted, left = order[:half], order[half:][: o.tested]
        rows = frame.iloc[fitted[~strange[fitted]][: o.most]]
        plain = pd.get_dummies(frame, columns=["c1", "c2", "c3"], dtype=float)
        plain = plain.to_numpy(float)
        began = time.perf_counter()
        scores = [_once(ours(o, seed), rows, frame.iloc[left])]
        spent = time.perf_counter() - began
        for score in (lambda a, b, s=seed: forest(a, b, s), neighbours):
            scores.append(score(plain[rows.index], plain[left]))
        f1 = [f1_score(strange[left], _top(score, strange[left].sum())) for score in scores]
        found.append(f1)
        cells = " | ".join(f"{value:.4f}" for value in f1)
        print(f"| {seed} | {cells} | {spent:.0f} |", flush=True)
    for name, make in (("mean", np.mean), ("least", np.min)):
        cells = " | ".join(f"{value:.4f}" for value in make(found, axis=0))
        print(f"| {name} | {cells} | |", flush=True)


def _once(
    score: Callable[[Any, Any], np.ndarray], fitted: pd.DataFrame, left: pd.DataFrame
) -> np.ndarray:
    """Scores of `left`, each different row scored once."""
    place, first = np.unique(
        pd.util.hash_pandas_object(left, index=False), return_index=True, return_inverse=True
    )[1:]
    return score(fitted.reset_index(drop=True), left.iloc[place].reset_index(drop=True))[first]


def _top(scores: np.ndarray, count: int) -> np.ndarray:
    called = np.zeros(len(scores), bool)
    called[np.argsort(-scores, kind="stable")[:count]] = True
    return called


def add(subparsers: Any) -> None:
    sub = subparsers.add_parser("odd", help=odd.__doc__)
    sub.set_defaults(command=odd)
    sub.add_argument("which", choices=("adbench", "kdd"))
    sub.add_argument("--sets", nargs="+", help="of ADBench, by name; all")
    sub.add_argument("--columns", type=int, default=300, help="sets with more are left out")
    sub.add_argument("--most", type=int, default=4000, help="rows of a set, or of KDD99 to fit on")
    sub.add_argument("--tested", type=int, default=50_000, help="rows of KDD99 to score")
    sub.add_argument("--seeds", type=int, default=10)
    sub.add_argument("--minutes", type=float, help="at most, of our training; by its passes")
