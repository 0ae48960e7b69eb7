"""Scores in training: by the selection half alone, the best kept, patience, the same after a stop."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.base.errors import Interrupted, OptionError
from ganwright.data import Dataset
from ganwright.evaluate import fid, scorer
from ganwright.evaluate.scorer import Scorer, scoring
from ganwright.model import Model

OFTEN = {"train.score_kimg": 0.032, "train.score_features": "pixels"}


def scores(run: gw.Run) -> list[dict[str, Any]]:
    return [event for event in run.log if event["event"] == "score"]


def best(run: gw.Run) -> bytes:
    return (run.path / "best" / "model.safetensors").read_bytes()


class Spied(np.ndarray):
    """Rows that note which of them are looked at."""

    asked: set[int]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray):
            self.asked.update(key.tolist())
        return np.asarray(super().__getitem__(key))


def test_only_the_selection_half_is_looked_at(digits: Dataset, digits_run: Path) -> None:
    rows = np.array(digits.rows).view(Spied)
    rows.asked = set()
    selection, final = digits.heldout_halves
    made = Scorer(replace(digits, rows=rows), "pixels")
    found = made(Model.load(digits_run))
    assert set(selection.tolist()) <= rows.asked
    assert not set(final.tolist()) & rows.asked
    assert made.real.n == len(selection) == 170
    assert found == made(Model.load(digits_run))
    assert found["floor"] < found["fid"] and found["n"] == 1000
    assert all(isinstance(value, float) for value in found.values())


def test_best_is_the_lowest(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "run", settings=OFTEN)
    found = scores(run)
    assert [event["seen"] for event in found] == [32, 64, 96, 128, 160, 192, 208]
    lowest = min(found, key=lambda event: event["fid"])
    assert Model.load(run.path / "best").seen == lowest["seen"]
    assert [e["seen"] for e in found if e["is_best"]][-1] == lowest["seen"]
    for event in found:
        assert all(isinstance(value, int | float) for k, value in event.items() if k != "event")
        assert event["fid_error"] > 0 and 0 <= event["coverage"] <= 1
    again = Scorer(gw.open_data("digits"), "pixels")(Model.load(run.path / "best"))
    assert again["fid"] == lowest["fid"]


def test_scores_change_nothing_in_training(tiny: Any, tmp_path: Path) -> None:
    off = tiny.run(tmp_path / "off", settings={"train.score_features": "off"})
    on = tiny.run(tmp_path / "on", settings=OFTEN)
    assert scores(off) == [] and tiny.weights(off.path) == tiny.weights(on.path)


def test_patience_ends_the_run(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falls = {32: 5.0, 64: 3.0, 96: 4.0, 128: 3.0, 160: 1.0}
    monkeypatch.setattr(Scorer, "__call__", lambda self, model: _event(falls[model.seen]))
    run = tiny.run(tmp_path / "run", settings=OFTEN | {"train.patience": 2})
    assert [event["fid"] for event in scores(run)] == [5.0, 3.0, 4.0, 3.0]
    (end,) = [event for event in run.log if event["event"] == "patience"]
    assert (end["seen"], end["scores_without_improvement"]) == (128, 2)
    assert run.log[-1]["event"] == "done" and run.log[-1]["seen"] == 128
    assert Model.load(run.path / "best").seen == 64


def _event(value: float) -> dict[str, float]:
    rest = {"fid_error": 0.1, "floor": 0.1, "coverage": 1.0, "unique": 1.0}
    return {"fid": value} | rest


@pytest.mark.parametrize("at", [48, 96])  # between two scores, and at one
def test_a_stop_changes_neither_scores_nor_the_best(tiny: Any, tmp_path: Path, at: int) -> None:
    whole = tiny.run(tmp_path / "whole", settings=OFTEN)

    def act(trainer: Any) -> None:
        if trainer.seen == at:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        tiny.run(tmp_path / "cut", settings=OFTEN, observer=tiny.Watcher(act))
    cut = tiny.run(tmp_path / "cut", settings=OFTEN, resume=True)

    def told(run: gw.Run) -> list[dict[str, Any]]:
        return [{k: v for k, v in e.items() if "seconds" not in k} for e in scores(run)]

    assert told(cut) == told(whole) and best(cut) == best(whole)
    assert tiny.weights(cut.path) == tiny.weights(whole.path)


def test_the_best_survives_a_repair(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What best/ holds stays the measure when the run is set back behind it."""
    falls = chain([5.0, 1.0], repeat(3.0))
    monkeypatch.setattr(Scorer, "__call__", lambda self, model: _event(next(falls)))
    import torch

    def act(trainer: Any) -> None:
        if trainer.seen == 80 and trainer.rollbacks == 0:
            with torch.no_grad():
                next(trainer.game.generator.parameters()).fill_(float("nan"))
            trainer.average.network.load_state_dict(trainer.game.generator.state_dict())

    run = tiny.run(
        tmp_path / "run", settings=OFTEN | {"train.score_kimg": 0.016, "train.checkpoint_kimg": 9},
        observer=tiny.Watcher(act), kimg=0.1,
    )  # fmt: skip
    assert [e["fid"] for e in scores(run) if e["is_best"]] == [5.0, 1.0]
    assert Model.load(run.path / "best").seen == 32


