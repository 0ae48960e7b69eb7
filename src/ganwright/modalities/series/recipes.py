"""The recipe for series."""

from __future__ import annotations

from ganwright.data import Dataset
from ganwright.game import GameOptions, LatentOptions, OptimiserOptions, PenaltyOptions
from ganwright.modalities.series.nets import SeriesDiscriminatorOptions, SeriesGeneratorOptions
from ganwright.train.plan import Trials
from ganwright.train.recipes import Recipe, Row, TrainOptions


def _series() -> Recipe:
    return Recipe(
        name="series",
        latent=LatentOptions(dim=32),
        generator=SeriesGeneratorOptions(width=32),
        discriminator=SeriesDiscriminatorOptions(width=32),
        game=GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=0.3, r2=0.3)),
        generator_optimiser=OptimiserOptions(rate=2e-3, final_rate=2e-5, beta1=0.0, beta2=0.99),
        discriminator_optimiser=OptimiserOptions(rate=2e-3, final_rate=2e-5, beta1=0.0, beta2=0.99),
        train=TrainOptions(batch=64, precision="float32"),
    )


RECIPES: dict[str, Row] = {
    "series": Row(
        make=_series,
        summary="windows of series: dilated convolutions that begin as a Gaussian process",
        mended="saw one step after the other, so errors added up, and needed four losses in three phases",
    ),
}


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """The only recipe, and what it does."""
    return RECIPES["series"].make(), (
        f"recipe series: {data.codec.makes}, any of whose first steps can be given",
    )
