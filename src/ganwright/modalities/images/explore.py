"""What lies between a model's images, and what its latent means, as grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset
from ganwright.evaluate import FeatureMatrix
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.images.codec import ImageCodec
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
from ganwright.modalities.images.sheet import png, sheet, webp
from ganwright.model import Model
from ganwright.nets.directions import DIRECTIONS
from ganwright.report.views import View

ROWS, STEPS = 8, 9  # of an interpolation
CLASSES, LATENTS = 20, 10  # of a table
PSI = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
FOUND, FAR, EXAMPLES = 6, (-3, -2, -1, 0, 1, 2, 3), 2  # directions, their steps, latents that move
LOOKED_AT = 512  # latents that directions are found by
KEYS, FRAMES, SIDE, FRAME_MS = 6, 10, 4, 80  # of a walk
LARGE = 96  # pixels of the user's own images
BESIDE, NEAREST, COMPARED, BLOCK = 8, 5, 50_000, 500  # samples, and training images


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A view as one picture."""

    name: str
    title: str
    says: str
    picture: Image.Image

    def view(self) -> View:
        """The same as a PNG file."""
        return View(title=self.title, says=self.says, files={f"{self.name}.png": png(self.picture)})


@dataclass(frozen=True, kw_only=True)
class Given:
    """An image of the user's: its name, and itself (1, H, W, C) as the model stores images."""

    name: str
    pixels: np.ndarray


# --- the part -----------------------------------------------------------------------------------


def read(model: Model, given: Sequence[str]) -> list[Given]:
    """Image files, brought to the model's size by the rule of its data. Raises DataError."""
    return [Given(name=Path(one).name, pixels=_read(model, Path(one))) for one in given]


def views(
    model: Model, data: Dataset | None, given: Sequence[Given], *, seed: int, say: Any
) -> Iterator[View]:
    """The user's own images first, then all that can be shown of any model."""
    if given:
        say("searching for the latents of the images …")
        yield from _inversions(model, data, given, seed, say)
    say("drawing samples …")
    for drawn in drawings(model, seed):
        yield drawn.view()
    yield walk(model, seed)
    if data is None:
        say("the training data is not where it was, or not what it was: no nearest images of it")
    else:
        say("finding nearest training images …")
        yield neighbours(model, data, seed).view()


def drawings(
    model: Model, seed: int = 0, *, rows: int = ROWS, few: bool = False
) -> Iterator[Drawn]:
    """The views that take only the model; `few` leaves out what a report shows elsewhere."""
    yield interpolation(model, seed, rows)
    if not few:
        yield corners(model, seed)
    if model.spec.classes and not few:
        yield classes(model, seed)
    yield truncation(model, seed, rows)
    for kind in DIRECTIONS:
        yield directions(model, kind, seed, examples=1 if few else EXAMPLES)


# --- what a latent means --------------------------------------------------------------------------


def interpolation(model: Model, seed: int, rows: int = ROWS) -> Drawn:
    """From one sample to another, a pair a row."""
    ends = _latents(model, seed, "interpolation", 2 * rows)
    between = model.net.latent.between(ends[::2], ends[1::2], torch.linspace(0, 1, STEPS))
    labels, names = _classes_in_turn(model, rows)
    images = model.generate(between.flatten(0, 1), _repeated(labels, STEPS))
    same = " Each row keeps its class." if names else ""
    return Drawn(
        name="interpolation",
        title="From one sample to another",
        says=f"Both ends of a row are samples; its latents lie on the {_way(model)} between them.{same} "
        "Smooth change through plausible images is what to look for: where a row jumps, or both its "
        "ends only fade into each other, the model has learned images and not what they share.",
        picture=sheet(_codec(model), images, names or [""] * rows),
    )


def corners(model: Model, seed: int) -> Drawn:
    """A square of latents between four samples."""
    shares, latent = torch.linspace(0, 1, STEPS), model.net.latent
    a, b, c, d = _latents(model, seed, "corners", 4)[:, None]
    left, right = latent.between(a, c, shares)[0], latent.between(b, d, shares)[0]
    inside = latent.between(left, right, shares).flatten(0, 1)
    labels, names = _classes_in_turn(model, 1)
    images = model.generate(inside, _repeated(labels, len(inside)))
    of = f" of class {names[0]}" if names else ""
    return Drawn(
        name="corners",
        title="Between four samples",
        says=f"The corners are samples{of}; latents between them lie on the {_way(model)}.",
        picture=sheet(_codec(model), images, [""] * STEPS),
    )


def classes(model: Model, seed: int) -> Drawn:
    """Every class, the first ones where there are many, from the same latents."""
    names = model.spec.classes[:CLASSES]
    z = _latents(model, seed, "classes", LATENTS).repeat(len(names), 1)
    images = model.generate(z, np.repeat(np.arange(len(names)), LATENTS))
    left = len(model.spec.classes) - len(names)
    more = f" {left:,} more classes are not shown." if left else ""
    return Drawn(
        name="classes",
        title="Class by latent",
        says="A column shows one latent with every class: what a column shares (slant, thickness, pose) "
        f"the model has told apart from the class.{more}",
        picture=sheet(_codec(model), images, names),
    )


