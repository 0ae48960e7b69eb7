"""Which recipe and which size suit the images, the device and the time there is.

All of it is a function of the data, the budget and measured speeds; what the numbers rest on stands in
docs/choosing.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganwright.base.errors import OptionError
from ganwright.base.options import override
from ganwright.data import Dataset
from ganwright.modalities.images.expect import SIDES, SMALL, levels, variants
from ganwright.modalities.images.options import ImageOptions
from ganwright.train.plan import Trials, in_minutes
from ganwright.train.recipes import RECIPES, Recipe

Choice = tuple[Recipe, str]

LEAST_SIDE = 4  # pixels that a convolutional net needs
# What the wide nets would see in the time: with less, narrow ones are taken. They were far ahead for as
# long as both were measured, to 50 kimg of the wide ones; where those catch up is not known.
WIDE_KIMG = 1000.0
NARROW = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
}
# On images of few numbers these nets need a weaker penalty: at γ = 1 their discriminator could no longer
# tell real digits of MNIST from generated ones after some 500 kimg, and the generator got worse. Flowers of
# 3,072 numbers gained nothing by it; between the two nothing was measured.
WEAK = {"game.penalty.r1": 0.3, "game.penalty.r2": 0.3}
# Beyond 32 pixels γ = 1 is too weak: at 64 emoji ended as silhouettes in one colour, with the discriminator
# far ahead. An automatic γ, which starts from the size of an image, gave shapes in many colours.
LARGEST_FOR_ONE, LARGE = 32, {"game.gamma.auto": True}
# Fewer different images than these are learned by heart in the end unless they are changed. 200 flowers
# gained 41 % of their FID by it in 300 kimg, 500 digits neither gained nor lost, very small ones gained
# nothing; between those and tens of thousands nothing was measured.
FEW_IMAGES, LEAST_SIDE_CHANGED = 1000, 16
FEW = {"game.augment.mode": "scheduled", "game.augment.p_kimg": 20.0}

# On a GPU larger batches cost little. They are doubled while that raises the speed by a fifth and leaves
# the rounds that MNIST took, in batches of 64, to three times the floor of its FID.
GAIN, ROUNDS, MOST_BATCH = 1.2, 3500, 1024
# The shortest schedule published for R3GAN (Stacked MNIST). It is taken for the length from which its nets
# pay on a GPU; where they overtake there was not measured.
PUBLISHED_KIMG = 10_000.0
PUBLISHED_BATCH, PUBLISHED_RATE = 256, 2e-4 * 768  # the rate times the channels of the smallest map
R3GAN_WIDTHS = {"s": 128, "m": 384, "l": 768}


@dataclass(frozen=True)
class Clock:
    """How far recipes get in the time, by their measured speed."""

    minutes: float
    trials: Trials

    @property
    def on_gpu(self) -> bool:
        return self.trials.device == "cuda"

    def kimg(self, data: Dataset, recipe: Recipe) -> float:
        """Thousand examples of that size that a recipe sees; none where it doesn't fit a GPU's memory."""
        try:
            return self.trials.on(data).speed(recipe) * 60 * self.minutes / 1000
        except OptionError:
            if not self.on_gpu:
                raise
            return 0.0


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for these images and this budget, and the reasons in whole sentences.

    Its `data` has the size to train at where that is smaller than the data's own.
    """
    if min(data.spec.shape[1:]) < LEAST_SIDE:
        cheap = RECIPES["mlp-small"].make()
        why = f"recipe {cheap.name}: sides below {LEAST_SIDE} pixels leave a convolution nothing to do"
        return cheap, (why,)
    if minutes is None:
        more, few = _for_few(data, data)
        recipe, why = _wide(data, more)
        return recipe, _said(why, few)
    clock, asked = Clock(minutes, trials), trials.asked.of(ImageOptions)
    at, sized = (data, "") if asked.size else _size(data, clock)
    more, few = _for_few(data, at)
    recipe, why = (_for_gpu if clock.on_gpu else _for_time)(at, clock, more)
    if at is not data:
        smaller = replace(asked, size=at.options.of(ImageOptions).size)
        recipe = replace(recipe, data=trials.asked.having(smaller))
    return recipe, _said(sized, why, few)


