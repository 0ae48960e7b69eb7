"""Ganwright trains GANs on images, tables, texts and counts, and reports how good their samples are.

>>> import ganwright as gw
>>> gw.open_data("digits").spec.shape
(1, 8, 8)
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganwright._version import __version__

if TYPE_CHECKING:
    from ganwright.api import (
        augment,
        detect,
        evaluate,
        explore,
        fill,
        forecast,
        load,
        restore,
        train,
        translate,
    )
    from ganwright.base.errors import GanwrightError
    from ganwright.benchmark import Comparison, compare_recipes
    from ganwright.data import Dataset, inspect_data, open_data
    from ganwright.evaluate.card import Card
    from ganwright.model import Model
    from ganwright.report import write_report
    from ganwright.train import RECIPES, Recipe, Run

__all__ = [
    "RECIPES",
    "Card",
    "Comparison",
    "Dataset",
    "GanwrightError",
    "Model",
    "Recipe",
    "Run",
    "__version__",
    "augment",
    "compare_recipes",
    "detect",
    "evaluate",
    "explore",
    "fill",
    "forecast",
    "inspect_data",
    "load",
    "open_data",
    "restore",
    "train",
    "translate",
    "write_report",
]

# Names are loaded on first use: importing the package must not import torch.
_HOMES = {
    "augment": "ganwright.api",
    "detect": "ganwright.api",
    "explore": "ganwright.api",
    "fill": "ganwright.api",
    "forecast": "ganwright.api",
    "evaluate": "ganwright.api",
    "load": "ganwright.api",
    "restore": "ganwright.api",
    "train": "ganwright.api",
    "translate": "ganwright.api",
    "Card": "ganwright.evaluate.card",
    "Comparison": "ganwright.benchmark",
    "compare_recipes": "ganwright.benchmark",
    "GanwrightError": "ganwright.base.errors",
    "Dataset": "ganwright.data",
    "inspect_data": "ganwright.data",
    "open_data": "ganwright.data",
    "Model": "ganwright.model",
    "write_report": "ganwright.report",
    "RECIPES": "ganwright.train",
    "Recipe": "ganwright.train",
    "Run": "ganwright.train",
}


class _Face(ModuleType):
    """A subpackage and a function may share a name (train): the package exposes the function.

    Otherwise Python would replace it by the subpackage as soon as anything imports that.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganwright' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
