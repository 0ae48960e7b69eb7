"""Views that take the model alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.base import seeds
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.explore.sheet import png, sheet, webp
from ganwright.model import Model
from ganwright.nets.directions import DIRECTIONS
from ganwright.report.views import View

STEPS = 9  # of an interpolation
CLASSES, LATENTS = 20, 10  # of a table
PSI = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
FOUND, FAR = 6, (-3, -2, -1, 0, 1, 2, 3)  # directions, and their steps
LOOKED_AT = 512  # latents that directions are found by
KEYS, FRAMES, SIDE, FRAME_MS = 6, 10, 4, 80  # of a walk


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


# --- what a latent means --------------------------------------------------------------------------


def interpolation(model: Model, seed: int, rows: int) -> Drawn:
    """From one sample to another, a pair a row."""
    ends = latents(model, seed, "interpolation", 2 * rows)
    between = model.net.latent.between(ends[::2], ends[1::2], torch.linspace(0, 1, STEPS))
    labels, names = classes_in_turn(model, rows)
    images = model.generate(between.flatten(0, 1), repeated(labels, STEPS))
    same = " Each row keeps its class." if names else ""
    return Drawn(
        name="interpolation",
        title="From one sample to another",
        says=f"Both ends of a row are samples; its latents lie on the {way(model)} between them.{same} "
        "Smooth change through plausible images is what to look for: where a row jumps, or both its "
        "ends only fade into each other, the model has learned images and not what they share.",
        picture=sheet(codec_of(model), images, names or [""] * rows),
    )


def corners(model: Model, seed: int) -> Drawn:
    """A square of latents between four samples."""
    shares, latent = torch.linspace(0, 1, STEPS), model.net.latent
    a, b, c, d = latents(model, seed, "corners", 4)[:, None]
    left, right = latent.between(a, c, shares)[0], latent.between(b, d, shares)[0]
    inside = latent.between(left, right, shares).flatten(0, 1)
    labels, names = classes_in_turn(model, 1)
    images = model.generate(inside, repeated(labels, len(inside)))
    of = f" of class {names[0]}" if names else ""
    return Drawn(
        name="corners",
        title="Between four samples",
        says=f"The corners are samples{of}; latents between them lie on the {way(model)}.",
        picture=sheet(codec_of(model), images, [""] * STEPS),
    )


def classes(model: Model, seed: int) -> Drawn:
    """Every class, the first ones where there are many, from the same latents."""
    names = model.spec.classes[:CLASSES]
    z = latents(model, seed, "classes", LATENTS).repeat(len(names), 1)
    images = model.generate(z, np.repeat(np.arange(len(names)), LATENTS))
    left = len(model.spec.classes) - len(names)
    more = f" {left:,} more classes are not shown." if left else ""
    return Drawn(
        name="classes",
        title="Class by latent",
        says="A column shows one latent with every class: what a column shares (slant, thickness, pose) "
        f"the model has told apart from the class.{more}",
        picture=sheet(codec_of(model), images, names),
    )


def truncation(model: Model, seed: int, rows: int) -> Drawn:
    """The same latents, nearer and nearer to the mean."""
    z = latents(model, seed, "truncation", rows)
    labels, names = classes_in_turn(model, rows)
    moved = (z[:, None] * torch.tensor(PSI)[None, :, None]).flatten(0, 1)
    images = model.generate(moved, repeated(labels, len(PSI)))
    return Drawn(
        name="truncation",
        title="Truncation",
        says="Above each column, ψ: the share that is kept of a latent’s distance from the mean (sample "
        "--truncation ψ). The smaller it is, the more typical and alike the images become; 1 is the "
        "sample itself.",
        picture=sheet(codec_of(model), images, names or [""] * rows, [f"{psi:g}" for psi in PSI]),
    )


def directions(model: Model, kind: str, seed: int, *, count: int = FOUND, examples: int) -> Drawn:
    """What changes along the directions that a method finds."""
    device = model.device
    z = latents(model, seed, "directions", LOOKED_AT)
    labels = model.labels(seeds.derive(seed, "directions"), 0, LOOKED_AT)
    on_device = None if labels is None else torch.as_tensor(labels, device=device)
    count = min(count, z.shape[1])
    found, shares = (
        part.cpu() for part in DIRECTIONS[kind](model.generator, z.to(device), on_device, count)
    )
    unit = float(z.std())
    start, (own, names) = (
        latents(model, seed, "moved", examples),
        classes_in_turn(model, examples),
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
            codec_of(model),
            images,
            [f"{i + 1} ({share:.0%})" for i, share in enumerate(shares.tolist())],
            [f"{step:+d}" if step else "0" for step in FAR] * examples,
        ),
    )


def walk(model: Model, seed: int) -> View:
    """A film: several images, each on a closed way through a few samples."""
    cells = SIDE * SIDE
    keys = latents(model, seed, "walk", cells * KEYS).unflatten(0, (KEYS, cells))
    shares = torch.arange(FRAMES) / FRAMES
    parts = [
        model.net.latent.between(a, b, shares) for a, b in zip(keys, keys.roll(-1, 0), strict=True)
    ]
    frames = torch.cat(parts, dim=1).transpose(0, 1)  # (frames, cells, dim)
    labels, _ = classes_in_turn(model, cells)
    images = model.generate(
        frames.flatten(0, 1), None if labels is None else np.tile(labels, len(frames))
    )
    shown = [
        sheet(codec_of(model), images[i : i + cells], [""] * SIDE)
        for i in range(0, len(images), cells)
    ]
    return View(
        title="A walk",
        says=f"Every image goes through {KEYS} samples and back to the first, on the {way(model)}.",
        files={"walk.webp": webp(shown, FRAME_MS)},
    )


# --- latents and labels ---------------------------------------------------------------------------


def codec_of(model: Model) -> ImageCodec:
    return cast(ImageCodec, model.codec)


def latents(model: Model, seed: int, purpose: str, count: int) -> Tensor:
    return model.net.latent.draw(seeds.derive(seed, "explore", purpose), 0, count)


def classes_in_turn(model: Model, count: int) -> tuple[np.ndarray | None, list[str]]:
    """A class for each of `count` rows, evenly spread over all of them, and its name."""
    names = model.spec.classes
    if not names:
        return None, []
    spread = max(1, len(names) // count)
    labels = np.arange(count) * spread % len(names)
    return labels, [names[i] for i in labels]


def repeated(labels: np.ndarray | None, times: int) -> np.ndarray | None:
    return None if labels is None else np.repeat(labels, times)


def way(model: Model) -> str:
    return "great circle" if model.net.latent.is_round else "straight line"
