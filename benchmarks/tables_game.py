"""What adversarial training adds to the likelihood: the same rows and steps, with different weights of it.

python benchmarks/tables.py game covertype_10k [--kimg 300] [--only "likelihood alone" …]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from tables_data import SOURCES
from tables_judge import judge, load

PLAYS: dict[str, dict[str, Any]] = {
    "likelihood alone": {"game.adversarial": 0},
    "as the recipe plays": {},
    "the game in every 2nd round, at full weight": {
        "game.adversarial": 1,
        "game.adversarial_every": 2,
    },
    "the game alone": {
        "game.adversarial": 1,
        "game.adversarial_every": 1,
        "game.likelihood": 0,
    },
}


def game(o: argparse.Namespace) -> None:
    """Quality by how much the discriminator plays, after equally many rows."""
    import ganwright as gw

    print("| table | learned by | score | detection | overlap, worst | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in o.names:
        table = load(name)
        for play in o.only or PLAYS:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "train.csv"
                table.train.to_csv(path, index=False)
                run = gw.train(
                    path, out=Path(folder) / "run", kimg=o.kimg, seed=o.seed, settings=PLAYS[play]
                )
                made = run.model.sample(len(table.train), seed=o.seed + 1)
                seconds = run.log[-1]["seconds"]
            found = judge(name, made, quick=True)
            print(
                f"| {name} | {play} | {found['score']:.3f} | {found['detection']:.3f} | "
                f"{found['overlap']:.3f} | {seconds:.0f} |",
                flush=True,
            )


def add(subparsers: Any) -> None:
    """The subcommand."""
    sub = subparsers.add_parser("game", help=game.__doc__)
    sub.set_defaults(command=game)
    sub.add_argument("names", nargs="+", choices=SOURCES)
    sub.add_argument("--kimg", type=float, default=300)
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--only", nargs="+", choices=PLAYS)
