"""Views that set real images beside the model's: nearest training images, and latents of given ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.base.errors import DataError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset
from ganwright.evaluate import FeatureMatrix
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.images.explore.latent import STEPS, Drawn, codec_of, way
from ganwright.modalities.images.explore.sheet import sheet
from ganwright.modalities.images.invert import TRIED, Inverted, invert
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.pixels import (
    convert_channels,
    convert_depth,
    fit_to,
    has_alpha,
    least_channels,
)
from ganwright.modalities.images.read.pictures import decoding, read_pixels
from ganwright.modalities.images.read.source import Unreadable
from ganwright.model import Model
from ganwright.report.views import View

LARGE = 96  # pixels of the user's own images
BESIDE, NEAREST, COMPARED, BLOCK = 8, 5, 50_000, 500  # samples, and training images


@dataclass(frozen=True, kw_only=True)
class Given:
    """An image of the user's: its name, and itself (1, H, W, C) as the model stores images."""

    name: str
    pixels: np.ndarray


def read(model: Model, given: Sequence[str]) -> list[Given]:
    """Image files, brought to the model's size by the rule of its data. Raises DataError."""
    return [Given(name=Path(one).name, pixels=_read(model, Path(one))) for one in given]


def neighbours(model: Model, data: Dataset, seed: int) -> Drawn:
    """Samples beside their nearest training images."""
    samples, trained = model.sample(BESIDE, seed=seed), _compared(data)
    near = _nearest_real(data, samples, NEAREST)
    rows = [np.concatenate([sample[None], own]) for sample, own in zip(samples, near, strict=True)]
    return Drawn(
        name="nearest",
        title="Nearest training images",
        says=f"The first samples of seed {seed}, and the training images nearest to each of "
        f"{len(trained):,}, in pixels. A sample that equals its neighbour in every "
        "detail is a copy. The card’s measures of memorisation count them.",
        picture=sheet(
            codec_of(model),
            np.concatenate(rows),
            [""] * BESIDE,
            ["sample", *map(str, range(1, near.shape[1] + 1))],
        ),
    )


def inversions(
    model: Model, data: Dataset | None, given: Sequence[Given], seed: int, say: Any
) -> Iterator[View]:
    """Each image, what comes nearest to it, and what lies between one and the next."""
    codec, found = codec_of(model), []
    for number, one in enumerate(given, 1):
        x = codec.encode(torch.tensor(one.pixels)).to(model.device)
        result = invert(model, x, seed=seed)
        found.append(result)
        says = _told(model, data, one, x, result)
        say(f"{one.name}: {says}")
        made = codec.decode(result.made)
        beside = [one.pixels, made, _difference(one.pixels, made)]
        heads = ["given", "found", "difference"]
        if data is not None:
            beside.append(_nearest_real(data, one.pixels)[0])
            heads.append("nearest")
        name = "inverted" if len(given) == 1 else f"inverted-{number}"
        yield Drawn(
            name=name,
            title=f"The latent of {one.name}",
            says=says[:1].upper() + says[1:] + ".",
            picture=sheet(codec, np.concatenate(beside), [""], heads, side=LARGE),
        ).view()
    if len(given) > 1:
        yield _between(model, given, found).view()


def _told(model: Model, data: Dataset | None, one: Given, x: Tensor, result: Inverted) -> str:
    """The error in words, beside those of what takes no search."""
    of = ""
    if result.labels is not None:
        of = f" as class {model.spec.classes[int(result.labels[0])]}"
    worst, codec = float(result.errors.max()), codec_of(model)
    text = (
        f"found{of} with an error of {float(result.error[0]):.3f} of the range from black to white (root "
        f"mean square); over {result.errors.shape[1]} starts the errors go up to {worst:.3f}, and the best "
        f"of {TRIED} random samples has {float(result.at_start[0]):.3f}"
    )
    if data is not None:
        real = codec.encode(torch.tensor(_nearest_real(data, one.pixels)[0])).to(x)
        off = float((real - x).square().mean().sqrt()) / 2
        text += f", the nearest training image {off:.3f}"
        if off == 0:
            text += ": the image itself"
        elif off < float(result.error[0]):
            text += ": the model does not hold this image as well as its training data does"
    return text


def _between(model: Model, given: Sequence[Given], found: Sequence[Inverted]) -> Drawn:
    """From the latent of each image to that of the next."""
    z = torch.cat([one.latents for one in found]).cpu()
    between = model.net.latent.between(z[:-1], z[1:], torch.linspace(0, 1, STEPS))
    labels = None
    if found[0].labels is not None:  # a class has no half: the first keeps it for half of the way
        own = torch.cat([one.labels for one in found]).cpu().numpy()  # type: ignore[misc]
        first = np.arange(STEPS) < STEPS / 2
        labels = np.where(first, own[:-1, None], own[1:, None]).ravel()
    images = model.generate(between.flatten(0, 1), labels)
    names = [f"{a.name} - {b.name}" for a, b in pairwise(given)]
    return Drawn(
        name="between",
        title="Between the images",
        says=f"From the latent found for an image to that of the next, on the {way(model)}.",
        picture=sheet(codec_of(model), images, names),
    )


def _compared(data: Dataset) -> np.ndarray:
    """The training images that are looked at: all, or evenly spread."""
    return data.train[:: -(-len(data.train) // COMPARED)]


def _nearest_real(data: Dataset, images: np.ndarray, k: int = 1) -> np.ndarray:
    """The k training images nearest in pixels to each of n images: (n, k, H, W, C)."""
    extractor, trained = choose_extractor("pixels", data), _compared(data)
    parts = (data.rows[trained[i : i + BLOCK]] for i in range(0, len(trained), BLOCK))
    known = FeatureMatrix(np.concatenate([seen.features for seen in extractor.stream(parts)]))
    found = nearest(known, FeatureMatrix(extractor.features(images)), k=min(k, len(trained)))
    own: np.ndarray = data.rows[trained[found.indices.cpu().numpy()]]
    return own


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far apart two images are, from black (equal) on; what is transparent stays opaque here."""
    off = np.abs(a.astype(np.float64) - b).astype(a.dtype)
    if has_alpha(a.shape[3]):
        off[..., -1] = a[..., -1].max()
    return off


def _read(model: Model, path: Path) -> np.ndarray:
    codec = codec_of(model)
    if not path.is_file():
        raise DataError(f"--invert: '{path}' is no file; name an image")
    try:
        with decoding(), path.open("rb") as file:
            native = read_pixels(file)
    except Unreadable as error:
        raise DataError(f"--invert: '{path}' {error}") from None
    needed = least_channels(native).shape[2]
    if (needed >= 3 > codec.channels) or (has_alpha(needed) and not has_alpha(codec.channels)):
        what = "in colour" if needed >= 3 > codec.channels else "transparent in places"
        raise DataError(f"--invert: '{path}' is {what}; the model makes {codec.makes}")
    order = ("uint8", "uint16", "float32")
    if order.index(native.dtype.name) > order.index(codec.dtype):
        raise DataError(
            f"--invert: '{path}' is {native.dtype.name}; the model was trained on {codec.dtype}"
        )
    trained = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    row = convert_depth(convert_channels(native, codec.channels), codec.dtype)
    return fit_to(row, (codec.height, codec.width), trained.of(ImageOptions).fit)[None]
