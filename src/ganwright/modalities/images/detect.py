"""How odd images are, and where.

Two distances, each divided by what is usual among training images, and averaged:

- to the nearest training images, in the discriminator's features before its last layer, as directions
  (what has little ink is near to everything otherwise);
- to the mean of the training images, or of the nearest class where they have classes, in features
  learned from them (`features`), in units of their spread (Lee et al. 2018).

The heat map is how much an image differs, pixel by pixel, from those nearest training images. What the
generator makes of it (f-AnoGAN, Schlegl et al. 2019) told odd images worse than either distance, and
where they are odd worse than the neighbours: docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ganwright.base.errors import DataError, UsageError
from ganwright.base.options import build
from ganwright.base.runs import replacing
from ganwright.data import DataOptions, Dataset
from ganwright.data.open import find_source
from ganwright.evaluate.features import choose_extractor
from ganwright.modalities.images import cache
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.content import channels_of
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.pixels import fit_back, has_alpha
from ganwright.modalities.images.read.source import ImageSource
from ganwright.model import Model

NEAREST = 5  # training images that one is compared with
MOST = 5000  # training images, and held-out ones, that are looked at
USUAL_IMAGES = 500  # training images that say what is usual
LEAST_NORMAL = 20  # of fewer no p-value would be below 1 in 20
SHRUNK = 0.01  # of the mean variance, added to each: hardly any spread is none at all
BLUR = 3  # pixels a side that a heat map is averaged over
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

    @property
    def index(self) -> Any:
        """The names, as the index of a frame."""
        import pandas as pd

        return pd.Index(self.places, name=PLACE)


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
    usual: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """What is usual of training images (m, H, W, C), and the sorted scores of normal ones."""

    codec: ImageCodec
    known: np.ndarray
    by_discriminator: View
    by_features: View
    normal: np.ndarray
    calibrated_by: str

    def look(self, pixels: np.ndarray) -> Oddness:
        """How odd images (n, H, W, C) are."""
        scores, nearest = [], []
        for start in range(0, len(pixels), BLOCK):
            block = pixels[start : start + BLOCK]
            near, which = _nearest(self.by_discriminator, block, NEAREST)
            far, _ = _nearest(self.by_features, block, 1)
            scores.append((near / self.by_discriminator.usual + far / self.by_features.usual) / 2)
            nearest.append(which)
        return Oddness(score=np.concatenate(scores), nearest=np.concatenate(nearest))

    def heat(self, pixels: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Maps (n, H, W) uint8: 255 is as far from the nearest training images as white is from black."""
        x = self.codec.encode(torch.tensor(pixels))
        maps = torch.zeros(len(x), 1, *x.shape[2:])
        for which in nearest.T:
            there = self.codec.encode(torch.tensor(self.known[which]))
            maps += (x - there).abs().mean(1, keepdim=True) / 2 / nearest.shape[1]
        edges = [BLUR // 2] * 4
        maps = functional.avg_pool2d(functional.pad(maps, edges, mode="replicate"), BLUR, stride=1)
        found: np.ndarray = (255 * maps[:, 0]).round().clamp(0, 255).byte().numpy()
        return found


# --- the part -----------------------------------------------------------------------------------


def check(model: Model, heatmaps: Path | None) -> None:
    """Raises UsageError unless a new folder can be made at `heatmaps`."""
    if heatmaps is None:
        return
    empty = heatmaps.is_dir() and not any(heatmaps.iterdir())
    if heatmaps.is_symlink() or (heatmaps.exists() and not empty):
        raise UsageError(f"--heatmaps: '{heatmaps}' exists and is not an empty folder")


def read(model: Model, given: Any) -> Images:
    """Images brought to the model's size by the rule of its data. Raises DataError."""
    codec = _codec(model)
    options = build(DataOptions, {"form": codec.kind}, owner="data")
    source = find_source(given, options)
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
    return Images(
        pixels=rows.pixels,
        places=[source.name_of(int(i)) for i in rows.kept],
        sizes=np.stack([survey.heights, survey.widths], 1)[rows.kept],
        fit=fit,
        notes=tuple(notes),
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
    chosen = _some(data.train)
    known, labels = data.examples(chosen), None if data.labels is None else data.labels[chosen]
    found = Detector(
        codec=_codec(model),
        known=known,
        by_discriminator=_by_discriminator(model, known),
        by_features=_by_features(data, known, labels),
        normal=np.empty(0),
        calibrated_by="held-out images" if normal is None else "normal images",
    )
    scores = found.look(data.examples(held) if normal is None else normal.pixels).score
    return Detector(**{**vars(found), "normal": np.sort(scores)})


def look(detector: Detector, images: Images) -> Oddness:
    """How odd images are."""
    return detector.look(images.pixels)


def reasons(
    detector: Detector, images: Images, found: Oddness, *, most: int, heatmaps: Path | None
) -> list[str]:
    """The path of each image's heat map, a PNG of the image's own size; nothing where none is asked for."""
    if heatmaps is None:
        return [""] * len(images.places)
    names = [f"{i:06d}.png" for i in range(len(images.places))]
    with replacing(heatmaps) as aside:
        aside.mkdir(parents=True)
        for i, name in enumerate(names):
            (heat,) = detector.heat(images.pixels[i : i + 1], found.nearest[i : i + 1])
            height, width = images.sizes[i].tolist()
            Image.fromarray(fit_back(heat, (height, width), images.fit)).save(aside / name)
    return [str(heatmaps / name) for name in names]


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


def _by_discriminator(model: Model, known: np.ndarray) -> View:
    """What the head of D sees, as directions."""
    network: Any = model.discriminator

    @torch.inference_mode()
    def see(pixels: np.ndarray) -> Tensor:
        x = model.codec.encode(torch.tensor(pixels)).to(model.device)
        x = x.repeat_interleave(network.group, 0)  # a group of its own for each
        labels = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        seen = inputs(network.head, lambda: network(x, labels if model.spec.classes else None))
        own = seen.unflatten(0, (len(pixels), -1))[:, 0]
        return functional.normalize(own.float(), dim=1).cpu()

    points = torch.cat([see(known[i : i + BLOCK]) for i in range(0, len(known), BLOCK)])
    some = torch.linspace(0, len(known) - 1, min(USUAL_IMAGES, len(known))).long()
    # The nearest image of a training image is itself.
    near = torch.cdist(points[some], points).topk(min(NEAREST + 1, len(points)), largest=False)
    return View(see=see, points=points, usual=_positive(near.values[:, 1:]))


def inputs(layer: nn.Module, run: Callable[[], object]) -> Tensor:
    """What `layer` is given while `run` runs."""
    caught: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    try:
        run()
    finally:
        hook.remove()
    return caught[0]


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

    def see(pixels: np.ndarray) -> Tensor:
        return torch.from_numpy(extractor.features(pixels)).double() @ scales

    usual_distance = ((features - means[of]) @ scales).norm(dim=1)
    return View(see=see, points=means @ scales, usual=_positive(usual_distance))


def _nearest(view: View, pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean distance (n,) to the nearest points, and which those are (n, count)."""
    count = min(count, len(view.points))
    found = torch.cdist(view.see(pixels), view.points).topk(count, largest=False)
    return found.values.mean(1).double().numpy(), found.indices.numpy()


def _positive(distances: Tensor) -> float:
    mean = float(distances.mean()) if distances.numel() else 0.0
    return mean if mean > 1e-6 else 1.0
