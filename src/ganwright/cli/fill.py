"""ganwright fill RUN|DATA [TABLE]"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "fill"
EPILOG = """Examples:

\b
  ganwright fill survey.csv
  ganwright fill runs/survey new.csv --out new-filled.csv
  ganwright fill survey.csv --draws 5 --minutes 2
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run, or the table itself to learn from.")],
    table: Annotated[Path | None, typer.Argument(help="The table to fill.")] = None,
    out: Annotated[Path | None, typer.Option(help="The filled table [TABLE-filled, here].")] = None,
    draws: Annotated[
        int | None,
        typer.Option(help="How many tables to write, each a random draw [one, of best guesses]."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Minutes of training without a run [from the number of rows]."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same values.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Fills the missing cells of a table; all other cells stay as they are."""
    from ganwright.base.errors import OptionError, RunError
    from ganwright.modalities.tables.cells import as_written, check_out, rewrite
    from ganwright.modalities.tables.given import codec_of, rows_of
    from ganwright.modalities.tables.read.tables import is_text
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.fill import find
    from ganwright.uses.learned import learn

    if table is None and run.is_dir():
        raise RunError(f"'{run}' is a folder: give the table to fill as well")
    if table is not None and minutes is not None:
        raise OptionError("--minutes: only for training without a run; leave it out")
    source = run if table is None else table
    target = out if out is not None else Path(_named(source))
    if target.resolve() == source.resolve():
        raise OptionError(f"--out: '{target}' is the table itself; name another file")
    if source.is_file():
        check_out(source, target)
    if table is None:
        print(f"learning from {source} …", file=sys.stderr, flush=True)
        model = learn(source, minutes=minutes, seed=seed, device=device)
    else:
        model = Model.load(run, device=pick_device(device))
    codec = codec_of(model, "fill")
    filling = find(model, rows_of(codec, source), draws=draws, seed=seed)
    for note in filling.notes:
        print(note, file=sys.stderr)
    targets = [target] if draws is None else [numbered(target, i + 1) for i in range(draws)]
    for path, values in zip(targets, filling.draws, strict=True):
        if filling.cells and source.is_file():
            new = as_written(codec, values) if is_text(source) else values
            rewrite(source, path, filling.rows, new)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
    count = len(filling.rows)
    what = f"{filling.cells:,} cells in {count} {'column' if count == 1 else 'columns'} filled"
    print(
        what if filling.cells else f"nothing to fill in {source}: copied unchanged", file=sys.stderr
    )
    for path in targets:
        print(path)


def _named(source: Path) -> str:
    """table.csv.gz as table-filled.csv.gz."""
    stem, dot, suffixes = source.name.partition(".")
    return f"{stem}-filled{dot}{suffixes}"


def numbered(target: Path, number: int) -> Path:
    """filled.csv as filled-1.csv."""
    stem, dot, suffixes = target.name.partition(".")
    return target.with_name(f"{stem}-{number}{dot}{suffixes}")
