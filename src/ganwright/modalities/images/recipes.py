"""Recipes for images. Which of them suits the data, the device and the time is in `choice`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ganwright.base.options import override
from ganwright.data import Dataset
from ganwright.game import (
    AugmentOptions,
    GameOptions,
    GammaOptions,
    LabelOptions,
    LatentOptions,
    OptimiserOptions,
    PenaltyOptions,
)
from ganwright.modalities.images.choice import choose as chosen_by_budget
from ganwright.modalities.images.classmaps import MapCodec, PairCodec
from ganwright.modalities.images.degrade import TASKS
from ganwright.modalities.images.nets import RestorerOptions, TranslatorOptions
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.pixels import has_alpha
from ganwright.nets import (
    DCGANDiscriminatorOptions,
    DCGANGeneratorOptions,
    DenseConvGeneratorOptions,
    LatentSkipDiscriminatorOptions,
    LatentSkipGeneratorOptions,
    MLPDiscriminatorOptions,
    MLPGeneratorOptions,
    PatchDiscriminatorOptions,
    R3GANDiscriminatorOptions,
    R3GANGeneratorOptions,
)
from ganwright.train.plan import Trials
from ganwright.train.recipes import Recipe, Row, TrainOptions

__all__ = ["RECIPES", "choose", "for_task"]

# Above the tutorials' 2e-4: the generator's average takes out the noise that it brings.
ADAM = OptimiserOptions(rate=5e-4)
WIDE_BATCH = TrainOptions(batch=128)  # dense layers are fast at it; convolutions gain nothing


def _mlp() -> Recipe:
    return Recipe(
        name="mlp",
        generator=MLPGeneratorOptions(widths=(256, 512, 1024)),
        discriminator=MLPDiscriminatorOptions(widths=(1024, 512, 256), dropout=0.3),
        game=GameOptions(labels=LabelOptions(real=0.9)),
        generator_optimiser=ADAM,
        discriminator_optimiser=ADAM,
        train=WIDE_BATCH,
    )


def _mlp_small() -> Recipe:
    return Recipe(
        name="mlp-small",
        generator=MLPGeneratorOptions(widths=(128, 128)),
        discriminator=MLPDiscriminatorOptions(widths=(128, 128)),
        generator_optimiser=ADAM,
        discriminator_optimiser=ADAM,
        train=WIDE_BATCH,
    )


def _mlp_minimax() -> Recipe:
    rmsprop = OptimiserOptions(kind="rmsprop", rate=2e-4, beta2=0.9)
    return replace(
        _mlp_small(),
        name="mlp-small-minimax",
        game=GameOptions(loss="minimax"),
        generator_optimiser=rmsprop,
        discriminator_optimiser=rmsprop,
    )


def _dense_conv() -> Recipe:
    # No batch norm and a quicker discriminator: a dense one is weak against convolutions, and so
    # the digits came several times sooner (docs/benchmarks.md).
    return Recipe(
        name="dense-conv",
        generator=DenseConvGeneratorOptions(norm="none"),
        discriminator=MLPDiscriminatorOptions(widths=(512, 256), dropout=0.3),
        generator_optimiser=ADAM,
        discriminator_optimiser=OptimiserOptions(rate=1e-3),
        train=WIDE_BATCH,
    )


def _latent_skip() -> Recipe:
    return Recipe(
        name="latent-skip",
        generator=LatentSkipGeneratorOptions(),
        discriminator=LatentSkipDiscriminatorOptions(dropout=0.3),
        generator_optimiser=ADAM,
        discriminator_optimiser=ADAM,
        train=WIDE_BATCH,
    )


def _latent_skip_minimax() -> Recipe:
    return replace(_latent_skip(), name="latent-skip-minimax", game=GameOptions(loss="minimax"))


def _dcgan() -> Recipe:
    return Recipe(
        name="dcgan",
        generator=DCGANGeneratorOptions(),
        discriminator=DCGANDiscriminatorOptions(dropout=0.3),
        generator_optimiser=ADAM,
        discriminator_optimiser=ADAM,
    )


def _wgan_gp() -> Recipe:
    adam = OptimiserOptions(rate=5e-4, beta1=0.5, beta2=0.9)
    return Recipe(
        name="wgan-gp",
        latent=LatentOptions(dim=128),
        generator=DCGANGeneratorOptions(activation="relu"),
        discriminator=DCGANDiscriminatorOptions(),
        game=GameOptions(
            loss="wasserstein", penalty=PenaltyOptions(gradient_penalty=10), discriminator_steps=5
        ),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
    )


def _sngan() -> Recipe:
    return Recipe(
        name="sngan",
        latent=LatentOptions(dim=128),
        generator=DCGANGeneratorOptions(activation="relu"),
        discriminator=DCGANDiscriminatorOptions(norm="spectral"),
        game=GameOptions(loss="hinge"),
        generator_optimiser=ADAM,
        discriminator_optimiser=ADAM,
    )


def _lsgan() -> Recipe:
    # Without the paper's batch norm in D: with classes it brought each to a single picture.
    return replace(
        _dcgan(),
        name="lsgan",
        generator=DCGANGeneratorOptions(activation="relu"),
        game=GameOptions(loss="least-squares"),
    )


def _relativistic() -> Recipe:
    # The rate falls late: until then a constant one gets further, whatever the length of the run.
    adam = OptimiserOptions(rate=1e-3, final_rate=5e-5, decay_last=0.3, beta1=0.0, beta2=0.99)
    return Recipe(
        name="relativistic",
        latent=LatentOptions(dim=64),
        generator=DCGANGeneratorOptions(norm="none"),
        discriminator=DCGANDiscriminatorOptions(),
        game=GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=1, r2=1)),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
    )


def _r3gan() -> Recipe:
    # The paper's 2e-4 → 5e-5 is for 768 channels; what Adam's step does to a sum goes with their number.
    # Small batches: in a short run the number of steps is what is short.
    adam = OptimiserOptions(rate=3e-3, final_rate=7.5e-4, beta1=0.0, beta2=0.9, final_beta2=0.99)
    return Recipe(
        name="r3gan",
        latent=LatentOptions(dim=64),
        generator=R3GANGeneratorOptions(),
        discriminator=R3GANDiscriminatorOptions(),
        game=GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=1, r2=1)),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        train=TrainOptions(batch=32),
    )


def _restore() -> Recipe:
    # L1 decides where the truth can be known, and the discriminator where it can't.
    adam = OptimiserOptions(rate=1e-3, final_rate=5e-5, decay_last=0.5, beta1=0.0, beta2=0.99)
    return Recipe(
        name="restore",
        latent=LatentOptions(dim=16),
        generator=RestorerOptions(),
        discriminator=PatchDiscriminatorOptions(sees=3),
        game=GameOptions(
            loss="relativistic-paired",
            penalty=PenaltyOptions(r1=0.1, r2=0.1),
            likelihood=50,
            adversarial=1,
            adversarial_every=2,
        ),
        generator_optimiser=replace(adam, beta1=0.9),
        discriminator_optimiser=adam,
        train=TrainOptions(batch=32),
    )


class Published(NamedTuple):
    """R3GAN's settings for one size (Huang et al. 2024, table 9)."""

    batch: int
    gamma: float  # falls to a tenth
    p: float  # of augmentation, in the end


