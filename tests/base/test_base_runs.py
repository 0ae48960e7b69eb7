"""The run folder: writing whole or not at all, refusing what is taken, the log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ganwright.base.errors import RunError
from ganwright.base.runs import RunFolder, replacing, write_json, write_text


def write(path: Path, text: str, *, folder: bool) -> None:
    if folder:
        (path / "deep").mkdir(parents=True)
        path = path / "deep" / "file"
    path.write_text(text)


def read(path: Path) -> str:
    return (path / "deep" / "file" if path.is_dir() else path).read_text()


def names(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


kinds = pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])


@kinds
def test_replacing_shows_the_new_at_the_end_only(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "above" / "thing"
    for text in ("first", "second"):
        with replacing(path) as aside:
            write(aside, text, folder=folder)
            assert not path.exists() if text == "first" else read(path) == "first"
        assert read(path) == text
    assert names(path.parent) == ["thing"]


@kinds
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old(tmp_path: Path, folder: bool, error: type[BaseException]) -> None:
    path = tmp_path / "thing"
    write(path, "old", folder=folder)
    with pytest.raises(error), replacing(path) as aside:
        write(aside, "half", folder=folder)
        raise error
    assert read(path) == "old"
    assert names(tmp_path) == ["thing"]


@kinds
def test_leftovers_of_a_killed_process_are_no_hindrance(tmp_path: Path, folder: bool) -> None:
    left = tmp_path / f".thing.{os.getpid()}.tmp"
    write(left, "half", folder=not folder)
    with replacing(tmp_path / "thing") as aside:
        assert not aside.exists()
        write(aside, "new", folder=folder)
    assert names(tmp_path) == ["thing"]


def test_text_and_json(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "ü\n")
    assert (tmp_path / "a.txt").read_bytes() == "ü\n".encode()
    tree = {"a": [1, 2.5, None], "ü": "ö"}
    write_json(tmp_path / "a.json", tree)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == tree
    assert "ü" in text
    assert text.endswith("}\n")


def test_making_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "first")
    run.must_be_free()
    assert not run.path.exists()
    run.create()
    assert run.samples.is_dir()
    run.recipe.write_text("")
    with pytest.raises(RunError) as caught:
        run.create()
    assert str(caught.value) == (
        f"run folder '{run.path}' exists: continue it with --resume, or name another with --out"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_where_nothing_may_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(RunError, match=r"can't be made: '.*closed' is not writable$"):
        RunFolder(tmp_path / "closed" / "a" / "b").must_be_free()


def test_an_empty_folder_is_free_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").create()
    (tmp_path / "file").write_text("mine")
    for name in ("file", "file/below", "file/far/below"):
        with pytest.raises(RunError, match=f"can't be made: '{tmp_path / 'file'}' is a file; name"):
            RunFolder(tmp_path / name).create()
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_no_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(RunError) as caught:
        run.must_exist()
    assert str(caught.value) == f"'{tmp_path}' is not a run folder: it has no recipe.toml"
    run.recipe.write_text("")
    run.must_exist()


def test_leftovers_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.create()
    write(run.path / ".model.123.tmp", "half", folder=True)
    write(run.samples / ".a.png.9.tmp", "half", folder=False)
    write(run.samples / "a.png", "whole", folder=False)
    run.clear_aside()
    assert sorted(p.name for p in run.path.rglob("*")) == ["a.png", "samples"]


def test_the_log(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.events() == []
    events = [{"event": "report", "seen": 64, "note": "ü\n"}, {"event": "done", "seen": 128}]
    for event in events:
        run.append(**event)
    assert run.events() == events
    assert run.log.read_text().count("\n") == 2


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_half_written_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    run = RunFolder(tmp_path)
    run.append(event="report", seen=64)
    whole = run.log.read_bytes()
    run.append(event="done", seen=128)
    last = run.log.read_bytes()[len(whole) :]
    run.log.write_bytes(whole + last[: min(cut, len(last) - 3)])
    assert run.events() == [{"event": "report", "seen": 64}]
