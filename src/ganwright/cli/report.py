"""ganwright report RUN"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "report"
EPILOG = """Examples:

\b
  ganwright report runs/digits
  ganwright report runs/digits --out digits.html
  ganwright report runs/photos --against /new/place/of/photos
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file to write [report.html in the run].")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The real data, if it has moved or to use another set.")
    ] = None,
) -> None:
    """Shows a run on one HTML page: verdict, samples, card, curves, memory, recipe."""
    from ganwright.report import write_report

    def say(text: str) -> None:
        print(f"{text} …", file=sys.stderr, flush=True)

    print(write_report(run, out=out, against=against, progress=say))
