"""The Python API: brings together training and evaluation, which are independent of each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganwright.base.errors import OptionError
from ganwright.base.runs import RunFolder
from ganwright.evaluate.card import Card, keep
from ganwright.evaluate.judge import evaluate as judge
from ganwright.evaluate.scorer import scoring
from ganwright.model import Model
from ganwright.train.loop import Observer
from ganwright.train.progress import shown
from ganwright.train.run import Run, begin, default_out, go_on, prepare, starting
from ganwright.uses import augment as augmenting
from ganwright.uses import detect as detecting
from ganwright.uses import fill as filling
from ganwright.uses.learned import learn


def train(
    data: Any,
    *,
    recipe: str | os.PathLike[str] | None = None,
    start_from: Run | str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    observer: Observer | None = None,
    progress: bool | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Run:
    """Trains a model on `data` and returns the run.

    `data` is a built-in name, a path, or in memory a table (pandas, polars, Arrow), an array of images
    n×H×W(×C), or a pair of it and its labels; `recipe` a name or
    a TOML file (None chooses one); `out` the run folder (default ``runs/<data>``), which must not exist
    unless `resume` continues it. `start_from`, a run or a model's folder, gives the weights to begin
    with, and the recipe where none is named. `minutes` and `kimg` (thousand real examples shown) bound
    the training; `settings` maps dotted option paths to values. Scores on held-out examples select the
    model in ``best/``. `stopped`, asked after every round, ends the run as Ctrl-C does: the way to stop
    one that trains in a thread. Raises a GanwrightError: OptionError, DataError, ModelError and RunError
    for wrong input, Interrupted when stopped (resumable), Diverged when rolling back did not help.

    >>> import ganwright as gw
    >>> run = gw.train("digits", minutes=1)     # doctest: +SKIP
    >>> run.model.sample(16).shape              # doctest: +SKIP
    (16, 8, 8, 1)
    """
    start = start_from.path if isinstance(start_from, Run) else start_from
    if resume:
        if out is None and not isinstance(data, str | os.PathLike):
            raise OptionError(
                "out: data in memory has no name to derive a run folder from; give the folder"
            )
        folder = RunFolder(default_out(data) if out is None else out)
        with shown(progress if observer is None else False) as bar:
            return go_on(
                data, folder, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, device=device,
                settings={**(settings or {}), **starting(start)}, observer=observer or bar,
                scoring=scoring, stopped=stopped,
            )  # fmt: skip
    if out is not None:
        RunFolder(out).must_be_free()
    prepared = prepare(
        data, recipe=recipe, start_from=start, minutes=minutes, kimg=kimg, seed=seed, device=device,
        settings=settings,
    )  # fmt: skip
    folder = RunFolder(Path("runs") / prepared.data.name if out is None else out)
    with shown(progress if observer is None else False) as bar:
        return begin(prepared, folder, observer=observer or bar, scoring=scoring, stopped=stopped)


def evaluate(
    samples: Model | Run | str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
) -> Card:
    """Evaluates a model's samples, or any other, against real data; a run keeps its card.

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


def fill(
    model: Model | Run | str | os.PathLike[str] | Any,
    table: Any = None,
    *,
    how: filling.How | None = None,
    draws: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Any:
    """Returns the table with its missing cells filled from each row's known cells; the rest is untouched.

    ``fill(model, table)`` uses a Model, a Run or a run folder; ``fill(table)`` learns from the
    table itself first, for `minutes` (None: by its rows). `table` is a DataFrame of pandas or
    polars or a pyarrow Table, and the same kind comes back, or a file, which comes back as a
    pandas DataFrame. `how` is "mean", the best guess, or "draw"; with `draws` a list of so many
    tables comes back, each a draw. `progress` as for `train`. Raises OptionError, DataError, ModelError.

    >>> import ganwright as gw
    >>> whole = gw.fill(frame)                      # doctest: +SKIP
    """
    if table is None:
        learned = learn(model, minutes=minutes, seed=seed, device=device, progress=progress)
        return filling.fill(learned, model, how=how, draws=draws, seed=seed)
    return filling.fill(_model(model), table, how=how, draws=draws, seed=seed)


def augment(
    model: Model | Run | str | os.PathLike[str],
    data: Any,
    *,
    balance: str | None = None,
    ratio: float = 1.0,
    n: int | None = None,
    mark: str = augmenting.MARK,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
) -> Any:
    """The rows of a table and new ones below them, or a folder of images with new ones beside them.

    With `balance`, a column, or "label" for the classes of images, classes grow to `ratio` of the
    largest; otherwise `n` examples are added. `mark` names the column that tells what is synthetic.

    Kinds of tables as for `fill`; the same kind comes back. An array of images, or a pair of it and its
    labels, comes back as (images, labels, which are new). Images in files are written to `out`, a folder
    or an .npz, a file of a table to the file `out`: then a `Grown` comes back, with what was made and
    dropped.
    Raises OptionError, DataError, ModelError, and WorkError for a class that can't be grown.

    >>> import ganwright as gw
    >>> gw.augment("runs/credit", frame, balance="default")     # doctest: +SKIP
    >>> gw.augment("runs/photos", "photos/", balance="label", out="grown/").made    # doctest: +SKIP
    """
    return augmenting.augment(
        _model(model), data, balance=balance, ratio=ratio, n=n, mark=mark, seed=seed, out=out
    )


def detect(
    model: Model | Run | str | os.PathLike[str],
    data: Any,
    *,
    normal: Any = None,
    most: int = 3,
    heatmaps: str | os.PathLike[str] | None = None,
) -> Any:
    """How odd each row of a table or each image is: a pandas DataFrame with score and p_value.

    For rows (a file or frame) `columns` names those that make it odd, at most so many; for images (a
    folder, zip, .npy or .npz; the index has their names; or an array) `heatmap` is a file in the new folder
    `heatmaps` that shows where. p-values compare with `normal`, examples known to be so that the model
    was not trained on (None: what a run held out, or, for rows, some that the model makes). Raises
    OptionError, DataError, ModelError.

    >>> import ganwright as gw
    >>> gw.detect("runs/payments", frame).nsmallest(10, "p_value")      # doctest: +SKIP
    """
    known, run = _model(model), None
    if not isinstance(model, Model):
        run = model.path if isinstance(model, Run) else model
    folder = None if heatmaps is None else Path(heatmaps)
    found = detecting.detect(known, data, run=run, normal=normal, most=most, heatmaps=folder)
    return found.frame()


def _model(model: Model | Run | str | os.PathLike[str]) -> Model:
    if isinstance(model, Model):
        return model
    return model.model if isinstance(model, Run) else load(model)
