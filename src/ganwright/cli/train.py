"""ganwright train DATA"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ganwright.data import Dataset
    from ganwright.train.choose import Outlook

SKIPPED_NAMED = 10  # files that can't be read; `ganwright inspect` names them all
NAME = "train"
EPILOG = """Examples:

\b
  ganwright train digits --minutes 2
  ganwright train photos/ --out runs/photos --recipe dcgan --kimg 500
  ganwright train mnist/ --set game.loss=hinge --set discriminator.norm=spectral
  ganwright train table.csv --minutes 5 --set data.table.kinds=zip=category
  ganwright train photos/ --out runs/photos --resume
  ganwright train few/ --from runs/photos --set train.freeze_d=2
"""


def command(
    data: Annotated[
        str,
        typer.Argument(
            help="'digits' or 'shapes'; a folder, .zip, .npz, .npy, idx file or CSV of images; a "
            "table (.csv, .parquet …); texts or a sparse .npz of counts."
        ),
    ],
    recipe: Annotated[
        str | None, typer.Option(help="A recipe's name, or a recipe.toml [chosen from the data].")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder [runs/<data>].")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in minutes of training.")] = None,
    kimg: Annotated[
        float | None,
        typer.Option(help="Budget in thousands of real examples; reproducible bit for bit."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness [0].")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set any option by its dotted path; repeatable."
        ),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after this many scores without improvement [never].")
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Start from another run's weights; its recipe is the default.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan and its speed; don't train."),
    ] = False,
) -> None:
    """Trains a model on DATA and writes a run folder."""
    from ganwright.base.errors import OptionError
    from ganwright.base.options import parse
    from ganwright.base.runs import RunFolder
    from ganwright.evaluate.scorer import Scorer, scoring
    from ganwright.train import run as runs
    from ganwright.train.progress import watch

    def score_by(data: Dataset, features: str) -> Scorer | None:
        return scoring(data, features, say=lambda text: print(text, file=sys.stderr))

    chosen = dict(parse(text) for text in settings or [])
    if patience is not None:
        chosen["train.patience"] = patience
    if resume:
        if dry_run:
            raise OptionError("--dry-run: doesn't go with --resume")
        folder = RunFolder(out or runs.default_out(data))
        chosen |= runs.starting(start_from)
        with watch() as observer:
            runs.go_on(
                data, folder, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, device=device,
                settings=chosen, observer=observer, scoring=score_by,
            )  # fmt: skip
    else:
        if not dry_run:
            RunFolder(out or runs.default_out(data)).must_be_free()
        prepared = runs.prepare(
            data, recipe=recipe, start_from=start_from, minutes=minutes, kimg=kimg, seed=seed,
            device=device, settings=chosen,
        )  # fmt: skip
        for line in (*prepared.data.notes, *told(prepared.data), *prepared.reasons):
            print(line, file=sys.stderr)
        if dry_run:
            print(prepared.plan)
            print(table(prepared.outlook()), end="")
            return
        folder = RunFolder(out or runs.default_out(data))
        with watch() as observer:
            runs.begin(prepared, folder, observer=observer, scoring=score_by)
    print(folder.path)


def told(data: Dataset) -> list[str]:
    """Lists the examples that could not be read."""
    found = data.skipped
    if not found:
        return []
    names = [f"  {one.name} {one.reason}" for one in found[:SKIPPED_NAMED]]
    more = [f"  and {len(found) - SKIPPED_NAMED:,} more"] if len(found) > SKIPPED_NAMED else []
    count = f"warning: skipped {len(found):,} of {len(found) + len(data):,} examples, which can't be used"
    return [count, *names, *more]


def table(rows: list[Outlook]) -> str:
    """What the budget buys at each size; empty where there is no choice of sizes."""
    if not rows:
        return ""
    head = f"{'size':>9}  {'examples/s':>10}  {'kimg':>8}  {'each seen':>9}  then expect"
    lines = [
        f"{row.size:>9}  {row.images_per_s:10,.0f}  {row.kimg:8,.1f}  {row.times:8,.1f}×  {row.looks}"
        for row in rows
    ]
    return "\n".join(["", head, *lines, ""])
