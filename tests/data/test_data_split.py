"""Held out by content: stable when data is added, never the same picture on both sides."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ganwright.data import open_data
from ganwright.data.split import halves, split

HASHES = np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64)


@pytest.mark.parametrize("holdout", [0.0, 0.05, 0.1, 0.4])
def test_share(holdout: float) -> None:
    parts = split(HASHES, holdout, None)
    assert sorted([*parts.train, *parts.heldout]) == list(range(len(HASHES)))
    assert abs(len(parts.heldout) / len(HASHES) - holdout) < 0.01


def test_a_larger_share_holds_out_the_smaller_one() -> None:
    assert set(split(HASHES, 0.1, None).heldout) <= set(split(HASHES, 0.2, None).heldout)


def test_halves_are_halves_of_the_held_out() -> None:
    heldout = split(HASHES, 0.1, None).heldout
    one, other = halves(HASHES, heldout)
    assert sorted([*one, *other]) == heldout.tolist()
    assert abs(len(one) - len(other)) < 0.1 * len(heldout)


def test_tiny_data_always_trains() -> None:
    parts = split(np.array([1, 2], np.uint64), 0.1, None)
    assert parts.train.tolist() == [1] and parts.heldout.tolist() == [0]
    parts = split(np.array([7, 7, 7], np.uint64), 0.1, None)
    assert parts.train.tolist() == [0, 1, 2] and "the largest hash" in parts.note
    parts = split(HASHES[HASHES > 2**63][:3], 0.1, None)
    assert len(parts.heldout) == 0 and parts.note == "too few examples: none is held out"
    assert split(HASHES[:3], 0.0, None).note == ""


def test_the_side_is_kept_when_files_are_added(pictures) -> None:
    folder = pictures("a", 60)
    before = open_data(folder, holdout=0.3)
    held = {before.name_of(i) for i in before.heldout}
    pictures("a", 40, suffix="bmp", seed=1)
    pictures("a", 40, suffix="tif", size=(19, 30), seed=2)
    after = open_data(folder, holdout=0.3)
    assert len(after) == 140
    assert {after.name_of(i) for i in after.heldout if after.name_of(i).endswith("png")} == held


def test_duplicates_share_a_side(pictures, tmp_path: Path) -> None:
    folder = pictures("a", 60)
    for i in range(60):
        shutil.copy(folder / f"{i}.png", folder / f"copy of {i}.png")
    data = open_data(folder, holdout=0.3)
    train, held = data.hashes[data.train], data.hashes[data.heldout]
    assert len(held) > 10 and not np.isin(train, held).any()
    one, other = data.heldout_halves
    assert not np.isin(data.hashes[one], data.hashes[other]).any()


def test_fingerprint_knows_what_matters(pictures) -> None:
    pictures("a/x", 30)
    folder = pictures("a/y", 30, seed=1).parent
    settings = [
        {},
        {"size": 4},
        {"holdout": 0.4},
        {"labels": False},
        {"channels": 1},
        {"fit": "pad"},
    ]
    prints = [open_data(folder, **chosen).fingerprint for chosen in settings]
    assert len(set(prints)) == len(prints)
    assert open_data(folder).fingerprint == prints[0]
    shutil.move(folder, folder.with_name("elsewhere"))
    assert open_data(folder.with_name("elsewhere")).fingerprint == prints[0]
