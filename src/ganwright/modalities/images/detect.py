"""How odd images are, and where.

Two distances, each divided by what is usual among training images, and averaged:

- to the nearest training images, in the discriminator's features before its last layer, as directions
  (what has little ink is near to everything otherwise);
- to the mean of the training images, or of the nearest class where they have classes, in features
  learned from them (`features`), in units of their spread (Lee et al. 2018).

Of colour images without classes the score is the surprise of a network that learned to tell turns, alone
(`features.turns`): the discriminator's features made it worse.

Where an image is odd: `places`. What the generator makes of it (f-AnoGAN, Schlegl et al. 2019) told odd
images worse than either distance, and where they are odd worse than the neighbours: docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganwright.base.errors import DataError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset
from ganwright.data.folders import check_new
from ganwright.data.open import find_source
from ganwright.evaluate.conformal import p_values
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.modalities.images import cache, maps
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.content import channels_of
from ganwright.modalities.images.features import usual
from ganwright.modalities.images.features.turns import Turns
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.pixels import has_alpha
from ganwright.modalities.images.places import Places
from ganwright.modalities.images.read.memory import are_images, memory_source
from ganwright.modalities.images.read.source import ImageSource
from ganwright.model import Model

NEAREST = 5  # training images that one is compared with
MOST = 5000  # training images, and held-out ones, that are looked at
USUAL_IMAGES = 500  # training images that say what is usual
LEAST_NORMAL = 20  # of fewer no p-value would be below 1 in 20
SHRUNK = 0.01  # of the mean variance, added to each: hardly any spread is none at all
MAPPED = 100  # normal images that say what heat is usual
BLOCK = 256
THINGS, PLACE, REASON = "images", "file", "heatmap"
COLUMNS = (REASON,)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images (n, H, W, C) as the model stores them, their names, and their own heights and widths (n, 2)."""

    pixels: np.ndarray
    places: list[str]
    sizes: np.ndarray
    fit: str
    notes: tuple[str, ...]
    index: Any  # of a frame: the names of files, or the numbers of images in memory


