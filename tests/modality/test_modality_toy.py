"""One more modality is one folder and one row: a toy goes through the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with waves in it, and an installed package that offers them as a modality."""
    folder = tmp_path_factory.mktemp("toy")
    installed = folder / "site" / "toy_waves-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-waves\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[ganwright.modalities]\nwave = toy_waves\n")
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (400, 1))
    np.savetxt(folder / "sines.waves", 0.8 * np.sin(phase + np.arange(16) * np.pi / 8))
    return folder


def ganwright(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = [str(place / "site"), str(HERE), *sys.path]
    return subprocess.run(
        [sys.executable, "-m", "ganwright", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_modality_from_elsewhere_goes_through_every_verb(place: Path) -> None:
    def run(*words: str) -> str:
        done = ganwright(place, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "train" in run("inspect", "sines.waves")
    assert "toy-waves" in run("recipes")
    told = run("train", "sines.waves", "--kimg", "20", "--out", "run")
    assert "recipe toy-waves" in told
    run("sample", "run", "-n", "50", "--out", "made.waves")
    made = np.loadtxt(place / "made.waves")
    assert made.shape == (50, 16) and np.abs(made).max() <= 1
    run("evaluate", "run", "-n", "200", "--json", "card.json")
    card = json.loads((place / "card.json").read_text())
    fid = card["measures"]["fid"]
    assert card["features"]["name"] == "samples" and fid["floor"] < fid["value"]
    run("evaluate", "made.waves", "--against", "sines.waves")
    run("report", "run")
    assert "class='waves'" in (place / "run" / "report.html").read_text(encoding="utf-8")
    run("train", "sines.waves", "--kimg", "30", "--out", "run", "--resume")


def test_without_it_its_data_and_models_are_one_line(place: Path) -> None:
    (place / "bare").mkdir(exist_ok=True)
    bare = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for words, told in (
        (["inspect", "sines.waves"], "is not a known kind of data"),
        (["sample", "run"], "'codec' has kind 'wave'; known: audio, image"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ganwright", *words], cwd=place, env=bare,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 2 and told in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_broken_package_is_named_in_one_line(place: Path, tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganwright.modalities]\nsmell = nowhere_to_be_found\n")
    done = subprocess.run(
        [sys.executable, "-m", "ganwright", "inspect", "sines.waves"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1 and "'smell' of the installed package" in done.stderr
    assert len(done.stderr.splitlines()) == 1
