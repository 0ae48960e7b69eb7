"""Looking into a model: what lies between its samples, and what its latent means.

What can be shown, and how, is a modality's part `explore`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.base.runs import replacing
from ganwright.data import Dataset
from ganwright.data.folders import check_new
from ganwright.model import Model
from ganwright.report.views import View, views_page
from ganwright.uses.detect import own_data

INDEX = "index.html"
Say = Callable[[str], None]


class ExplorePart(Protocol):
    """What is asked of a modality's part `explore`."""

    def read(self, model: Model, given: Sequence[str]) -> Sequence[object]:
        """Examples whose latents are wanted, as the user names them. Raises DataError, OptionError."""

    def views(
        self, model: Model, data: Dataset | None, given: Sequence[object], *, seed: int, say: Say
    ) -> Iterator[View]:
        """The views; `data` is what the model was trained on, `given` what `read` returned."""


@dataclass(frozen=True, kw_only=True)
class Explored:
    """The views of a model, and the folder that they were written to, if any."""

    views: tuple[View, ...]
    path: Path | None = None


def explore(
    model: Model,
    *,
    run: str | os.PathLike[str] | None = None,
    invert: Sequence[str | os.PathLike[str]] = (),
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    say: Say = lambda text: None,
) -> Explored:
    """Views of a model, written to the new folder `out` with a page of all of them.

    `run` is where the model comes from, and knows what it was trained on; `invert` names examples whose
    latents are sought. Raises OptionError, DataError, UsageError.
    """
    part = part_of(model)
    model.must_make_new()
    target = None if out is None else Path(out)
    if target is not None:
        check_new(target)
    given = part.read(model, [os.fspath(one) for one in invert])
    data = None if run is None else own_data(run, model)
    views = tuple(part.views(model, data, given, seed=seed, say=say))
    if target is not None:
        _write(target, model, "model" if run is None else Path(run).resolve().name, views)
    return Explored(views=views, path=target)


def part_of(model: Model) -> ExplorePart:
    """How a model's modality is explored. Raises OptionError where it isn't."""
    own = modality(model.codec.kind)
    if not own.has("explore"):
        raise OptionError(f"explore: there is no exploring of {model.spec.things}")
    return cast(ExplorePart, own.part("explore"))


def _write(out: Path, model: Model, name: str, views: Sequence[View]) -> None:
    """The files of all views and the page, whole or not at all."""
    about = f"{model!r}".removeprefix("Model(").removesuffix(")")
    with replacing(out) as aside:
        aside.mkdir(parents=True)
        for view in views:
            for file, data in view.files.items():
                (aside / file).write_bytes(data)
        page = views_page(name, f"It makes {about}.", views)
        (aside / INDEX).write_text(page, encoding="utf-8")
