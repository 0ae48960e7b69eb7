"""ganwright evaluate RUN|SAMPLES"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

NAME = "evaluate"
EPILOG = """Examples:

\b
  ganwright evaluate runs/digits
  ganwright evaluate samples/ --against photos/ -n 5000
  ganwright evaluate samples.npz --against mnist/ --features pixels --json card.json
  ganwright evaluate rows.csv --against table.csv
"""


def command(
    samples: Annotated[str, typer.Argument(help="A run, a model, or files of images or rows.")],
    against: Annotated[
        str | None, typer.Option(help="The real data [what the run was trained on].")
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", "--number", help="How many samples to evaluate.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="learned, pixels, inception, dinov2 or columns [chosen from the data]."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 0,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write the card to this file; - prints it.")
    ] = None,
) -> None:
    """Says how good samples are, with intervals, a floor (real data) and a baseline."""
    from ganwright.base.runs import RunFolder
    from ganwright.evaluate.card import keep
    from ganwright.evaluate.judge import evaluate

    def say(text: str) -> None:
        print(f"{text} …", file=sys.stderr, flush=True)

    check(as_json)
    card = evaluate(samples, against, n=n, features=features, seed=seed, progress=say)
    folder = RunFolder(samples)
    if folder.recipe.is_file():
        card = keep(card, folder)
    put(str(card), card.to_json(), as_json)


def check(path: Path | None) -> None:
    """Refuses a file that can't be written before any work is done."""
    from ganwright.base.errors import OptionError

    if path is not None and (path.is_dir() or any(p.is_file() for p in path.parents)):
        raise OptionError(f"--json: '{path}' can't be written; name a file, or - to print")


def put(text: str, tree: dict[str, Any], path: Path | None) -> None:
    """Prints the text, or JSON for `-`; a JSON file is written in addition to the text."""
    from ganwright.base.runs import write_json

    if str(path) == "-":
        print(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    if path is not None:
        write_json(path, tree)
    print(text)
