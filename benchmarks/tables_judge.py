"""How good are made rows? One judge for ours, the peers and the baselines; it sees DataFrames only.

    from tables_judge import judge_adult
    judge_adult(frame)                   # quick: one seed, some rows
    judge_adult(frame, quick=False, peer="/tmp/peer/bin/python")

What it measures, real rows being the three quarters to train or the quarter to test:

score       macro-F1 (R² where the target is a number) on the test rows, of gradient boosting trained
            on the made rows alone; fixed settings, the mean of three seeds
detection   AUC of gradient boosting that tells made rows from as many test rows, over four folds;
            0.5 is best. `detection_train`: the same against training rows, of which there are more
overlap     of each column, 1 − total variation between made and training rows. A category's bins are
            its values; of a number, every value that at least 1/50 of the training rows have is a bin
            of its own (a spike is matched only by the spike itself), and the rest is cut into bins of
            about 1/50 each, at quantiles. `overlap` is the worst column's, `overlap_mean` the mean
closer      share of made rows whose nearest training row is closer than their nearest test row, ties
            for a half, the training rows in three parts of the test rows' number; 0.5 is best, and
            copies of all training rows would get 2/3: one part in three holds the original (distance:
            mean over columns of |a − b| / range, or 0 or 1 between categories, as SDMetrics' is)
copies      share of made rows that are exactly a training row which the training rows have once
rare        share of the categories that under 1 % of the training rows have, which are made at all
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import f1_score, r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from tables_data import SOURCES, Source, read, split

BINS = 50
SEEDS = 3
QUICK_ROWS = 6000
# scikit-learn's defaults but for this: on Adult more trees or smaller steps score no better, and a
# share of the columns a split is what makes the seeds differ.
BOOSTING: dict[str, Any] = {"max_features": 0.8, "early_stopping": False}
SDMETRICS = Path(__file__).parent / "peers" / "run_sdmetrics.py"


@dataclass(frozen=True)
class Table:
    """A table of the benchmark, split; columns as floats and words."""

    source: Source
    train: pd.DataFrame
    test: pd.DataFrame

    @property
    def columns(self) -> list[str]:
        return [str(c) for c in self.train.columns]

    def conform(self, made: pd.DataFrame) -> pd.DataFrame:
        """Made rows in this table's form: numbers as float64, categories as words."""
        missing = [c for c in self.columns if c not in made]
        if missing:
            raise SystemExit(f"{self.source.name}: made rows have no column {', '.join(missing)}")
        parts = {
            c: as_words(made[c])
            if c in self.source.categories
            else pd.to_numeric(made[c]).astype(float)
            for c in self.columns
        }
        return pd.DataFrame(parts).reset_index(drop=True)

    def features(self, frame: pd.DataFrame, without: str = "") -> np.ndarray:
        """Conforming rows as floats (n, C): categories by their place among the training ones."""
        parts = []
        for c in self.columns:
            if c == without:
                continue
            column = frame[c]
            if c in self.source.categories:
                known = np.unique(self.train[c].to_numpy(str))
                codes = pd.Categorical(column, categories=known).codes.astype(float)
                parts.append(np.where(codes < 0, np.nan, codes))
            else:
                parts.append(column.to_numpy(float))
        return np.stack(parts, axis=1)

    def are_categories(self, without: str = "") -> np.ndarray:
        """Which of the features are categories."""
        return np.array([c in self.source.categories for c in self.columns if c != without])


def as_words(column: pd.Series) -> pd.Series:
    """Categories as words, whole numbers without a decimal point, so that 2.0 is 2."""
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("object").map(str).astype("object").rename(column.name)


@cache
def load(name: str) -> Table:
    """One of the five tables."""
    train, test = split(read(name))
    table = Table(SOURCES[name], train, test)
    return Table(SOURCES[name], table.conform(train), table.conform(test))


# --- what is measured -----------------------------------------------------------------------------


