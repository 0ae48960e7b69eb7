"""Tiny models to start from, trained or merely built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.train import plan, prepare
from ganwright.train.trainer import Trainer

TINY = {
    "generator.width": 4,
    "discriminator.width": 4,
    "train.batch": 16,
    "train.checkpoint_kimg": 0.07,
    "train.report_kimg": 0.05,
}


@pytest.fixture(scope="session")
def unlabelled_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `digits_run`, without classes. For reading only."""
    out = tmp_path_factory.mktemp("runs") / "unlabelled"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        settings = TINY | {"data.labels": False}
        return gw.train("digits", recipe="relativistic", out=out, kimg=0.2, settings=settings).path


@pytest.fixture
def built(tiny: Any, tmp_path: Path) -> Callable[..., Path]:
    """Makes the artefact of a model that was not trained, which takes no time."""

    def build(recipe: str, **settings: Any) -> Path:
        chosen = {"train.batch": 16, **settings}
        prepared = prepare("digits", recipe=recipe, kimg=0.2, device="cpu", settings=chosen)
        out = tmp_path / "source"
        Trainer(prepared.plan.recipe, prepared.data, "cpu").model().save(out)
        return out

    return build


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file of noise with classes."""

    def save(side: int, classes: int, channels: int = 1) -> Path:
        rng = np.random.default_rng(0)
        path = tmp_path / "pictures.npz"
        images = rng.integers(0, 256, (64, side, side, channels), np.uint8)
        np.savez(path, images=images, labels=np.arange(64) % classes)
        return path

    return save
