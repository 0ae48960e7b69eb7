"""The mathematics of the game: tensors in, tensors out; no device, log or file."""

from ganwright.game.average import Average
from ganwright.game.control import Gamma, GammaOptions
from ganwright.game.latents import LATENTS, LatentOptions, Truncate
from ganwright.game.losses import LOSSES, LabelOptions, Loss, Targets
from ganwright.game.optimisers import OPTIMISERS, OptimiserOptions, optimiser, set_beta2, set_rate
from ganwright.game.penalties import PENALTIES, Penalty, squared_gradient
from ganwright.game.portions import PortionedGame
from ganwright.game.privacy import Accountant, Ledger, PrivacyOptions
from ganwright.game.private import PrivateGame
from ganwright.game.remedies import RemedyOptions
from ganwright.game.rules import check
from ganwright.game.step import Batch, Game, GameOptions, PenaltyOptions, Result
from ganwright.modalities.images.augment.operations import Augment, AugmentOptions, check_augment

__all__ = [
    "LATENTS",
    "LOSSES",
    "OPTIMISERS",
    "PENALTIES",
    "Accountant",
    "Augment",
    "AugmentOptions",
    "Average",
    "Batch",
    "Game",
    "GameOptions",
    "Gamma",
    "GammaOptions",
    "LabelOptions",
    "LatentOptions",
    "Ledger",
    "Loss",
    "OptimiserOptions",
    "Penalty",
    "PenaltyOptions",
    "PortionedGame",
    "PrivacyOptions",
    "PrivateGame",
    "RemedyOptions",
    "Result",
    "Targets",
    "Truncate",
    "check",
    "check_augment",
    "optimiser",
    "set_beta2",
    "set_rate",
    "squared_gradient",
]
