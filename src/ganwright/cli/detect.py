"""ganwright detect RUN DATA"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ganwright.uses.detect import Found

SHOWN = 10  # the oddest that are printed
NAME = "detect"
EPILOG = """Examples:

\b
  ganwright detect runs/payments june.csv
  ganwright detect runs/payments june.csv --out odd.csv
  ganwright detect runs/parts new/ --out odd.csv --heatmaps where/
  ganwright detect runs/payments june.csv --json -
"""


def command(
    run: Annotated[
        Path, typer.Argument(help="A run trained on normal examples, or the model folder in it.")
    ],
    data: Annotated[
        Path,
        typer.Argument(help="The table to search for unusual rows; a folder, zip … of images."),
    ],
    normal: Annotated[
        Path | None,
        typer.Option(
            help="Normal examples to compare with, not trained on [what the run held out]."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write score, p-value and columns or heat map of each to this .csv, .tsv or .parquet."
        ),
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option(help="A new folder: for each image a .png of its size that shows where."),
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", help="Write the most unusual ones to this file; - prints them."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Finds unusual rows or images, with p-values, and the columns or places responsible."""
    from ganwright.cli.evaluate import check, put
    from ganwright.modalities.tables.cells import write_table
    from ganwright.modalities.tables.writers import format_of
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.detect import detect, part_of

    check(as_json)
    model = Model.load(run, device=pick_device(device))
    part_of(model).check(model, heatmaps)
    if out is not None:
        format_of(out)
    found = detect(model, data, run=run, normal=normal, heatmaps=heatmaps)
    for note in found.notes:
        print(f"warning: {note}", file=sys.stderr)
    if out is not None:
        write_table(found.table(), out)
    tree = _tree(found)
    put(_text(found, tree), tree, as_json)
    for written in (heatmaps, out):
        if written is not None:
            print(written, file=sys.stderr if str(as_json) == "-" else sys.stdout)


def _tree(found: Found) -> dict[str, Any]:
    from ganwright.uses.detect import ranks

    oddest = [
        {
            found.part.PLACE: found.examples.places[i],
            "score": float(found.score[i]),
            "p_value": float(found.p_value[i]),
            found.part.REASON: found.reasons[i],
        }
        for i in ranks(found.score)[:SHOWN].tolist()
    ]
    return {
        "n": len(found.score),
        "calibrated_by": found.calibrated_by,
        "calibrated_n": found.calibrated_n,
        "p_below_0.01": int((found.p_value < 0.01).sum()),
        "oddest": oddest,
    }


def _text(found: Found, tree: dict[str, Any]) -> str:
    part, oddest = found.part, tree["oddest"]
    places = [f"{p:,}" if isinstance(p := one[part.PLACE], int) else p for one in oddest]
    width = max([9, *map(len, places)])
    lines = [
        f"{tree['n']:,} {part.THINGS}; p-values compare with {tree['calibrated_n']:,} "
        f"{tree['calibrated_by']}; {tree['p_below_0.01']:,} {part.THINGS} have p < 0.01",
        f"{part.PLACE:>{width}}  {'score':>7}  {'p':>7}  {part.REASON}",
    ]
    for place, one in zip(places, oddest, strict=True):
        reason = one[part.REASON]
        said = reason if isinstance(reason, str) else ", ".join(reason)
        lines.append(f"{place:>{width}}  {one['score']:>7.2f}  {one['p_value']:>7.4f}  {said}")
    return "\n".join(lines)
