"""Which new images are let in: those that look like their class and are no copies.

agreement      a classifier learned from the training images says the class that was asked for
density        the image lies within the manifold of the training images of its class: in the ball
               around one of them that reaches its K-th neighbour (Kynkäänniemi et al. 2019)
memorisation   its nearest training image, of any class, is not nearer than that of all but NEAR of the
               held-out images of the class, and is not the image itself

All are made from the training part of the data; the held-out part sets the threshold of the last, and
says of each filter how many unseen real images it would let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ganwright.data import Dataset
from ganwright.evaluate.coverage import Manifold, inside
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.images.features import usual
from ganwright.modalities.images.features.pictures import LEAST_SIDE

K = 5
NEAR = 0.05
LEAST_HELD = 20  # held-out images of a class; with fewer its training images stand in for them
LEAST_OF_CLASS = 10  # training images on average that a classifier takes
MOST = 5000  # training images of a class that make its manifold
BLOCK = 500


@dataclass(frozen=True)
class Gate:
    """What an image of one class is held against."""

    manifold: Manifold
    nearest: float  # to a training image, in pixel components


class Filters:
    """The three filters for data with or without classes, which are numbers; None is any class."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.features = choose_extractor(_features(data), data)
        self.pixels = choose_extractor("pixels", data)
        self.training = FeatureMatrix(self._seen(self.pixels, data.train), "training")
        self.gate = cache(self._gate)

    def passes(self, images: np.ndarray, label: int | None) -> dict[str, np.ndarray]:
        """Of images as stored (b, H, W, C), which pass each filter, (b,) bool."""
        gate, seen = self.gate(label), self.features.see(images)
        reach = self._reach(self.pixels.features(images))
        found = {
            "density": inside(gate.manifold, seen.features),
            "memorisation": (reach > 0) & (reach >= gate.nearest),
        }
        if seen.probabilities is None or label is None:
            return found
        return {"agreement": seen.probabilities.argmax(1) == label, **found}

    def of_class(self, part: np.ndarray, label: int | None) -> np.ndarray:
        """Those of `part` (indices) that have the label."""
        return part if label is None else part[self.data.labels[part] == label]  # type: ignore[index]

    def calibration(self, labels: list[int | None]) -> tuple[int, dict[str, float]]:
        """Of the held-out images of these classes: how many there are, and the share that pass each."""
        found: list[dict[str, np.ndarray]] = []
        for label in labels:
            held = self.of_class(self.data.heldout, label)[:MOST]
            for start in range(0, len(held), BLOCK):
                found.append(self.passes(self.data.rows[held[start : start + BLOCK]], label))
        if not found:
            return 0, {}
        whole = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
        shares = {name: float(ok.mean()) for name, ok in whole.items()}
        together = np.logical_and.reduce(list(whole.values()))
        return len(together), {"all": float(together.mean()), **shares}

    def said(self) -> list[str]:
        """The filters in words, with their thresholds."""
        lines, about = [], self.features.about
        if self.features.classes:
            right = (
                f"right on {about['accuracy']:.0%} of {about['accuracy_n']:,} that it did not see"
            )
            lines.append(f"agreement: a classifier learned from the training images, {right}")
        elif self.data.labels is not None:
            lines.append(
                f"agreement: not checked, as a classifier takes {LEAST_OF_CLASS} training images a class"
            )
        return [
            *lines,
            f"density: within reach of the {K}th neighbour of a training image of its class "
            f"({self.features.name} features)",
            f"memorisation: nearest training image no nearer than for {NEAR:.0%} of the held-out "
            f"images of its class, or of the training images among each other where fewer than "
            f"{LEAST_HELD} are held out (pixels)",
        ]

    def _gate(self, label: int | None) -> Gate:
        own = self.of_class(self.data.train, label)
        some = own[:: -(-len(own) // MOST)]
        held = self.of_class(self.data.heldout, label)
        if len(held) >= LEAST_HELD:
            reach = self._reach(self._seen(self.pixels, held))
        else:  # the nearest to a training image is that itself
            rows = FeatureMatrix(self._seen(self.pixels, own))
            reach = nearest(self.training, rows, k=2).distances[:, 1].cpu().numpy()
        return Gate(
            Manifold(self._seen(self.features, some), min(K, len(some) - 1)),
            float(np.quantile(reach, NEAR, method="lower")),
        )

    def _reach(self, pixels: np.ndarray) -> np.ndarray:
        found: np.ndarray = (
            nearest(self.training, FeatureMatrix(pixels)).distances[:, 0].cpu().numpy()
        )
        return found

    def _seen(self, extractor: Extractor, indices: np.ndarray) -> np.ndarray:
        parts = (
            self.data.rows[indices[start : start + BLOCK]]
            for start in range(0, len(indices), BLOCK)
        )
        return np.concatenate([seen.features for seen in extractor.stream(parts)])


def _features(data: Dataset) -> str:
    """Learned ones where they come with a classifier, else what is usual."""
    enough = len(data.train) >= max(20, LEAST_OF_CLASS * len(data.spec.classes))
    large = min(data.codec.height, data.codec.width) >= LEAST_SIDE
    return "learned" if data.labels is not None and enough and large else usual(data)


Counted = Mapping[str, int]


def told(name: str, given: int, new: int, drawn: int, dropped: Counted) -> str:
    """What became of the images drawn of a class, in words."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items())
    own = f"{name}: " if name else ""
    several = drawn - new < sum(dropped.values())
    return (
        f"{own}{given:,} originals, {new:,} new of {drawn:,} drawn; dropped by {reasons}"
        f"{' (some by several)' if several else ''}"
    )


__all__: list[Any] = ["Filters", "told"]
