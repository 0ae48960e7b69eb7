"""Judging drawings of known factors: what the card says is checked against the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ganwright as gw
from ganwright.cli.app import run
from ganwright.modalities.images.read import shapes

Write = Callable[..., Path]
LEFT_OUT = ("circle", "ring")
UNSEEN = shapes.factors(shapes.POSSIBLE)[slice(shapes.COUNT, None)]  # never in the data set


def card_of(samples: Path, out: Path) -> dict:
    """By the real command line."""
    line = ["evaluate", str(samples), "--against", "shapes", "-n", "500", "--features", "learned"]
    assert run([*line, "--json", str(out)]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def test_forms_that_are_left_out_are_seen(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [shapes.FORMS.index(name) for name in LEFT_OUT]
    few = UNSEEN[~np.isin(UNSEEN.form, gone)][slice(500)]
    sets = {"all": UNSEEN[slice(500)], "few": few}
    cards = {
        name: card_of(write(shapes.draw(what), name=name), tmp_path / f"{name}.json")
        for name, what in sets.items()
    }
    told = {name: {k: m["value"] for k, m in c["measures"].items()} for name, c in cards.items()}
    for name, what in sets.items():
        for i, form in enumerate(shapes.FORMS):
            truth = float((what.form == i).mean())
            assert cards[name]["classes"][form]["samples"] == pytest.approx(truth, abs=0.1), form
    assert told["few"]["fid"] > 2 * told["all"]["fid"]
    assert told["few"]["recall"] < told["all"]["recall"] - 0.1
    assert told["few"]["coverage"] < told["all"]["coverage"] - 0.1
    assert told["few"]["precision"] > told["all"]["precision"] - 0.1
    assert told["all"]["copies"] == told["few"]["copies"] == 0


def test_asked_classes_against_the_exact_truth(write: Write, tmp_path: Path) -> None:
    what = UNSEEN[slice(500)]
    asked = np.where(np.arange(500) % 2 == 0, what.form, (what.form + 1) % len(shapes.FORMS))
    read, distance = shapes.nearest(shapes.draw(what))
    exact = float((read.form == asked).mean())
    assert (distance == 0).all() and exact == 0.5
    card = card_of(write(shapes.draw(what), np.array(shapes.FORMS)[asked]), tmp_path / "asked.json")
    assert card["measures"]["obeyed"]["value"] == pytest.approx(exact, abs=0.1)


def test_training_reaches_the_drawings(tiny: object, tmp_path: Path) -> None:
    small = {"generator.width": 4, "discriminator.width": 4, "train.batch": 8}
    made = gw.train(
        "shapes", recipe="relativistic", out=tmp_path / "run", kimg=0.03, settings=small
    )
    samples = gw.load(str(made.path)).sample(4, label="ring")
    assert samples.shape == (4, 32, 32, 3)
