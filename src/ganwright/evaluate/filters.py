"""Which samples are let in where data grow: those that are like their class and no copies.

agreement      a classifier learned from the training examples says the class that was asked for
density        the ball around the sample that reaches its K-th nearest training example of the class is no
               wider than those of all but TAIL of the held-out examples of the class
memorisation   its nearest training example, of any class, is not nearer than those of all but TAIL of the
               held-out examples of the class, and is not the sample itself

Where a class has few held-out examples, its training examples stand in for them, each held against the
others. The held-out part also says how many unseen real examples each filter would let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from ganwright.base.errors import WorkError
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.learned import LEAST_PER_CLASS
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.model import Model

K = 5
TAIL = 0.05
LEAST_HELD = 20  # held-out examples of a class
MOST = 5000  # training examples of a class, and held-out ones, that are looked at
BLOCK = 500
DRAWS, LEAST_DRAWS = 20, 400  # at most, for each sample asked for; and for a class


@dataclass(frozen=True)
class Gate:
    """What a sample of one class is held against."""

    training: FeatureMatrix  # features of the class's training examples
    farthest: float  # a K-th neighbour in features
    nearest: float  # a training example in plain features


class Filters:
    """The three filters for data with or without classes, which are numbers; None is any class.

    `features` name the extractor that density is measured by, and agreement, where it has classes; `plain`
    names that of memorisation. `things` are what examples are called.
    """

    def __init__(self, data: Dataset, *, features: str, plain: str, things: str) -> None:
        self.data, self.things = data, things
        self.features = choose_extractor(features, data)
        self.plain = choose_extractor(plain, data)
        self.training = FeatureMatrix(self._seen(self.plain, data.train), "training")
        self.gate = cache(self._gate)

    def passes(self, samples: np.ndarray, label: int | None) -> dict[str, np.ndarray]:
        """Of samples as stored (b, …), which pass each filter, (b,) bool."""
        gate, seen = self.gate(label), self.features.see(samples)
        near = _distances(self.training, self.plain.features(samples), 1)
        found = {
            "density": _distances(gate.training, seen.features, K) <= gate.farthest,
            "memorisation": (near > 0) & (near >= gate.nearest),
        }
        if seen.probabilities is None or label is None:
            return found
        return {"agreement": seen.probabilities.argmax(1) == label, **found}

    def drawn(
        self, model: Model, name: str, count: int, seed: int
    ) -> tuple[np.ndarray, int, dict[str, int]]:
        """`count` samples of a class ("" for any) that pass, how many were drawn, and what filters dropped.

        Raises WorkError where too few pass.
        """
        label = self.data.spec.classes.index(name) if name else None
        kept: list[np.ndarray] = []
        drawn, left, dropped = 0, count, dict[str, int]()
        for block in model.stream(max(LEAST_DRAWS, DRAWS * count), seed=seed, label=name or None):
            passes = self.passes(block.examples, label)
            good = np.flatnonzero(np.logical_and.reduce(list(passes.values())))[:left]
            end = int(good[-1]) + 1 if len(good) == left else len(block.examples)
            kept.append(block.examples[good])
            drawn, left = drawn + end, left - len(good)
            for reason, ok in passes.items():
                dropped[reason] = dropped.get(reason, 0) + int((~ok[:end]).sum())
            if not left:
                return np.concatenate(kept), drawn, dropped
        what, passed = f"class '{name}'" if name else "the data", count - left
        raise WorkError(
            f"{what} can't be grown: of {drawn:,} {self.things} drawn {passed:,} pass and {count:,} were "
            f"asked for{reasons(drawn - passed, dropped)}. Nothing was written; a longer training may help"
        )

    def of_class(self, part: np.ndarray, label: int | None) -> np.ndarray:
        """Those of `part` (indices) that have the label."""
        return part if label is None else part[self.data.labels[part] == label]  # type: ignore[index]

    def calibration(self, labels: list[int | None]) -> tuple[int, dict[str, float]]:
        """Of the held-out examples of these classes: how many there are, and the share that pass each."""
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
        lines, about, things = [], self.features.about, self.things
        if self.features.classes:
            right = (
                f"right on {about['accuracy']:.0%} of {about['accuracy_n']:,} that it did not see"
            )
            lines.append(f"agreement: a classifier learned from the training {things}, {right}")
        elif self.data.labels is not None:
            lines.append(
                f"agreement: not checked, as a classifier takes {LEAST_PER_CLASS} training {things} a class"
            )
        one = things.removesuffix("s")
        return [
            *lines,
            f"density: its {K}th nearest training {one} of the class no farther than for "
            f"{1 - TAIL:.0%} of the class's held-out {things} ({self.features.name} features)",
            f"memorisation: its nearest training {one} no nearer than for {1 - TAIL:.0%} of them "
            f"({self.plain.name}); with fewer than {LEAST_HELD} held out, training {things} among each other "
            "stand in for them",
        ]

    def _gate(self, label: int | None) -> Gate:
        own, held = (self.of_class(p, label)[:MOST] for p in (self.data.train, self.data.heldout))
        itself = int(len(held) < LEAST_HELD)  # the nearest to a training example
        like = own if itself else held
        training = FeatureMatrix(self._seen(self.features, own))
        far = _distances(training, self._seen(self.features, like), K + itself)
        near = _distances(self.training, self._seen(self.plain, like), 1 + itself)
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


def told(name: str, given: int, new: int, drawn: int, dropped: Mapping[str, int]) -> str:
    """What became of the samples drawn of a class, in words."""
    own = f"{name}: " if name else ""
    return (
        f"{own}{given:,} originals, {new:,} new of {drawn:,} drawn{reasons(drawn - new, dropped)}"
    )


def reasons(lost: int, dropped: Mapping[str, int]) -> str:
    """Which filters dropped how many of the samples that were lost."""
    found = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items() if count)
    several = " (some by several)" if lost < sum(dropped.values()) else ""
    return f"; dropped by {found}{several}" if found else ""
