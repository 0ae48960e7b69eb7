"""ganwright explore RUN"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "explore"
EPILOG = """Examples:

\b
  ganwright explore runs/photos
  ganwright explore runs/photos --invert mine.png --invert other.png --out explored/
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, or the model folder in it.")],
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the files [RUN-explored, here].")
    ] = None,
    invert: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXAMPLE",
            help="An image to find the latent of; repeatable: then also what lies between them.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Looks into a model: interpolation, directions, truncation, neighbours, latents of images."""
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.explore import INDEX, explore

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    target = Path(f"{run.resolve().name or 'model'}-explored") if out is None else out
    model = Model.load(run, device=pick_device(device))
    explore(model, run=run, invert=invert or (), out=target, seed=seed, say=say)
    print(target / INDEX)
