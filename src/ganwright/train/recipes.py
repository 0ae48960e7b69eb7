"""Recipes: full, named, typed configurations. One derives from another by changing fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ganwright.base.names import Names
from ganwright.base.options import Field, options
from ganwright.data import DataOptions
from ganwright.game import (
    GameOptions,
    LabelOptions,
    LatentOptions,
    OptimiserOptions,
    PenaltyOptions,
    PrivacyOptions,
)
from ganwright.game.schedule import cosine
from ganwright.modalities.tables.options import TableOptions
from ganwright.model import NetOptions
from ganwright.nets import (
    CountsDiscriminatorOptions,
    CountsGeneratorOptions,
    DCGANDiscriminatorOptions,
    DCGANGeneratorOptions,
    DenseConvGeneratorOptions,
    DiscriminatorOptions,
    GeneratorOptions,
    LatentSkipDiscriminatorOptions,
    LatentSkipGeneratorOptions,
    MLPDiscriminatorOptions,
    MLPGeneratorOptions,
    R3GANDiscriminatorOptions,
    R3GANGeneratorOptions,
    TableDiscriminatorOptions,
    TableGeneratorOptions,
)

ScoreFeatures = Literal["learned", "pixels", "columns", "counts", "off"]


@options
class TrainOptions:
    """How long, in what portions, and what is written when."""

    batch: int = Field(default=64, ge=2, le=65536, description="real examples in one batch")
    microbatch: int | None = Field(
        default=None,
        ge=1,
        description="examples computed at a time, gradients added up, in less memory; none: all",
    )
    kimg: float | None = Field(
        default=None,
        gt=0,
        description="budget in thousand real examples shown to the discriminator",
    )
    minutes: float | None = Field(default=None, gt=0, description="budget in minutes of training")
    seed: int = Field(default=0, ge=0, description="all randomness follows from it")
    average_kimg: float = Field(
        default=20.0, ge=0, description="half-life of the generator's average, in thousand examples"
    )
    average_ramp: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="the half-life is at most this share of the examples seen",
    )
    average_rise_kimg: float = Field(
        default=0,
        ge=0,
        description="the half-life rises from 0 over so many thousand examples, along a cosine",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="of the forward passes; auto: bfloat16 where the hardware has it",
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="of the CPU; none: by OMP_NUM_THREADS, or by trial"
    )
    report_kimg: float | None = Field(
        default=None, gt=0, description="between reports; none: from speed"
    )
    snapshot_kimg: float | None = Field(
        default=None, gt=0, description="between sample grids, likewise"
    )
    checkpoint_kimg: float | None = Field(
        default=None, gt=0, description="between checkpoints, likewise"
    )
    score_kimg: float | None = Field(
        default=None, gt=0, description="between scores on held-out examples, likewise"
    )
    score_features: ScoreFeatures | None = Field(
        default=None,
        description="what scores look at; none given: by the data and the length of the run",
    )
    freeze_d: int = Field(
        default=0, ge=0, description="D's first stages that don't learn, after a transfer"
    )
    patience: int | None = Field(
        default=None, ge=1, description="end after so many scores without a better one"
    )
    repairs: int = Field(
        default=3, ge=0, description="how often a diverged run is set back before it ends"
    )

    def half_life_at(self, seen: int) -> float:
        """Half-life of the generator's average, in examples, after `seen` of them."""
        whole = self.average_kimg * 1000
        risen = cosine(0.0, whole, seen, round(self.average_rise_kimg * 1000))
        return min(risen, self.average_ramp * seen)


@options
class StartOptions:
    """The model whose weights a run begins with; without one they are drawn."""

    model: str | None = Field(default=None, description="folder of a run or of a model")
    fingerprint: str | None = Field(
        default=None, description="of its weights, which must be the same in a repetition"
    )


@options
class Recipe:
    """Everything that decides what a run becomes, but the data itself."""

    name: str = "custom"
    data: DataOptions = DataOptions()
    start: StartOptions = StartOptions()
    latent: LatentOptions = LatentOptions()
    generator: GeneratorOptions
    discriminator: DiscriminatorOptions
    game: GameOptions = GameOptions()
    generator_optimiser: OptimiserOptions = OptimiserOptions()
    discriminator_optimiser: OptimiserOptions = OptimiserOptions()
    train: TrainOptions = TrainOptions()

    def net(self) -> NetOptions:
        """The part of the recipe that the finished model needs."""
        return NetOptions(
            latent=self.latent, generator=self.generator, discriminator=self.discriminator
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """A recipe, what it is, and what was wrong with it where it circulates."""

    make: Callable[[], Recipe]
    summary: str
    mended: str


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
        data=DataOptions().having(TableOptions(bins=32)),
        latent=LatentOptions(dim=64),
        generator=TableGeneratorOptions(width=128, blocks=1, whole=True),
        discriminator=TableDiscriminatorOptions(width=128),
        game=GameOptions(privacy=PrivacyOptions(noise=1.5, clip=1.0, epsilon=8.0)),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        train=TrainOptions(batch=512, precision="float32", score_features="off"),
    )


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


RECIPES: Names[Row] = Names(
    "recipe",
    {
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
        "table": Row(
            make=_table,
            summary="rows of a table: any columns given, the others filled in; likelihood and game",
            mended="drew conditions from the wrong frequencies, and could set one column only",
        ),
        "table-private": Row(
            make=_table_private,
            summary="rows of a table with differential privacy, ε = 8: only noisy sums see real rows",
            mended="gave the generator real rows as conditions, beside the account of privacy",
        ),
        "counts": Row(
            make=_counts,
            summary="counts of words: totals of the data, rates by the latent; likelihood and game",
            mended="took logarithms of counts for numbers, which are neither whole nor zero",
        ),
    },
)