def score(table: Table, made: pd.DataFrame, seeds: int = SEEDS) -> float:
    """Train on made rows, test on real ones: macro-F1, or R² where the target is a number."""
    target, kinds = table.source.target, table.are_categories(table.source.target)
    x, y = table.features(made, target), made[target].to_numpy()
    tested, truth = table.features(table.test, target), table.test[target].to_numpy()
    if table.source.regression:
        return float(np.mean([
            r2_score(truth, HistGradientBoostingRegressor(
                **BOOSTING, categorical_features=kinds, random_state=seed
            ).fit(x, y.astype(float)).predict(tested))
            for seed in range(seeds)
        ]))  # fmt: skip
    x, y = x[known := np.isin(y, truth)], y[known]
    if len(np.unique(y)) < 2:
        guesses = [np.full(len(truth), y[0])] if len(y) else [np.full(len(truth), "")]
    else:
        guesses = [
            HistGradientBoostingClassifier(**BOOSTING, categorical_features=kinds, random_state=s)
            .fit(x, y)
            .predict(tested)
            for s in range(seeds)
        ]
    classes = np.unique(truth)
    return float(np.mean([
        f1_score(truth, guess, labels=classes, average="macro", zero_division=0)
        for guess in guesses
    ]))  # fmt: skip


def detection(
    table: Table, made: pd.DataFrame, real: pd.DataFrame, *, folds: int = 4, most: int | None = None
) -> float:
    """AUC over folds of boosting that tells made rows from as many real ones."""
    n = min(len(made), len(real), most or len(made))
    rows = [frame.sample(n, random_state=0) for frame in (real, made)]
    x = np.concatenate([table.features(frame) for frame in rows])
    y = np.repeat([0, 1], n)
    found = []
    for fitted, left in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y):
        model = HistGradientBoostingClassifier(
            **BOOSTING, categorical_features=table.are_categories(), random_state=0
        )
        seen = model.fit(x[fitted], y[fitted]).predict_proba(x[left])[:, 1]
        found.append(roc_auc_score(y[left], seen))
    return float(np.mean(found))


def overlaps(table: Table, made: pd.DataFrame) -> dict[str, float]:
    """1 − total variation of each column between made and training rows."""
    return {c: overlap(table.train[c], made[c], c in table.source.categories)
            for c in table.columns}  # fmt: skip


def overlap(real: pd.Series, made: pd.Series, category: bool, bins: int = BINS) -> float:
    """1 − total variation of one column; see the top of this file for the bins."""
    if not category:
        real, made = binned(real, real, bins), binned(real, made, bins)
    a, b = real.value_counts(normalize=True), made.value_counts(normalize=True)
    return float(np.minimum(a, b.reindex(a.index, fill_value=0)).sum())


def binned(real: pd.Series, values: pd.Series, bins: int) -> pd.Series:
    """The bin of each value: non-negative for a spike's own, negative for one between quantiles."""
    shares = real.value_counts(normalize=True)
    spikes = np.sort(shares.index[shares >= 1 / bins].to_numpy(float))
    rest = real[~real.isin(spikes)]
    count = int(np.ceil(len(rest) / len(real) * bins))
    edges = np.unique(rest.quantile(np.arange(1, count) / count)) if count > 1 else np.empty(0)
    between = -1 - np.searchsorted(edges, values.to_numpy(float), side="right")
    if len(spikes) == 0:
        return pd.Series(between)
    place = np.searchsorted(spikes, values).clip(max=len(spikes) - 1)
    return pd.Series(np.where(spikes[place] == values.to_numpy(float), place, between))


def closer(table: Table, made: pd.DataFrame, most: int = 4000) -> float:
    """Share of made rows closer to training than to test rows; about 0.5 ± 0.5/√most by chance."""
    span = table.train[table.source.numbers(table.train)].agg(["min", "max"])
    low, width = span.loc["min"], (span.loc["max"] - span.loc["min"]).replace(0, 1)

    def nearest(to: pd.DataFrame) -> np.ndarray:
        found = [_distances(table, part, to, low, width).min(axis=1) for part in parts]
        return np.concatenate(found)

    rows = made.sample(min(most, len(made)), random_state=0)
    parts = [rows.iloc[i : i + 500] for i in range(0, len(rows), 500)]
    held = nearest(table.test)
    order, shares = np.random.default_rng(0).permutation(len(table.train)), []
    for place in np.array_split(order, max(1, round(len(order) / len(table.test)))):
        own = nearest(table.train.iloc[place[: len(table.test)]])
        shares.append(np.mean(own < held) + np.mean(own == held) / 2)
    return float(np.mean(shares))


def _distances(
    table: Table, a: pd.DataFrame, b: pd.DataFrame, low: pd.Series, width: pd.Series
) -> np.ndarray:
    numbers, words = list(low.index), [c for c in table.columns if c in table.source.categories]
    x, y = (((frame[numbers] - low) / width).to_numpy(float).round(9) for frame in (a, b))
    far = cdist(x, y, "cityblock")
    if words:
        codes = [table.features(frame)[:, table.are_categories()] for frame in (a, b)]
        far += len(words) * cdist(*(np.nan_to_num(c, nan=-1) for c in codes), "hamming")
    return far.round(9)


