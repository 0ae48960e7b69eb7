"""Recipes for tables, and which of them suits the data."""

from __future__ import annotations

from ganwright.base.options import override
from ganwright.data import DataOptions, Dataset
from ganwright.game import (
    GameOptions,
    LatentOptions,
    OptimiserOptions,
    PenaltyOptions,
    PrivacyOptions,
)
from ganwright.modalities.tables.nets import TableDiscriminatorOptions, TableGeneratorOptions
from ganwright.modalities.tables.options import Options
from ganwright.train.plan import Trials
from ganwright.train.recipes import Recipe, Row, TrainOptions

# Rows of a table and the batch for them: large ones are fast, and few rows need many steps.
TABLE_BATCHES = ((50_000, 2048), (5_000, 1024), (0, 512))
# Fewer rows are memorised without it. Dropout did as well, but shifted the columns' shares.
FEW_ROWS, DECAY = 5_000, 1.0


def _table() -> Recipe:
    return Recipe(
        name="table",
        latent=LatentOptions(dim=16),
        generator=TableGeneratorOptions(),
        discriminator=TableDiscriminatorOptions(),
        game=GameOptions(
            loss="relativistic-paired",
            penalty=PenaltyOptions(r1=1, r2=1),
            likelihood=1,
            adversarial=0.1,
            adversarial_every=16,
        ),
        generator_optimiser=OptimiserOptions(
            kind="adamw", rate=2e-3, final_rate=2e-5, beta1=0.9, beta2=0.99, weight_decay=0.1
        ),
        discriminator_optimiser=OptimiserOptions(rate=1e-3, beta1=0.0, beta2=0.99),
        train=TrainOptions(batch=512),
    )


def _table_private() -> Recipe:
    # One noisy step of D for one of G, both quick: the budget of privacy is in steps, not in time.
    adam = OptimiserOptions(rate=3e-3, beta1=0.0, beta2=0.99)
    return Recipe(
        name="table-private",
        data=DataOptions().having(Options(bins=32)),
        latent=LatentOptions(dim=64),
        generator=TableGeneratorOptions(width=128, blocks=1, whole=True),
        discriminator=TableDiscriminatorOptions(width=128),
        game=GameOptions(privacy=PrivacyOptions(noise=1.5, clip=1.0, epsilon=8.0)),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        train=TrainOptions(batch=512, precision="float32", score_features="off"),
    )


RECIPES: dict[str, Row] = {
    "table": Row(
        make=_table,
        summary="rows of a table: fills in any columns given the others; likelihood and adversarial loss",
        mended="drew conditions from the wrong frequencies, and could condition on one column only",
    ),
    "table-private": Row(
        make=_table_private,
        summary="rows of a table with differential privacy, ε = 8: only noisy sums see real rows",
        mended="gave the generator real rows as conditions, outside the privacy accounting",
    ),
}


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of tables with the batch and weight decay that suit so many rows, and why."""
    rows = len(data.train)
    batch = next(size for least, size in TABLE_BATCHES if rows >= least)
    decay = {"generator_optimiser.weight_decay": DECAY} if rows < FEW_ROWS else {}
    recipe = override(RECIPES["table"].make(), {"train.batch": batch} | decay)
    told = f"Batches of {batch}, for {rows:,} rows"
    if decay:
        told += f", and weight decay {DECAY:g}, as so few are soon memorised"
    return recipe, (
        f"recipe table: rows of {len(data.codec.choices)} columns learned, as choices among "
        f"{data.spec.size:,} values; any subset of the columns can be given. {told}",
    )
