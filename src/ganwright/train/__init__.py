"""The training program: a plain loop, one atomic checkpoint, recipes."""

from ganwright.train.plan import Plan
from ganwright.train.recipes import RECIPES, Recipe, TrainOptions
from ganwright.train.run import Run, begin, go_on, prepare

__all__ = ["RECIPES", "Plan", "Recipe", "Run", "TrainOptions", "begin", "go_on", "prepare"]