def copies(table: Table, made: pd.DataFrame) -> float:
    """Share of made rows that are exactly a training row which is there once."""
    known = pd.util.hash_pandas_object(table.train, index=False)
    once = known[~known.duplicated(keep=False)]
    return float(pd.util.hash_pandas_object(made, index=False).isin(once).mean())


def rare(table: Table, made: pd.DataFrame) -> float:
    """Share of the rare categories (under 1 %) that are made at all; 1 where there are none."""
    found = [
        value in set(made[c])
        for c in table.source.categories
        for value, share in table.train[c].value_counts(normalize=True).items()
        if share < 0.01
    ]
    return float(np.mean(found)) if found else 1.0


def sdmetrics(table: Table, made: pd.DataFrame, peer: str | Path) -> dict[str, Any]:
    """SDMetrics' quality report against the training rows, run by the peers' python."""
    with tempfile.TemporaryDirectory() as folder:
        real_path, made_path = Path(folder) / "real.csv", Path(folder) / "made.csv"
        table.train.to_csv(real_path, index=False)
        made.to_csv(made_path, index=False)
        command = [str(peer), str(SDMETRICS), table.source.name, str(real_path), str(made_path)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{SDMETRICS.name} failed: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout))


# --- all of it ------------------------------------------------------------------------------------


def judge(
    name: str, made: pd.DataFrame, *, quick: bool = False, peer: str | Path | None = None
) -> dict[str, Any]:
    """All measures of made rows, ready for JSON; `peer` adds SDMetrics' own."""
    table = load(name)
    frame = table.conform(made)
    most = QUICK_ROWS if quick else None
    columns = overlaps(table, frame)
    found: dict[str, Any] = {
        "rows": len(frame),
        "score": score(table, frame, 1 if quick else SEEDS),
        "detection": detection(table, frame, table.test, folds=2 if quick else 4, most=most),
        "overlap": min(columns.values()),
        "overlap_worst": min(columns, key=lambda c: columns[c]),
        "overlap_mean": float(np.mean(list(columns.values()))),
        "copies": copies(table, frame),
        "rare": rare(table, frame),
        "overlaps": columns,
    }
    if not quick:
        found["detection_train"] = detection(table, frame, table.train)
        found["closer"] = closer(table, frame)
    if peer is not None:
        found |= sdmetrics(table, frame, peer)
    return found


def ceiling(name: str, *, quick: bool = False, peer: str | Path | None = None) -> dict[str, Any]:
    """What real rows get: the score of training rows, everything else of the test rows.

    Against training rows, where the others are held against test rows: the two halves of a split
    can't be told apart. `closer` has no meaning here and is left out.
    """
    table = load(name)
    columns = overlaps(table, table.test)
    found: dict[str, Any] = {
        "rows": len(table.train),
        "score": score(table, table.train, 1 if quick else SEEDS),
        "detection": detection(
            table, table.test, table.train, folds=2 if quick else 4,
            most=QUICK_ROWS if quick else None,
        ),
        "overlap": min(columns.values()),
        "overlap_worst": min(columns, key=lambda c: columns[c]),
        "overlap_mean": float(np.mean(list(columns.values()))),
        "copies": copies(table, table.test),
        "rare": rare(table, table.test),
        "overlaps": columns,
    }  # fmt: skip
    return found | ({} if peer is None else sdmetrics(table, table.test, peer))


def judge_adult(
    made: pd.DataFrame, *, quick: bool = True, peer: str | Path | None = None
) -> dict[str, Any]:
    """`judge` of rows made from Adult's training rows, quick unless asked otherwise."""
    return judge("adult", made, quick=quick, peer=peer)


SHOWN = ("sdmetrics", "shapes", "pairs", "score", "detection", "detection_train", "overlap",
         "overlap_worst", "overlap_mean", "rare", "closer", "copies")  # fmt: skip


def line(name: str, found: dict[str, Any]) -> str:
    """A row of the markdown table, cells as in SHOWN."""
    return "| " + " | ".join([name, *(_cell(found.get(key), key) for key in SHOWN)]) + " |"


def head() -> Iterator[str]:
    yield "| rows | " + " | ".join(key.replace("_", " ") for key in SHOWN) + " |"
    yield "|---" * (len(SHOWN) + 1) + "|"


def _cell(value: Any, key: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:.2%}" if key == "copies" else f"{value:.3f}"
