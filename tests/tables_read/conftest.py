"""Small tables, written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    folder = tmp_path / "the cache"
    monkeypatch.setenv("GANWRIGHT_CACHE", str(folder))
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text or bytes as a file: write("a,b\\n1,2\\n", "a.csv")."""

    def make(content: str | bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.fixture
def people() -> pd.DataFrame:
    """200 rows with whole numbers, fractions, words, missing values and dates."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, 200),
            "height": rng.normal(1.7, 0.1, 200).round(2),
            "city": rng.choice(["Rome", "Milan", "Zürich, ZH"], 200),
            "born": pd.to_datetime("1990-01-01") + pd.to_timedelta(rng.integers(0, 999, 200), "D"),
            "income": rng.choice(["<=50K", ">50K"], 200),
        }
    )
    frame.loc[::7, "height"] = np.nan
    return frame
