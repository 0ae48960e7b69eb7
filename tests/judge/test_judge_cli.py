"""ganwright evaluate and compare: what they print and write, and one line for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganwright.cli.app import run

Write = Callable[..., Path]
QUICK = ["--features", "pixels", "-n", "60"]


def test_evaluate_prints_and_writes(
    write: Write, unseen: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes, out = str(write(unseen)), tmp_path / "new" / "card.json"
    assert run(["evaluate", fakes, "--against", "digits", *QUICK, "--json", str(out)]) == 0
    printed, told = capsys.readouterr()
    assert "60 samples of" in printed and "95 % interval" in printed and "FID" in printed
    assert "the floor …" in told
    assert run(["evaluate", fakes, "--against", "digits", *QUICK, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text(encoding="utf-8"))


def test_evaluate_a_run(digits_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run keeps its card; its data is known, and may be elsewhere."""
    before = (digits_run / "card.json").exists()
    assert run(["evaluate", str(digits_run / "model"), "--against", "digits", *QUICK]) == 0
    assert (digits_run / "card.json").exists() == before
    assert "Conditional accuracy: needs" in capsys.readouterr().out


def test_compare_prints_and_writes(
    write: Write, unseen: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1), dtype=np.uint8)
    both = [str(write(noise, name="noise")), str(write(unseen, name="real"))]
    out = tmp_path / "both.json"
    assert run(["compare", *both, "--against", "digits", *QUICK, "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "60 samples each" in printed and "* better than every other" in printed
    tree = json.loads(out.read_text(encoding="utf-8"))
    assert [card["samples"] for card in tree["cards"]] == both
    assert tree["best"]["fid"] == both[1] and tree["best"]["unique"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("evaluate", "Missing argument"),
        ("evaluate nowhere", "'nowhere' does not exist"),
        ("evaluate nowhere --against digits", "no file or folder 'nowhere'"),
        ("evaluate {fakes}", "is not a run: name the data to judge by with --against"),
        ("evaluate {fakes} --against digts", "'digts'.*Did you mean 'digits'"),
        ("evaluate {fakes} --against digits -n 0", "n: must be at least 2; got 0"),
        ("evaluate {fakes} --against digits -n many", "number.*got 'many'"),
        ("evaluate {fakes} --against digits --features pixel", "unknown features 'pixel'.*pixels"),
        ("evaluate {fakes} --against digits --features inception", "weights are not on this"),
        ("evaluate {fakes} --against digits --json {folder}", "--json: .* can't be written"),
        ("evaluate {fakes} --against digits --json {fakes}/card.json", "--json: .* can't be"),
        ("evaluate {run}/model", "doesn't contain its data: name the data with --against"),
        ("evaluate {empty} --against digits", "contains no pictures"),
        ("compare {fakes} --against digits", "needs at least two runs; got 1"),
        ("compare {fakes} {floats} --against digits", "holds float32 pictures"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: str,
    words: str,
    write: Write,
    digits_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    named = {
        "fakes": write(np.zeros((9, 8, 8), np.uint8)),
        "floats": write(np.random.default_rng(0).random((9, 8, 8)), name="floats"),
        "folder": tmp_path,
        "empty": tmp_path / "empty",
        "run": digits_run,
    }
    (tmp_path / "empty").mkdir()
    assert run(arguments.format(**named).split()) == 2
    printed, told = capsys.readouterr()
    *steps, line = told.splitlines()
    assert printed == "" and all(step.endswith("…") for step in steps)
    assert line.startswith("ganwright: error: ") and re.search(words, line), line


def test_a_run_whose_data_has_moved(
    tiny: object, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ganwright as gw

    rng = np.random.default_rng(0)
    data = write(rng.integers(0, 256, (120, 8, 8, 1), dtype=np.uint8), name="data")
    quick = {"train.batch": 8, "generator.widths": [8], "discriminator.widths": [8]}
    made = gw.train(data, recipe="mlp", out=tmp_path / "run", kimg=0.02, settings=quick)
    moved = data.rename(tmp_path / "moved.npz")
    assert run(["evaluate", str(made.path), *QUICK]) == 2
    assert "--against says where the data is now" in capsys.readouterr().err
    assert run(["evaluate", str(made.path), "--against", str(moved), *QUICK]) == 0
    assert made.card is not None and "warning: this is not the data" not in capsys.readouterr().out
