"""The scikit-learn interface: fit, then sample, transform, resample or score.

TableGAN            rows like those it was fitted on, under any conditions
GANImputer          fills missing values, in one table or several
GANSampler          balances classes, of rows or images; in pipelines of imbalanced-learn
GANOutlierDetector  finds unusual rows, with p-values and the columns responsible, or images
DataNote            the warning about something noticed in the data
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganwright.estimators.base import DataNote
    from ganwright.estimators.imputer import GANImputer
    from ganwright.estimators.outliers import GANOutlierDetector
    from ganwright.estimators.sampler import GANSampler
    from ganwright.estimators.table import TableGAN

__all__ = ["DataNote", "GANImputer", "GANOutlierDetector", "GANSampler", "TableGAN"]

_HOMES = {
    "DataNote": "ganwright.estimators.base",
    "GANImputer": "ganwright.estimators.imputer",
    "GANOutlierDetector": "ganwright.estimators.outliers",
    "GANSampler": "ganwright.estimators.sampler",
    "TableGAN": "ganwright.estimators.table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganwright.estimators' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