def test_a_model_of_nan_is_set_back_before_it_is_scored(tiny: Any, tmp_path: Path) -> None:
    import torch

    def act(trainer: Any) -> None:
        if trainer.seen == 64 and trainer.rollbacks == 0:
            with torch.no_grad():
                next(trainer.average.network.parameters()).fill_(float("nan"))

    seldom = {"train.report_kimg": 9, "train.checkpoint_kimg": 9, "train.snapshot_kimg": 9}
    run = tiny.run(tmp_path / "run", settings=OFTEN | seldom, observer=tiny.Watcher(act))
    assert [e["problem"] for e in run.log if e["event"] == "guard" and "back_to" in e] == [
        "diverged"
    ]
    assert len(scores(run)) >= 6


def test_too_little_held_out_is_said(digits: Dataset, tmp_path: Path) -> None:
    told: list[str] = []
    few = replace(digits, heldout=digits.heldout[:30])
    assert scoring(few, "pixels", say=told.append) is None
    assert told[0].startswith("no scores in training: ") and "need 20" in told[0]
    equal = replace(digits, rows=np.zeros_like(digits.rows))
    assert scoring(equal, "pixels", say=told.append) is None
    assert told[1] == ("no scores in training: features 'pixels': all training pictures are equal")
    with pytest.raises(OptionError, match="weights are not on this machine"):
        scoring(digits, "inception", say=told.append)


def test_shares_have_the_names_of_the_classes(
    digits: Dataset, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functools import partial

    from ganwright.evaluate.features import FeatureOptions, choose_extractor

    quick = partial(choose_extractor, options=FeatureOptions(steps=120))
    monkeypatch.setattr(scorer, "choose_extractor", quick)
    odd = ("a/b", "ö", "", "share_", "x y", "5", "6", "7", '"8"', "n")
    data = replace(digits, spec=replace(digits.spec, classes=odd))
    found = Scorer(data, "learned")(Model.load(digits_run))
    shares = {name: value for name, value in found.items() if name.startswith("share_")}
    assert list(shares) == [f"share_{name}" for name in odd]
    assert sum(shares.values()) == pytest.approx(1)


def test_the_error_is_that_of_drawing_other_samples(
    digits: Dataset, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, model = Scorer(digits, "pixels"), Model.load(digits_run)
    found = made(model)
    drawn = []
    for seed in range(12):
        pictures = model.sample(made.n, seed=seed)
        drawn.append(fid(made.real, made.extractor.features(pictures)))
    assert 0.4 < found["fid_error"] / np.std(drawn, ddof=1) < 2.5
