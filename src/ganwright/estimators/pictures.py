"""Images in estimators: arrays n×H×W(×C) and lists of images as a data set, and what trains on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from ganwright.data import Dataset
    from ganwright.modalities.images.grow import Growth
    from ganwright.modalities.images.read.source import ImageSource
    from ganwright.model import Model

HELD = 0.2  # share that is not trained on
KIMG = 50.0  # images shown where neither passes nor minutes are given, in thousands


def are_pictures(X: Any) -> TypeGuard[np.ndarray | Sequence[Any]]:
    """Whether X is images: an array n×H×W or n×H×W×C, or a list of Pillow's images or of arrays."""
    from ganwright.modalities.images.read.memory import are_images

    return are_images(X)


def opened(X: Any, labels: Any = None) -> tuple[ImageSource, Dataset]:
    """X split by content, in its own size and channels. Raises DataError for an image with NaN."""
    from ganwright.base.options import build
    from ganwright.data import DataOptions
    from ganwright.data.open import dataset_of
    from ganwright.modalities.images.read.memory import form_of, memory_source

    source = memory_source(X, labels)
    own = {"holdout": HELD, "bad": "refuse", "image": form_of(X)}
    return source, dataset_of(source, build(DataOptions, own, owner="data"))


def training(data: Dataset, passes: float | None, minutes: float | None) -> dict[str, Any]:
    """With what, and for how long."""
    from ganwright.modalities.images.choice import quick

    if passes is None and minutes is None:
        passes = KIMG * 1000 / len(data.train)
    return {"recipe": quick(data), "passes": passes, "minutes": minutes}


def grown(
    model: Model, source: ImageSource, data: Dataset, wanted: Sequence[tuple[str, int]], seed: int
) -> Growth:
    """New images of each class, of which those are kept that `ganwright augment` would keep."""
    from ganwright.modalities.images.grow import Growth

    growth = Growth(model, source, data)
    growth.make(wanted, seed)
    return growth
