"""Small data, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    folder = tmp_path / "the cache"
    monkeypatch.setenv("GANWRIGHT_CACHE", str(folder))
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Make:
    """Writes a folder of random pictures: pictures("a", 5, size=(8, 8), mode="RGB", suffix="png")."""

    def make(
        folder: str,
        count: int,
        size: tuple[int, int] = (8, 8),
        mode: str = "RGB",
        suffix: str = "png",
        seed: int = 0,
    ) -> Path:
        rng = np.random.default_rng(seed)
        path = tmp_path / "in" / folder
        path.mkdir(parents=True, exist_ok=True)
        channels = len(mode)
        for i in range(count):
            array = rng.integers(0, 256, (*size, channels), np.uint8)
            Image.fromarray(array[:, :, 0] if channels == 1 else array).save(path / f"{i}.{suffix}")
        return path

    return make
