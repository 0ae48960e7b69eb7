"""What images are to a network that verifies identities: beside features, and for one measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.learned import learned
from ganwright.modalities.images.features.pairs import Named


@dataclass(frozen=True, eq=False)
class Faces:
    """Directions (n, d) of images: the nearer, the likelier of one identity.

    `verifies` is how well pairs of one identity and of two were told apart, by their AUC, among
    identities that the network did not learn (None: not known); `each` is how many held-out images an
    identity has, on average.
    """

    directions: np.ndarray
    verifies: float | None
    each: float

    def __len__(self) -> int:
        return len(self.directions)

    def __getitem__(self, which: slice | np.ndarray) -> Faces:
        return replace(self, directions=self.directions[which])

    def joined(self, parts: Sequence[Faces]) -> Faces:
        """Blocks one after the other."""
        return replace(self, directions=np.concatenate([one.directions for one in parts]))


def beside(own: Extractor, data: Dataset) -> Extractor:
    """An extractor that also says what images are to a network which verifies the data's identities."""
    assert data.identities is not None
    verifier = learned(data, Named(data.codec))
    held = data.identities[data.heldout]
    each = len(held) / max(1, len(np.unique(held)))
    see = _Look(own, verifier, verifier.about.get("verification_auc"), each)
    about = {**own.about, "identities": verifier.hash}
    return replace(own, see_batch=see, about=about)


@dataclass(frozen=True, eq=False)
class _Look:
    own: Extractor
    verifier: Extractor
    verifies: float | None
    each: float

    def __call__(self, pictures: np.ndarray) -> Seen:
        features = self.verifier.see_batch(pictures).features
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        faces = Faces(features / np.maximum(lengths, 1e-9), self.verifies, self.each)
        return self.own.see_batch(pictures)._replace(cells=faces)
