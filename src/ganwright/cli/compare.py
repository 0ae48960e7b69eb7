"""ganwright compare RUN RUN … | DATA --recipes a,b"""

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
  ganwright compare digits --recipes relativistic,dcgan,mlp --minutes 2
"""


def command(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Two or more runs, models or sets of images; with --recipes, the data to train on."
        ),
    ],
    recipes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Train these recipes on the data first, each for the same time; 'auto' chooses one.",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The real data [what the runs were trained on].")
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", "--number", help="How many samples of each to evaluate.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="learned, pixels, inception or dinov2 [chosen from the data]."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of all random draws; with --recipes, of training too.")
    ] = 0,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write the cards to this file; - prints them.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="With --recipes: minutes of training for each [10].")
    ] = None,
    kimg: Annotated[
        float | None, typer.Option(help="With --recipes: thousands of real examples for each.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="With --recipes: number of seeds to train each with [1].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="With --recipes: the output folder [runs/<data>-compare].")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="With --recipes: auto, cpu, cuda or mps [auto].")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="With --recipes: an option for all of them; repeatable.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="With --recipes: keep finished runs and complete the rest."),
    ] = False,
) -> None:
    """Evaluates runs with the same sample size and says which differences exceed the noise.

    With --recipes it trains them first and writes a page with samples, scores and curves side by side.
    """
    from ganwright.base.errors import OptionError
    from ganwright.base.options import parse
    from ganwright.cli.evaluate import check, put
    from ganwright.evaluate.card import Card
    from ganwright.evaluate.compare import best, compare, shared, table

    def say(text: str) -> None:
        print(f"{text} …", file=sys.stderr, flush=True)

    def tree(cards: list[Card]) -> dict[str, object]:
        winners = {name: best(cards, name) for name in shared(cards)}
        sure = {name: None if i is None else cards[i].samples for name, i in winners.items()}
        return {"cards": [card.to_json() for card in cards], "best": sure}

    check(as_json)
    training = {
        "--minutes": minutes, "--kimg": kimg, "--seeds": seeds, "--out": out, "--device": device,
        "--set": settings, "--resume": resume or None,
    }  # fmt: skip
    if recipes is None:
        for option, value in training.items():
            if value is not None:
                raise OptionError(f"{option}: needs --recipes, which names what to train")
        cards = compare(runs, against, n=n, features=features, seed=seed, progress=say)
        put(table(cards), tree(cards), as_json)
        return
    if len(runs) != 1:
        raise OptionError(f"--recipes: needs one data set to train on; got {len(runs)}")
    if against is not None:
        raise OptionError(
            "--against: doesn't go with --recipes; the held-out data is the reference"
        )

    from ganwright.benchmark import compare_recipes
    from ganwright.train.progress import watch

    names = [name.strip() for name in recipes.split(",") if name.strip()]
    chosen = dict(parse(text) for text in settings or [])
    with watch() as observer:
        found = compare_recipes(
            runs[0], names, minutes=minutes, kimg=kimg, seed=seed,
            seeds=1 if seeds is None else seeds, out=out, device=device or "auto", settings=chosen,
            n=n, features=features, resume=resume, observer=observer, progress=say,
        )  # fmt: skip
    put(f"{found}\n\n{found.page}", tree(list(found.cards.values())), as_json)
