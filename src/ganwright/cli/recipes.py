"""ganwright recipes [NAME]"""

from __future__ import annotations

import json
from typing import Annotated

import typer

NAME = "recipes"
EPILOG = """Examples:

\b
  ganwright recipes
  ganwright recipes dcgan
"""


def command(
    name: Annotated[str | None, typer.Argument(help="The recipe to show in full.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Lists the recipes, or shows all options of one."""
    from ganwright.base.options import to_toml, tree
    from ganwright.train.recipes import RECIPES

    if name is not None:
        row = RECIPES[name]
        recipe = row.make()
        heading = f"{name}: {row.summary}.\nA widely copied version {row.mended}."
        print(json.dumps(tree(recipe), indent=2) if as_json else to_toml(recipe, heading=heading))
        return
    if as_json:
        rows = {n: {"summary": r.summary, "mended": r.mended} for n, r in RECIPES.items()}
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(map(len, RECIPES))
    for each, row in RECIPES.items():
        print(f"{each:{width}}  {row.summary}")
