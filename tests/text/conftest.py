"""Sentences of a small grammar, of two classes, and runs on them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.cli.app import run as cli
from ganwright.train import plan

NOUNS = {"animal": ["dog", "cat", "horse", "cow"], "vehicle": ["car", "bus", "truck", "bike"]}
COLOURS, VERBS = ["red", "blue", "small", "old"], ["stands", "waits", "moves"]
PLACES = ["near a tree", "on the street", "in the park", "here"]
TINY: dict[str, Any] = {
    "generator.embedding": 16,
    "generator.width": 24,
    "generator.layers": 1,
    "generator.hidden": 16,
    "generator.dropout": 0.0,
    "discriminator.width": 16,
    "latent.dim": 8,
    "train.batch": 64,
    "train.precision": "float32",
    "train.threads": 1,
    "train.score_kimg": 5,
    "train.average_kimg": 0.5,
    "generator_optimiser.rate": 5e-3,
    "discriminator_optimiser.rate": 2e-3,
}


def sentence(rng: np.random.Generator, kind: str) -> str:
    article, end = rng.choice(["a", "the"]), rng.choice(["", "."])
    words = [article, rng.choice(COLOURS), rng.choice(NOUNS[kind]), rng.choice(VERBS)]
    return " ".join([*words, str(rng.choice(PLACES))]) + end


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sentences a line (a.txt) and with their classes (a.csv)."""
    folder, rng = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    kinds = rng.choice(["animal", "vehicle"], 600, p=[0.7, 0.3])
    made = [sentence(rng, kind) for kind in kinds]
    (folder / "a.txt").write_text("\n".join(made) + "\n", encoding="utf-8")
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "kind"), *zip(made, kinds, strict=True)])
    return folder


@pytest.fixture(scope="session", autouse=True)
def _unmeasured() -> Iterator[None]:
    """Runs by kimg don't need to know how fast they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        yield


@pytest.fixture(scope="session")
def text_run(texts: Path) -> Path:
    """A run on sentences, long enough to write some. For reading only."""
    return gw.train(texts / "a.txt", out=texts / "run", kimg=10, settings=TINY).path


@pytest.fixture(scope="session")
def classed_run(texts: Path) -> Path:
    """The same with classes."""
    columns = {"data.text.column": "text", "data.text.class_column": "kind"}
    return gw.train(texts / "a.csv", out=texts / "classed", kimg=10, settings=TINY | columns).path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: its exit code, and what it prints to stdout and stderr."""

    def go(*words: str | Path) -> tuple[int, str, str]:
        code = cli([str(word) for word in words])
        return (code or 0, *capsys.readouterr())

    return go
