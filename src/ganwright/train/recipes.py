"""Recipes: full, named, typed configurations. Each modality has its own, in its part `recipes`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ganwright.base.modality import parts
from ganwright.base.names import Names
from ganwright.base.options import Field, options
from ganwright.data import DataOptions
from ganwright.game import GameOptions, LatentOptions, OptimiserOptions
from ganwright.game.schedule import cosine
from ganwright.model import DiscriminatorOptions, GeneratorOptions, NetOptions

Precision = Literal["auto", "float32", "bfloat16"]


@options
class TrainOptions:
    """How long, in what batches, and what is written when."""

    batch: int = Field(default=64, ge=2, le=65536, description="real examples in one batch")
    microbatch: int | None = Field(
        default=None,
        ge=1,
        description="examples computed at a time, with accumulated gradients, to save memory; none: all",
    )
    kimg: float | None = Field(
        default=None,
        gt=0,
        description="budget in thousand real examples shown to the discriminator",
    )
    minutes: float | None = Field(default=None, gt=0, description="budget in minutes of training")
    seed: int = Field(default=0, ge=0, description="seed of all randomness")
    average_kimg: float = Field(
        default=20.0,
        ge=0,
        description="half-life of the generator's moving average, in thousand examples",
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
        description="the half-life rises from 0 over this many thousand examples, along a cosine",
    )
    precision: Precision = Field(
        default="auto",
        description="of the forward passes; auto: bfloat16 where the hardware has it",
    )
    capture: Literal["auto", "off"] = Field(
        default="auto",
        description="auto: on a GPU, play rounds as CUDA graphs where they can be captured",
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
    score_features: str | None = Field(
        default=None,
        description="features that scores use; none given: by the data and the length of the run",
    )
    freeze_d: int = Field(
        default=0, ge=0, description="number of D's first stages frozen after a transfer"
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop after this many scores without improvement"
    )
    repairs: int = Field(
        default=3, ge=0, description="how often the guard may roll back a failing run; 0: never"
    )

    def half_life_at(self, seen: int) -> float:
        """Half-life of the generator's average, in examples, after `seen` of them."""
        whole = self.average_kimg * 1000
        risen = cosine(0.0, whole, seen, round(self.average_rise_kimg * 1000))
        return min(risen, self.average_ramp * seen)


@options
class StartOptions:
    """The model whose weights a run starts from; without one they are random."""

    model: str | None = Field(default=None, description="folder of a run or of a model")
    fingerprint: str | None = Field(
        default=None, description="of its weights; a repetition must start from the same ones"
    )


@options
class Recipe:
    """Everything that determines a run, except the data."""

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
    """A recipe, what it is, and what a widely copied version of it got wrong.

    `instead` is what to give on the command line instead of its name, where settings of it follow from that.
    """

    make: Callable[[], Recipe]
    summary: str
    mended: str
    instead: str = ""


class Recipes(Names[Row]):
    """The recipes of all modalities, loaded on first use."""

    def __init__(self) -> None:
        self.kind = "recipe"

    @cached_property
    def _rows(self) -> dict[str, Row]:  # type: ignore[override]
        return {name: row for one in parts("recipes").values() for name, row in one.RECIPES.items()}


RECIPES = Recipes()
