"""Texts through every verb of the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.model import Model

from .conftest import NOUNS, TINY


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_inspect_says_what_training_would_do(run, texts: Path) -> None:
    code, out, _ = run("inspect", texts / "a.txt")
    assert code == 0
    assert "units are words: 100.0% of them occur often enough" in out
    code, out, _ = run(
        "inspect",
        texts / "a.csv",
        "--set",
        "data.text.column=text",
        "--set",
        "data.text.class_column=kind",
    )
    assert code == 0 and "animal: 4" in out


def test_a_run_goes_through_every_verb(run, texts: Path, text_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.txt"
    assert run("sample", text_run, "-n", 200, "--out", out)[0] == 0
    made = lines_of(out)
    assert len(made) == 200 and len(set(made)) > 20
    assert run("sample", text_run, "-n", 50, "--by", "lm@0.8", "--out", tmp_path / "lm.txt")[0] == 0
    code, _, told = run("evaluate", text_run, "-n", 200, "--json", tmp_path / "card.json")
    assert code == 0, told
    card = json.loads((tmp_path / "card.json").read_text())
    reverse = card["measures"]["reverse_lm"]
    assert max(reverse["floor"], reverse["value"]) < reverse["baseline"]
    assert {"lm", "lm@0.8", "self@0.8"} <= set(reverse["others"])
    assert "language model" in card["verdict"]
    assert run("report", text_run)[0] == 0
    page = (text_run / "report.html").read_text(encoding="utf-8")
    assert "Quality and diversity" in page and "Reverse LM score over LM score" in page
    assert run("doctor", text_run)[0] == 0
    code, told, _ = run("evaluate", out, "--against", texts / "a.txt")
    assert code == 0 and "Self-BLEU" in told


def test_samples_of_a_class_and_as_tables(run, classed_run: Path, tmp_path: Path) -> None:
    assert (
        run("sample", classed_run, "-n", 60, "--label", "vehicle", "--out", tmp_path / "v.txt")[0]
        == 0
    )
    said = [any(noun in line for noun in NOUNS["vehicle"]) for line in lines_of(tmp_path / "v.txt")]
    assert np.mean(said) > 0.8
    for name, read in (("x.csv", pd.read_csv), ("x.parquet", pd.read_parquet)):
        assert run("sample", classed_run, "-n", 100, "--out", tmp_path / name)[0] == 0
        frame = read(tmp_path / name)
        assert list(frame.columns) == ["text", "label"] and len(frame) == 100
        assert set(frame.label) <= {"animal", "vehicle"}


def test_augment_balances_classes(run, texts: Path, classed_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "grown.csv"
    assert run("augment", classed_run, texts / "a.csv", "--balance", "label", "--out", out)[0] == 0
    frame = pd.read_csv(out)
    counted = frame.label.value_counts()
    assert counted["animal"] == counted["vehicle"] and (~frame.synthetic).sum() == 600
    with (texts / "a.csv").open() as file:
        assert [row[0] for row in csv.reader(file)][1:] == frame.text[:600].tolist()
    code, _, told = run(
        "augment", classed_run, texts / "a.csv", "-n", 5, "--out", tmp_path / "x.txt"
    )
    assert code == 2 and "can't tell new texts from old ones" in told


def test_detect_finds_texts_that_are_unlike_the_others(
    run, texts: Path, text_run: Path, tmp_path: Path
) -> None:
    odd = ["the the the park a a", "street red on dog blue", "zebra crossing ahead"]
    (tmp_path / "new.txt").write_text(
        "\n".join([*lines_of(texts / "a.txt")[:60], *odd]), encoding="utf-8"
    )
    code, told, _ = run("detect", text_run, tmp_path / "new.txt", "--out", tmp_path / "odd.csv")
    assert code == 0, told
    frame = pd.read_csv(tmp_path / "odd.csv")
    assert set(frame.text[np.argsort(-frame.score)][:3]) == {61, 62, 63}
    assert (frame.p_value[60:] < 0.05).all() and "zebra" in frame.unit_1[62]


@pytest.mark.parametrize(
    ("where", "least", "most", "word"),
    [
        ("length=3..5", 3, 5, ""),
        ("length=4", 4, 4, ""),
        ("contains=bus", 1, 9, " bus"),
        ("length<=4, contains=cow, contains=old", 1, 4, " cow"),
        ('contains="near a tree"', 1, 9, " near a tree"),
    ],
)
def test_conditions_hold_in_every_sample(
    run, text_run: Path, tmp_path: Path, where: str, least: int, most: int, word: str
) -> None:
    out = tmp_path / "x.txt"
    assert run("sample", text_run, "-n", 150, "--where", where, "--out", out)[0] == 0
    codec = Model.load(text_run).codec
    made = lines_of(out)
    assert len(made) == 150 and len(set(made)) > 5
    for text in made:
        assert least <= len(codec.cut(text)) <= most
        assert word in " " + text


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("size=3", "texts have no 'size'; allowed: length, contains"),
        ("length=40..50", "no text is as long as 'length=40..50' asks; the model makes from 1 to"),
        ("contains=bux", "never seen 'bux'. Did you mean 'bus'?"),
        ("length=x", "can't read 'length=x'"),
        ("length=1, contains=red, contains=bus", "takes 2 words, not 1"),
    ],
)
def test_conditions_that_no_text_meets(run, text_run: Path, where: str, told: str) -> None:
    code, _, error = run("sample", text_run, "--where", where, "--out", "x.txt")
    assert code == 2 and told in error and len(error.splitlines()) == 1


def test_python_gives_lists_of_str(text_run: Path) -> None:
    model = gw.load(text_run)
    one = model.sample(5, seed=3)
    assert isinstance(one, list) and all(isinstance(text, str) for text in one)
    assert model.sample(200, seed=3)[:5] == one  # sample i depends on (seed, i) alone
    told = model.sample(5, where={"length": (3, 5), "contains": ["red"]})
    assert all(" red" in " " + text for text in told)


def test_a_resumed_run_ends_in_the_same_bits(texts: Path, tmp_path: Path) -> None:
    def train(kimg: float, out: str, **rest: object) -> bytes:
        path = gw.train(
            texts / "a.txt", out=tmp_path / out, kimg=kimg, settings=TINY | FIXED, **rest
        ).path
        return (path / "model" / "model.safetensors").read_bytes()

    FIXED = {"generator_optimiser.decay_kimg": 2}
    whole = train(2, "whole")
    train(1, "part")
    assert train(2, "part", resume=True) == whole


def test_running_text_is_learned_in_windows(run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    paragraphs = [f"Who goes there?\nA friend, {rng.integers(99)}." for _ in range(300)]
    (tmp_path / "play.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    data = gw.open_data(tmp_path / "play.txt")
    assert data.codec.windows and data.codec.units == "characters"
    whole = "".join(data.examples(np.arange(len(data))))
    assert whole == (tmp_path / "play.txt").read_text(encoding="utf-8")
    gw.train(tmp_path / "play.txt", out=tmp_path / "run", kimg=1, settings=TINY)
    assert run("sample", tmp_path / "run", "-n", 30, "--out", tmp_path / "x.txt")[0] == 0
    assert len(lines_of(tmp_path / "x.txt")) == 30
    code, _, told = run("evaluate", tmp_path / "x.txt", "--against", tmp_path / "play.txt")
    assert code == 0, told
