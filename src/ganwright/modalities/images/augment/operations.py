"""Augmentation of the discriminator's input, for few training images.

Real pictures and fakes are changed by the same kind of random transformation T before they are
judged, so that the discriminator can't memorise the few real ones. As long as each operation is applied with
probability p < 1, the distribution of T(x) determines that of x, and the generator has
to make x, not T(x) (Karras et al. 2020a, section 3, "ADA"). For a fixed draw T is affine in the
picture, so its derivatives of every order are itself and its transpose; gradient penalties reach
through it.

Flips, quarter turns and negatives are not among the usual operations. Below p = 1 they can't leak in
theory, but in short runs on two marks on a blank image they did at p = 0.8. A flip is
harmless at any p only where mirror images are in the data.

What a draw does to images is in `affine.py`; how p moves, in `game/augment.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, by_commas, options
from ganwright.base.spec import Spec
from ganwright.modalities.images.augment.affine import (
    REFLECTION,
    ZEROS,
    Cut,
    Drawn,
    Recolour,
    Sampling,
    at_hand,
)

Operation = Literal[
    "flip",
    "rotate90",
    "shift",
    "scale",
    "rotate",
    "stretch",
    "fractional",
    "colour",
    "luma-flip",
    "cutout",
]

# Mirrored, upside-down or negative images don't occur in most data: these must be asked for.
USUAL: tuple[Operation, ...] = (
    "shift",
    "scale",
    "rotate",
    "stretch",
    "fractional",
    "colour",
    "cutout",
)
DIFFAUG: tuple[Operation, ...] = ("colour", "shift", "cutout")

# Strengths: Karras et al. 2020a, appendix B. A deviation of 0.2 is one of log₂ of a factor.
SHIFT = 0.125  # of the side: the most of a whole shift, the deviation of a fractional one
SCALE, STRETCH = 0.2, 0.2
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0
CUTOUT = 0.5  # of the side
REACH = 8  # `moved` goes up to 1/REACH of a side: 4 of 32 pixels, as in the paper


@options
class Options:
    """How images are changed."""

    modes: ClassVar = {  # in which each option does anything
        "operations": ("fixed", "scheduled", "adaptive", "diffaug"),
        "colour_share": ("fixed", "scheduled", "adaptive"),
    }
    operations: Annotated[tuple[Operation, ...], BeforeValidator(by_commas)] = Field(
        default=(),
        description="operations, separated by commas; none given: all that are safe if no example is "
        "another's mirror image or negative. diffaug has colour, shift and cutout",
    )
    colour_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of p with which each colour operation is applied",
    )

    def chosen(self, mode: str) -> tuple[Operation, ...]:
        """The operations that are done."""
        return self.operations or (DIFFAUG if mode == "diffaug" else USUAL)

    def check(self, mode: str) -> None:
        """Raises OptionError for operations that DiffAugment doesn't have."""
        alien = [name for name in self.chosen(mode) if name not in DIFFAUG]
        if mode == "diffaug" and alien:
            raise OptionError(
                f"game.augment.operations: diffaug has {', '.join(DIFFAUG)}; got {alien[0]!r}"
            )


@dataclass(frozen=True)
class Dice:
    """Random numbers for a batch, (count,) each, from torch's generator."""

    count: int
    p: Tensor
    like: dict[str, Any]

    def happens(self, p: Tensor) -> Tensor:
        return torch.rand(self.count, **self.like) < p

    def uniform(self, low: float, high: float) -> Tensor:
        return torch.rand(self.count, **self.like) * (high - low) + low

    def normal(self, deviation: float) -> Tensor:
        return torch.randn(self.count, **self.like) * deviation

    def below(self, n: int) -> Tensor:
        return torch.randint(n, (self.count,), device=self.like["device"]).to(self.like["dtype"])