def quick(data: Dataset) -> Recipe:
    """For training along the way, without a clock: narrow convolutions where there is room for them."""
    if min(data.spec.shape[1:]) < LEAST_SIDE:
        return RECIPES["mlp-small"].make()
    return _narrow(data, _for_few(data, data)[0])


def _said(*reasons: str) -> tuple[str, ...]:
    return tuple(reason for reason in reasons if reason)


def size_of(data: Dataset) -> str:
    """Height × width, for people."""
    return "×".join(str(n) for n in data.spec.shape[1:])


# --- size ----------------------------------------------------------------------------------------


def _size(data: Dataset, clock: Clock) -> tuple[Dataset, str]:
    """The largest size that the time suffices to learn, else the smallest; and why, where it is smaller."""
    *smaller, own = variants(data)
    if not smaller:
        return data, ""
    best, seen, told = smaller[0], 0.0, ""
    for at in (*smaller, own):
        needed = levels(at.spec)[-1].kimg
        # A larger image takes longer, so what doesn't suffice for the smaller one needs no trial.
        if at is not best and seen < needed:
            told = f"{size_of(at)} takes {needed:g}"
            break
        reached = _most(at, clock)
        if at is best and reached < needed:
            seen, told = reached, f"it takes {needed:g}"
            break
        if reached < needed:
            told = f"{size_of(at)} takes {needed:g} and would see {reached:.3g}"
            break
        best, seen = at, reached
    if best is own:
        return data, ""
    suffices = seen >= levels(best.spec)[-1].kimg
    enough = "the largest that" if suffices else "and even that is more than"
    keep = "x".join(str(n) for n in own.spec.shape[1:])
    return best, (
        f"size {size_of(best)} instead of {size_of(own)}, {enough} {in_minutes(clock.minutes)} "
        f"can learn here: in that time it sees {seen:.3g} kimg (thousand examples); {told} "
        f"(--set data.size={keep} keeps the size)"
    )


def _most(data: Dataset, clock: Clock) -> float:
    """Thousand examples that the narrow nets see."""
    narrow = _narrow(data, {})
    return _in_large_batches(data, narrow, clock)[1] if clock.on_gpu else clock.kimg(data, narrow)


# --- recipe --------------------------------------------------------------------------------------


def _penalty(data: Dataset) -> dict[str, Any]:
    """γ by the size of the images."""
    if max(data.spec.shape[1:]) > LARGEST_FOR_ONE:
        return LARGE
    return WEAK if data.spec.size <= SMALL else {}


def _narrow(data: Dataset, more: Mapping[str, Any]) -> Recipe:
    return override(RECIPES["relativistic"].make(), NARROW | _penalty(data) | dict(more))


def _wide(data: Dataset, more: Mapping[str, Any]) -> Choice:
    """The convolutional recipe as it stands, except for the γ of large images."""
    large = LARGE if max(data.spec.shape[1:]) > LARGEST_FOR_ONE else {}
    return override(RECIPES["relativistic"].make(), large | dict(more)), (
        f"recipe relativistic: {size_of(data)} images suit convolutions, and of those recipes it kept all "
        "of the data's variety and took the fewest examples"
    )


def _for_time(data: Dataset, clock: Clock, more: Mapping[str, Any]) -> Choice:
    """The convolutional recipe, as wide as the time allows, with `more` settings."""
    wide, because = _wide(data, more)
    narrow = _narrow(data, more)
    needed = levels(data.spec)[-1].kimg
    minutes, closer = clock.minutes, clock.kimg(data, narrow)
    if closer >= WIDE_KIMG and clock.kimg(data, wide) >= WIDE_KIMG:  # wide nets are the slower ones
        return wide, because
    if closer >= needed:
        return narrow, (
            f"recipe relativistic, narrow, at twice the rate and {_told(narrow)}: in "
            f"{in_minutes(minutes)} it sees {closer:.0f} kimg here; nets of twice the width are taken from "
            f"{WIDE_KIMG:g} of theirs on"
        )
    if data.spec.shape[0] > 1 or data.spec.size > SMALL:  # dense nets made noise of photographs
        smaller = ", or --set data.size=32" if max(data.spec.shape[1:]) > SIDES[0] else ""
        return narrow, (
            f"recipe relativistic, narrow, but the time is short: in {in_minutes(minutes)} it would see "
            f"{closer:.1f} kimg here, and shapes take {needed:g}, about "
            f"{in_minutes(minutes * needed / closer)}; try more minutes{smaller}"
        )
    cheap = override(RECIPES["mlp-small"].make(), more)
    return cheap, (
        f"recipe {cheap.name}: in {in_minutes(minutes)} a convolutional one would see "
        f"{closer:.1f} kimg here, and needs {needed:g}"
    )


