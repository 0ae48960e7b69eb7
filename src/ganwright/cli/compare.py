"""ganwright compare RUN RUN …"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "compare"
EPILOG = """Examples:

\b
  ganwright compare runs/a runs/b runs/c
  ganwright compare ours/ theirs/ --against photos/ -n 2000
"""


def command(
    runs: Annotated[list[str], typer.Argument(help="Runs, models or pictures; two at least.")],
    against: Annotated[
        str | None, typer.Option(help="The real data; runs know the data they were trained on.")
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", "--number", help="How many samples of each to judge.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="learned, pixels, inception or dinov2 [by the data].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the samples and of every draw.")] = 0,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write the cards to this file; - prints them.")
    ] = None,
) -> None:
    """Judges runs at equal n and says which differences are larger than the noise."""
    from ganwright.cli.evaluate import check, put
    from ganwright.evaluate.compare import best, compare, shared, table

    def say(text: str) -> None:
        print(f"{text} …", file=sys.stderr, flush=True)

    check(as_json)
    cards = compare(runs, against, n=n, features=features, seed=seed, progress=say)
    shown, winners = table(cards), {name: best(cards, name) for name in shared(cards)}
    sure = {name: None if i is None else cards[i].samples for name, i in winners.items()}
    put(shown, {"cards": [card.to_json() for card in cards], "best": sure}, as_json)
