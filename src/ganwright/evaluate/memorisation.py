"""Memorisation: are samples closer to the training data than unseen real data is?"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import scipy.special
import scipy.stats
import torch

from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.seeds import derive
from ganwright.evaluate.matrix import (
    AnyFeatures,
    FeatureMatrix,
    Features,
    at_least,
    same_width,
    shuffled,
)
from ganwright.evaluate.neighbours import nearest, squared_blocks, within


@dataclass(frozen=True)
class Pair:
    """A sample and its nearest training example, by row."""

    sample: int
    training: int
    distance: float


@dataclass(frozen=True)
class Memorisation:
    """Samples against held-out real data: which lie closer to the training data?

    `closer` is the chance that a sample lies closer to its nearest training example than a
    held-out example does; 0.5 is honest, 1 is copying. `ct` is that as a z score (negative is
    copying, positive is not reaching the data), `p` its one-sided p-value for copying.
    """

    closer: float
    ct: float
    p: float
    copies: int  # samples at distance 0 from a training example
    pairs: tuple[Pair, ...]  # the closest first, among all samples
    cells: int  # cells that had enough examples of both kinds
    n: int  # samples compared, and held-out examples


def memorisation(
    training: AnyFeatures,
    held: AnyFeatures,
    samples: AnyFeatures,
    *,
    cells: int = 1,
    pairs: int = 16,
    seed: int = 0,
) -> Memorisation:
    """The data-copying test C_T (Meehan, Chaudhuri & Dasgupta 2020) and the closest pairs.

    Nearest-training-neighbour distances of the samples against those of equally many held-out
    real examples (the larger set is thinned at random): the Mann–Whitney z score with ties. With
    `cells` > 1 the training data is cut by k-means and the z scores of the cells are averaged,
    weighted by their held-out share: finds copying in a corner of the data; cells with fewer than
    8 of either kind are left out. `held` must be real, unseen in training and free of duplicates
    of it. Copies and pairs look at all samples. Raises DataError below 8 held-out examples or
    samples.
    """
    at_least("cells", cells, 1)
    train = FeatureMatrix(training, "training", at_least("cells", cells, 1))
    real, fake = FeatureMatrix(held, "held-out", 8), FeatureMatrix(samples, "samples", 8)
    same_width(train.d, real.d, ("training", "held-out"))
    same_width(train.d, fake.d, ("training", "samples"))
    n = min(real.n, fake.n)
    real_reach = nearest(train, real).distances[:, 0].cpu().numpy()
    found = nearest(train, fake)
    fake_reach, whose = found.distances[:, 0].cpu().numpy(), found.indices[:, 0].cpu().numpy()
    closest = np.argsort(fake_reach, kind="stable")[: max(0, pairs)]
    keep_real = np.sort(shuffled(real.n, seed, "memory", "held")[:n])
    keep_fake = np.sort(shuffled(fake.n, seed, "memory", "samples")[:n])
    far, near = real_reach[keep_real], fake_reach[keep_fake]
    if cells == 1:
        cell_real, cell_fake = np.zeros(n, int), np.zeros(n, int)
    else:
        cut = _cells(train, cells, seed)
        cell_real = _cell_of(cut, real.subset(keep_real))
        cell_fake = _cell_of(cut, fake.subset(keep_fake))
    weights, scores = [], []
    for cell in range(cells):
        p, q = far[cell_real == cell], near[cell_fake == cell]
        if min(len(p), len(q)) >= 8:
            weights.append(len(p))
            scores.append(_z(p, q))
    if not scores:
        problem = f"no cell of {cells} has 8 held-out examples and 8 samples; use fewer cells"
        raise DataError(message("memory", problem))
    share = np.array(weights) / sum(weights)
    ct = float(share @ np.array(scores))
    return Memorisation(
        closer=_closer(far, near),
        ct=ct,
        # Cells are independent: their weighted mean has this spread when samples are honest.
        p=float(scipy.special.ndtr(ct / math.sqrt(np.square(share).sum()))),
        copies=int((fake_reach == 0).sum()),
        pairs=tuple(Pair(int(i), int(whose[i]), float(fake_reach[i])) for i in closest),
        cells=len(scores),
        n=n,
    )


def _cells(train: FeatureMatrix, cells: int, seed: int) -> FeatureMatrix:
    from sklearn.cluster import MiniBatchKMeans

    x = train.block(0, train.n, torch.float32).cpu().numpy()
    random = derive(seed, "memory", "cells") % 2**32
    model = MiniBatchKMeans(cells, random_state=random, n_init=3, batch_size=2048).fit(x)
    return FeatureMatrix(model.cluster_centers_)


def _cell_of(centres: FeatureMatrix, rows: FeatureMatrix) -> np.ndarray:
    if rows.device != centres.device:
        rows = FeatureMatrix(rows.block(0, rows.n, torch.float32).to(centres.device))
    return nearest(centres, rows).indices[:, 0].cpu().numpy()


def _closer(far: np.ndarray, near: np.ndarray) -> float:
    """P(near < far) + ½ P(equal)."""
    ranks = scipy.stats.rankdata(np.concatenate([near, far]))[: len(near)]
    smaller = ranks.sum() - len(near) * (len(near) + 1) / 2
    return float(1 - smaller / (len(near) * len(far)))


def _z(far: np.ndarray, near: np.ndarray) -> float:
    """Mann–Whitney's z, corrected for ties; below 0 when `near` is nearer."""
    m, n = len(near), len(far)
    total = m + n
    _, ties = np.unique(np.concatenate([near, far]), return_counts=True)
    correction = (ties.astype(np.float64) ** 3 - ties).sum() / (total * (total - 1))
    variance = m * n / 12 * (total + 1 - correction)
    if variance <= 0:  # all distances are equal
        return 0.0
    return (0.5 - _closer(far, near)) * m * n / math.sqrt(variance)


