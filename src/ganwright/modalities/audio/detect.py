"""How odd sounds are: how far from the training sounds, or from the nearest class of them.

Distances are in the features that were learned from the data, in units of their spread within a class
(Lee et al. 2018). The reason is where a sound differs most from the nearest training sound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganwright.base.errors import DataError, UsageError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.audio.judge import fits
from ganwright.modalities.audio.options import AudioOptions
from ganwright.model import Model

MOST = 5000  # training sounds, and held-out ones, that are looked at
LEAST_NORMAL = 20  # of fewer no p-value would be below 1 in 20
SHRUNK = 0.01  # of the mean variance, added to each: hardly any spread is none at all
SPAN = 8  # the reason names an eighth of the time
THINGS, PLACE, REASON = "sounds", "file", "where"
COLUMNS = (REASON,)


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """Waves (n, length) as the model stores them, and their names."""

    waves: np.ndarray
    places: list[str]
    notes: tuple[str, ...]

    @property
    def index(self) -> Any:
        """The names, as the index of a frame."""
        import pandas as pd

        return pd.Index(self.places, name=PLACE)


@dataclass(frozen=True, kw_only=True)
class Oddness:
    """`score` (n,), about 1 where a sound is like the others, and its nearest training sound (n,)."""

    score: np.ndarray
    nearest: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """Features of training sounds, their class means in units of spread, and scores of normal ones."""

    data: Dataset
    known: np.ndarray
    extractor: Extractor
    training: FeatureMatrix
    scales: np.ndarray
    means: np.ndarray
    usual: float
    normal: np.ndarray
    calibrated_by: str

    def look(self, waves: np.ndarray) -> Oddness:
        """How odd waves are."""
        features = self.extractor.features(waves)
        near = nearest(self.training, FeatureMatrix(features)).indices[:, 0].numpy()
        scaled = torch.from_numpy(features.astype(np.float64) @ self.scales)
        far = torch.cdist(scaled, torch.from_numpy(self.means)).amin(1).numpy()
        return Oddness(score=far / self.usual, nearest=self.known[near])


def check(model: Model, heatmaps: Path | None) -> None:
    """Raises UsageError for a folder of heat maps: sounds have none."""
    if heatmaps is not None:
        raise UsageError(
            "--heatmaps: for images; of sounds the column 'where' says where they are odd"
        )


def read(model: Model, given: Any) -> Sounds:
    """Sounds brought to the model's rate and length. Raises DataError."""
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    asked = replace(options.of(AudioOptions), label=None, hold_out=None)
    whole = replace(options.having(asked), holdout=0.0, form="audio", labels=False)
    data = open_data(given, options=whole)
    fits("the model makes", model.codec, data)
    notes = [f"{one.name} {one.reason}: left out" for one in data.skipped]
    names = [data.name_of(i) for i in range(len(data))]
    return Sounds(waves=data.examples(np.arange(len(data))), places=names, notes=tuple(notes))


def detector(model: Model, data: Dataset | None, normal: Sounds | None) -> Detector:
    """By the training sounds of the run, and normal ones: given, or those that the run held out."""
    if data is None:
        problem = "sounds are compared with those the run was trained on"
        raise DataError(f"detect: {problem}; they are not where they were, or not what they were")
    held = data.heldout_halves[1][:MOST]
    count = len(held) if normal is None else len(normal.waves)
    if count < LEAST_NORMAL:
        whose = "were held out of training: give more" if normal is None else "are given: give more"
        raise DataError(
            f"detect: p-values need {LEAST_NORMAL} normal sounds, and {count} {whose} (--normal)"
        )
    known = data.train[:: -(-len(data.train) // MOST)]
    extractor = choose_extractor(None, data)
    features = extractor.features(data.rows[known])
    of = np.zeros(len(known), np.int64) if data.labels is None else data.labels[known]
    own, of = np.unique(of, return_inverse=True)
    wide = features.astype(np.float64)
    means = np.stack([wide[of == i].mean(0) for i in range(len(own))])
    values, axes = np.linalg.eigh(np.cov((wide - means[of]).T))
    values = np.maximum(values, 0)
    scales = axes / np.sqrt(values + SHRUNK * values.mean() + 1e-12)
    found = Detector(
        data=data,
        known=known,
        extractor=extractor,
        training=FeatureMatrix(features),
        scales=scales,
        means=means @ scales,
        usual=float(np.linalg.norm((wide - means[of]) @ scales, axis=1).mean()) or 1.0,
        normal=np.empty(0),
        calibrated_by="held-out sounds" if normal is None else "normal sounds",
    )
    scores = found.look(data.examples(held) if normal is None else normal.waves).score
    return replace(found, normal=np.sort(scores))


def look(detector: Detector, sounds: Sounds) -> Oddness:
    """How odd sounds are."""
    return detector.look(sounds.waves)


def reasons(
    detector: Detector, sounds: Sounds, found: Oddness, *, most: int, heatmaps: Path | None
) -> list[str]:
    """For each sound the time at which it differs most from its nearest training sound."""
    codec, told = detector.data.codec, []
    frames = codec.frames.count
    span = max(1, frames // SPAN)
    for wave, other in zip(sounds.waves, found.nearest, strict=True):
        both = codec.encode(np.stack([wave, detector.data.rows[other]]))
        apart = (both[0, 0] - both[1, 0]).abs().mean(0)
        start = int(apart.unfold(0, span, 1).mean(1).argmax())
        ends = (n * codec.hop / codec.rate for n in (start, start + span))
        told.append("{:.2f} … {:.2f} s".format(*ends))
    return told