BURN_IN_KIMG = 20_000.0  # in which all its schedules reach their ends
# 64 and 256 are those of FFHQ. The authors don't give 128: it is the geometric mean of its neighbours.
PUBLISHED = {
    64: Published(batch=256, gamma=2, p=0.3),
    128: Published(batch=256, gamma=17, p=0.3),
    256: Published(batch=256, gamma=150, p=0.3),
}


def _published(side: int) -> Recipe:
    """R3GAN as published: its widest nets and schedules of 20 million examples, for GPUs and days."""
    its = PUBLISHED[side]
    adam = OptimiserOptions(
        rate=2e-4, final_rate=5e-5, decay_kimg=BURN_IN_KIMG, beta1=0.0, beta2=0.9, final_beta2=0.99
    )
    return Recipe(
        name=f"r3gan-{side}",
        latent=LatentOptions(dim=64),
        generator=R3GANGeneratorOptions(size="l"),
        discriminator=R3GANDiscriminatorOptions(size="l"),
        game=GameOptions(
            loss="relativistic-paired",
            penalty=PenaltyOptions(r1=its.gamma, r2=its.gamma),
            gamma=GammaOptions(final=0.1, decay_kimg=BURN_IN_KIMG),
            augment=AugmentOptions(mode="scheduled", p=its.p, p_kimg=BURN_IN_KIMG),
        ),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        train=TrainOptions(
            batch=its.batch, average_kimg=500, average_ramp=1, average_rise_kimg=BURN_IN_KIMG
        ),
    )


