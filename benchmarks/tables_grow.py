"""Balancing rare classes: what it does for a classifier, evaluated on rows that were not resampled.

    python benchmarks/tables.py grow credit_default bank_marketing [--seeds 5] [--minutes 1]

Each seed has its own split. Balanced accuracy uses the classifier's own threshold, so moving that
threshold would help as well: what counts is the comparison with the other resamplers, and the AUC, which
does not depend on a threshold. `gain` is over no resampling on the same split, with its 95 % interval
(Student's t).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tables_data import SOURCES, read, split
from tables_judge import BOOSTING, as_words

NAMES = ("credit_default", "bank_marketing")


def grow(o: argparse.Namespace) -> None:
    """Balanced accuracy after resampling: ours beside none, copies and SMOTE-NC."""
    for name in o.names:
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for seed in range(o.seeds):
            for player, fitted in _resampled(name, seed, o):
                for kind, result in _scores(name, seed, *fitted):
                    found.setdefault((kind, player), []).append(result)
                    told = f"{kind}, {player}: {result[0]:.4f}, AUC {result[1]:.4f}"
                    print(f"<!-- {name}, split {seed}: {told} -->", flush=True)
        print(f"| {name}, {o.seeds} splits | resampling | balanced accuracy | gain | AUC |")
        print("|---|---|---|---|---|")
        for (kind, player), results in found.items():
            own, base = np.array(results), np.array(found[kind, "none"])
            gain = own[:, 0] - base[:, 0]
            half = stats.t.ppf(0.975, max(1, len(gain) - 1)) * stats.sem(gain)
            shown = "" if player == "none" else f"{gain.mean():+.3f} ± {half:.3f}"
            print(
                f"| {kind} | {player} | {own[:, 0].mean():.3f} | {shown} | {own[:, 1].mean():.3f} |"
            )


def _parts(name: str, seed: int) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame, pd.Series]:
    source, frame = SOURCES[name], read(name)
    for c in source.categories:
        frame[c] = as_words(frame[c])
    train, test = split(frame, seed)
    return (
        train.drop(columns=source.target), train[source.target],
        test.drop(columns=source.target), test[source.target],
    )  # fmt: skip


def _resampled(
    name: str, seed: int, o: argparse.Namespace
) -> Iterator[tuple[str, tuple[pd.DataFrame, pd.Series]]]:
    from imblearn.over_sampling import SMOTENC, RandomOverSampler

    from ganwright.estimators import GANSampler

    x, y, *_ = _parts(name, seed)
    words = [c for c in x.columns if c in SOURCES[name].categories]
    ours = GANSampler(random_state=seed, minutes=o.minutes, kinds=dict.fromkeys(words, "category"))
    players: dict[str, Callable[[], Any]] = {
        "none": lambda: (x, y),
        "copies": lambda: RandomOverSampler(random_state=seed).fit_resample(x, y),
        "SMOTE-NC": lambda: SMOTENC(words, random_state=seed).fit_resample(x, y),
        "ours (`GANSampler`)": lambda: ours.fit_resample(x, y),
    }
    for player, make in players.items():
        made, labels = make()
        yield player, (made.assign(**{c: as_words(made[c]) for c in words}), labels)


def _scores(
    name: str, seed: int, x: pd.DataFrame, y: pd.Series
) -> Iterator[tuple[str, tuple[float, float]]]:
    *_, left, truth = _parts(name, seed)
    words = [c for c in x.columns if c in SOURCES[name].categories]
    numbers = [c for c in x.columns if c not in words]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    kinds = [True] * len(words) + [False] * len(numbers)
    models = {
        "boosting": make_pipeline(
            make_column_transformer((codes, words), ("passthrough", numbers)),
            HistGradientBoostingClassifier(**BOOSTING, categorical_features=kinds, random_state=0),
        ),
        "logistic": make_pipeline(
            make_column_transformer(
                (OneHotEncoder(handle_unknown="ignore"), words), (StandardScaler(), numbers)
            ),
            LogisticRegression(max_iter=300),
        ),
    }
    for kind, model in models.items():
        model.fit(x, y)
        guess, chance = model.predict(left), model.predict_proba(left)[:, 1]
        yield kind, (balanced_accuracy_score(truth, guess), roc_auc_score(truth, chance))


def add(subparsers: Any) -> None:
    sub = subparsers.add_parser("grow", help=grow.__doc__)
    sub.set_defaults(command=grow)
    sub.add_argument("names", nargs="+", choices=NAMES)
    sub.add_argument("--seeds", type=int, default=5)
    sub.add_argument("--minutes", type=float, help="at most, of our training; by its passes")
