"""`ganwright doctor` on runs that were made to fail on purpose, and on one that was not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.base.errors import Diverged, Interrupted
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run as ganwright
from ganwright.report.doctor import Logits, Patient, _more_data, examine
from ganwright.report.facts import read_run

BOTH = ("generator_optimiser.rate", "discriminator_optimiser.rate")


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., list[str]]:
    """Trains on digits, and gives the names of what the doctor finds."""

    def train(recipe: str, kimg: float, data: Any = "digits", **settings: Any) -> list[str]:
        out = tmp_path / "run"
        settings["train.repairs"] = 0  # the guard would act
        gw.train(data, recipe=recipe, kimg=kimg, out=out, settings=settings)
        return [one.name for one in examine(out)]

    return train


def test_a_discriminator_that_wins(trained: Callable[..., list[str]]) -> None:
    found = trained("mlp-small-minimax", 8, **{"discriminator_optimiser.rate": 0.05})
    assert found[0] == "discriminator wins"


def test_a_discriminator_that_gives_up(trained: Callable[..., list[str]]) -> None:
    weights = {f"game.penalty.{name}": 3e3 for name in ("r1", "r2")}
    assert trained("relativistic", 6, **weights)[0] == "discriminator gives up"


def test_a_collapse(trained: Callable[..., list[str]]) -> None:
    assert "collapsed" in trained("relativistic", 4, **dict.fromkeys(BOTH, 10.0))


def test_a_divergence(tiny: Any, tmp_path: Path) -> None:
    def spoil(trainer: Any) -> None:
        next(iter(trainer.game.generator.parameters())).data.fill_(np.nan)

    with pytest.raises(Diverged):
        tiny.run(tmp_path / "run", "mlp", observer=tiny.Watcher(spoil))
    first = examine(tmp_path / "run")[0]
    assert first.name == "diverged" and "no rollback helped" in first.words
    assert any("generator_optimiser.rate" in line for line in first.remedies)


def test_an_interrupted_run_and_one_cut_off(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        tiny.run(out, "mlp", stopped=lambda: True)
    assert examine(out)[0].name == "interrupted"
    log = RunFolder(out).log
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    (found,) = [one for one in examine(out) if one.name == "cut off"]
    assert found.remedies[0].endswith("--resume")
    with RunFolder(out).locked():
        assert "running" in [one.name for one in examine(out)]


def test_a_healthy_run_and_as_json(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its log, with scores as good as those of real examples."""
    shutil.copytree(digits_run, tmp_path / "run")
    log = tmp_path / "run/log.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    for event in events:
        event |= {"fid": 1.1, "floor": 1.0, "variety": 0.9} if event["event"] == "score" else {}
        event |= {"variety": 0.9} if event["event"] == "snapshot" else {}
    events = [event for event in events if event["event"] != "guard"]
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert [one.name for one in examine(tmp_path / "run")] == ["healthy"]
    assert ganwright(["doctor", str(tmp_path / "run"), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["name"] == "healthy" and said["words"]


def test_augmentation_is_advised_only_where_there_is_one(digits_run: Path) -> None:
    patient = Patient.of(read_run(digits_run))
    assert patient.logits is not None
    series = replace(patient, logits=replace(patient.logits, augments=False))
    assert any("augment" in line for line in _more_data(patient))
    assert not any("augment" in line for line in _more_data(series))


def test_the_check_of_overfitting_reads_the_discriminator(digits_run: Path) -> None:
    """Against float64 means of its logits."""
    found = Patient.of(read_run(digits_run)).logits
    assert found is not None and found.n == 342 and found.augments
    logits = Logits(train=2.0, heldout=1.0, made=0.0, error=0.2, n=9)
    assert logits.apart == 0.5 and logits.overfit
    assert not replace(logits, error=0.4).overfit and not replace(logits, heldout=1.1).overfit
    model, data = gw.load(digits_run), gw.open_data("digits")
    stored, labels = data.batch(data.heldout)
    condition = model.generator.condition(stored, labels)
    expected = model.discriminator(data.codec.encode(stored), condition).double().mean()
    assert found.heldout == pytest.approx(float(expected), rel=1e-5)


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ganwright(["doctor", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err


def test_what_the_guard_did_is_told(tmp_path: Path) -> None:
    settings = {"discriminator_optimiser.rate": 0.05}
    gw.train("digits", recipe="mlp-small-minimax", kimg=8, out=tmp_path / "run", settings=settings)
    (found,) = [one for one in examine(tmp_path / "run") if one.name == "went back"]
    assert "D had won: back to" in found.evidence[0] and "a tenth of D's" in found.evidence[0]
