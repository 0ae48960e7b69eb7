"""Learning identities: parts without common ones, pairs of images of one, and how well those are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganwright.data import Dataset
from ganwright.evaluate.learned import Network, Task
from ganwright.evaluate.twosample import delong
from ganwright.modalities.images.features.learned import Pictures
from ganwright.modalities.images.features.views import told_apart

MOST = 2000  # images whose pairs are looked at


@dataclass(frozen=True)
class Named(Pictures):
    """Pictures, to learn identities by."""

    name = "identity"

    def task(self, data: Dataset) -> Task:
        return Pairs(self, data)


@dataclass(frozen=True, eq=False)
class Pairs(Task):
    """Which pictures are of one identity."""

    sight: Named
    data: Dataset

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        return parts_of(self.data)

    def loss(self, network: Network, index: np.ndarray) -> Tensor:
        other, whose = partners(self.data, index)
        both = [self.sight.moved(self.sight.look(self.data.rows[i])) for i in (index, other)]
        return told_apart(network(torch.cat(both)), torch.from_numpy(whose).repeat(2))

    def facts(self, see: Callable[[np.ndarray], Tensor], checked: np.ndarray) -> dict[str, Any]:
        assert self.data.identities is not None
        some = checked[:MOST]
        return verifies(see(some), self.data.identities[some])


def parts_of(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The training indices in two: to learn from, and those of about a tenth of the identities."""
    assert data.identities is not None
    own = np.unique(data.identities[data.train])
    some = np.random.default_rng(0).permutation(own)[: max(2, len(own) // 10)]
    checked = np.isin(data.identities[data.train], some)
    return data.train[~checked], data.train[checked]


def partners(data: Dataset, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each image another of the same identity, or itself where that has one; and whose, (b,)."""
    assert data.identities is not None
    whose, own = data.identities[index], data.train
    order = own[np.argsort(data.identities[own], kind="stable")]
    starts = np.searchsorted(data.identities[order], whose)
    counts = np.searchsorted(data.identities[order], whose, side="right") - starts
    chance = torch.rand(len(index)).numpy()
    other = order[starts + (chance * counts).astype(np.int64)]
    return other, whose


def verifies(features: Tensor, whose: np.ndarray) -> dict[str, float]:
    """How well pairs of one identity and of two are told apart by features (n, d): their AUC."""
    directions = functional.normalize(features, dim=1)
    rows, columns = np.triu_indices(len(whose), 1)
    alike = (directions @ directions.T).numpy()[rows, columns]
    same = whose[rows] == whose[columns]
    if not 0 < same.sum() < len(same):
        return {}
    return {"verification_auc": delong(alike[same], alike[~same])[0]}
