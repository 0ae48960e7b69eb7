"""The recipe for text."""

from __future__ import annotations

from ganwright.data import Dataset
from ganwright.game import GameOptions, LatentOptions, OptimiserOptions, PenaltyOptions
from ganwright.modalities.text.nets import TextDiscriminatorOptions, TextGeneratorOptions
from ganwright.train.plan import Trials
from ganwright.train.recipes import Recipe, Row, TrainOptions


def _text() -> Recipe:
    return Recipe(
        name="text",
        latent=LatentOptions(dim=64),
        generator=TextGeneratorOptions(),
        discriminator=TextDiscriminatorOptions(),
        game=GameOptions(
            loss="relativistic-paired",
            penalty=PenaltyOptions(r1=0.3, r2=0.3),
            likelihood=1,
            clip_gradient=5,
        ),
        generator_optimiser=OptimiserOptions(rate=1e-3, final_rate=2e-5, beta1=0.9, beta2=0.99),
        discriminator_optimiser=OptimiserOptions(rate=5e-4, beta1=0.0, beta2=0.99),
        train=TrainOptions(batch=64),
    )


RECIPES: dict[str, Row] = {
    "text": Row(
        make=_text,
        summary="a game between codes of texts, which a denoising autoencoder reads and writes; "
        "beside it a language model of equal size",
        mended="was judged without a language model, which does better when its temperature is lowered",
    ),
}


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """The only recipe, and what it does."""
    return RECIPES["text"].make(), (
        f"recipe text: {data.codec.makes}, written from codes that the game makes; beside it, a language "
        "model of equal size learns from the same texts",
    )
