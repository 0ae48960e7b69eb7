"""The contracts of scikit-learn and imbalanced-learn, by their own checks."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganwright.estimators import GANImputer, GANOutlierDetector, GANSampler, TableGAN

QUICK = {
    "passes": 4,
    "random_state": 0,
    "settings": {"generator.width": 16, "discriminator.width": 16},
}


@parametrize_with_checks([GANImputer(**QUICK), TableGAN(**QUICK), GANOutlierDetector(**QUICK)])
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


imblearn = pytest.importorskip("imblearn.utils.estimator_checks")


@pytest.mark.parametrize(
    "estimator, check",
    list(imblearn.estimator_checks_generator(GANSampler(**(QUICK | {"passes": 1})))),
    ids=lambda value: getattr(getattr(value, "func", value), "__name__", "sampler"),
)
def test_imbalanced_learn(estimator: Any, check: Any) -> None:
    check(estimator)
