"""One whole checkpoint is always there, whatever stops the writing; none of it can run code."""

from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ganwright as gw
from ganwright.base.errors import Interrupted, RunError, WorkError
from ganwright.base.runs import RunFolder
from ganwright.model import Model
from ganwright.train import state
from ganwright.train.state import pack, unpack

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/$"), min_size=1, max_size=5)
TENSORS = st.builds(
    lambda shape, dtype: torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.int64, torch.bool, torch.uint8]),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES | TENSORS
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=3)
        | st.dictionaries(st.integers(0, 99), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(TREES)
@settings(max_examples=60, deadline=None)
def test_pack_and_unpack_are_inverse(tree: Any) -> None:
    tensors: dict[str, torch.Tensor] = {}
    packed = json.loads(json.dumps(pack({"root": tree}, tensors)))
    assert same(unpack(packed, tensors), {"root": tree})


def things(number: float) -> dict[str, Any]:
    return {"progress": {"seen": number}, "weights": {"w": torch.full((3,), float(number))}}


def test_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    for seen in (0, 10, 20, 30):
        state.save(tmp_path, seen, things(seen))
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        f"{seen:012d}.safetensors" for seen in (20, 30)
    ]
    found, damaged = state.load(tmp_path)
    assert found["progress"]["seen"] == 30 and damaged == []


def test_a_stopped_one_is_read_but_not_for_repairs(tmp_path: Path) -> None:
    state.save(tmp_path, 10, things(10))
    state.save(tmp_path, 25, things(25), regular=False)
    assert state.load(tmp_path)[0]["progress"]["seen"] == 25
    assert state.load(tmp_path, regular_only=True)[0]["progress"]["seen"] == 10
    state.save(tmp_path, 17, things(17), regular=False)  # after a repair went back
    assert state.load(tmp_path)[0]["progress"]["seen"] == 17
    state.save(tmp_path, 20, things(20))
    assert state.load(tmp_path)[0]["progress"]["seen"] == 20
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "header", "folder"])
def test_a_damaged_one_is_passed_over_and_named(tmp_path: Path, damage: str) -> None:
    for seen in (10, 20):
        state.save(tmp_path, seen, things(seen))
    newest = tmp_path / f"{20:012d}.safetensors"
    content = newest.read_bytes()
    newest.unlink()
    match damage:
        case "cut":
            newest.write_bytes(content[:-5])
        case "empty":
            newest.touch()
        case "noise":
            newest.write_bytes(bytes(range(256)) * 9)
        case "header":
            newest.write_bytes(content.replace(b"tree", b"tere"))
        case "folder":
            newest.mkdir()
    found, damaged = state.load(tmp_path)
    assert found["progress"]["seen"] == 10 and damaged == [newest.name]


def test_none_is_whole(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="stopped before the first one"):
        state.load(tmp_path)
    (tmp_path / f"{5:012d}.safetensors").write_bytes(b"x")
    with pytest.raises(RunError, match=r"\(damaged: 000000000005.safetensors\); start a new run"):
        state.load(tmp_path)


@pytest.mark.parametrize("call", ["replace", "rename", "fsync"])
def test_failing_to_write_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    state.save(tmp_path, 10, things(10))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        if call != "fsync":
            patch.setattr(Path, call, full)
        if call != "rename":  # a file is put in place by replace
            with pytest.raises(OSError, match="No space"):
                state.save(tmp_path, 20, things(20))
            assert [p.name for p in tmp_path.iterdir()] == [f"{10:012d}.safetensors"]
    assert state.load(tmp_path)[0]["progress"]["seen"] in (10, 20)


def test_a_failing_rename_leaves_the_old_model(
    tiny: Any, digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.load(digits_run)
    model.save(tmp_path / "model")
    before = tiny.tree(tmp_path)
    rename, calls = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(self.name)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output"):
        model.save(tmp_path / "model")
    assert tiny.tree(tmp_path) == before


def test_resume_cleans_up_and_names_the_damaged(tiny: Any, tmp_path: Path) -> None:
    whole = tiny.run(tmp_path / "whole", kimg=0.304)
    out = tmp_path / "run"
    tiny.run(out, kimg=0.208)
    checkpoint = out / "checkpoint"
    newest = sorted(checkpoint.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-9])
    (checkpoint / ".000000000999.safetensors.77.tmp").write_bytes(b"half")
    (out / ".recipe.toml.77.tmp").write_text("name = ")
    (out / "model").rename(out / ".model.77.old")  # killed between two renames
    (out / ".model.77.tmp").mkdir()
    gw.train("digits", out=out, resume=True, kimg=0.304)
    assert tiny.weights(out) == tiny.weights(whole.path)
    (event,) = [e for e in RunFolder(out).events() if e["event"] == "resume"]
    assert event["damaged"] == [newest.name] and event["seen"] < 208
    assert not list(out.rglob(".*"))


def test_no_pickle_in_a_run(digits_run: Path) -> None:
    files = [*(digits_run / "checkpoint").iterdir(), digits_run / "model" / "model.safetensors"]
    assert len(files) >= 3
    for file in files:
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        end = max(t["data_offsets"][1] for n, t in header.items() if n != "__metadata__")
        assert len(content) == 8 + length + end  # tensors, and nothing else
    assert {p.suffix for p in digits_run.rglob("*") if p.is_file()} == {
        ".safetensors", ".json", ".jsonl", ".toml", ".png",
    }  # fmt: skip


def test_a_full_disk_is_told_and_the_checkpoint_before_is_whole(tiny: Any, tmp_path: Path) -> None:
    """Really full: the system refuses to write files beyond some size."""
    out = tmp_path / "run"

    def fill(trainer: Any) -> None:
        if trainer.seen >= 100:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(WorkError, match=r"can't be written: .*File too large"):
            tiny.run(out, observer=tiny.Watcher(fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert state.load(out / "checkpoint")[1] == []
    Model.load(out).sample(2)
    assert not list(out.rglob("*.tmp"))
    gw.train("digits", out=out, resume=True)
    assert tiny.weights(out) == tiny.weights(tiny.run(tmp_path / "whole").path)


def test_stopped_before_the_first_round(tiny: Any, tmp_path: Path) -> None:
    from ganwright.train import loop
    from ganwright.train.keeper import OnDisk

    trainer, folder = tiny.trainer(), RunFolder(tmp_path / "run")
    folder.create()
    with pytest.raises(Interrupted, match="interrupted at 0 kimg"):
        loop.train(trainer, OnDisk(folder), tiny.Watcher(), lambda: True)
    assert state.load(folder.checkpoint)[0]["progress"]["seen"] == 0
