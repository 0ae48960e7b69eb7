"""ganwright sample RUN"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from ganwright.game import Truncate

NAME = "sample"
EPILOG = """Examples:

\b
  ganwright sample runs/digits -n 1000 --out digits.npz
  ganwright sample runs/digits -n 100 --label 7 --out sevens/
  ganwright sample runs/digits --out grid.png
  ganwright sample runs/digits --truncation 0.7 --out typical.png
  ganwright sample runs/adult -n 10000 --where "age=40..60, sex=Female" --out women.parquet
  ganwright sample runs/load -n 20 --given history.csv --out futures.csv
  ganwright sample runs/captions --where "length=5..12, contains=red" --out red.txt
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, or the model folder in it.")],
    n: Annotated[int, typer.Option("-n", "--number", help="How many samples.")] = 64,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder, or a file whose suffix gives the format [RUN-samples.png or .csv, here]."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples.")] = 0,
    label: Annotated[str | None, typer.Option(help="Sample this class only.")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help='Conditions on rows: "age=40..60, sex=Female|Male, income=missing"; on texts: '
            '"length=5..12, contains=red".'
        ),
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(help="Series to go on from: -n futures of each, instead of samples."),
    ] = None,
    truncation: Annotated[
        float, typer.Option(metavar="PSI", help="Below 1: more typical, less varied samples.")
    ] = 1.0,
    truncate: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="shrink: scale the latent's distance from the mean by PSI; resample: redraw "
            "coordinates beyond PSI.",
        ),
    ] = "shrink",
    by: Annotated[
        str | None,
        typer.Option(
            help="Of a model of texts: lm, its language model, or lm@0.8, at a temperature."
        ),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="The format, if --out's suffix doesn't give it.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Samples new examples from a trained model."""
    from ganwright.base.errors import OptionError
    from ganwright.data.writers import format_for, writer_for
    from ganwright.model import Model
    from ganwright.train.plan import pick_device

    model = Model.load(run, device=pick_device(device))
    target = (
        out
        if out is not None
        else Path(f"{run.name or 'model'}-samples{model.codec.default_suffix}")
    )
    chosen = format_for(model.codec, target, form)
    if given is not None:
        from ganwright.uses.forecast import write_forecast

        if label is not None or where is not None or truncation != 1.0:
            raise OptionError("--given: goes with neither --label, --where nor --truncation")
        told = write_forecast(model, given, target, draws=n, seed=seed)
        print(told, file=sys.stderr)
        print(target)
        return
    blocks = model.stream(
        n, seed=seed, label=label, truncation=truncation,
        truncate=cast("Truncate", truncate), where=where, by=by,
    )  # fmt: skip
    with writer_for(model.codec, target, chosen, n, model.spec.classes) as writer:
        for block in blocks:
            writer.add(block.examples, block.labels, seed)
    print(f"{n} samples of {run} with seed {seed}", file=sys.stderr)
    print(target)
