"""ganwright augment RUN DATA"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

NAME = "augment"
EPILOG = """Examples:

\b
  ganwright augment runs/credit credit.csv --balance default
  ganwright augment runs/credit credit.csv --balance default --ratio 0.5 --out half.parquet
  ganwright augment runs/credit credit.csv -n 10000
  ganwright augment runs/photos photos/ --balance --out grown/
"""


class COMMAND(TyperCommand):
    """A --balance without a value asks for the classes that the data itself has."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        full = [
            f"{own}=label" if own == "--balance" and (not after or after.startswith("-")) else own
            for own, after in pairwise([*args, ""])
        ]
        return super().parse_args(ctx, full)


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, or the model folder in it.")],
    data: Annotated[
        Path, typer.Argument(help="The table to add rows to, or the folder of images.")
    ],
    balance: Annotated[
        str | None,
        typer.Option(
            metavar="[COLUMN]",
            help="Grow the classes of this column, or those of images, to the largest.",
        ),
    ] = None,
    ratio: Annotated[
        float, typer.Option(help="Grow them to this share of the largest instead.")
    ] = 1.0,
    n: Annotated[int | None, typer.Option("-n", "--number", help="How many to add.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .csv, .tsv or .parquet file [DATA-augmented.csv, here]; of images a folder "
            "[DATA-augmented, here] or an .npz."
        ),
    ] = None,
    mark: Annotated[
        str, typer.Option(help="Name of the added column that marks what is synthetic.")
    ] = "synthetic",
    seed: Annotated[int, typer.Option(help="The same seed gives the same examples.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Adds synthetic rows to a table, or images to a folder, for rare classes or all, and marks them."""
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.augment import augment, grow_of

    model = Model.load(run, device=pick_device(device))
    part = grow_of(model)
    grown = augment(
        model, data, balance=balance, ratio=ratio, n=n, mark=mark, seed=seed,
        out=part.default_out(data) if out is None else out,
    )  # fmt: skip
    things, total = part.THINGS, sum(grown.made.values())
    for name, count in grown.made.items():
        print(f"{count:,} {things} made{' of ' + name if name else ''}", file=sys.stderr)
    if not total:
        print(
            f"the classes already have as many {things} as asked for: nothing to add",
            file=sys.stderr,
        )
    for line in grown.notes:
        print(line, file=sys.stderr)
    print(f"{grown.given:,} {things} of {data}, {total:,} made by {run}", file=sys.stderr)
    print(grown.path)
