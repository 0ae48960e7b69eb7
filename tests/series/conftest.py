"""Series of a stated process, and a run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganwright.cli.app import run

QUICK = ["--set", "generator.width=8", "--set", "discriminator.width=8", "--set", "train.batch=16"]


def load(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """An hourly load of two sensors, one of which fails now and then; what is constant, and whole numbers."""
    rng = np.random.default_rng(seed)
    shock = rng.normal(size=(rows, 2))
    level = np.zeros((rows, 2))
    for t in range(1, rows):
        level[t] = 0.8 * level[t - 1] + shock[t] + 0.5 * shock[t, ::-1]
    frame = pd.DataFrame(
        {
            "hour": pd.date_range("2026-01-01", periods=rows, freq="h").strftime("%Y-%m-%d %H:%M"),
            "load": (50 + 10 * level[:, 0]).round(1),
            "site": "north",
            "spare": level[:, 1].round(3),
            "count": rng.poisson(5, rows),
        }
    )
    lost = rng.random(rows) < 0.1
    frame.loc[lost, "spare"] = np.nan
    return frame


def walks(count: int = 60, length: int = 16, seed: int = 0) -> pd.DataFrame:
    """Many short series: who walks, of which kind, how tall; kind "up" goes up and "down" down."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(count):
        kind = "up" if i % 3 else "down"
        steps = rng.normal(0.5 if kind == "up" else -0.5, 0.3, length)
        parts.append(
            pd.DataFrame(
                {
                    "who": f"w{i}", "step": np.arange(length), "kind": kind,
                    "tall": 1.5 + (i % 7) / 10, "place": steps.cumsum().round(3),
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny runs: `load`, one series, and `walks`, many with classes. For reading only."""
    folder = tmp_path_factory.mktemp("series")
    load().to_csv(folder / "load.csv", index=False)
    walks().to_csv(folder / "walks.csv", index=False)
    for name, more in (
        ("load", ["--set", "data.series.length=12"]),
        ("walks", ["--set", "data.series.time=step", "--set", "data.series.classes=kind"]),
    ):
        words = ["train", str(folder / f"{name}.csv"), "--kimg", "1", "--out", str(folder / name)]
        assert run([*words, *more, *QUICK]) == 0
    return folder