def _told(recipe: Recipe) -> str:
    game = recipe.game
    return "an automatic γ" if game.gamma.auto else f"γ = {game.penalty.r1:g}"


def _for_gpu(data: Dataset, clock: Clock, more: Mapping[str, Any]) -> Choice:
    """The fast recipe in batches as large as pay; the residual nets for as long as their authors train."""
    penalty = _penalty(data) | dict(more)
    wide = override(RECIPES["relativistic"].make(), penalty)
    fast, seen = _in_large_batches(data, wide, clock)
    if seen < WIDE_KIMG:
        fast, seen = _in_large_batches(data, _narrow(data, more), clock)
    found, scale, kimg = None, "", 0.0
    if seen >= PUBLISHED_KIMG:  # the residual nets are the slower ones
        for size in R3GAN_WIDTHS:
            larger = override(_residual(size), penalty)
            if (reached := clock.kimg(data, larger)) < PUBLISHED_KIMG:
                break
            found, scale, kimg = larger, size, reached
    time = f"in {in_minutes(clock.minutes)} it sees"
    if found is not None:
        return found, (
            f"recipe r3gan, size {scale}: {time} {kimg:,.0f} kimg here, as many as its authors train at the "
            "least; where it overtakes smaller nets on a GPU is not measured"
        )
    o = fast.generator_optimiser
    return fast, (
        f"recipe relativistic, batch {fast.train.batch}, rate {o.rate:.2g}: {time} {seen:,.0f} kimg here; "
        f"r3gan is taken where it would see {PUBLISHED_KIMG:,.0f}, a length that is published but not "
        "measured here"
    )


def _in_large_batches(data: Dataset, recipe: Recipe, clock: Clock) -> tuple[Recipe, float]:
    """The recipe in the largest batch worth its while, and the kimg that it sees in the time."""
    best, seen = recipe, clock.kimg(data, recipe)
    while (batch := 2 * best.train.batch) <= MOST_BATCH:
        larger = in_batches(recipe, batch)
        reached = clock.kimg(data, larger)
        if reached < GAIN * seen or reached * 1000 / batch < ROUNDS:
            break
        best, seen = larger, reached
    return best, seen


def in_batches(recipe: Recipe, batch: int) -> Recipe:
    """The recipe in batches of that size, its rates times the square root of the growth.

    So the noise of Adam's steps stays the same (Malladi et al. 2022, "On the SDEs and scaling rules for
    adaptive gradient algorithms").
    """
    growth = (batch / recipe.train.batch) ** 0.5
    settings: dict[str, Any] = {"train.batch": batch}
    for player in ("generator_optimiser", "discriminator_optimiser"):
        o = getattr(recipe, player)
        settings[f"{player}.rate"] = o.rate * growth
        if o.final_rate is not None:
            settings[f"{player}.final_rate"] = o.final_rate * growth
    return override(recipe, settings)


def _residual(size: str) -> Recipe:
    """R3GAN's nets in that size, at the published batch and rate."""
    rate = PUBLISHED_RATE / R3GAN_WIDTHS[size]
    settings: dict[str, Any] = {"train.batch": PUBLISHED_BATCH}
    settings |= {f"{net}.size": size for net in ("generator", "discriminator")}
    for player in ("generator_optimiser", "discriminator_optimiser"):
        settings |= {f"{player}.rate": rate, f"{player}.final_rate": rate / 4}
    return override(RECIPES["r3gan"].make(), settings)


def _for_few(data: Dataset, at: Dataset) -> tuple[dict[str, Any], str]:
    """Augmentation, in the size that is trained at, where the images are few; and what is said of it."""
    different = len(np.unique(data.hashes[data.train]))
    if different >= FEW_IMAGES or min(at.spec.shape[1:]) < LEAST_SIDE_CHANGED:
        return {}, ""
    return FEW, (
        f"augmentation on: {different:,} different images, and fewer than {FEW_IMAGES:,} are learned by "
        "heart in a long run (--set game.augment.mode=off to leave them as they are)"
    )
