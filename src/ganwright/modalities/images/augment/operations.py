"""What the discriminator sees of pictures when there are few of them: each in a new guise.

Real pictures and fakes are changed by the same kind of random transformation T before they are
judged, so that the discriminator can't learn the few real ones by heart. As long as each operation
is applied with a chance p < 1, the distribution of T(x) determines that of x, and the generator has
to make x, not T(x) (Karras et al. 2020a, section 3, "ADA"). For a fixed draw T is affine in the
picture, so its derivatives of every order are itself and its transpose; gradient penalties reach
through it.

What a draw does to pictures is in `game/affine.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, by_commas, flatten, options
from ganwright.base.spec import Spec
from ganwright.game.schedule import cosine
from ganwright.modalities.images.augment.affine import (
    REFLECTION,
    ZEROS,
    Cut,
    Drawn,
    Recolour,
    Sampling,
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

# Neither is a mirror image in most data, nor a picture upside down or a negative: left to be asked for.
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

# Where an option does anything. A length left over from another mode says nothing wrong.
MODES_OF = {
    "operations": ("fixed", "scheduled", "adaptive", "diffaug"),
    "p": ("fixed", "scheduled"),
    "colour_share": ("fixed", "scheduled", "adaptive"),
    "target": ("adaptive",),
    "most": ("adaptive",),
}

# Strengths: Karras et al. 2020a, appendix B. A deviation of 0.2 is one of log₂ of a factor.
SHIFT = 0.125  # of the side: the most of a whole shift, the deviation of a fractional one
SCALE, STRETCH = 0.2, 0.2
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0
CUTOUT = 0.5  # of the side
WATCHED = 4  # batches between two steps of an adaptive p


@options
class AugmentOptions:
    """What the discriminator sees of pictures: how it is changed, and how often."""

    mode: Literal["off", "fixed", "scheduled", "adaptive", "diffaug"] = Field(
        default="off",
        description="each operation with chance p; with p rising along a schedule; with p by how well "
        "D knows real examples; or DiffAugment's operations, always",
    )
    operations: Annotated[tuple[Operation, ...], BeforeValidator(by_commas)] = Field(
        default=(),
        description="what is done; none given: all that is safe where no example is another's mirror "
        "image or negative. Of diffaug colour, shift and cutout. Several with commas between",
    )
    p: float = Field(
        default=0.3, ge=0, le=1, description="chance of each operation; below 1 it does not leak"
    )
    p_kimg: float = Field(
        default=200, ge=0, description="scheduled: p comes from 0 in so many thousand examples"
    )
    colour_share: float = Field(
        default=0.5, ge=0, le=1, description="of p at which each operation on colours is applied"
    )
    target: float = Field(
        default=0.6,
        ge=-1,
        le=1,
        description="adaptive: p rises while D tells more pairs apart, (1 + target)/2 of them",
    )
    most: float = Field(default=0.8, ge=0, le=1, description="adaptive: p goes no higher")
    speed_kimg: float = Field(
        default=500, gt=0, description="adaptive: p takes so many thousand examples from 0 to 1"
    )

    @property
    def chosen(self) -> tuple[Operation, ...]:
        """The operations that are done."""
        return self.operations or (DIFFAUG if self.mode == "diffaug" else USUAL)


def check_augment(o: AugmentOptions, spec: Spec) -> None:
    """Raises OptionError where pictures are to be changed and there are none, or in no known way."""
    usual = flatten(AugmentOptions())
    given = [name for name, value in flatten(o).items() if value != usual[name]]
    if given and spec.axes != ("channel", "height", "width"):
        raise OptionError(f"game.augment.{given[0]}: changes pictures; these are {spec.things}")
    for name in given:
        if o.mode not in MODES_OF.get(name, (o.mode,)):
            raise OptionError(
                f"game.augment.{name}: changes nothing while game.augment.mode is {o.mode}; it is for "
                f"{', '.join(MODES_OF[name])}"
            )
    alien = [name for name in o.chosen if name not in DIFFAUG]
    if o.mode == "diffaug" and alien:
        raise OptionError(
            f"game.augment.operations: diffaug has {', '.join(DIFFAUG)}; got {alien[0]!r}"
        )


def sureness(real: Tensor, fake: Tensor) -> Tensor:
    """r = E[sign(D(x) − D(G(z)))] over pairs: how sure the discriminator is of its real examples.

    `real` and `fake` (batch,) are its logits. Near 0 where it can't tell, 1 where it knows each by heart.
    Karras et al. 2020a, equation 1, compare D(x) with 0; but a relativistic loss leaves the zero
    open, for each class another, and r would be 1 from the start. In pairs of one class it cancels.
    """
    return (real.detach() - fake.detach()).sign().mean()


@dataclass(frozen=True)
class Dice:
    """Numbers for a batch, (count,) each, from torch's generator."""

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


