"""The mathematics of the game: tensors in, tensors out; no device, log or file."""

from ganwright.game.accumulation import AccumulatingGame
from ganwright.game.augment import Augment, AugmentOptions
from ganwright.game.average import Average
from ganwright.game.control import Gamma, GammaOptions
from ganwright.game.latents import LATENTS, LatentOptions, Truncate
from ganwright.game.losses import LOSSES, LabelOptions, Loss, Targets
from ganwright.game.numbers import Held
from ganwright.game.optimisers import (
    OPTIMISERS,
    OptimiserOptions,
    optimiser,
    set_beta2,
    set_rate,
    stays_apart,
)
from ganwright.game.penalties import PENALTIES, Penalty, squared_gradient
from ganwright.game.privacy import Accountant, PrivacyOptions, PrivacyState
from ganwright.game.private import PrivateGame
from ganwright.game.regularisers import Anchors, RegulariserOptions
from ganwright.game.round import Batch, Game, GameOptions, Kind, PenaltyOptions, Result
from ganwright.game.rules import check

__all__ = [
    "LATENTS",
    "LOSSES",
    "OPTIMISERS",
    "PENALTIES",
    "Accountant",
    "AccumulatingGame",
    "Anchors",
    "Augment",
    "AugmentOptions",
    "Average",
    "Batch",
    "Game",
    "GameOptions",
    "Gamma",
    "GammaOptions",
    "Held",
    "Kind",
    "LabelOptions",
    "LatentOptions",
    "Loss",
    "OptimiserOptions",
    "Penalty",
    "PenaltyOptions",
    "PrivacyOptions",
    "PrivacyState",
    "PrivateGame",
    "RegulariserOptions",
    "Result",
    "Targets",
    "Truncate",
    "check",
    "optimiser",
    "set_beta2",
    "set_rate",
    "squared_gradient",
    "stays_apart",
]
