"""The default recipe: chosen from the data, the device and the time there is, with reasons.

What of this is measured stands in docs/choosing.md; the comments say where a number is a guess.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganwright.base.options import override
from ganwright.data import Dataset
from ganwright.train.plan import Plan, speeds
from ganwright.train.recipes import RECIPES, Recipe

LEAST_SIDE = 4  # pixels that a convolutional net needs
# With fewer examples seen, a convolutional recipe shows blobs, and a small dense one shapes.
LEAST_KIMG = 20.0
# What the wide nets would see in the time: with less, narrow ones are taken. They were far ahead for as
# long as both were measured, to 50 kimg of the wide ones; where those catch up is a guess.
WIDE_KIMG = 1000.0
NARROW = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
}
LARGEST_FOR_DENSE = 32 * 32 * 3  # numbers in a picture: the most that the small dense recipe learns
# Fewer different pictures than these are learned by heart in the end unless they are changed. 200 flowers
# gained 41 % of their FID by it in 300 kimg, 500 digits neither gained nor lost, very small ones gained
# nothing; where between those and the tens of thousands it stops to pay is a guess.
FEW_PICTURES, LEAST_SIDE_CHANGED = 1000, 16
FEW = {"game.augment.mode": "scheduled", "game.augment.p_kimg": 20.0}
# On a GPU the paper's nets are within reach; the sizes by the minutes of the run are a guess.
GPU_SIZES = ((240.0, "l"), (30.0, "m"), (0.0, "s"))

# Rows of a table and the batch for them: large ones are fast, and few rows need many steps.
TABLE_BATCHES = ((50_000, 2048), (5_000, 1024), (0, 512))
# Fewer rows are learned by heart without it. Dropout did as well, but shifted the columns' shares.
FEW_ROWS, DECAY = 5_000, 1.0


def table_recipe(rows: int) -> Recipe:
    """The recipe of tables with the batch and weight decay that suit so many rows."""
    batch = next(size for least, size in TABLE_BATCHES if rows >= least)
    settings = {"train.batch": batch}
    decay = {"generator_optimiser.weight_decay": DECAY} if rows < FEW_ROWS else {}
    return override(RECIPES["table"].make(), settings | decay)


def choose(data: Dataset, *, minutes: float | None, device: str) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for this data and budget, and the reasons in whole sentences.

    `minutes` is None where the budget is in kimg, which decides nothing here: the same command must
    choose the same recipe on any machine.
    """
    if data.codec.kind == "table":
        return _for_rows(data)
    if data.codec.kind == "counts":
        return RECIPES["counts"].make(), (
            f"recipe counts: rows of {data.spec.size:,} counts, made from their totals and rates",
        )
    return _for_pictures(data, minutes, device)


def expected(plan: Plan, data: Dataset) -> str:
    """What to expect of a run, in a sentence."""
    kimg, count = plan.expected_kimg, len(data.train)
    minutes = kimg * 1000 / plan.images_per_s / 60
    return (
        f"expect about {kimg:,.0f} thousand examples in {minutes:,.1f} minutes, at {plan.images_per_s:,.0f} "
        f"a second: each of {count:,} is seen {kimg * 1000 / count:,.1f} times"
    )


def _for_rows(data: Dataset) -> tuple[Recipe, tuple[str, ...]]:
    count, codes, rows = len(data.codec.choices), data.spec.size, len(data.train)
    recipe = table_recipe(rows)
    told = f"Batches of {recipe.train.batch}, for {rows:,} rows"
    if rows < FEW_ROWS:
        told += f", and weight decay {DECAY:g}: so few are soon learned by heart"
    return recipe, (
        f"recipe table: rows of {count} columns learned, as choices among {codes:,} values; it takes "
        f"any subset of the columns as given. {told}",
    )


def _for_pictures(
    data: Dataset, minutes: float | None, device: str
) -> tuple[Recipe, tuple[str, ...]]:
    cheap = RECIPES["mlp-small"].make()
    channels, *sides = data.spec.shape
    size = "×".join(map(str, [*sides, channels]))
    if len(sides) != 2:
        why = f"recipe {cheap.name}: dense nets fit {data.spec.things}, as they fit anything"
        return cheap, (why,)
    if min(sides) < LEAST_SIDE:
        why = f"recipe {cheap.name}: sides below {LEAST_SIDE} pixels leave a convolution nothing to do"
        return cheap, (why,)
    if device == "cuda" and min(sides) >= 8:
        recipe, why = _for_gpu(minutes, size)
    else:
        recipe, why = _for_time(data, minutes, device, size)
    recipe, few = _for_few(recipe, data)
    return recipe, (why, few) if few else (why,)


def _for_gpu(minutes: float | None, size: str) -> tuple[Recipe, str]:
    scale = next(name for least, name in GPU_SIZES if (minutes or 0) >= least)
    sizes = {"generator.size": scale, "discriminator.size": scale}
    recipe = override(RECIPES["r3gan"].make(), sizes)
    return recipe, (
        f"recipe r3gan, size {scale}: residual nets for {size} pictures, which a GPU has the power for"
    )


def _for_time(data: Dataset, minutes: float | None, device: str, size: str) -> tuple[Recipe, str]:
    """The convolutional recipe, as wide as the time allows."""
    wide = RECIPES["relativistic"].make()
    because = (
        f"recipe {wide.name}: {size} pictures suit convolutions, and of those recipes it kept all of the "
        "data's variety and took the fewest examples"
    )
    if minutes is None:
        return wide, because

    def reach(recipe: Recipe) -> float:
        found = speeds(replace(recipe, data=data.options), data, device)
        return max(found.values()) * 60 * minutes / 1000

    ahead = reach(wide)
    if ahead >= WIDE_KIMG:
        return wide, because
    narrow = override(wide, NARROW)
    closer = reach(narrow)
    if closer >= LEAST_KIMG:
        return narrow, (
            f"recipe {wide.name}, narrow and at twice the rate: in {minutes:g} minutes it sees "
            f"{closer:.0f} kimg here, nets of twice the width {ahead:.0f}; those pay in long runs only"
        )
    if data.spec.size > LARGEST_FOR_DENSE:
        return narrow, (
            f"recipe {wide.name}, narrow, but the time is short: in {minutes:g} minutes it would see "
            f"{closer:.1f} kimg here, and shapes take {LEAST_KIMG:g}; try more minutes, or "
            "--set data.size=32"
        )
    cheap = RECIPES["mlp-small"].make()
    return cheap, (
        f"recipe {cheap.name}: in {minutes:g} minutes a convolutional one would see "
        f"{closer:.1f} kimg here, and needs {LEAST_KIMG:g}"
    )


def _for_few(recipe: Recipe, data: Dataset) -> tuple[Recipe, str]:
    """With augmentation where the pictures are few, and what is said of it."""
    different = len(np.unique(data.hashes[data.train]))
    if different >= FEW_PICTURES or min(data.spec.shape[1:]) < LEAST_SIDE_CHANGED:
        return recipe, ""
    return override(recipe, FEW), (
        f"augmentation on: {different:,} different pictures, and fewer than {FEW_PICTURES:,} are learned by "
        "heart in a long run (--set game.augment.mode=off to leave them as they are)"
    )
