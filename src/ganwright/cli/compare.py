"""ganwright compare RUN RUN …"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ganwright.evaluate.card import Card

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
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Judges runs at equal n and says which differences are larger than the noise."""
    from ganwright.base.errors import OptionError
    from ganwright.evaluate.compare import table
    from ganwright.evaluate.judge import evaluate

    if len(runs) < 2:
        raise OptionError(f"compare: takes two runs at least; got {len(runs)}")

    def judge(number: int | None) -> list[Card]:
        cards = []
        for run in runs:
            print(f"judging {run} …", file=sys.stderr, flush=True)
            cards.append(evaluate(run, against, n=number, features=features, seed=seed))
        return cards

    cards = judge(n)
    least = min(card.n for card in cards)
    if any(card.n != least for card in cards):  # one of them had fewer samples to give
        cards = judge(least)
    shown = table(cards)
    print(
        json.dumps([c.to_json() for c in cards], indent=2, ensure_ascii=False) if as_json else shown
    )
