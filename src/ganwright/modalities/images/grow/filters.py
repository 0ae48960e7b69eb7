"""Which new images are let in: those that look like their class and are no copies.

agreement      a classifier learned from the training images says the class that was asked for
density        the ball around the image that reaches its K-th nearest training image of the class is no
               wider than those of all but TAIL of the held-out images of the class
memorisation   its nearest training image, of any class, is not nearer than those of all but TAIL of the
               held-out images of the class, and is not the image itself

Where a class has few held-out images, its training images stand in for them, each held against the
others. The held-out part also says how many unseen real images each filter would let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.learned import LEAST_EXAMPLES, LEAST_PER_CLASS
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.images.features import usual
from ganwright.modalities.images.features.pictures import LEAST_SIDE

K = 5
TAIL = 0.05
LEAST_HELD = 20  # held-out images of a class
MOST = 5000  # training images of a class, and held-out ones, that are looked at
BLOCK = 500


@dataclass(frozen=True)
class Gate:
    """What an image of one class is held against."""

    training: FeatureMatrix  # features of the class's training images
    farthest: float  # a K-th neighbour in features
    nearest: float  # a training image in pixels


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
        near = _distances(self.training, self.pixels.features(images), 1)
        found = {
            "density": _distances(gate.training, seen.features, K) <= gate.farthest,
            "memorisation": (near > 0) & (near >= gate.nearest),
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
                f"agreement: not checked, as a classifier takes {LEAST_PER_CLASS} training images a class"
            )
        return [
            *lines,
            f"density: its {K}th nearest training image of the class no farther than for "
            f"{1 - TAIL:.0%} of the class's held-out images ({self.features.name} features)",
            f"memorisation: its nearest training image no nearer than for {1 - TAIL:.0%} of them "
            f"(pixels); with fewer than {LEAST_HELD} held out, training images among each other "
            "stand in for them",
        ]

    def _gate(self, label: int | None) -> Gate:
        own, held = (self.of_class(p, label)[:MOST] for p in (self.data.train, self.data.heldout))
        itself = int(len(held) < LEAST_HELD)  # the nearest to a training image
        like = own if itself else held
        training = FeatureMatrix(self._seen(self.features, own))
        far = _distances(training, self._seen(self.features, like), K + itself)
        near = _distances(self.training, self._seen(self.pixels, like), 1 + itself)
        return Gate(
            training,
            float(np.quantile(far, 1 - TAIL, method="higher")),
            float(np.quantile(near, TAIL, method="lower")),
        )  # fmt: skip

    def _seen(self, extractor: Extractor, indices: np.ndarray) -> np.ndarray:
        parts = (
            self.data.rows[indices[start : start + BLOCK]]
            for start in range(0, len(indices), BLOCK)
        )
        return np.concatenate([seen.features for seen in extractor.stream(parts)])


def _distances(reference: FeatureMatrix, rows: np.ndarray, k: int) -> np.ndarray:
    """Of each row, to its k-th nearest."""
    found: np.ndarray = (
        nearest(reference, FeatureMatrix(rows), k=k).distances[:, k - 1].cpu().numpy()
    )
    return found


def _features(data: Dataset) -> str:
    """Learned ones where they come with a classifier, else what is usual."""
    enough = len(data.train) >= max(LEAST_EXAMPLES, LEAST_PER_CLASS * len(data.spec.classes))
    large = min(data.codec.height, data.codec.width) >= LEAST_SIDE
    return "learned" if data.labels is not None and enough and large else usual(data)


def told(name: str, given: int, new: int, drawn: int, dropped: Mapping[str, int]) -> str:
    """What became of the images drawn of a class, in words."""
    own = f"{name}: " if name else ""
    return (
        f"{own}{given:,} originals, {new:,} new of {drawn:,} drawn{reasons(drawn - new, dropped)}"
    )


def reasons(lost: int, dropped: Mapping[str, int]) -> str:
    """Which filters dropped how many of the images that were lost."""
    found = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items() if count)
    several = " (some by several)" if lost < sum(dropped.values()) else ""
    return f"; dropped by {found}{several}" if found else ""
