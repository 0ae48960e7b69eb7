"""The card as a contract: its JSON, what stays on it, and data that is small or odd."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.base.errors import DataError, OptionError
from ganwright.base.runs import RunFolder
from ganwright.data import Dataset
from ganwright.evaluate import Card, evaluate
from ganwright.evaluate.card import human_entry, keep
from ganwright.evaluate.measures import measures_of

Judged, Write = Callable[..., Card], Callable[..., Path]
ENTRY = {"value", "low", "high", "floor", "baseline", "better", "n"}


def noise(n: int, shape: tuple[int, ...] = (8, 8, 1), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_a_run_is_judged_and_keeps_its_card(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "run")
    card = gw.evaluate(run, n=300, features="learned")
    tree = json.loads((run.path / "card.json").read_text(encoding="utf-8"))
    assert tree == json.loads(json.dumps(card.to_json())) == run.card
    assert {"n", "against", "features", "measures", "warnings", "verdict"} <= set(tree)
    assert tree["against"]["n"] == 172 and len(tree["against"]["fingerprint"]) == 16
    assert tree["features"]["name"] == "learned" and len(tree["features"]["hash"]) == 16
    concerned = measures_of("image")
    assert set(tree["measures"]) == set(concerned) and tree["left_out"] == {}
    for name, entry in tree["measures"].items():
        assert set(entry) >= ENTRY, name
        numbers = [entry[key] for key in ("value", "low", "high", "floor", "baseline")]
        assert all(isinstance(x, float) and np.isfinite(x) for x in numbers), name
        assert entry["low"] <= entry["value"] <= entry["high"] and 0 < entry["n"] <= 300
    assert Card.load(run.path / "card.json") == card
    assert sum(both["samples"] for both in tree["classes"].values()) == pytest.approx(1)
    shown = str(card)
    assert all(row.title in shown for row in concerned.values())


def test_the_same_again_is_the_same(judged: Judged) -> None:
    assert judged(noise(100)) == judged(noise(100))
    assert judged(noise(100), seed=1).measures["fid"] != judged(noise(100)).measures["fid"]


def test_what_people_said_stays_on_the_card(judged: Judged, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    card = replace(judged(noise(60)), seen=640)
    said = replace(card, measures=card.measures | {"human": human_entry(30, 90)})
    keep(said, folder)
    assert Card.load(folder.card) == said and "Taken for real by people" in str(said)
    assert keep(card, folder) == said  # judged again
    assert "human" not in keep(replace(card, seen=1280), folder).measures  # another model
    folder.card.write_text("{}", encoding="utf-8")
    assert keep(card, folder) == card == Card.load(folder.card)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"measures": {"fid": 3}}'])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"card.json' is not a card"):
        Card.load(path)


def test_few_samples_give_what_they_can(judged: Judged) -> None:
    card = judged(noise(5))
    assert {"fid", "precision", "unique", "kid"} <= set(card.measures)
    assert card.left_out["auc"] == "fake: needs at least 50 rows; got 5"
    assert card.left_out["closer"] == "samples: needs at least 8 rows; got 5"
    assert card.measures["fid"].low is None and card.measures["precision"].low is not None
    assert card.verdict.startswith("5 samples against 172 real examples are too few for a verdict")
    assert "obeyed" in card.left_out and "left out: Conditional accuracy: needs" in str(card)


def test_how_many(judged: Judged, write: Write) -> None:
    card = judged(noise(40), n=30)
    assert (card.n, card.notes[1:]) == (30, ())
    more = judged(noise(40), n=50)
    assert more.n == 40 and "50 samples were asked for; there are only 40" in more.notes
    many = judged(noise(1600), n=1600)
    assert "floors rest on 1,455 real examples: there are not as many as 1,600" in many.notes
    with pytest.raises(OptionError, match="n: must be at least 2; got 1"):
        evaluate(write(noise(9)), "digits", n=1)
    with pytest.raises(DataError, match="1 usable example; at least 2 are needed"):
        judged(noise(1))


def test_little_data_is_all_the_reference(write: Write) -> None:
    card = evaluate(write(noise(40)), write(noise(30, seed=1), name="data"))
    assert card.against["n"] == 30 and card.against["part"] == "all of the data"
    assert any("all of it is the reference" in note for note in card.notes)
    assert card.features["name"] == "pixels"
    assert card.measures["fid"].floor is None and card.measures["fid"].baseline is not None
    assert card.left_out["ct"].startswith("needs held-out examples")
    assert "too few for a verdict" in card.verdict


def test_a_model_on_too_little_data_is_warned(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "run", settings={"data.holdout": 0.0})
    card = gw.evaluate(run, n=60, features="pixels")
    assert card.against["n"] == 1797
    assert any("measure memory, not quality" in text for text in card.warnings)


def test_other_sizes_and_channels_by_a_stated_rule(judged: Judged) -> None:
    card = judged(noise(60, (12, 12, 3)))
    (rule,) = [note for note in card.notes if "brought to" in note]
    assert rule == (
        "the samples are 12×12×3: resized to the data's 8×8×1 (fit: crop), as the data is"
    )


def test_other_types_are_refused(judged: Judged) -> None:
    with pytest.raises(DataError, match="holds float32 pictures, but 'digits' contains uint8"):
        judged(noise(20) / 255)


def test_nan_is_named_and_left_out(write: Write) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.random((400, 6, 6, 1)), rng.random((80, 6, 6, 1)) * 3
    fake[[3, 7]] = np.nan
    data = write(real, name="real")
    card = evaluate(write(fake), data)
    assert card.n == 78
    assert any("2 of 80 samples can't be used" in text and "[3]" in text for text in card.warnings)
    assert any("what is beyond is cut off" in text for text in card.warnings)
    with pytest.raises(DataError, match="none can be read"):
        evaluate(write(np.full((5, 6, 6, 1), np.nan)), data)


def test_samples_that_are_the_reference(judged: Judged, digits: Dataset) -> None:
    card = judged(digits.rows[digits.heldout])
    assert any("50% of the samples are in the reference itself" in w for w in card.warnings)


def test_a_reference_from_the_training_data(tiny: Any, tmp_path: Path, write: Write) -> None:
    digits = gw.open_data("digits")
    run = tiny.run(tmp_path / "run")
    other = write(digits.rows[digits.train[:600]], name="seen")
    card = gw.evaluate(run.model, other, n=60, features="pixels")
    (text,) = [w for w in card.warnings if "memory" in w]
    assert "the numbers measure memory" in text  # what the model saw is not known here
    (tmp_path / "moved").mkdir()
    card = gw.evaluate(str(run.path), str(other), n=60, features="pixels")
    (text,) = [w for w in card.warnings if "memory" in w]
    assert text.startswith("100% of the reference was in the training data")


def test_labels_of_samples_are_the_asked_classes(
    judged: Judged, write: Write, digits: Dataset
) -> None:
    assert digits.labels is not None
    some = digits.heldout_halves[0]
    card = judged(digits.rows[some], digits.labels[some] + 20, features="learned")  # other names
    assert card.left_out["obeyed"].startswith("needs samples generated by class")


def test_a_damaged_extractor_is_learned_anew(
    judged: Judged, unseen: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any
) -> None:
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (700, 4, 4, 1), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", pictures)

    def card() -> Card:
        return evaluate(tmp_path / "data.npz", tmp_path / "data.npz", n=60, features="learned")

    first = card()
    (kept,) = (tmp_path / "cache" / "features").glob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:500])
    assert card() == first and "trained anew" in caplog.text