def truncation(model: Model, seed: int, rows: int = ROWS) -> Drawn:
    """The same latents, nearer and nearer to the mean."""
    z = _latents(model, seed, "truncation", rows)
    labels, names = _classes_in_turn(model, rows)
    moved = (z[:, None] * torch.tensor(PSI)[None, :, None]).flatten(0, 1)
    images = model.generate(moved, _repeated(labels, len(PSI)))
    return Drawn(
        name="truncation",
        title="Truncation",
        says="Above each column, ψ: the share that is kept of a latent’s distance from the mean (sample "
        "--truncation ψ). The smaller it is, the more typical and alike the images become; 1 is the "
        "sample itself.",
        picture=sheet(_codec(model), images, names or [""] * rows, [f"{psi:g}" for psi in PSI]),
    )


def directions(
    model: Model, kind: str, seed: int, *, count: int = FOUND, examples: int = EXAMPLES
) -> Drawn:
    """What changes along the directions that a method finds."""
    device = model.device
    z = _latents(model, seed, "directions", LOOKED_AT)
    labels = model.labels(seeds.derive(seed, "directions"), 0, LOOKED_AT)
    on_device = None if labels is None else torch.as_tensor(labels, device=device)
    count = min(count, z.shape[1])
    found, shares = (
        part.cpu() for part in DIRECTIONS[kind](model.generator, z.to(device), on_device, count)
    )
    unit = float(z.std())
    start, (own, names) = (
        _latents(model, seed, "moved", examples),
        _classes_in_turn(model, examples),
    )
    steps = torch.tensor(FAR, dtype=z.dtype) * unit
    rows = []
    for u in found:  # the coordinate along u is what the column says, whatever it was
        rest = start - (start @ u)[:, None] * u
        rows.append(rest[:, None] + steps[None, :, None] * u)
    images = model.generate(
        torch.stack(rows).flatten(0, 2),
        None if own is None else np.tile(np.repeat(own, len(FAR)), len(found)),
    )
    whose = {
        "pca": (
            "Directions: principal components of features",
            "Principal directions of the generator’s early features (GANSpace), with the share of their "
            "variance on the left.",
        ),
        "sefa": (
            "Directions: the first layer’s own",
            "The directions that the first layer’s weights stretch most (SeFa, in closed form), with "
            "their share of its squared weights on the left.",
        ),
    }[kind]
    of = f" ({', '.join(f'class {name}' for name in names)})" if names else ""
    what = "sample moves" if examples == 1 else f"samples{of} move"
    return Drawn(
        name=f"directions-{kind}",
        title=whose[0],
        says=f"{whose[1]} {'One' if examples == 1 else examples} {what} along each, from −3 to 3 standard "
        "deviations of the latent. Nobody told the model what a direction should mean; some mean nothing.",
        picture=sheet(
            _codec(model),
            images,
            [f"{i + 1} ({share:.0%})" for i, share in enumerate(shares.tolist())],
            [f"{step:+d}" if step else "0" for step in FAR] * examples,
        ),
    )


def walk(model: Model, seed: int) -> View:
    """A film: several images, each on a closed way through a few samples."""
    cells = SIDE * SIDE
    keys = _latents(model, seed, "walk", cells * KEYS).unflatten(0, (KEYS, cells))
    shares = torch.arange(FRAMES) / FRAMES
    way = [
        model.net.latent.between(a, b, shares) for a, b in zip(keys, keys.roll(-1, 0), strict=True)
    ]
    frames = torch.cat(way, dim=1).transpose(0, 1)  # (frames, cells, dim)
    labels, _ = _classes_in_turn(model, cells)
    images = model.generate(
        frames.flatten(0, 1), None if labels is None else np.tile(labels, len(frames))
    )
    shown = [
        sheet(_codec(model), images[i : i + cells], [""] * SIDE)
        for i in range(0, len(images), cells)
    ]
    return View(
        title="A walk",
        says=f"Every image goes through {KEYS} samples and back to the first, on the {_way(model)}.",
        files={"walk.webp": webp(shown, FRAME_MS)},
    )


# --- real images ----------------------------------------------------------------------------------


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
            _codec(model),
            np.concatenate(rows),
            [""] * BESIDE,
            ["sample", *map(str, range(1, near.shape[1] + 1))],
        ),
    )


def _inversions(
    model: Model, data: Dataset | None, given: Sequence[Given], seed: int, say: Any
) -> Iterator[View]:
    """Each image, what comes nearest to it, and what lies between one and the next."""
    codec, found = _codec(model), []
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
    worst, codec = float(result.errors.max()), _codec(model)
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
        says=f"From the latent found for an image to that of the next, on the {_way(model)}.",
        picture=sheet(_codec(model), images, names),
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
    codec = _codec(model)
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


# --- latents and labels ---------------------------------------------------------------------------


def _codec(model: Model) -> ImageCodec:
    return cast(ImageCodec, model.codec)


def _latents(model: Model, seed: int, purpose: str, count: int) -> Tensor:
    return model.net.latent.draw(seeds.derive(seed, "explore", purpose), 0, count)


def _classes_in_turn(model: Model, count: int) -> tuple[np.ndarray | None, list[str]]:
    """A class for each of `count` rows, evenly spread over all of them, and its name."""
    names = model.spec.classes
    if not names:
        return None, []
    spread = max(1, len(names) // count)
    labels = np.arange(count) * spread % len(names)
    return labels, [names[i] for i in labels]


def _repeated(labels: np.ndarray | None, times: int) -> np.ndarray | None:
    return None if labels is None else np.repeat(labels, times)


def _way(model: Model) -> str:
    return "great circle" if model.net.latent.is_round else "straight line"
