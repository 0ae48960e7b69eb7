"""Inspects images, and what training would do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganwright.data.classes import class_counts, class_doubts
from ganwright.data.dataset import Dataset
from ganwright.data.duplicates import Equals, equals
from ganwright.data.inspect import Inspection, general
from ganwright.data.options import DataOptions
from ganwright.data.source import tally
from ganwright.modalities.images import cache
from ganwright.modalities.images.dataset import dataset
from ganwright.modalities.images.duplicates import Near, chunks, near, shares_of
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.read.source import ImageSource

_FEW, _MANY = 500, 0.05
_CHANNELS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGB+alpha"}
_DEPTH = {"uint8": "8-bit", "uint16": "16-bit", "float32": "float"}


@dataclass(frozen=True)
class Sizes:
    """Native sizes as "height×width"; the median is of each side. `common` has at most five."""

    least: str
    median: str
    largest: str
    common: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ImageInspection(Inspection):
    """What `inspect_data` found in images. `mean` and `std` are of the training part, in 0 … 1, by channel.

    `trained` counts the examples of each class that are trained on, `classes` all that are used.
    """

    found: int
    ignored: dict[str, int]
    sizes: Sizes
    modes: dict[str, int]
    classes: dict[str, int]
    trained: dict[str, int]
    duplicates: Equals
    near: Near
    blank: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    training: dict[str, Any]

    def lines(self) -> list[tuple[str, str]]:
        t, s = self.training, self.sizes
        sizes = s.least if s.least == s.largest else f"{s.least} … {s.median} … {s.largest}"
        common = "" if s.least == s.largest else f"; most often {_counts(s.common)}"
        return [
            ("examples", f"{self.usable:,} usable of {self.found:,}"),
            *self.skipped_named(len(self.skipped)),
            ("ignored", _counts(self.ignored)),
            ("size", sizes + common),
            ("kind", _counts(self.modes)),
            (
                "classes",
                f"{len(self.classes)} ({_counts(self.classes)})" if self.classes else "none",
            ),
            ("to train on", _counts(self.trained)),
            (
                "duplicates",
                f"{self.duplicates.extra:,} exact, in {self.duplicates.groups:,} groups",
            ),
            (
                "near",
                f"{self.near.pairs:,} pairs look alike, {self.near.across:,} across the split "
                f"(RMS under {self.near.threshold} at 16×16 grey, {self.near.compared:,} compared)",
            ),
            ("blank", f"{self.blank:,}" if self.blank else ""),
            (
                "mean, std",
                "  ".join(f"{m:.4f} ± {d:.4f}" for m, d in zip(self.mean, self.std, strict=True)),
            ),
            (
                "training",
                f"{t['height']}×{t['width']}, {t['channels_name']}, {t['dtype']}, {t['resize']}",
            ),
        ]


def _counts(counts: dict[str, int], most: int = 12) -> str:
    shown = [f"{name}: {n:,}" for name, n in list(counts.items())[:most]]
    return ", ".join([*shown, f"and {len(counts) - most} more"] if len(counts) > most else shown)


def inspect(found: ImageSource, options: DataOptions) -> ImageInspection:
    """Looks through images as `open_data` would open them.

    Near duplicates are 16×16 grey thumbnails with a root mean square difference under 0.02; beyond
    20,000 examples a fixed random 20,000 are compared.
    """
    data = dataset(found, options)
    survey = cache.survey(found)
    heads = survey.usable
    blank, mean, std = _statistics(data)
    parts: dict[str, Any] = {
        "classes": class_counts(
            data.labels, data.spec.classes, np.append(data.train, data.heldout)
        ),
        "duplicates": equals(data, data.hashes),
        "near": near(data, ~blank),
    }
    return ImageInspection(
        **general(data),
        found=found.count,
        ignored=dict(data.ignored),
        sizes=_sizes(survey.heights[heads], survey.widths[heads]),
        modes=_modes(survey.channels[heads], survey.dtypes[heads]),
        trained=class_counts(data.labels, data.spec.classes, data.train),
        blank=int(blank.sum()),
        mean=tuple(float(m) for m in mean),
        std=tuple(float(s) for s in std),
        training=_training(data),
        warnings=_warnings(data, found.count, int(blank.sum()), **parts),
        **parts,
    )


def _sizes(heights: np.ndarray, widths: np.ndarray) -> Sizes:
    pairs, counts = np.unique(np.stack([heights, widths], axis=1), axis=0, return_counts=True)
    areas = pairs[:, 0] * pairs[:, 1]
    order = np.argsort(-counts, kind="stable")[:5]
    return Sizes(
        _size(pairs[areas.argmin()]),
        _size((np.median(heights), np.median(widths))),
        _size(pairs[areas.argmax()]),
        {_size(pairs[i]): int(counts[i]) for i in order},
    )


def _size(pair: Any) -> str:
    return f"{pair[0]:g}×{pair[1]:g}"


def _modes(channels: np.ndarray, dtypes: np.ndarray) -> dict[str, int]:
    return tally(
        f"{_DEPTH[str(d)]} {_CHANNELS[int(c)]}" for d, c in zip(dtypes, channels, strict=True)
    )


def _training(data: Dataset) -> dict[str, Any]:
    codec, fit = data.codec, data.options.of(ImageOptions).fit
    return {
        "height": codec.height,
        "width": codec.width,
        "channels": codec.channels,
        "channels_name": _CHANNELS[codec.channels],
        "dtype": codec.dtype,
        "fit": fit,
        "resize": f"fit by {fit} (Lanczos down, bicubic up) where the size differs",
    }


def _statistics(data: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which are blank (n,), and mean and standard deviation of the training part, (C,) each."""
    training = np.zeros(len(data), bool)
    training[data.train] = True
    blank = np.empty(len(data), bool)
    total = squares = np.zeros(data.codec.channels)
    for part in chunks(data):
        shares = shares_of(data, part)
        blank[part] = (shares == shares[:, :1, :1]).all(axis=(1, 2, 3))
        trained = shares[training[part]]
        total = total + trained.sum(axis=(0, 1, 2))
        squares = squares + (trained**2).sum(axis=(0, 1, 2))
    pixels = len(data.train) * data.codec.height * data.codec.width
    mean = total / pixels
    return blank, mean, np.sqrt(np.maximum(squares / pixels - mean**2, 0))


def _warnings(
    data: Dataset,
    found: int,
    blank: int,
    *,
    classes: dict[str, int],
    duplicates: Equals,
    near: Near,
) -> tuple[str, ...]:
    told = [
        (
            len(data.train) < _FEW,
            f"few examples: {len(data.train):,} to train on, which may be memorised",
        ),
        *((True, doubt) for doubt in class_doubts(classes)),
        (
            duplicates.extra > _MANY * len(data),
            f"{duplicates.extra / len(data):.0%} are exact duplicates",
        ),
        (
            near.across > 0,
            f"{near.across:,} pairs across the split look alike: held-out scores are too optimistic",
        ),
        (
            len(data.skipped) > 0,
            f"{len(data.skipped) / found:.1%} can't be used ({len(data.skipped):,})",
        ),
        (blank > 0, f"{blank:,} are blank: a single colour"),
        (not len(data.heldout), "nothing is held out: scores will be too optimistic"),
    ]
    return tuple(text for true, text in told if true)
