"""Recipes for sounds."""

from __future__ import annotations

from ganwright.data import Dataset
from ganwright.game import GameOptions, LatentOptions, OptimiserOptions, PenaltyOptions
from ganwright.nets import DCGANDiscriminatorOptions, DCGANGeneratorOptions
from ganwright.train.plan import Trials
from ganwright.train.recipes import Recipe, Row


def _sound() -> Recipe:
    # The narrow nets of images, as a spectrogram of a second is an image of 64×64 numbers. At their rate of
    # 2e-3 the game broke down on spoken digits after 24 kimg.
    adam = OptimiserOptions(rate=1e-3, final_rate=5e-5, decay_last=0.3, beta1=0.0, beta2=0.99)
    return Recipe(
        name="sound",
        latent=LatentOptions(dim=64),
        generator=DCGANGeneratorOptions(width=32, norm="none"),
        discriminator=DCGANDiscriminatorOptions(width=32),
        game=GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=1, r2=1)),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
    )


RECIPES = {
    "sound": Row(
        make=_sound,
        summary="convolutions on log-mel spectrograms, relativistic paired loss with R1 and R2",
        mended="took five critic steps a round, and days on a GPU for a second of sound",
    )
}


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for these sounds, and the reasons in whole sentences."""
    recipe = RECIPES["sound"].make()
    _, bands, frames = data.spec.shape
    return recipe, (
        f"recipe sound: convolutions on spectrograms of {bands} bands and {frames} frames, which stand for "
        f"{data.codec.length:,} samples each",
    )
