"""The recipe for counts."""

from __future__ import annotations

from ganwright.data import Dataset
from ganwright.game import GameOptions, LatentOptions, OptimiserOptions, PenaltyOptions
from ganwright.modalities.counts.nets import CountsDiscriminatorOptions, CountsGeneratorOptions
from ganwright.train.plan import Trials
from ganwright.train.recipes import Recipe, Row, TrainOptions


def _counts() -> Recipe:
    return Recipe(
        name="counts",
        latent=LatentOptions(dim=64),
        generator=CountsGeneratorOptions(),
        discriminator=CountsDiscriminatorOptions(),
        game=GameOptions(
            loss="relativistic-paired",
            # Of thousands of words each has a slope, and the penalty is of the sum of their squares.
            penalty=PenaltyOptions(r1=0.005, r2=0.005),
            likelihood=1,
            adversarial=0.1,
            adversarial_every=16,
        ),
        generator_optimiser=OptimiserOptions(rate=5e-3, final_rate=5e-5, beta1=0.9, beta2=0.99),
        discriminator_optimiser=OptimiserOptions(rate=1e-3, beta1=0.0, beta2=0.99),
        train=TrainOptions(batch=256, precision="float32"),
    )


RECIPES: dict[str, Row] = {
    "counts": Row(
        make=_counts,
        summary="word counts: totals from the data, rates from the latent; likelihood and adversarial loss",
        mended="modelled logarithms of counts as real numbers, so that samples were neither whole nor zero",
    ),
}


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """The only recipe, and what it does."""
    return RECIPES["counts"].make(), (
        f"recipe counts: rows of {data.spec.size:,} counts, generated from totals and rates",
    )
