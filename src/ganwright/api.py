"""The Python face: where training and judging, which don't know each other, are brought together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganwright.base.runs import RunFolder
from ganwright.evaluate.card import Card, keep
from ganwright.evaluate.judge import evaluate as judge
from ganwright.evaluate.scorer import scoring
from ganwright.model import Model
from ganwright.train.loop import Observer
from ganwright.train.run import Run, begin, default_out, go_on, prepare


def train(
    data: str | os.PathLike[str],
    *,
    recipe: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Trains a model on `data` and returns the run.

    `data` is a built-in name or a path; `recipe` a name or a TOML file (None chooses one); `out` the
    run folder (default ``runs/<data>``), which must not exist unless `resume` goes on with it.
    `minutes` and `kimg` (thousand real examples shown) bound the training; `settings` maps dotted
    option paths to values. Scores on held-out examples select the model in ``best/``. Raises a
    GanwrightError: OptionError, DataError and RunError for wrong input, Interrupted on Ctrl-C
    (resumable), Diverged when training could not be saved.

    >>> import ganwright as gw
    >>> run = gw.train("digits", minutes=1)     # doctest: +SKIP
    >>> run.model.sample(16).shape              # doctest: +SKIP
    (16, 8, 8, 1)
    """
    if resume:
        folder = RunFolder(default_out(data) if out is None else out)
        return go_on(
            data, folder, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, device=device,
            settings=settings, observer=observer, scoring=scoring,
        )  # fmt: skip
    if out is not None:
        RunFolder(out).must_be_free()
    prepared = prepare(
        data, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, device=device, settings=settings
    )
    folder = RunFolder(Path("runs") / prepared.data.name if out is None else out)
    return begin(prepared, folder, observer=observer, scoring=scoring)


def evaluate(
    samples: Model | Run | str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
) -> Card:
    """Judges a model's samples, or any pictures, against real data; a run keeps its card.

    `samples` is a Model, a Run, a run folder, or anything `open_data` reads; `against` the data (a
    run knows its own). `n` samples are judged; `features` names the extractor. Raises DataError or
    OptionError with what is missing.

    >>> import ganwright as gw
    >>> print(gw.evaluate("runs/digits"))       # doctest: +SKIP
    """
    subject = samples.path if isinstance(samples, Run) else samples
    card = judge(subject, against, n=n, features=features, seed=seed)
    if not isinstance(subject, Model) and RunFolder(Path(subject)).recipe.is_file():
        return keep(card, RunFolder(Path(subject)))
    return card


def load(path: str | os.PathLike[str], *, device: str = "cpu") -> Model:
    """A trained model from an artefact folder or a run folder (its best). Raises ModelError.

    >>> import ganwright as gw
    >>> gw.load("runs/digits").sample(4).shape      # doctest: +SKIP
    (4, 8, 8, 1)
    """
    return Model.load(path, device=device)
