"""Tables: ours against the `ctgan` package, SMOTE, independent columns and real rows.

    python benchmarks/tables.py quality adult [--minutes 10] [--peer PYTHON] [--ctgan FOLDER]
    python benchmarks/tables.py speed | large | conditions | privacy | fill | odd | grow --help

PYTHON is the peers' environment and FOLDER the rows that ctgan generated in it: see
benchmarks/peers/run_ctgan.py. Without them those rows and columns of the table stay empty.
tables_judge.py explains the columns. The data are those of ../shared/data/tables.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import tables_baselines as baselines
import tables_fill
import tables_game
import tables_grow
import tables_odd
import tables_rows
import tables_speed
from tables_data import SOURCES
from tables_judge import ceiling, head, judge, line, load

PARTS = (tables_game, tables_speed, tables_rows, tables_fill, tables_odd, tables_grow)

# --- quality --------------------------------------------------------------------------------------


def quality(o: argparse.Namespace) -> None:
    """Real rows, the baselines, ctgan's and ours, each judged in the same way."""
    found: dict[str, Any] = {}
    if o.save and o.save.exists():
        found = json.loads(o.save.read_text())
    for text in head():
        print(text, flush=True)
    for name in o.names:
        table = found.setdefault(name, {})
        for player, judged in players(name, o):
            table[player] = judged()
            print(line(f"{name}: {player}", table[player]), flush=True)
            if o.save:
                o.save.write_text(json.dumps(found, indent=1) + "\n")


def players(name: str, o: argparse.Namespace) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Who is judged, and how to get the verdict; each is made when its turn comes."""
    table, how = load(name), {"quick": o.quick, "peer": o.peer}
    n = len(table.train)
    if "baselines" in o.only:
        yield "real", lambda: ceiling(name, **how)
        yield "independent columns", lambda: judge(name, baselines.independent(table, n), **how)
        yield "SMOTE", lambda: judge(name, baselines.smote(table, n), **how)
        yield (
            "SMOTE, category of one of the two",
            lambda: judge(name, baselines.smote(table, n, vote=False), **how),
        )
    made = o.ctgan and o.ctgan / f"ctgan_{name}.csv.gz"
    if "ctgan" in o.only and made and made.exists():
        frame = pd.read_csv(made, keep_default_na=False, na_values=[""])
        yield "ctgan", lambda: judge(name, frame, **how)
    if "ours" in o.only:
        yield f"ours, {o.minutes:g} minutes", lambda: ours(name, o, how)


def ours(name: str, o: argparse.Namespace, how: dict[str, Any]) -> dict[str, Any]:
    """Trains on the training rows' file, as a user would, and judges as many rows."""
    import ganwright as gw

    table = load(name)
    folder = o.out / f"{name}-{time.strftime('%H%M%S')}"
    folder.mkdir(parents=True)
    path = folder / "train.csv"
    table.train.to_csv(path, index=False)
    run = gw.train(path, out=folder / "run", minutes=o.minutes, seed=o.seed)
    return judge(name, run.model.sample(len(table.train), seed=o.seed + 1), **how)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    subparsers = parser.add_subparsers(required=True)
    sub = subparsers.add_parser("quality", help=quality.__doc__)
    sub.set_defaults(command=quality)
    sub.add_argument("names", nargs="+", choices=SOURCES)
    sub.add_argument("--minutes", type=float, default=10, help="of our training")
    sub.add_argument("--peer", type=Path, help="python with ctgan and sdmetrics")
    sub.add_argument("--ctgan", type=Path, help="folder of run_ctgan.py's rows")
    sub.add_argument("--only", nargs="+", choices=("baselines", "ctgan", "ours"),
                     default=("baselines", "ctgan", "ours"))  # fmt: skip
    sub.add_argument("--quick", action="store_true", help="one seed, fewer rows")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--save", type=Path, help="JSON of all verdicts; others in it are kept")
    sub.add_argument("--out", type=Path, default=Path("benchmark-runs/tables"))
    for part in PARTS:
        part.add(subparsers)
    o = parser.parse_args()
    o.command(o)


if __name__ == "__main__":
    main()