def _published_row(side: int, source: str) -> Row:
    return Row(
        make=partial(_published, side),
        summary=f"r3gan at 768 channels, batch {PUBLISHED[side].batch}, schedules of 20,000 kimg, {source}",
        mended="named presets of its own data sets only, and γ of other sizes was for the user to find",
    )


def _translate() -> Recipe:
    restorer = _restore()
    return replace(
        restorer,
        name="translate",
        generator=TranslatorOptions(),
        discriminator=PatchDiscriminatorOptions(),
        game=replace(restorer.game, adversarial_every=1),
    )


RECIPES: dict[str, Row] = {
    "mlp": Row(
        make=_mlp,
        summary="100 → 256 → 512 → 1024 → pixels against 1024 → 512 → 256 → 1, targets of 0.9",
        mended="smoothed both labels, and drew batches out of the range of the data",
    ),
    "mlp-small": Row(
        make=_mlp_small,
        summary="two hidden layers of 128 on each side; non-saturating, Adam",
        mended="put a sigmoid in front of a loss that takes logits, so the game was scored on "
        "σ(σ(x)) and gradients vanished",
    ),
    "mlp-small-minimax": Row(
        make=_mlp_minimax,
        summary="the same nets with the value function as first printed; RMSprop",
        mended="took the mean of log(1 − D) of a clamped probability: a constant, with no "
        "gradient, as soon as the discriminator was sure",
    ),
    "dense-conv": Row(
        make=_dense_conv,
        summary="dense 256 → 512 → 1024 → 7·7·256, then upsampling convolutions, against an MLP",
        mended="reshaped to a size the dense layer didn't have, and fitted 28×28 pictures only",
    ),
    "latent-skip": Row(
        make=_latent_skip,
        summary="deep nets of width 256 that see the latent again at every stage",
        mended="stacked the stages without residuals, so that beyond a few nothing trained",
    ),
    "latent-skip-minimax": Row(
        make=_latent_skip_minimax,
        summary="the same with the saturating form of the value function",
        mended="gave both players the same sign, so that the generator helped its opponent",
    ),
    "dcgan": Row(
        make=_dcgan,
        summary="transposed convolutions 128 → 64 → channels, batch norm, against 64 → 128",
        mended="froze the discriminator before compiling it, so that it was never updated, and "
        "passed Keras's batch-norm momentum of 0.8 where the opposite convention reads it",
    ),
    "wgan-gp": Row(
        make=_wgan_gp,
        summary="Wasserstein critic with gradient penalty, five critic steps a round",
        mended="took one interpolation weight for the whole batch, and batch norm in the "
        "critic, which the penalty forbids",
    ),
    "sngan": Row(
        make=_sngan,
        summary="hinge loss, spectral normalisation of every discriminator layer",
        mended="left the last layer unnormalised, so that the bound on the critic was none",
    ),
    "lsgan": Row(
        make=_lsgan,
        summary="least squares on raw outputs; the nets of dcgan",
        mended="kept the sigmoid, which brings back the saturation the loss is there to avoid",
    ),
    "relativistic": Row(
        make=_relativistic,
        summary="relativistic paired loss with R1 and R2 on both sides, no batch norm",
        mended="penalised every 16th step only, which lets the game diverge",
    ),
    "r3gan": Row(
        make=_r3gan,
        summary="residual nets without normalisation, relativistic paired loss, R1 and R2",
        mended="ran on compiled kernels of one maker's cards only, in sizes of powers of two",
    ),
    "r3gan-64": _published_row(64, "as published for 64×64"),
    "r3gan-128": _published_row(128, "γ between those published for 64×64 and 256×256"),
    "r3gan-256": _published_row(256, "as published for 256×256"),
    "restore": Row(
        make=_restore,
        summary="a U-Net that repairs damaged images, against a discriminator of patches; for --task",
        mended="normalised by instance, so that large pictures fell apart into tiles",
        instead="--task denoise, deblur, inpaint, upscale or colourise",
    ),
    "translate": Row(
        make=_translate,
        summary="a U-Net that makes another kind of picture from one, against a discriminator of patches; "
        "for --pairs, and for --from with --to",
        mended="took the noise for granted that dropout is, and one size of picture",
        instead="--pairs A B, or --from A --to B",
    ),
}
PAIRED_L1, CONTRAST = 100, 1  # weights: Isola et al. 2017; Park et al. 2020
# What depends on the task. A hole can be filled in many ways, of which L1 knows only the mean: at 10 what
# is made stayed soft (docs/benchmarks.md).
FOR_TASK: dict[str, dict[str, Any]] = {
    "inpaint": {"game.likelihood": 1, "game.adversarial_every": 1},
}