class Views:
    """T: a fresh draw for each batch, by operations that each happen with probability p."""

    def __init__(
        self, o: Options, mode: str, spec: Spec, device: torch.device | str = "cpu"
    ) -> None:
        self.colour_share, self.mode, self.chosen = o.colour_share, mode, o.chosen(mode)
        self.channels, self.height, self.width = spec.shape
        self.half = torch.tensor([self.width / 2, self.height / 2, 1], device=device)
        turning = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device)
        self.cross = turning / math.sqrt(3)  # v ↦ grey × v

    def draw(self, x: Tensor, p: Tensor) -> Drawn:
        """A T for the batch `x`, of which only the shape, the type and the device matter."""
        if at_hand(p) and not p:
            return Drawn()
        dice = Dice(len(x), p.to(x), {"device": x.device, "dtype": x.dtype})
        chosen = set(self.chosen)
        steps: list[Sampling | Recolour | Cut] = []
        if chosen - {"colour", "luma-flip", "cutout"}:
            steps.append(self._sampling(dice))
        if chosen & {"colour", "luma-flip"}:  # DiffAugment's comes first: its bands stay zero
            steps.insert(0 if self.mode == "diffaug" else 1, self._recolour(dice))
        if "cutout" in chosen:
            steps.append(self._cut(dice))
        return Drawn(tuple(steps))

    def _sampling(self, dice: Dice) -> Sampling:
        chosen, size = self.chosen, (self.width, self.height)
        one = torch.ones(dice.count, **dice.like)
        zero = torch.zeros_like(one)
        moved = zero.bool()
        whole = ~moved
        # From the result back to the picture, in pixels from the middle: inverses, the first leftmost.
        back = torch.eye(3, **dice.like).expand(dice.count, 3, 3)

        def then(happens: Tensor, *entries: Tensor) -> None:
            """Goes on with the inverse of an operation, by its first two rows, where it happens."""
            nonlocal back, moved
            rows = torch.stack([*entries, zero, zero, one], 1).view(-1, 3, 3)
            eye = torch.eye(3, **dice.like)
            back = back @ torch.where(happens[:, None, None], rows, eye)
            moved = moved | happens

        def turn(happens: Tensor, cos: Tensor, sin: Tensor) -> None:
            then(happens, cos, -sin, zero, sin, cos, zero)

        def rotate(p: Tensor) -> Tensor:
            happens, angle = dice.happens(p), dice.uniform(-math.pi, math.pi)
            turn(happens, angle.cos(), angle.sin())
            return happens

        if "flip" in chosen:
            then(dice.happens(dice.p), 1 - 2 * dice.below(2), zero, zero, zero, one, zero)
        if "rotate90" in chosen:  # of an oblong picture, only half turns
            quarters = dice.below(4) if self.width == self.height else 2 * dice.below(2)
            cos = (quarters == 0).to(one) - (quarters == 2).to(one)
            sin = (quarters == 1).to(one) - (quarters == 3).to(one)
            turn(dice.happens(dice.p), cos, sin)
        if "shift" in chosen:
            right, down = (torch.round(dice.uniform(-SHIFT, SHIFT) * n) for n in size)
            then(dice.happens(dice.p), one, zero, -right, zero, one, -down)
        if "scale" in chosen:
            happens, factor = dice.happens(dice.p), dice.normal(SCALE).exp2()
            then(happens, factor, zero, zero, zero, factor, zero)
            whole = whole & ~happens
        # Twice, so that any direction can be stretched; with probability 1 − p neither happens.
        half = 1 - (1 - dice.p).sqrt()
        if "rotate" in chosen:
            whole = whole & ~rotate(half)
        if "stretch" in chosen:
            happens, factor = dice.happens(dice.p), dice.normal(STRETCH).exp2()
            then(happens, factor, zero, zero, zero, 1 / factor, zero)
            whole = whole & ~happens
        if "rotate" in chosen:
            whole = whole & ~rotate(half)
        if "fractional" in chosen:
            happens = dice.happens(dice.p)
            right, down = (dice.normal(SHIFT) * n for n in size)
            then(happens, one, zero, -right, zero, one, -down)
            whole = whole & ~happens
        half_size = self.half.to(back)  # of which torch's coordinates are multiples
        theta = (back * half_size / half_size[:, None])[:, :2]
        # DiffAugment always shifts, but the band of zeros shows the discriminator how far, so that it would
        # notice a generator that shifts by itself.
        padding = ZEROS if self.mode == "diffaug" else REFLECTION
        return Sampling.of(theta, whole, moved, (self.height, self.width), padding)

    def _recolour(self, dice: Dice) -> Recolour:
        one = torch.ones(dice.count, **dice.like)
        zero = torch.zeros_like(one)
        if self.mode == "diffaug":  # Zhao et al. 2020: contrast around the picture's own mean
            bright, contrast = dice.uniform(-0.5, 0.5), dice.uniform(0.5, 1.5)
            matrix = self._matrix(contrast, contrast * dice.uniform(0, 2), zero)
            return Recolour(matrix, 1 - contrast, bright)
        p = dice.p * self.colour_share

        def sometimes(value: Tensor, otherwise: Tensor) -> Tensor:
            return torch.where(dice.happens(p), value, otherwise)

        bright, contrast, angle, saturation, sign = zero, one, zero, one, one
        if "colour" in self.chosen:
            bright = sometimes(dice.normal(BRIGHTNESS), zero)
            contrast = sometimes(dice.normal(CONTRAST).exp2(), one)
        if "luma-flip" in self.chosen:
            sign = sometimes(1 - 2 * dice.below(2), one)
        if "colour" in self.chosen and self.channels == 3:
            angle = sometimes(dice.uniform(-math.pi, math.pi), zero)
            saturation = sometimes(dice.normal(SATURATION).exp2(), one)
        luma = contrast * sign
        return Recolour(self._matrix(luma, contrast * saturation, angle), None, luma * bright)

    def _matrix(self, luma: Tensor, chroma: Tensor, angle: Tensor) -> Tensor:
        """The map that scales grey by `luma`, and what departs from it by `chroma`, turned by `angle`.

        Grey is the axis (1, 1, 1) of red, green and blue. Channels that are not colours are all scaled
        by `luma` alone.
        """
        if self.channels != 3:
            return luma.view(-1, 1, 1)
        eye = torch.eye(3, device=luma.device, dtype=luma.dtype)
        grey = torch.full_like(eye, 1 / 3)
        luma, cos, sin = (
            value.view(-1, 1, 1) for value in (luma, chroma * angle.cos(), chroma * angle.sin())
        )
        matrix = luma * grey + cos * (eye - grey) + sin * self.cross.to(luma)
        plain = (luma == 1) & (cos == 1) & (sin == 0)
        return torch.where(plain, eye, matrix)  # to the last bit

    def _cut(self, dice: Dice) -> Cut:
        """Zero in a rectangle of half the sides, centred anywhere in the image."""
        happens = dice.happens(dice.p)
        down, across = (
            (torch.arange(n, **dice.like) + 0.5 - dice.uniform(0, n)[:, None]).abs()
            < CUTOUT * n / 2
            for n in (self.height, self.width)
        )
        gone = happens[:, None, None] & down[:, :, None] & across[:, None, :]
        return Cut((~gone).to(dice.like["dtype"])[:, None])


def moved(x: Tensor) -> Tensor:
    """Each image of (batch, channels, height, width) moved by whole pixels; its edges mirror it.

    By at most 1/8 of each side: what consistency takes for the same image (Zhang et al. 2020).
    """

    def places(side: int) -> Tensor:
        most = min(max(round(side / REACH), 1), side - 1)
        moves = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
        found = (torch.arange(side, device=x.device) + moves).abs()
        return (side - 1) - ((side - 1) - found).abs()

    count = torch.arange(len(x), device=x.device)
    rows, columns = places(x.shape[2]), places(x.shape[3])
    found = x.permute(0, 2, 3, 1)[count[:, None, None], rows[:, :, None], columns[:, None, :]]
    return found.permute(0, 3, 1, 2)
