"""ganwright doctor RUN"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

NAME = "doctor"
EPILOG = """Examples:

\b
  ganwright doctor runs/photos
  ganwright doctor runs/photos --against /new/place/of/photos --json
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run folder: finished, running or dead.")],
    against: Annotated[
        str | None, typer.Option(help="The data, if it has moved since the training.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Says what happened in a run, by which numbers, and what to try."""
    from ganwright.report.doctor import examine

    found = examine(run, against)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(map(str, found)))
