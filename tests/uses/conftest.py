"""A small table of mixed kinds, a quick model of it, and a run on it as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.base.options import build
from ganwright.data import DataOptions
from ganwright.modalities.tables.dataset import frame_dataset
from ganwright.model import Model
from ganwright.train.in_memory import train_in_memory

QUICK = {"generator.width": 32, "discriminator.width": 32}
ROWS = 300


def mixed(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Columns that hang together by one group in three."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    days = pd.to_timedelta(group * 30 + rng.integers(0, 9, rows), unit="D")
    return pd.DataFrame(
        {
            "color": np.array(["red", "green", "blue"])[group],
            "x": np.round(group * 3 + rng.normal(0, 0.3, rows), 2),
            "count": rng.integers(0, 5, rows) + group,
            "when": pd.Timestamp("2020-01-01") + days,
            "size": pd.Categorical(np.array(["S", "M", "L"])[group], categories=["S", "M", "L"]),
        }
    )


def holes(frame: pd.DataFrame, share: float = 0.15, seed: int = 1) -> pd.DataFrame:
    """The same with cells missing at random, but never a whole row."""
    rng = np.random.default_rng(seed)
    hidden = rng.random(frame.shape) < share
    hidden[hidden.all(axis=1), 0] = False
    return frame.mask(hidden)


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return holes(mixed())


@pytest.fixture(scope="session")
def model(frame: pd.DataFrame) -> Model:
    data = frame_dataset(frame, build(DataOptions, {"holdout": 0.1}), whole=True)
    return train_in_memory(data, settings=QUICK | {"generator.width": 128})


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> Any:
    folder = tmp_path_factory.mktemp("use")
    frame.to_csv(folder / "mixed.csv", index=False)
    settings = QUICK | {"train.batch": 64, "train.score_features": "off"}
    return gw.train(folder / "mixed.csv", out=folder / "run", kimg=6, settings=settings)


@pytest.fixture()
def table(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table of the run, in a folder of its own that one stands in."""
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "mixed.csv"
    target.write_bytes((run.path.parent / "mixed.csv").read_bytes())
    return target
