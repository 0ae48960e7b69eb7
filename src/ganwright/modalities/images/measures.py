"""The measure of images with identities: does one that was trained on come back?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.base.errors import DataError
from ganwright.evaluate.card import Entry
from ganwright.evaluate.evidence import FAKE_ROWS, HELD_ROWS, TRAINING_ROWS
from ganwright.evaluate.intervals import Estimate, wilson
from ganwright.evaluate.measures import Measure
from ganwright.modalities.images.features.identity import Faces

UNFIT: frozenset[str] = frozenset()
TAIL = 0.05  # of the images of unseen identities, those nearest to one trained on
LEAST = 20
WEAK = 0.8  # AUC of verification below which nearness says little


@dataclass(frozen=True)
class Leakage:
    """The share of samples nearer to a training identity than all but `TAIL` of unseen ones' images."""

    share: Estimate
    verifies: float | None

    def says(self) -> str:
        """How well the network verifies, for the card."""
        if self.verifies is None:
            return "how well identities are verified is not known: too few have several images"
        weak = ": too badly for identity leakage to say much" if self.verifies < WEAK else ""
        return f"pairs of one identity and of two are told apart with an AUC of {self.verifies:.2f}{weak}"


def leakage(training: Faces, held: Faces, fakes: Faces) -> Leakage:
    """How often samples come near to identities that were trained on, beside unseen identities.

    Nearness is the cosine to the nearest training image. Images of one unseen identity are alike, so
    the interval counts identities of them, and samples. Raises DataError below 20 of either.
    """
    for owner, faces in (("images of unseen identities", held), ("samples", fakes)):
        if len(faces) < LEAST:
            raise DataError(f"identity: needs {LEAST} {owner}; got {len(faces)}")
    near, made = (_nearest(training, one) for one in (held, fakes))
    share = float((made > np.quantile(near, 1 - TAIL, method="higher")).mean())
    unseen = max(1.0, len(held) / held.each)
    counted = max(1, round(len(fakes) * unseen / (len(fakes) + unseen)))
    found = wilson(share * counted, counted)
    return Leakage(found, held.verifies)


def _nearest(training: Faces, faces: Faces, block: int = 1024) -> np.ndarray:
    parts = np.array_split(faces.directions, -(-len(faces) // block))
    return np.concatenate([(one @ training.directions.T).max(1) for one in parts])


def _verdict(entry: Entry) -> str:
    usual = max(TAIL, entry.floor or 0.0)
    if entry.low is not None and entry.low > usual:
        return (
            f"Identities that were trained on come back: {entry.value:.0%} of the samples are nearer to one "
            f"than {1 - TAIL:.0%} of the images of unseen identities."
        )
    return (
        f"No identity that was trained on comes back, as far as {entry.n:,} samples show: {entry.value:.1%} "
        f"are nearer to one than {1 - TAIL:.0%} of the images of unseen identities."
    )


MEASURES = {
    "identity": Measure(
        title="Identity leakage",
        says="The share of fakes nearer to a training identity than 95 % of unseen ones' images.",
        function=leakage,
        interval=lambda result, evidence, found: result.share,
        part="share",
        needs=(TRAINING_ROWS, HELD_ROWS, FAKE_ROWS),
        high=1.0,
        least=lambda d: LEAST,
        memory=True,
        identities=True,
        tells=lambda found: found.says(),
        verdict=_verdict,
    )
}
