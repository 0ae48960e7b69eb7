"""ganwright translate RUN DATA"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "translate"
EPILOG = """Examples:

\b
  ganwright train --pairs edges/ photos/ --out runs/photos-of-edges
  ganwright translate runs/photos-of-edges sketches/ --out photos-of-sketches/
"""


def command(
    run: Annotated[
        Path, typer.Argument(help="A run trained with --pairs, or with --from and --to.")
    ],
    data: Annotated[Path, typer.Argument(help="A folder of images, or one image.")],
    out: Annotated[
        Path, typer.Option(help="The new folder: each result under its own name and suffix.")
    ],
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Translates images with a model that learned it: edges to photographs, class maps to scenes …"""
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.translate import translate

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    model = Model.load(run, device=pick_device(device))
    done = translate(model, data, out=out, seed=seed, say=say)
    for note in done.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(f"{done.n:,} image{'s' * (done.n != 1)} translated", file=sys.stderr)
    print(done.path)
