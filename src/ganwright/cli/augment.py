"""ganwright augment RUN DATA"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "augment"
EPILOG = """Examples:

\b
  ganwright augment runs/credit credit.csv --balance default
  ganwright augment runs/credit credit.csv --balance default --ratio 0.5 --out half.parquet
  ganwright augment runs/credit credit.csv -n 10000
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, or the model folder in it.")],
    data: Annotated[Path, typer.Argument(help="The table to add rows to.")],
    balance: Annotated[
        str | None, typer.Option(help="Grow the classes of this column to the largest.")
    ] = None,
    ratio: Annotated[
        float, typer.Option(help="Grow them to this share of the largest instead.")
    ] = 1.0,
    n: Annotated[int | None, typer.Option("-n", "--number", help="How many rows to add.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .tsv or .parquet file [DATA-augmented.csv, here].")
    ] = None,
    mark: Annotated[
        str, typer.Option(help="Name of the added column that marks synthetic rows.")
    ] = "synthetic",
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Adds synthetic rows to a table, for its rare classes or all of it, and marks them."""
    import pyarrow as pa

    from ganwright.data.writers import format_for
    from ganwright.modalities.tables.cells import extend, table_in, write_table
    from ganwright.modalities.tables.columns.spelling import spelled_table
    from ganwright.modalities.tables.given import codec_of, rows_of
    from ganwright.modalities.tables.read.tables import is_text
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.augment import joined, plan, rows

    model = Model.load(run, device=pick_device(device))
    codec = codec_of(model, "augment", fills=False)
    target = out if out is not None else Path(f"{data.name.partition('.')[0]}-augmented.csv")
    format_for(codec, target)
    real = rows_of(codec, data)
    wanted = plan(codec, real, balance=balance, ratio=ratio, n=n)
    new = pa.concat_tables([codec.schema.empty_table(), *rows(model, wanted, seed, real)])
    made = new.num_rows
    if is_text(data) and is_text(target):
        extend(data, target, spelled_table(new, codec.columns), mark)
    elif is_text(data) or is_text(target):
        both = joined(codec, real, iter([new]), mark)
        write_table(spelled_table(both, codec.columns) if is_text(target) else both, target)
    else:
        write_table(joined(codec, table_in(data), iter([new]), mark), target)
    for batch in wanted:
        said = ", ".join(
            f"{k}={v[0] if isinstance(v, list) else v}" for k, v in batch.where.items()
        )
        print(f"{batch.count:,} rows made{' of ' + said if said else ''}", file=sys.stderr)
    if not made:
        print("the classes already have as many rows as asked for: nothing to add", file=sys.stderr)
    print(f"{real.num_rows:,} rows of {data}, {made:,} made by {run}", file=sys.stderr)
    print(target)
