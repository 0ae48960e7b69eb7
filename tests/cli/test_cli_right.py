"""The verbs doing their work: results on stdout, progress on stderr, files as documented."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganwright as gw
from ganwright.base.options import from_toml
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run
from ganwright.train import RECIPES, Recipe

OPTIONS = ["--recipe", "mlp-small", "--set", "train.batch=16", "--set=train.report_kimg=0.02"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_then_sample(tiny: Any, inside: Path, capsys: Capture) -> None:
    assert run(["train", "digits", "--kimg", "0.1", "--seed", "3", *OPTIONS]) == 0
    out, err = capsys.readouterr()
    assert out == "runs/digits\n"
    assert "kept as they are" in err and "examples/s" in err and "\x1b" not in err
    folder = RunFolder("runs/digits")
    assert folder.events()[-1]["event"] == "done" and folder.events()[-1]["seen"] == 112
    assert from_toml(Recipe, folder.recipe.read_text(), owner="x").train.seed == 3

    assert run(["sample", "runs/digits", "-n", "12", "--out", "new"]) == 0
    out, err = capsys.readouterr()
    assert out == "new\n" and "12 samples" in err
    names = [f"{i:06d}.png" for i in range(12)]
    assert sorted(p.name for p in Path("new").iterdir()) == [*names, "samples.csv"]
    with Path("new/samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == names
    assert set(rows[0]) == {"file", "label", "seed"} and {row["seed"] for row in rows} == {"0"}
    assert {row["label"] for row in rows} <= set("0123456789")
    expected = gw.load("runs/digits").sample(12)
    for i, name in enumerate(names):
        with Image.open(Path("new") / name) as picture:
            assert np.array_equal(np.asarray(picture), expected[i, :, :, 0])


def test_the_best_of_it_repeats(tiny: Any, inside: Path, capsys: Capture) -> None:
    """A run's recipe.toml gives the same run."""
    assert run(["train", "digits", "--kimg", "0.05", "--out", "a", *OPTIONS]) == 0
    assert run(["train", "digits", "--recipe", "a/recipe.toml", "--out", "b"]) == 0
    assert tiny.weights(Path("a")) == tiny.weights(Path("b"))


def test_npz(digits_run: Path, capsys: Capture) -> None:
    assert run(["sample", str(digits_run), "-n", "70", "--seed", "5", "--out", "x.npz"]) == 0
    with np.load("x.npz", allow_pickle=False) as file:
        samples, labels = file["samples"], file["labels"]
    assert samples.shape == (70, 8, 8, 1) and samples.dtype == np.uint8
    assert labels.shape == (70,) and labels.dtype == np.int64
    assert np.array_equal(samples, gw.load(str(digits_run)).sample(70, seed=5))


def test_npz_without_classes(tiny: Any) -> None:
    assert run(["train", "digits", "--kimg=0.05", "--set=data.labels=false", *OPTIONS]) == 0
    assert run(["sample", "runs/digits", "-n", "3", "--out", "x.npz"]) == 0
    with np.load("x.npz", allow_pickle=False) as file:
        assert set(file) == {"samples"}


def test_one_class(digits_run: Path) -> None:
    assert run(["sample", str(digits_run), "-n", "5", "--label", "7", "--out", "x.npz"]) == 0
    with np.load("x.npz") as file:
        assert file["labels"].tolist() == [7] * 5


def test_grid(digits_run: Path, capsys: Capture) -> None:
    assert run(["sample", str(digits_run), "-n", "9", "--out", "grid.png"]) == 0
    with Image.open("grid.png") as picture:
        assert picture.width == picture.height >= 3 * 8
    assert capsys.readouterr().out == "grid.png\n"


def test_sample_says_where_it_wrote(digits_run: Path, inside: Path, capsys: Capture) -> None:
    assert run(["sample", str(digits_run), "-n", "4"]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written.is_file() and list(inside.iterdir()) == [inside / written]


def test_the_first_samples_are_the_same_whatever_n(digits_run: Path) -> None:
    for n in ("3", "100"):
        assert run(["sample", str(digits_run), "-n", n, "--out", f"{n}.npz"]) == 0
    with np.load("3.npz") as few, np.load("100.npz") as many:
        for name in ("samples", "labels"):
            assert np.array_equal(few[name], many[name][:3])


def test_dry_run(inside: Path, capsys: Capture) -> None:
    line = ["train", "digits", "--minutes", "2", "--dry-run", "--set", "game.loss=hinge"]
    assert run(line) == 0
    out, err = capsys.readouterr()
    assert not list(inside.iterdir())
    recipe, _, facts = out.partition("\n\ndevice")
    assert from_toml(Recipe, recipe, owner="x").game.loss == "hinge"
    for pattern in (
        r"parameters +generator [\d,]+, discriminator [\d,]+",
        r"memory +.* MiB",
        r"speed +[\d,]+ examples/s",
        r"expected +.* kimg in 2 minutes",
    ):
        assert re.search(pattern, facts), facts
    assert "recipe" in err  # why this one
    assert RECIPES[from_toml(Recipe, recipe, owner="x").name]


def test_inspect(capsys: Capture) -> None:
    assert run(["inspect", "digits"]) == 0
    text, err = capsys.readouterr()
    assert "1,797" in text and "8×8" in text and "duplicates" in text and err == ""
    assert run(["inspect", "digits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["usable"] == 1797 and sum(found["classes"].values()) == 1797
    assert found["training"]["height"] == 8
    assert run(["inspect", "digits", "--json", "--set", "data.size=16x12"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["training"]["height"], found["training"]["width"]) == (16, 12)


def test_recipes(capsys: Capture) -> None:
    assert run(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert run(["recipes", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_shown_whole_can_be_used(capsys: Capture, name: str) -> None:
    assert run(["recipes", name]) == 0
    out = capsys.readouterr().out
    assert from_toml(Recipe, out, owner=name) == RECIPES[name].make()
    assert out.startswith(f"# {name}: ") and "# A widely copied version " in out
    assert run(["recipes", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


@pytest.mark.parametrize("verb", ["", "train", "sample", "inspect", "recipes"])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_ends_with_lines_to_copy(capsys: Capture, verb: str, flag: str) -> None:
    assert run([*([verb] if verb else []), flag]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    examples = out.rpartition("Examples:")[2].strip().splitlines()
    assert examples[0].strip().startswith("ganwright ")


def test_no_arguments_show_the_help(capsys: Capture) -> None:
    assert run([]) == 0
    assert "Usage: ganwright" in capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"ganwright {gw.__version__}\n"


@pytest.mark.slow
def test_the_real_command(inside: Path) -> None:
    command = [str(Path(sys.executable).with_name("ganwright"))]
    line = ["train", "digits", "--kimg", "0.05", *OPTIONS]
    done = subprocess.run(
        command + line,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "runs/digits\n"), done.stderr
    assert "kimg" in done.stderr and "Warning" not in done.stderr


@pytest.mark.parametrize("line", [["recipes"], ["recipes", "no-such"]], ids=" ".join)
def test_the_module_is_the_command(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    module = [sys.executable, "-m", "ganwright", *line]
    done = subprocess.run(module, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == run(line), done.stderr
    assert done.stdout == capsys.readouterr().out and "Traceback" not in done.stderr
