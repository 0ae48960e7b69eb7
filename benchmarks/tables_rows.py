"""Conditions and privacy: whether rows satisfy conditions, and whether real rows leak.

    python benchmarks/tables.py conditions adult credit_default [--minutes 1] [--count 200]
    python benchmarks/tables.py privacy adult credit_default [--minutes 3] [--runs FOLDER]

A condition is on three columns at random: a category's value (in one case of three: two values), a
range between two values of the column, or `missing`, where a column has holes. They are drawn column
by column, so no real row satisfies many of them (`unseen`), which is the harder case. Missing values: where
the table has "?", and 5 % of two other columns. Rows are generated in blocks, so the time per row is
that of whole blocks.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from tables_data import SOURCES
from tables_judge import Table, _distances, as_words, closer, copies, load

# --- conditions -----------------------------------------------------------------------------------


def conditions(o: argparse.Namespace) -> None:
    """How many rows meet a condition on three columns, and what a row under one costs."""
    print(
        "| table | conditions | rows | met | refused | unseen | CPU ms/row | no condition | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in o.names:
        frame = _holed(load(name))
        model = trained(frame, name, o)
        block = model.generator.block
        plain = min(_costs(model, block, None)[1] for _ in range(3))
        rng = np.random.default_rng(0)
        met, refused, unseen, costs = [], 0, 0, []
        for number in range(o.count):
            where = _condition(frame, SOURCES[name].categories, rng)
            unseen += not _meets(frame, where).any()
            try:
                made, cost = _costs(model, block if number < 20 else o.rows, where)
            except Exception as error:  # counted and shown: a refusal is a failure here
                refused += 1
                print(f"<!-- refused: {where}: {error} -->", flush=True)
                continue
            met.append(float(_meets(made, where).mean()))
            costs += [cost] if number < 20 else []
        cost = float(np.median(costs))
        print(
            f"| {name} | {o.count} | {o.rows} each | {np.mean(met):.2%} (least {min(met):.1%}) | "
            f"{refused} | {unseen} | {1000 * cost:.3f} | {1000 * plain:.3f} | {cost / plain:.2f}× |",
            flush=True,
        )


def _holed(table: Table) -> pd.DataFrame:
    """The training rows with holes; categories as words."""
    frame, rng = table.train.copy(), np.random.default_rng(0)
    for c in table.columns:
        if c in table.source.categories:
            frame[c] = frame[c].where(frame[c] != "?")
    whole = [c for c in table.columns if not frame[c].isna().any() and c != table.source.target]
    for c in (whole[0], whole[-1]):
        frame.loc[rng.random(len(frame)) < 0.05, c] = None
    return frame


def _condition(
    frame: pd.DataFrame, categories: tuple[str, ...], rng: np.random.Generator
) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for c in rng.choice(frame.columns, 3, replace=False):
        column = frame[c]
        if column.isna().any() and rng.random() < 0.3:
            where[c] = None
            continue
        drawn = column.dropna().sample(2, random_state=int(rng.integers(2**31))).tolist()
        if c in categories:
            where[c] = sorted(set(drawn[: 1 + (rng.random() < 1 / 3)]))
        else:
            where[c] = (min(drawn), max(drawn))
    return where


def _meets(rows: pd.DataFrame, where: dict[str, Any]) -> np.ndarray:
    """Which rows meet a condition; independent of how the model reads it."""
    met = np.ones(len(rows), bool)
    for c, asked in where.items():
        if asked is None:
            met &= rows[c].isna().to_numpy()
        elif isinstance(asked, tuple):
            values = pd.to_numeric(rows[c]).astype(float)
            met &= values.between(*asked).to_numpy()
        else:
            met &= as_words(rows[c]).isin(asked).to_numpy() & rows[c].notna().to_numpy()
    return met


def _costs(model: Any, n: int, where: dict[str, Any] | None) -> tuple[pd.DataFrame, float]:
    """Rows and the processor seconds of one."""
    began = time.process_time()
    made = model.sample(n, seed=1, where=where)
    return made, (time.process_time() - began) / n


def trained(frame: pd.DataFrame, name: str, o: argparse.Namespace) -> Any:
    """The model of a run in `--runs`, if there is one, or a new one."""
    import ganwright as gw

    done = sorted(o.runs.glob(f"{name}-*/run/best")) if getattr(o, "runs", None) else []
    if done:
        return gw.load(done[-1].parent)
    folder = o.out / f"{name}-{time.strftime('%H%M%S')}"
    folder.mkdir(parents=True)
    frame.to_csv(folder / "train.csv", index=False)
    kinds = [f"{c}=category" for c in SOURCES[name].categories]
    settings = {"data.table.kinds": kinds}
    path = folder / "train.csv"
    return gw.train(path, out=folder / "run", minutes=o.minutes, settings=settings).model


# --- privacy --------------------------------------------------------------------------------------


def privacy(o: argparse.Namespace) -> None:
    """Distance to training rows against held-out ones, copies, and a membership attack."""
    print(
        "| table | closer to training | copies of unique rows | of real test rows | membership AUC |"
    )
    print("|---|---|---|---|---|", flush=True)
    for name in o.names:
        table = load(name)
        model = trained(table.train, name, o)
        made = table.conform(model.sample(len(table.train), seed=1))
        print(
            f"| {name} | {closer(table, made, most=10_000):.1%} | {copies(table, made):.3%} | "
            f"{copies(table, table.test):.3%} | {membership(table, made):.3f} |",
            flush=True,
        )


def membership(table: Table, made: pd.DataFrame, most: int = 2000) -> float:
    """AUC of telling training rows from test rows by how near the nearest made row is."""
    span = table.train[table.source.numbers(table.train)].agg(["min", "max"])
    low, width = span.loc["min"], (span.loc["max"] - span.loc["min"]).replace(0, 1)
    near = []
    for rows in (table.train, table.test):
        asked = rows.sample(min(most, len(table.test)), random_state=0)
        parts = [asked.iloc[i : i + 250] for i in range(0, len(asked), 250)]
        near.append([_distances(table, p, made, low, width).min(axis=1) for p in parts])
    own, held = (np.concatenate(part) for part in near)
    truth = np.repeat([1, 0], [len(own), len(held)])
    return float(roc_auc_score(truth, -np.concatenate([own, held])))


def add(subparsers: Any) -> None:
    for command in (conditions, privacy):
        sub = subparsers.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(command=command)
        sub.add_argument("names", nargs="+", choices=SOURCES)
        sub.add_argument("--minutes", type=float, default=1 if command is conditions else 3)
        sub.add_argument("--out", type=Path, default=Path(f"benchmark-runs/{command.__name__}"))
        if command is conditions:
            sub.add_argument("--count", type=int, default=200)
            sub.add_argument("--rows", type=int, default=200, help="of each condition")
        else:
            sub.add_argument("--runs", type=Path, help="of `quality`, whose models to take")
