"""Sounds made here: two classes of tones, rising and falling, a quarter of a second at 8 kHz."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import ganwright as gw
from ganwright.evaluate import learned
from ganwright.modalities.audio.waves import write_wav
from ganwright.train import plan

RATE, LENGTH = 8000, 2000
WHO = ("ann", "bob", "cat")


def tone(up: bool, seed: int, length: int = LENGTH, rate: int = RATE) -> np.ndarray:
    """A tone that rises or falls by an octave, of a pitch and a loudness of its own; int16."""
    rng = np.random.default_rng(seed)
    t = np.arange(length) / rate
    start, loud = rng.uniform(300, 1200), rng.uniform(3000, 12000)
    octave = t / t[-1] if up else 1 - t / t[-1]
    wave = np.sin(2 * np.pi * np.cumsum(start * 2**octave) / rate)
    fade = np.minimum(1, np.minimum(t, t[-1] - t) * 100)
    return np.rint(loud * wave * fade).astype(np.int16)


def wav(wave: np.ndarray, rate: int = RATE, depth: str = "16 bit") -> bytes:
    file = io.BytesIO()
    write_wav(file, wave, rate, depth)
    return file.getvalue()


def fill(folder: Path, each: int, name: Callable[[str, str, int], str]) -> Path:
    """`each` sounds of either class under names by class, speaker and number."""
    for i in range(2 * each):
        kind, who = ("down", "up")[i % 2], WHO[i % 3]
        path = folder / name(kind, who, i)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(tone(kind == "up", i)))
    return folder


@pytest.fixture(scope="session", autouse=True)
def _short_lessons() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "STEPS", 40)
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        yield


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per class, 60 sounds each."""
    home = tmp_path_factory.mktemp("sounds")
    return fill(home / "tones", 60, lambda kind, who, i: f"{kind}/{i}.wav")


@pytest.fixture(scope="session")
def run(folders: Path) -> Path:
    """A run on them, of 2,000 examples."""
    out = folders.parent / "run"
    gw.train(
        folders, kimg=2, out=out, progress=False,
        settings={"train.score_features": "spectra", "generator.width": 8, "discriminator.width": 8},
    )  # fmt: skip
    return out
