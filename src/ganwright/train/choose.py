"""The default recipe: chosen from the data and the time there is, with reasons."""

from __future__ import annotations

from dataclasses import replace

from ganwright.base.options import override
from ganwright.data import Dataset
from ganwright.train.plan import speeds
from ganwright.train.recipes import RECIPES, Recipe

LEAST_SIDE = 4  # pixels that a convolutional net needs
# With fewer examples seen, a convolutional recipe shows blobs, and a small dense one shapes.
LEAST_KIMG = 20.0
# Rows of a table and the batch for them: large ones are fast, and few rows need many steps.
TABLE_BATCHES = ((50_000, 2048), (5_000, 1024), (0, 512))
# Fewer rows are learned by heart without it. Dropout did as well, but shifted the columns' shares.
FEW_ROWS, DECAY = 5_000, 1.0
LARGEST_FOR_DENSE = 32 * 32 * 3  # numbers in a picture: the most that the small dense recipe learns


def table_recipe(rows: int) -> Recipe:
    """The recipe of tables with the batch and weight decay that suit so many rows."""
    batch = next(size for least, size in TABLE_BATCHES if rows >= least)
    settings = {"train.batch": batch}
    decay = {"generator_optimiser.weight_decay": DECAY} if rows < FEW_ROWS else {}
    return override(RECIPES["table"].make(), settings | decay)


def choose(data: Dataset, *, minutes: float | None, device: str) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for this data and budget, and the reasons in whole sentences.

    A budget in kimg decides nothing here: the same command must choose the same recipe on any
    machine.
    """
    if data.spec.choices:
        count, codes, rows = len(data.spec.choices), data.spec.size, len(data.train)
        recipe = table_recipe(rows)
        told = f"Batches of {recipe.train.batch}, for {rows:,} rows"
        if rows < FEW_ROWS:
            told += f", and weight decay {DECAY:g}: so few are soon learned by heart"
        return recipe, (
            f"recipe table: rows of {count} columns learned, as choices among {codes:,} values; it takes "
            f"any subset of the columns as given. {told}",
        )
    if data.spec.totals:
        return RECIPES["counts"].make(), (
            f"recipe counts: rows of {data.spec.size:,} counts, made from their totals and rates",
        )
    best, cheap = RECIPES["relativistic"].make(), RECIPES["mlp-small"].make()
    channels, *sides = data.spec.shape
    if len(sides) != 2 or min(sides) < LEAST_SIDE:
        why = f"recipe {cheap.name}: sides below {LEAST_SIDE} pixels leave a convolution nothing to do"
        return cheap, (why,)
    if minutes is not None:
        speed = max(speeds(replace(best, data=data.options), data, device).values())
        reach = speed * 60 * minutes / 1000
        if reach < LEAST_KIMG and data.spec.size > LARGEST_FOR_DENSE:
            why = (
                f"recipe {best.name}, but the time is short: in {minutes:g} minutes it would see "
                f"{reach:.1f} kimg here, and shapes take {LEAST_KIMG:g}; try more minutes, or "
                "--set data.size=32"
            )
            return best, (why,)
        if reach < LEAST_KIMG:
            why = (
                f"recipe {cheap.name}: in {minutes:g} minutes the convolutional one would see "
                f"{reach:.1f} kimg here, and needs {LEAST_KIMG:g}"
            )
            return cheap, (why,)
    size = "×".join(map(str, [*sides, channels]))
    why = (
        f"recipe {best.name}: pictures of {size} suit convolutions, and of those recipes it kept all "
        "of the data's variety and took the fewest examples (docs/benchmarks.md)"
    )
    return best, (why,)
