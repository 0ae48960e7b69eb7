"""Odd surroundings: a closed pipe, a terminal without UTF-8, no home, a folder that fills up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganwright.base.errors import Interrupted
from ganwright.base.runs import RunFolder
from ganwright.cli import app, inspect
from ganwright.data import cache

TINY = ["train", "digits", "--recipe", "mlp-small", "--kimg", "0.1", "--out"]


def ganwright(arguments: list[str], **rest: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "ganwright", *arguments], **rest)


def test_training_goes_on_when_nobody_reads_its_progress(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = ganwright([*TINY, str(tmp_path / "run")], stderr=writer, stdout=subprocess.PIPE)
    os.close(writer)
    assert done.returncode == 0 and done.stdout.decode().strip() == str(tmp_path / "run")
    assert RunFolder(tmp_path / "run").events()[-1]["event"] == "done"


def test_a_terminal_without_utf8() -> None:
    latin = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = ganwright(["recipes", "dcgan"], env=latin, capture_output=True)
    assert done.returncode == 0 and b"128 ? 64 ? channels" in done.stdout


def test_without_a_home_nothing_named_tilde_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANWRIGHT_CACHE", raising=False)
    monkeypatch.setattr(cache.platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    assert cache.folder_of("test", "no home").is_absolute()
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_our_own_is_one_line_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(*_: object, **__: object) -> None:
        raise AssertionError("impossible")

    monkeypatch.setattr("ganwright.data.inspect_data", faulty)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert app.run([inspect.NAME, "digits"]) == 1
    (report,) = tmp_path.glob("ganwright-*.txt")
    (line,) = capsys.readouterr().err.splitlines()
    assert "a fault in Ganwright, not yours: AssertionError: impossible" in line
    assert str(report) in line
    text = report.read_text(encoding="utf-8")
    assert "command: ganwright inspect digits" in text and "in faulty" in text and "torch " in text


def test_training_goes_on_without_snapshots_and_says_so(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    expected = tiny.weights(tiny.run(tmp_path / "whole", "mlp").path)

    def lose(trainer: Any) -> None:
        if (out / "samples").is_dir():
            for file in (out / "samples").iterdir():
                file.unlink()
            (out / "samples").rmdir()
            (out / "samples").write_text("in the way")

    watcher = tiny.Watcher(lose)
    assert tiny.weights(tiny.run(out, "mlp", observer=watcher).path) == expected
    told = [e for e in watcher.events if e["event"] == "guard" and e["problem"] == "snapshot"]
    assert len(told) > 0 and "samples" in told[0]["why"]


def test_a_run_in_a_thread_stops_when_asked(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        tiny.run(tmp_path / "run", "mlp", stopped=lambda: True)
    assert RunFolder(tmp_path / "run").events()[-1]["event"] == "interrupted"


def test_pipes_and_devices_are_named_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for shade in range(3):
        Image.new("L", (8, 8), shade).save(photos / f"{shade}.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "endless.png").symlink_to("/dev/zero")
    (photos / "loop").symlink_to(photos)
    assert app.run(["inspect", "photos"]) == 0
    said = capsys.readouterr().out
    assert "3" in said and said.count("is no regular file") == 2
    os.mkfifo(tmp_path / "table.csv")
    assert app.run(["inspect", "table.csv"]) == 2
    assert "'table.csv' is neither a file nor a folder" in capsys.readouterr().err
