"""The folder that `detect --heatmaps` writes: a map of each image, and a page of the oddest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from ganwright.base.runs import replacing
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.pixels import fit_back
from ganwright.report.inline import Inline, inline
from ganwright.report.templates import read, template

PAGE = "index.html"
ODDEST, USUAL = 48, 8  # images on the page
KB = 1000
SIDE = 96  # pixels that a small image is enlarged to
# Black and dark violet for what is usual, red from the middle of the scale on, then yellow and white.
RAMP = np.array([(0, 0, 0), (45, 10, 75), (200, 45, 60), (250, 180, 40), (255, 255, 230)])
STEPS = (0, 96, 127, 191, 255)


@dataclass(frozen=True, kw_only=True)
class Odd:
    """One image on the page, beside its map."""

    name: str
    file: str
    score: float
    p_value: float
    image: Inline
    map: Inline


def write(
    folder: Path,
    codec: ImageCodec,
    pixels: np.ndarray,
    names: Sequence[str],
    sizes: np.ndarray,
    fit: str,
    score: np.ndarray,
    p_value: np.ndarray,
    heat: Callable[[np.ndarray], np.ndarray],
    normal: int,
    whose: str,
) -> list[str]:
    """Writes the folder, whole or not at all; the path of each image's map.

    `pixels` (n, H, W, C) are the images as stored, `sizes` (n, 2) their own; `heat` gives the maps of
    those at some places, (m, H, W) uint8; p-values compare with `normal` images, `whose` in words.
    """
    files = [f"{i:06d}.png" for i in range(len(names))]

    def one(i: int) -> Odd:
        (map_,) = heat(np.array([i]))
        picture = codec.grid(pixels[i : i + 1], scale=_scale(codec))
        return Odd(
            name=names[i],
            file=files[i],
            score=float(score[i]),
            p_value=float(p_value[i]),
            image=inline(picture, f"{names[i]}", most=60 * KB),
            map=inline(_coloured(map_, _scale(codec)), f"where {names[i]} is odd", most=60 * KB),
        )

    with replacing(folder) as aside:
        aside.mkdir(parents=True)
        for i, file in enumerate(files):
            (map_,) = heat(np.array([i]))
            height, width = sizes[i].tolist()
            Image.fromarray(fit_back(map_, (height, width), fit)).save(aside / file)
        order = np.argsort(-score, kind="stable").tolist()
        page = template("odd.html", "ganwright.modalities.images.look").render(
            css=Markup(read("page.css")),
            n=len(names),
            small=int((p_value <= 0.05).sum()),
            least=1 / (1 + normal),
            compared=f"{normal:,} {whose}",
            oddest=[one(i) for i in order[:ODDEST]],
            usual=[one(i) for i in order[ODDEST:][-USUAL:]],
        )
        (aside / PAGE).write_text(page, encoding="utf-8")
    return [str(folder / file) for file in files]


def _scale(codec: ImageCodec) -> int:
    return max(1, SIDE // max(codec.height, codec.width))


def _coloured(map_: np.ndarray, scale: int) -> Image.Image:
    """A map (H, W) uint8 in colours, enlarged without smoothing, with the border that a grid has."""
    planes = [np.interp(map_, STEPS, RAMP[:, c]) for c in range(3)]
    large = np.stack(planes, axis=2).round().astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(np.pad(large, ((2, 2), (2, 2), (0, 0)), constant_values=255))
