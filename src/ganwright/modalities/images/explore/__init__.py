"""What lies between a model's images, and what its latent means, as grids and a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ganwright.data import Dataset
from ganwright.modalities.images.explore.latent import (
    Drawn,
    classes,
    corners,
    directions,
    interpolation,
    truncation,
    walk,
)
from ganwright.modalities.images.explore.real import Given, inversions, neighbours, read
from ganwright.model import Model
from ganwright.nets.directions import DIRECTIONS
from ganwright.report.views import View

__all__ = ["Drawn", "drawings", "read", "views"]
ROWS = 8  # of interpolation and truncation


def views(
    model: Model, data: Dataset | None, given: Sequence[Given], *, seed: int, say: Any
) -> Iterator[View]:
    """The user's own images first, then all that can be shown of any model."""
    if given:
        say("searching for the latents of the images …")
        yield from inversions(model, data, given, seed, say)
    say("drawing samples …")
    for drawn in drawings(model, seed):
        yield drawn.view()
    yield walk(model, seed)
    if data is None:
        say("the training data is not where it was, or not what it was: no nearest images of it")
    else:
        say("finding nearest training images …")
        yield neighbours(model, data, seed).view()


def drawings(
    model: Model, seed: int = 0, *, rows: int = ROWS, few: bool = False
) -> Iterator[Drawn]:
    """The views that take only the model; `few` leaves out what a report shows elsewhere."""
    yield interpolation(model, seed, rows)
    if not few:
        yield corners(model, seed)
    if model.spec.classes and not few:
        yield classes(model, seed)
    yield truncation(model, seed, rows)
    for kind in DIRECTIONS:
        yield directions(model, kind, seed, examples=1 if few else 2)
