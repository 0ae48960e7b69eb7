"""Damage for clean pictures, made on the fly: noise, JPEG, blur, fewer pixels, holes, lost colour.

All take and give (b, C, H, W) in [-1, 1], one draw for each picture, from torch's global generator. Strengths
are in units of 8 bits where a unit is named. What a restorer learns is in `TASKS`: damage drawn from the
ranges there (blind: it isn't told which), and one fixed damage that it is tested by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ganwright.base.names import Names

LEVEL = 2 / 255  # one of 256 levels
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601
RADIUS = 10  # pixels that a blur kernel reaches
Damage = Callable[[Tensor], Tensor]


# --- noise ---------------------------------------------------------------------------------------


def gaussian_noise(x: Tensor, low: float = 5, high: float = 50) -> Tensor:
    """Normal noise, σ uniform in [low, high] levels, clipped to what a file can hold."""
    return (x + _uniform(x, low, high) * LEVEL * torch.randn_like(x)).clamp(-1, 1)


def poisson_noise(x: Tensor, low: float = 10, high: float = 200) -> Tensor:
    """Shot noise: white is a count of low … high photons, log-uniform."""
    peak = _uniform(x, math.log(low), math.log(high)).exp()
    return (2 * torch.poisson((x + 1).clamp(min=0) / 2 * peak) / peak - 1).clamp(-1, 1)


def salt_and_pepper(x: Tensor, low: float = 0.01, high: float = 0.15) -> Tensor:
    """A share of the pixels, uniform in [low, high], black or white."""
    chance = torch.rand(len(x), 1, *x.shape[2:], device=x.device)
    share = _uniform(x, low, high)
    extreme = torch.where(chance < share / 2, -1.0, 1.0)
    return torch.where(chance < share, extreme, x)


def _uniform(x: Tensor, low: float, high: float) -> Tensor:
    """One number for each picture, (b, 1, 1, 1)."""
    return low + (high - low) * torch.rand(len(x), 1, 1, 1, device=x.device)


# --- JPEG ----------------------------------------------------------------------------------------

# ITU-T T.81, tables K.1 and K.2.
_BRIGHT = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_COLOUR = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99), (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)  # fmt: skip
_TO_YCC = (LUMA, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def jpeg(x: Tensor, low: float = 10, high: float = 60) -> Tensor:
    """Saved as JPEG and read again; quality uniform in [low, high], colour at half the resolution."""
    quality = _uniform(x, low, high)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    height, width = x.shape[2:]
    levels = functional.pad((x + 1) / LEVEL, (0, -width % 16, 0, -height % 16), mode="replicate")
    if x.shape[1] == 1:
        done = _quantised(levels - 128, _BRIGHT, scale) + 128
    else:
        turn = x.new_tensor(_TO_YCC)
        ycc = torch.einsum("dc,bchw->bdhw", turn, levels)
        bright = _quantised(ycc[:, :1] - 128, _BRIGHT, scale) + 128
        colour = _quantised(functional.avg_pool2d(ycc[:, 1:], 2), _COLOUR, scale)
        colour = functional.interpolate(colour, scale_factor=2, mode="bilinear")
        done = torch.einsum("dc,bchw->bdhw", turn.inverse(), torch.cat([bright, colour], 1))
    return (done[:, :, :height, :width].round() * LEVEL - 1).clamp(-1, 1)


def _quantised(planes: Tensor, table: Sequence[Sequence[int]], scale: Tensor) -> Tensor:
    """Planes (b, c, h, w) after the cosine transform of 8×8 blocks is rounded, and back."""
    places = torch.arange(8, device=planes.device, dtype=planes.dtype)
    cosine = torch.cos((2 * places + 1) * places[:, None] * math.pi / 16) / 2
    cosine[0] /= math.sqrt(2)
    steps = (planes.new_tensor(table) * scale).round().clamp(1, 255)[:, :, None, None]
    blocks = planes.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    turned = torch.round(cosine @ blocks @ cosine.T / steps) * steps
    back: Tensor = cosine.T @ turned @ cosine
    return back.transpose(3, 4).flatten(4, 5).flatten(2, 3)


# --- blur and fewer pixels -----------------------------------------------------------------------


def blurred(x: Tensor, kernels: Tensor) -> Tensor:
    """Each picture by its own kernel (b, k, k), k odd."""
    edge = [kernels.shape[-1] // 2] * 4
    wide = functional.pad(x, edge, mode="replicate")
    each = kernels.repeat_interleave(x.shape[1], 0)[:, None]
    made = functional.conv2d(wide.reshape(1, -1, *wide.shape[2:]), each, groups=len(each))
    return made.view(x.shape)


def gaussian_kernels(x: Tensor, low: float = 0.5, high: float = 3.0) -> Tensor:
    """(b, k, k), σ uniform in [low, high] pixels."""
    rows, columns = _places(x)
    deviation = _uniform(x, low, high)[:, 0]
    return _normalised(torch.exp(-(rows**2 + columns**2) / (2 * deviation**2)))


def motion_kernels(x: Tensor, low: float = 3.0, high: float = 15.0) -> Tensor:
    """(b, k, k): a line of low … high pixels at any angle."""
    rows, columns = _places(x)
    angle, length = _uniform(x, 0, math.pi)[:, 0], _uniform(x, low, high)[:, 0]
    along = (columns * angle.cos() + rows * angle.sin()).abs()
    beside = (rows * angle.cos() - columns * angle.sin()).abs()
    return _normalised((1 - beside).clamp(0, 1) * ((length + 1) / 2 - along).clamp(0, 1))


def blur(x: Tensor) -> Tensor:
    """Out of focus or in motion, with a little noise."""
    moving = torch.rand(len(x), 1, 1, device=x.device) < 0.5
    kernels = torch.where(moving, motion_kernels(x), gaussian_kernels(x))
    return gaussian_noise(blurred(x, kernels), 0, 5)


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    line = torch.arange(-RADIUS, RADIUS + 1, device=x.device, dtype=x.dtype)
    return line[:, None], line[None]


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)


def reduced(x: Tensor, scale: int) -> Tensor:
    """A picture at 1/`scale` of its sides, rounded up."""
    sides = [-(-side // scale) for side in x.shape[2:]]
    small = functional.interpolate(x, sides, mode="bicubic", antialias=True, align_corners=False)
    return small.clamp(-1, 1)


def enlarged(x: Tensor, height: int, width: int) -> Tensor:
    """A picture brought to a size, bicubic."""
    large = functional.interpolate(x, (height, width), mode="bicubic", align_corners=False)
    return large.clamp(-1, 1)


def fewer_pixels(x: Tensor, scale: int) -> Tensor:
    """A picture that lost its pixels, at its own size again."""
    return enlarged(reduced(x, scale), *x.shape[2:])


# --- holes and colour ----------------------------------------------------------------------------


def boxes(x: Tensor, low: float = 0.05, high: float = 0.5) -> Tensor:
    """(b, 1, H, W): 1 in a box that is low … high of the picture, its sides at most twice apart."""
    height, width = x.shape[2:]
    share, aspect = _uniform(x, low, high), _uniform(x, -math.log(2), math.log(2)).exp()
    tall = (height * (share * aspect).sqrt()).clamp(1, height).round()
    wide = (share * height * width / tall).clamp(1, width).round()
    top = (torch.rand_like(tall) * (height - tall + 1)).floor()
    left = (torch.rand_like(wide) * (width - wide + 1)).floor()
    rows, columns = _rows(x), _columns(x)
    inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    return inside.to(x.dtype)


def strokes(x: Tensor, most: int = 6) -> Tensor:
    """(b, 1, H, W): 1 on up to `most` straight strokes, joined end to end, of 1/30 … 1/5 of the side."""
    height, width = x.shape[2:]
    ends = torch.rand(len(x), most + 1, 2, device=x.device) * x.new_tensor([height, width])
    start, along = ends[:, :-1, :, None, None], (ends[:, 1:] - ends[:, :-1])[..., None, None]
    point = torch.stack(torch.broadcast_tensors(_rows(x)[0, 0], _columns(x)[0, 0]))[None, None]
    share = ((point - start) * along).sum(2) / along.square().sum(2).clamp(min=1e-6)
    apart = (point - start - share.clamp(0, 1)[:, :, None] * along).norm(dim=2)
    thick = _uniform(x, min(height, width) / 60, min(height, width) / 10)[:, 0, None]
    drawn = torch.arange(most, device=x.device) < _uniform(x, 1, most + 1)[:, 0, 0]
    on = (apart <= thick.clamp(min=0.5)) & drawn[:, :, None, None]
    return on.any(1, keepdim=True).to(x.dtype)


def halves(x: Tensor) -> Tensor:
    """(b, 1, H, W): 1 in one half of each picture."""
    rows, columns = _rows(x) * 2 >= x.shape[2], _columns(x) * 2 >= x.shape[3]
    upright, other = (torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5 for _ in range(2))
    return (torch.where(upright, rows, columns) ^ other).to(x.dtype)


def holes(x: Tensor) -> Tensor:
    """Boxes in half of the pictures, strokes in two fifths, halves in the rest."""
    chance = torch.rand(len(x), 1, 1, 1, device=x.device)
    return torch.where(chance < 0.5, boxes(x), torch.where(chance < 0.9, strokes(x), halves(x)))


def with_holes(x: Tensor, mask: Tensor) -> Tensor:
    """The picture, grey where it is missing, and the mask: (b, C + 1, H, W)."""
    return torch.cat([x * (1 - mask), mask], 1)


def filled(x: Tensor, mask: Tensor, levels: int) -> Tensor:
    """The picture (b, C, H, W) with smooth colour where `mask` (b, 1, H, W) is 1 (Gortler et al. 1996).

    Pull: means of what is known, over ever larger squares, up to 2^levels pixels a side. Push: what is
    unknown is taken from the next larger ones; grey where nothing is known at all.
    """
    height, width = x.shape[2:]
    edge = (0, -width % 2**levels, 0, -height % 2**levels)
    share = functional.pad(1 - mask, edge)
    finer = [(functional.pad(x * (1 - mask), edge), share)]
    for _ in range(levels):
        finer.append(
            (functional.avg_pool2d(finer[-1][0], 2), functional.avg_pool2d(finer[-1][1], 2))
        )
    found = torch.zeros_like(finer[-1][0])
    for values, share in reversed(finer):
        if found.shape != values.shape:
            found = functional.interpolate(found, scale_factor=2, mode="bilinear")
        found = torch.where(share > 0, values / share.clamp(min=1e-6), found)
    return found[:, :, :height, :width]


def _rows(x: Tensor) -> Tensor:
    return torch.arange(x.shape[2], device=x.device)[None, None, :, None]


def _columns(x: Tensor) -> Tensor:
    return torch.arange(x.shape[3], device=x.device)[None, None, None, :]


def luma(x: Tensor) -> Tensor:
    """Brightness (b, 1, H, W)."""
    weights = x.new_tensor(LUMA if x.shape[1] == 3 else (1.0,))
    return (x * weights[:, None, None]).sum(1, keepdim=True)


# --- tasks ---------------------------------------------------------------------------------------


def mixed(x: Tensor, kinds: Sequence[tuple[float, Damage]]) -> Tensor:
    """Each picture by one kind of damage, drawn with the shares given."""
    chance, made, passed = torch.rand(len(x), device=x.device), x.clone(), 0.0
    for share, damage in kinds:
        chosen = ((chance >= passed) & (chance < passed + share)).nonzero()[:, 0]
        passed += share
        if len(chosen):
            made[chosen] = damage(x[chosen])
    return made


_NOISE = ((0.55, gaussian_noise), (0.15, poisson_noise), (0.15, salt_and_pepper), (0.16, jpeg))
_SCALES = tuple((0.51, lambda x, s=s: fewer_pixels(x, s)) for s in (2, 4))


class Task(NamedTuple):
    """What a restorer undoes: damage to learn from, one to be tested by, and both in words.

    Damage gives the picture (b, C, H, W), and of `inpaint` the mask as one more channel.
    """

    damage: Damage
    exam: Damage
    says: str
    tested: str
    masked: bool = False


TASKS: Names[Task] = Names(
    "task",
    {
        "denoise": Task(
            damage=lambda x: mixed(x, _NOISE),
            exam=lambda x: gaussian_noise(x, 25, 25),
            says="normal noise of σ 5 … 50, shot noise of 10 … 200 photons, 1 … 15 % salt and pepper, "
            "JPEG of quality 10 … 60",
            tested="normal noise of σ = 25",
        ),
        "deblur": Task(
            damage=blur,
            exam=lambda x: gaussian_noise(blurred(x, gaussian_kernels(x, 1.5, 1.5)), 2, 2),
            says="Gaussian blur of σ 0.5 … 3 pixels or motion of 3 … 15, with noise of σ 0 … 5",
            tested="Gaussian blur of σ = 1.5 pixels, noise of σ = 2",
        ),
        "inpaint": Task(
            damage=lambda x: with_holes(x, holes(x)),
            exam=lambda x: with_holes(x, boxes(x, 0.25, 0.25)),
            says="boxes of 5 … 50 % of the picture, strokes, halves",
            tested="a box of 25 % of the picture is missing",
            masked=True,
        ),
        "upscale": Task(
            damage=lambda x: mixed(x, _SCALES),
            exam=lambda x: fewer_pixels(x, 2),
            says="a half or a quarter of the sides, bicubic",
            tested="half of the sides, bicubic",
        ),
        "colourise": Task(
            damage=lambda x: luma(x).expand_as(x),
            exam=lambda x: luma(x).expand_as(x),
            says="colour removed (ITU-R 601)",
            tested="colour removed (ITU-R 601)",
        ),
    },
)
