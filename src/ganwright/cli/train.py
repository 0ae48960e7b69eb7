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
  ganwright train photos/ --task denoise --out runs/denoise
  ganwright train few/ --from runs/photos --set train.freeze_d=2
  ganwright train --pairs edges/ photos/ --out runs/photos-of-edges
  ganwright train --from summer/ --to winter/ --out runs/winter
"""


def command(
    data: Annotated[
        str | None,
        typer.Argument(
            help="'digits' or 'shapes'; a folder, .zip, .npz, .npy, idx file or CSV of images; a "
            "table or series (.csv, .parquet …); recordings; texts or a sparse .npz of counts. Left out with "
            "--pairs or --to."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe's name, or a recipe.toml [chosen from the data].")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Train on clean pictures to repair damaged ones: denoise, deblur, inpaint, upscale or "
            "colourise; then ganwright restore."
        ),
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
            metavar="RUN|A",
            help="A run: start from its weights; its recipe is the default. With --to: the images to "
            "translate.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="With --from A: learn to translate images of A to images like those of B, without pairs.",
        ),
    ] = None,
    pairs: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="Learn to translate images of A to those of the same name in B."
        ),
    ] = None,
    no_guard: Annotated[
        bool,
        typer.Option(
            "--no-guard",
            help="Never go back in a run that collapses or diverges; the same as train.repairs=0.",
        ),
    ] = False,
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
    if to is not None or pairs is not None:
        data, target = _translation(data, task, start_from, to, pairs)
        out = out or runs.default_out(data, target)
        chosen |= runs.translating(to=target, paired=pairs is not None)
        task, start_from = runs.TRANSLATE, None
    if data is None:
        raise OptionError(
            "Missing argument 'DATA'; of translation --pairs A/ B/, or --from A/ --to B/, stands for it"
        )
    if patience is not None:
        chosen["train.patience"] = patience
    if no_guard:
        chosen["train.repairs"] = 0
    if resume:
        if dry_run:
            raise OptionError("--dry-run: doesn't go with --resume")
        folder = RunFolder(out or runs.default_out(data))
        chosen |= runs.starting(start_from) | runs.tasked(task)
        with watch() as observer:
            runs.go_on(
                data, folder, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, device=device,
                settings=chosen, observer=observer, scoring=score_by,
            )  # fmt: skip
    else:
        if not dry_run:
            RunFolder(out or runs.default_out(data)).must_be_free()
        prepared = runs.prepare(
            data, recipe=recipe, task=task, start_from=start_from, minutes=minutes, kimg=kimg,
            seed=seed, device=device, settings=chosen,
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


def _translation(
    data: str | None,
    task: str | None,
    start_from: Path | None,
    to: str | None,
    pairs: tuple[str, str] | None,
) -> tuple[str, str]:
    """Which images to translate, and to which. Raises OptionError where options don't go together."""
    from ganwright.base.errors import OptionError
    from ganwright.model import FACTS, artefact

    own = "--pairs" if pairs else "--to"
    if pairs is not None and (to is not None or start_from is not None):
        raise OptionError("--pairs: names both sets; it doesn't go with --from and --to")
    if pairs is None and start_from is None:
        raise OptionError(
            "--to: goes with --from A/, the images that are to become like those of --to"
        )
    if data is not None:
        raise OptionError(f"{own}: names the images itself; leave out '{data}'")
    if task is not None:
        raise OptionError(f"--task: doesn't go with {own}, which learns to translate")
    given, target = pairs or (str(start_from), str(to))
    if (artefact(given) / FACTS).is_file():
        raise OptionError(
            f"{own}: '{given}' is a trained run; here go images to translate. To start from its weights, "
            "name the data and leave out --to"
        )
    return given, target


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