def for_task(
    task: str, data: Dataset, settings: Mapping[str, Any]
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of a task on these images, and what it learns from. Raises UnknownName.

    Unless `settings` say otherwise, it is learned at the images' own scale: resized ones are sharper.
    """
    chosen = data.options.of(ImageOptions)
    if not {"data.size", "data.fit"} & {name.replace("data.image.", "data.") for name in settings}:
        chosen = replace(chosen, size=None, fit="cut")
    if task == "translate":
        return _for_translation(data, chosen)
    damage = TASKS[task]
    if has_alpha(data.codec.channels):  # `restore` keeps it as it is
        chosen = replace(chosen, channels=data.codec.channels - 1)
    channels = chosen.channels or data.codec.channels
    about = {"generator.task": task, "discriminator.sees": channels + damage.masked}
    recipe = override(RECIPES["restore"].make(), about | FOR_TASK.get(task, {}))
    recipe = replace(recipe, data=data.options.having(chosen))
    return recipe, (f"recipe restore: learns to {task} from clean pictures; damage: {damage.says}",)


def _for_translation(data: Dataset, chosen: ImageOptions) -> tuple[Recipe, tuple[str, ...]]:
    codec, paired = data.codec, chosen.paired
    given = codec.source.channels
    settings = {
        "generator.given": given,
        "generator.maps": isinstance(codec.source, MapCodec),
        "generator.paired": paired,
        "generator.mirror": paired,  # unpaired, results would come out mirrored, too
        "discriminator.sees": given if paired else 0,
        "game.likelihood": PAIRED_L1 if paired else CONTRAST,
    }
    by = "pairs of pictures" if paired else "two unrelated sets of pictures"
    why = f"recipe translate: learns to translate {codec.source.makes} from {by}"
    recipe = override(RECIPES["translate"].make(), settings)
    return replace(recipe, data=data.options.having(chosen)), (why,)


def choose(
    data: Dataset, *, minutes: float | None, trials: Trials
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for these images and this budget, and the reasons in whole sentences."""
    if isinstance(data.codec, PairCodec):
        return _for_translation(data, data.options.of(ImageOptions))
    return chosen_by_budget(data, minutes=minutes, trials=trials)
