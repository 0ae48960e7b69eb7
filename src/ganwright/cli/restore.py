"""ganwright restore RUN DATA"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "restore"
EPILOG = """Examples:

\b
  ganwright train photos/ --task denoise --out runs/denoise
  ganwright restore runs/denoise noisy/ --out clean/
  ganwright restore runs/inpaint torn/ --mask masks/ --draws 4 --out whole/
  ganwright restore runs/upscale small/ --scale 4 --out large/
"""


def command(
    run: Annotated[
        Path, typer.Argument(help="A run trained with --task, or the model folder in it.")
    ],
    data: Annotated[Path, typer.Argument(help="A folder of damaged pictures, or one picture.")],
    out: Annotated[
        Path, typer.Option(help="The new folder: each result under its own name and suffix.")
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            help="A picture, or a folder of them by name: white where to repair; the rest stays as it is."
        ),
    ] = None,
    scale: Annotated[int | None, typer.Option(help="Of upscale: 2 or 4 [2].")] = None,
    draws: Annotated[
        int | None, typer.Option(help="Several answers each, in folders draw-1 … [one].")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Repairs pictures with a model that was trained for it: plausible detail, not the truth."""
    from ganwright.model import Model
    from ganwright.train.plan import pick_device
    from ganwright.uses.restore import restore

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    model = Model.load(run, device=pick_device(device))
    done = restore(
        model, data, out=out, mask=mask, scale=scale, draws=draws, seed=seed, say=say
    )  # fmt: skip
    for note in done.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(
        f"{done.n:,} picture{'s' * (done.n != 1)} restored ({model.generator.task})",
        file=sys.stderr,
    )
    print(done.path)