@dataclass(frozen=True, kw_only=True)
class Oddness:
    """`score` (n,), about 1 where an image is like the others, and its nearest training images (n, 5)."""

    score: np.ndarray
    nearest: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Features (n, d) of images, points (m, d) that they are usually near to, and how near."""

    see: Callable[[np.ndarray], Tensor]
    points: Tensor
    count: int  # nearest points that count
    usual: float
    alone: ClassVar[bool] = False

    def nearest(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean distance (n,) to the nearest points, 1 is usual; and which those are (n, count)."""
        found = torch.cdist(self.see(pixels), self.points).topk(self.count, largest=False)
        return found.values.mean(1).double().numpy() / self.usual, found.indices.numpy()

    def oddness(self, pixels: np.ndarray) -> np.ndarray:
        """Those distances."""
        return self.nearest(pixels)[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """What is usual of training images (m, H, W, C), and the sorted scores of normal ones."""

    codec: ImageCodec
    known: np.ndarray
    by_discriminator: View
    by_features: View | Turns
    normal: np.ndarray
    calibrated_by: str
    shown: np.ndarray  # some normal images, which say what heat is usual

    def calibrated(self, normal: np.ndarray, whose: str) -> Detector:
        """The same, that compares with normal images (n, H, W, C); `whose` they are, in words."""
        scores, shown = np.sort(self.look(normal).score), normal[:: -(-len(normal) // MAPPED)]
        return replace(self, normal=scores, calibrated_by=whose, shown=shown)

    def look(self, pixels: np.ndarray) -> Oddness:
        """How odd images (n, H, W, C) are."""
        scores, nearest = [], []
        for start in range(0, len(pixels), BLOCK):
            block = pixels[start : start + BLOCK]
            near, which = self.by_discriminator.nearest(block)
            odd = self.by_features.oddness(block)
            scores.append(odd if self.by_features.alone else (near + odd) / 2)
            nearest.append(which)
        return Oddness(score=np.concatenate(scores), nearest=np.concatenate(nearest))

    def heat(self, pixels: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Where images are odd, (n, H, W) uint8: above 127 lies one pixel in a thousand of normal ones."""
        return self.places.heat(pixels, nearest)

    @cached_property
    def places(self) -> Places:
        """What heat maps are made by."""
        return Places.of(self.codec, self.known, self.shown, self.look(self.shown).nearest)


# --- the part -----------------------------------------------------------------------------------


def check(model: Model, heatmaps: Path | None) -> None:
    """Raises UsageError unless a new folder can be made at `heatmaps`."""
    if heatmaps is not None:
        check_new(heatmaps, "--heatmaps")


def read(model: Model, given: Any) -> Images:
    """Images brought to the model's size by the rule of its data. Raises DataError."""
    codec = _codec(model)
    options = build(DataOptions, {"form": codec.kind}, owner="data")
    in_memory = are_images(given)
    source = memory_source(given) if in_memory else find_source(given, options)
    assert isinstance(source, ImageSource)
    survey = cache.survey(source)
    _check_type(source, codec, set(survey.dtypes[survey.usable]))
    trained = model.data_options
    fit = trained.of(ImageOptions).fit
    rows = cache.rows(
        source, survey, cache.Plan(codec.height, codec.width, codec.channels, codec.dtype, fit)
    )
    bad, reasons = np.append(survey.bad, rows.bad), np.append(survey.reasons, rows.reasons)
    first = f"{source.name_of(int(bad[0]))} {reasons[0]}" if len(bad) else ""
    if not len(rows.kept):
        raise DataError(f"'{source.path}': none of {source.count:,} images can be read: {first}")
    _check_channels(source, codec, rows.least)
    notes = []
    if len(bad):
        what = f"{len(bad):,} of {source.count:,} images can't be read and are left out"
        notes = [f"{what}; the first: {first}"]
    import pandas as pd

    places = [source.name_of(int(i)) for i in rows.kept]
    return Images(
        pixels=rows.pixels,
        places=places,
        sizes=np.stack([survey.heights, survey.widths], 1)[rows.kept],
        fit=fit,
        notes=tuple(notes),
        index=pd.Index(rows.kept) if in_memory else pd.Index(places, name=PLACE),
    )


def detector(model: Model, data: Dataset | None, normal: Images | None) -> Detector:
    """By the training images of the run, and normal ones: given, or those that the run held out."""
    if data is None:
        problem = "images are compared with those the run was trained on"
        raise DataError(f"detect: {problem}; they are not where they were, or not what they were")
    held = _some(data.heldout_halves[1])
    count = len(held) if normal is None else len(normal.pixels)
    if count < LEAST_NORMAL:
        whose = "were held out of training: give more" if normal is None else "are given: give more"
        raise DataError(
            f"detect: p-values need {LEAST_NORMAL} normal images, and {count} {whose} (--normal)"
        )
    found = built(model, data)
    if normal is None:
        return found.calibrated(data.examples(held), "held-out images")
    return found.calibrated(normal.pixels, "normal images")


def built(model: Model, data: Dataset) -> Detector:
    """By the training images, and compared with no normal ones yet."""
    chosen = _some(data.train)
    known, labels = data.examples(chosen), None if data.labels is None else data.labels[chosen]
    return Detector(
        codec=_codec(model),
        known=known,
        by_discriminator=_by_discriminator(model, known),
        by_features=Turns.of(data, known) if _turns(data) else _by_features(data, known, labels),
        normal=np.empty(0),
        calibrated_by="",
        shown=known[:0],
    )


def look(detector: Detector, images: Images) -> Oddness:
    """How odd images are."""
    return detector.look(images.pixels)


def reasons(
    detector: Detector, images: Images, found: Oddness, *, most: int, heatmaps: Path | None
) -> list[str]:
    """The path of each image's heat map, a PNG of the image's own size; nothing where none is asked for."""
    if heatmaps is None:
        return [""] * len(images.places)
    return maps.write(
        heatmaps,
        detector.codec,
        images.pixels,
        images.places,
        images.sizes,
        images.fit,
        found.score,
        p_values(detector.normal, found.score),
        lambda which: detector.heat(images.pixels[which], found.nearest[which]),
        len(detector.normal),
        detector.calibrated_by,
    )


def _some(indices: np.ndarray) -> np.ndarray:
    """At most `MOST` of them, evenly spread."""
    return indices[:: -(-len(indices) // MOST) or 1]


def _codec(model: Model) -> ImageCodec:
    assert isinstance(model.codec, ImageCodec)
    return model.codec


def _check_type(source: ImageSource, codec: ImageCodec, types: set[str]) -> None:
    """Raises DataError for images of another type than the model's; 8 bits may become 16."""
    if odd := sorted(types - {codec.dtype, *(["uint8"] if codec.dtype == "uint16" else [])}):
        raise DataError(
            f"'{source.path}' holds {odd[0]} images; the model was trained on {codec.dtype}"
        )


def _check_channels(source: ImageSource, codec: ImageCodec, least: np.ndarray) -> None:
    """Raises DataError where the images need colour or transparency, as data do, and the model has none."""
    needed, _ = channels_of(least, codec.channels)
    colour = needed >= 3 > codec.channels
    if colour or (has_alpha(needed) and not has_alpha(codec.channels)):
        holds = "colour images" if colour else "images with transparency"
        raise DataError(f"'{source.path}' holds {holds}; the model was trained on {codec.makes}")


# --- the two distances --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Directions:
    """What the head of D sees of images, of length 1."""

    network: Any
    codec: ImageCodec
    device: torch.device
    classes: bool

    @torch.inference_mode()
    def __call__(self, pixels: np.ndarray) -> Tensor:
        network = self.network
        x = self.codec.encode(torch.tensor(pixels)).to(self.device)
        x = x.repeat_interleave(network.group, 0)  # a group of its own for each
        labels = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        seen = inputs(network.head, lambda: network(x, labels if self.classes else None))
        own = seen.unflatten(0, (len(pixels), -1))[:, 0]
        return functional.normalize(own.float(), dim=1).cpu()


@dataclass(frozen=True, eq=False)
class Scaled:
    """Features of images in units of their spread."""

    extractor: Extractor
    scales: Tensor  # (width, d)

    def __call__(self, pixels: np.ndarray) -> Tensor:
        return torch.from_numpy(self.extractor.features(pixels)).double() @ self.scales


def _by_discriminator(model: Model, known: np.ndarray) -> View:
    see = Directions(model.discriminator, _codec(model), model.device, bool(model.spec.classes))
    points = torch.cat([see(known[i : i + BLOCK]) for i in range(0, len(known), BLOCK)])
    some = torch.linspace(0, len(known) - 1, min(USUAL_IMAGES, len(known))).long()
    # The nearest image of a training image is itself.
    near = torch.cdist(points[some], points).topk(min(NEAREST + 1, len(points)), largest=False)
    count = min(NEAREST, len(points))
    return View(see=see, points=points, count=count, usual=_positive(near.values[:, 1:]))


def inputs(layer: nn.Module, run: Callable[[], object]) -> Tensor:
    """What `layer` is given while `run` runs."""
    caught: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    try:
        run()
    finally:
        hook.remove()
    return caught[0]


def _turns(data: Dataset) -> bool:
    """Whether telling turns gives the score: of colour images without classes, if there are enough.

    Of one class of CIFAR-10 it was far ahead, on digits behind (docs/benchmarks.md); that colour decides
    between them is a guess.
    """
    return usual(data) == "learned" and not data.spec.classes and data.codec.channels >= 3


def _by_features(data: Dataset, known: np.ndarray, labels: np.ndarray | None) -> View:
    """Features in which images of a class are spread alike in all directions; points are class means."""
    extractor = choose_extractor(None, data)
    features = torch.from_numpy(extractor.features(known)).double()
    of = torch.zeros(len(known), dtype=torch.int64) if labels is None else torch.from_numpy(labels)
    own, of = torch.unique(of, return_inverse=True)
    means = torch.stack([features[of == i].mean(0) for i in range(len(own))])
    values, axes = torch.linalg.eigh((features - means[of]).T.cov())
    values = values.clamp_min(0)
    scales = axes / (values + SHRUNK * values.mean() + 1e-12).sqrt()

    usual_distance = ((features - means[of]) @ scales).norm(dim=1)
    see = Scaled(extractor, scales)
    return View(see=see, points=means @ scales, count=1, usual=_positive(usual_distance))


def _positive(distances: Tensor) -> float:
    mean = float(distances.mean()) if distances.numel() else 0.0
    return mean if mean > 1e-6 else 1.0
