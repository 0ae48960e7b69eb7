"""A table with everything in it, and rows made of it in ways whose faults are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.data import Dataset
from ganwright.evaluate import Card, evaluate

N = 4000


def draw(n: int, seed: int) -> pd.DataFrame:
    """Numbers, whole numbers with a spike, words, truths, dates, missing cells, all of them related."""
    rng = np.random.default_rng(seed)
    job = rng.choice(["clerk", "nurse", "pilot", "smith"], n, p=[0.5, 0.3, 0.17, 0.03])
    age = np.clip(rng.normal(40 + 5 * (job == "pilot"), 11, n), 18, 80).round()
    pay = (np.exp(rng.normal(6 + 0.02 * age + 0.8 * (job == "pilot"), 0.3))).round(2)
    gift = np.where(rng.random(n) < 0.8, 0, rng.integers(1, 500, n))
    since = pd.Timestamp("2020-01-01") - pd.to_timedelta((age * 100).astype(int), unit="D")
    income = np.where(pay + gift + rng.normal(0, 60, n) > 1000, "yes", "no")
    frame = pd.DataFrame(
        {
            "age": age.astype(int),
            "job": job,
            "pay": pay,
            "gift": gift,
            "since": since,
            "income": income,
        }
    )
    frame.loc[rng.random(n) < 0.04 + 0.1 * (job == "clerk"), "pay"] = np.nan
    frame.loc[rng.random(n) < 0.05, "job"] = None
    return frame


@pytest.fixture(scope="session")
def people() -> Callable[[int, int], pd.DataFrame]:
    """n rows by a seed."""
    return draw


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return draw(N, 0)


@pytest.fixture(scope="session")
def source(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def data(source: Path) -> Dataset:
    return gw.open_data(source)


@pytest.fixture(scope="session")
def training(data: Dataset) -> pd.DataFrame:
    return data.examples(data.train).to_pandas()


@pytest.fixture(scope="session")
def judged(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Card]:
    """The card of rows against the table."""
    folder = tmp_path_factory.mktemp("samples")

    def make(rows: pd.DataFrame, name: str, **rest: object) -> Card:
        path = folder / f"{name}.csv"
        rows.to_csv(path, index=False)
        return evaluate(path, source, **rest)  # type: ignore[arg-type]

    return make