def copies(training: Features, samples: Features) -> np.ndarray:
    """Which samples equal a training row exactly, bool (n,); for pixels, of one type on both sides.

    By fingerprints of the rows' bytes: time and memory O(n). Raises DataError for other widths or
    types.
    """
    a, b = _plain(training, "training"), _plain(samples, "samples")
    same_width(a.shape[1], b.shape[1], ("training", "samples"))
    if a.dtype != b.dtype:
        problem = f"training is {a.dtype}, samples are {b.dtype}: bring them to one type"
        raise DataError(message("copies", problem))
    known = set(_fingerprints(a))
    return np.array([mark in known for mark in _fingerprints(b)], dtype=bool)


def unique_share(samples: Features, *, within_distance: float = 0.0) -> float:
    """Share of samples that no earlier sample equals; 1 when all differ, 1/n when all are one.

    With `within_distance` > 0, that no earlier sample comes so close to (Euclidean, time O(n²d)):
    for outputs that differ only by noise. Raises DataError for NaN or infinite values.
    """
    if not within_distance >= 0 or math.isinf(within_distance):
        raise OptionError(message("", f"within_distance must be ≥ 0; got {within_distance}"))
    if within_distance == 0:
        known = _fingerprints(_plain(samples, "samples"))
        return len(set(known)) / len(known)
    rows = FeatureMatrix(samples, "samples")
    repeats = torch.zeros(rows.n, dtype=torch.bool, device=rows.device)
    limit = torch.full((1, 1), within_distance**2, dtype=torch.float64, device=rows.device)
    for block in squared_blocks(rows, rows, rows.mean(), triangle=True):
        close = within(rows, rows, block, limit, closed=True)
        height, width = close.shape
        i = torch.arange(block.i, block.i + height, device=rows.device)
        j = torch.arange(block.j, block.j + width, device=rows.device)
        repeats[block.j : block.j + width] |= (close & (i[:, None] < j[None])).any(0)
    return float((~repeats).double().mean())


def unique_copies(training: np.ndarray, samples: np.ndarray) -> float:
    """The share of samples equal to a training row that occurs only once.

    Both are digests (n, 8) of rows. A row shared by many people exposes nobody. Unseen real rows may
    equal a unique row by chance, too: see the floor.
    """
    if not len(training) or not len(samples):
        raise DataError(message("copies", "needs at least 1 rows; got 0"))
    own = marks(training)
    values, counts = np.unique(own, return_counts=True)
    return float(np.isin(marks(samples), values[counts == 1]).mean())


def repetition(training: np.ndarray) -> tuple[float, float]:
    """How often rows repeat anyway: leaving out each training row in turn, the share that equal
    another, and that equal exactly one (Good 1953). By digests (n, 8).
    """
    _, whose, counts = np.unique(marks(training), return_inverse=True, return_counts=True)
    size = counts[whose]
    return float((size > 1).mean()), float((size == 2).mean())


def marks(rows: np.ndarray) -> np.ndarray:
    """Each row (n, …) as one value (n,), by its bytes, to be compared and counted."""
    rows = np.ascontiguousarray(np.asarray(rows).reshape(len(rows), -1))
    return rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0]


def _plain(features: Features, owner: str) -> np.ndarray:
    array = features.detach().cpu().numpy() if isinstance(features, torch.Tensor) else features
    array = np.asarray(array)
    array = array.reshape(len(array), -1) if array.ndim > 1 else array
    FeatureMatrix(array, owner)
    # −0 equals 0 but has other bytes.
    return np.ascontiguousarray(array + 0.0 if array.dtype.kind == "f" else array)


def _fingerprints(array: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in array]
