"""ganwright detect RUN DATA"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN, TOP = 10, 3  # oddest rows printed; columns named of each
NAME = "detect"
EPILOG = """Examples:

\b
  ganwright detect runs/payments june.csv
  ganwright detect runs/payments june.csv --out odd.csv
  ganwright detect runs/payments june.csv --json -
"""


def command(
    run: Annotated[
        Path, typer.Argument(help="A run trained on normal rows, or the model folder in it.")
    ],
    data: Annotated[Path, typer.Argument(help="The table to search for unusual rows.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write score, p-value and columns of each row to this .csv, .tsv or .parquet."
        ),
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", help="Write the most unusual rows to this file; - prints them."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Finds unusual rows, with p-values and the columns responsible."""
    from ganwright.cli.evaluate import check, put
    from ganwright.data.writers import format_for
    from ganwright.modalities.tables.cells import write_table
    from ganwright.modalities.tables.given import codec_of, rows_of
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.detect import Detector, ranks
    from ganwright.uses.learned import kept_out

    check(as_json)
    model = Model.load(run, device=pick_device(device))
    codec = codec_of(model, "detect")
    if out is not None:
        format_for(codec, out)
    table = rows_of(codec, data)
    kept = kept_out(run, model)
    detector = Detector.build(model, *(kept or (None, None)))
    found = detector.look(table)
    p_values = detector.p_values(found.score)
    columns = detector.columns(found.cells, TOP)
    if out is not None:
        write_table(_scores(found.score, p_values, columns), out)
    order = ranks(found.score)
    oddest = [
        {
            "row": int(i) + 1,
            "score": float(found.score[i]),
            "p_value": float(p_values[i]),
            "columns": list(columns[i]),
        }
        for i in order[:SHOWN]
    ]
    tree = {
        "n": table.num_rows,
        "calibrated_by": detector.calibrated_by,
        "calibrated_n": len(detector.normal),
        "p_below_0.01": int((p_values < 0.01).sum()),
        "oddest": oddest,
    }
    put(_text(tree), tree, as_json)
    if out is not None:
        print(out, file=sys.stderr if str(as_json) == "-" else sys.stdout)


def _scores(scores: Any, p_values: Any, columns: list[tuple[str, ...]]) -> pa.Table:
    import pyarrow as pa

    named = [[row[i] if i < len(row) else None for row in columns] for i in range(TOP)]
    return pa.table(
        {
            "row": pa.array(range(1, len(columns) + 1), pa.int64()),
            "score": pa.array(scores),
            "p_value": pa.array(p_values),
            **{f"column_{i + 1}": pa.array(part, pa.string()) for i, part in enumerate(named)},
        }
    )


def _text(tree: dict[str, Any]) -> str:
    lines = [
        f"{tree['n']:,} rows; p-values compare with {tree['calibrated_n']:,} "
        f"{tree['calibrated_by']}; {tree['p_below_0.01']:,} rows have p < 0.01",
        f"{'row':>9}  {'score':>7}  {'p':>7}  columns",
    ]
    lines += [
        f"{one['row']:>9,}  {one['score']:>7.2f}  {one['p_value']:>7.4f}  "
        f"{', '.join(one['columns'])}"
        for one in tree["oddest"]
    ]
    return "\n".join(lines)
