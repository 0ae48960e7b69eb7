"""ganwright inspect DATA"""

from __future__ import annotations

import json
from typing import Annotated

import typer

NAME = "inspect"
EPILOG = """Examples:

\b
  ganwright inspect photos/
  ganwright inspect photos.zip --set data.size=64 --json
  ganwright inspect table.csv
  ganwright inspect table.csv --set data.table.kinds=zip=category
"""


def command(
    data: Annotated[
        str,
        typer.Argument(
            help="'digits', 'shapes', a folder, .zip, .npz, .npy, idx file, a CSV of files or a table."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A data option, e.g. data.size=64."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Shows what is in DATA and what training would do with it."""
    from ganwright.base.options import override, parse
    from ganwright.data import DataOptions, inspect_data

    chosen = dict(parse(text) for text in settings or [])
    within = {key.removeprefix("data."): value for key, value in chosen.items()}
    found = inspect_data(data, options=override(DataOptions(), within))
    print(json.dumps(found.to_json(), indent=2, ensure_ascii=False) if as_json else found)