class Augment:
    """T: a fresh draw at each call. `p` follows the options' mode.

    `spec` says what the examples are: OptionError where they aren't pictures. p and the signs counted
    so far lie on `device`, and nothing here waits for it.
    """

    def __init__(self, o: AugmentOptions, spec: Spec, device: torch.device | str = "cpu") -> None:
        check_augment(o, spec)
        self.options = o
        self.channels, self.height, self.width = spec.shape
        self.half = torch.tensor([self.width / 2, self.height / 2, 1], device=device)
        turning = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device)
        self.cross = turning / math.sqrt(3)  # v ↦ grey × v
        self.p = torch.zeros((), device=device)
        self.signs = torch.zeros((), device=device)  # their sum since p's last step,
        self.watched = 0  # how many they are,
        self.since = 0  # and when that was
        self.at(0)

    def at(self, seen: int) -> None:
        """Sets p as it is after `seen` examples, by the schedule or by the signs that `follow` got."""
        o = self.options
        if o.mode == "adaptive" and self.watched >= WATCHED:
            step = (seen - self.since) / (o.speed_kimg * 1000)
            self.p += step * (self.signs / self.watched - o.target).sign()
            self.p.clamp_(0, o.most)
            self.signs.zero_()
            self.watched, self.since = 0, seen
        if o.mode == "fixed":
            self.p.fill_(o.p)
        elif o.mode == "scheduled":
            self.p.fill_(cosine(0.0, o.p, seen, round(o.p_kimg * 1000)))
        elif o.mode == "diffaug":
            self.p.fill_(1.0)

    def follow(self, sign: Tensor) -> None:
        """Takes note of one batch's `sureness`."""
        self.signs += sign
        self.watched += 1

    def state_dict(self) -> dict[str, Any]:
        counts = {"watched": self.watched, "since": self.since}
        return {"p": self.p.clone(), "signs": self.signs.clone()} | counts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.p.copy_(state["p"])
        self.signs.copy_(state["signs"])
        self.watched, self.since = state["watched"], state["since"]

    def __call__(self, x: Tensor) -> Tensor:
        """x (batch, channels, height, width) in [-1, 1] to T(x), which may go a little beyond."""
        return self.draw(x)(x)

    def draw(self, x: Tensor) -> Drawn:
        """A T for the batch `x`, of which only the shape, the type and the device matter."""
        if self.p.device.type == "cpu" and not self.p:  # elsewhere one would wait to know it
            return Drawn()
        dice = Dice(len(x), self.p.to(x), {"device": x.device, "dtype": x.dtype})
        chosen = set(self.options.chosen)
        steps: list[Sampling | Recolour | Cut] = []
        if chosen - {"colour", "luma-flip", "cutout"}:
            steps.append(self._sampling(dice))
        if chosen & {"colour", "luma-flip"}:  # of DiffAugment, first: its bands stay nought
            steps.insert(0 if self.options.mode == "diffaug" else 1, self._recolour(dice))
        if "cutout" in chosen:
            steps.append(self._cut(dice))
        return Drawn(tuple(steps))

    def _sampling(self, dice: Dice) -> Sampling:
        chosen, size = self.options.chosen, (self.width, self.height)
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
        # Twice, so that a stretch goes any way; the chance that neither happens is 1 − p.
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
        # Of DiffAugment, which always shifts, the band of nought tells the discriminator how far: a
        # generator that shifted by itself would be found out.
        padding = ZEROS if self.options.mode == "diffaug" else REFLECTION
        return Sampling.of(theta, whole, moved, (self.height, self.width), padding)

    def _recolour(self, dice: Dice) -> Recolour:
        o = self.options
        one = torch.ones(dice.count, **dice.like)
        zero = torch.zeros_like(one)
        if o.mode == "diffaug":  # Zhao et al. 2020: contrast around the picture's own mean
            bright, contrast = dice.uniform(-0.5, 0.5), dice.uniform(0.5, 1.5)
            matrix = self._matrix(contrast, contrast * dice.uniform(0, 2), zero)
            return Recolour(matrix, 1 - contrast, bright)
        p = dice.p * o.colour_share

        def sometimes(value: Tensor, otherwise: Tensor) -> Tensor:
            return torch.where(dice.happens(p), value, otherwise)

        bright, contrast, angle, saturation, sign = zero, one, zero, one, one
        if "colour" in o.chosen:
            bright = sometimes(dice.normal(BRIGHTNESS), zero)
            contrast = sometimes(dice.normal(CONTRAST).exp2(), one)
        if "luma-flip" in o.chosen:
            sign = sometimes(1 - 2 * dice.below(2), one)
        if "colour" in o.chosen and self.channels == 3:
            angle = sometimes(dice.uniform(-math.pi, math.pi), zero)
            saturation = sometimes(dice.normal(SATURATION).exp2(), one)
        luma = contrast * sign
        return Recolour(self._matrix(luma, contrast * saturation, angle), None, luma * bright)

    def _matrix(self, luma: Tensor, chroma: Tensor, angle: Tensor) -> Tensor:
        """The map that scales grey by `luma`, and what departs from it by `chroma`, turned by `angle`.

        Grey is the axis (1, 1, 1) of red, green and blue. Of other channels, which are no colours, all
        are scaled by `luma` alone.
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
        """Nought in a rectangle of half the sides, its middle anywhere in the picture."""
        happens = dice.happens(dice.p)
        down, across = (
            (torch.arange(n, **dice.like) + 0.5 - dice.uniform(0, n)[:, None]).abs()
            < CUTOUT * n / 2
            for n in (self.height, self.width)
        )
        gone = happens[:, None, None] & down[:, :, None] & across[:, None, :]
        return Cut((~gone).to(dice.like["dtype"])[:, None])
