"""No changed byte goes unnoticed, in a checkpoint or in a model."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import ganwright as gw
from ganwright.base.errors import ModelError, RunError
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run
from ganwright.train import state

FLIPS = 100


def flip(path: Path, position: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def positions(path: Path, seed: str) -> list[tuple[int, int]]:
    """Random bits of a file, half of them in its first part, where the header is."""
    draw, size = random.Random(seed), path.stat().st_size
    ends = [size if i % 2 else min(size, 2000) for i in range(FLIPS)]
    return [(draw.randrange(end), draw.randrange(8)) for end in ends]


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def test_a_checkpoint_with_one_changed_bit_is_passed_over(digits_run: Path, tmp_path: Path) -> None:
    source = max((digits_run / "checkpoint").iterdir())
    whole, _ = state.load(source.parent)
    unharmed = 0
    for position, bit in positions(source, "checkpoint"):
        shutil.copy(source, tmp_path / source.name)
        flip(tmp_path / source.name, position, bit)
        try:
            found, _ = state.load(tmp_path)
        except RunError as error:
            assert f"(damaged: {source.name})" in str(error)
        else:  # a space between the parts of the header, say
            unharmed += 1
            assert equal(found, whole)
    assert unharmed < FLIPS / 20


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_model_with_one_changed_bit_is_refused(
    digits_run: Path, tmp_path: Path, name: str
) -> None:
    source, copy = digits_run / "model", tmp_path / "model"
    sample = gw.load(source).sample(4)
    shutil.copytree(source, copy)
    unharmed = 0
    for position, bit in positions(source / name, name):
        shutil.copy(source / name, copy / name)
        flip(copy / name, position, bit)
        try:
            model = gw.load(copy)
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            unharmed += 1
            assert (model.sample(4) == sample).all()
    assert unharmed < FLIPS / 4  # the layout of the JSON


def test_models_without_a_checksum_are_read(digits_run: Path, tmp_path: Path) -> None:
    shutil.copytree(digits_run / "model", tmp_path / "model")
    facts = tmp_path / "model/model.json"
    lines = facts.read_text(encoding="utf-8").splitlines()
    assert '"checksum"' in lines[-2]
    facts.write_text("\n".join([*lines[:-3], lines[-3].rstrip(","), "}"]), encoding="utf-8")
    assert (gw.load(tmp_path / "model").sample(4) == gw.load(digits_run).sample(4)).all()


def test_a_resume_says_which_checkpoint_is_damaged_and_ends_in_the_same_bits(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    expected = tiny.weights(tiny.run(out, "mlp").path)
    newest = max((out / "checkpoint").iterdir())
    flip(newest, newest.stat().st_size - 5, 3)
    assert run(["train", "digits", "--out", str(out), "--resume"]) == 0
    assert f"warning: damaged, so passed over: {newest.name}; going on" in capsys.readouterr().err
    assert tiny.weights(out) == expected
    assert [e["damaged"] for e in RunFolder(out).events() if e["event"] == "resume"] == [
        [newest.name]
    ]
