"""The mathematics of the game: tensors in, tensors out; no device, log or file."""

from ganwright.game.average import Average
from ganwright.game.latents import LATENTS, LatentOptions
from ganwright.game.losses import LOSSES, LabelOptions, Loss, Targets
from ganwright.game.optimisers import OPTIMISERS, OptimiserOptions, optimiser, set_rate
from ganwright.game.penalties import PENALTIES, Penalty, squared_gradient
from ganwright.game.step import Batch, Game, GameOptions, PenaltyOptions, Result, check

__all__ = [
    "LATENTS",
    "LOSSES",
    "OPTIMISERS",
    "PENALTIES",
    "Average",
    "Batch",
    "Game",
    "GameOptions",
    "LabelOptions",
    "LatentOptions",
    "Loss",
    "OptimiserOptions",
    "Penalty",
    "PenaltyOptions",
    "Result",
    "Targets",
    "check",
    "optimiser",
    "set_rate",
    "squared_gradient",
]
