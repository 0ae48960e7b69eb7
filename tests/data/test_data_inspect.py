"""Looking through data: what is counted is right, and the warnings come when they should."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganwright.base.errors import DataError
from ganwright.data import inspect_data, open_data


@pytest.fixture
def mixed(pictures, tmp_path: Path) -> Path:
    """24 cats 8×8 RGB, 2 dogs 16×8 grey, a copy of a cat, a near copy, a blank and rubbish."""
    cats = pictures("a/cat", 24)
    pictures("a/dog", 2, size=(16, 8), mode="L", seed=1)
    shutil.copy(cats / "0.png", cats / "same.png")
    near = np.asarray(Image.open(cats / "1.png")).copy()
    near[0, 0, 0] ^= 1
    Image.fromarray(near).save(cats / "near.png")
    Image.new("RGB", (8, 8), "red").save(cats / "red.png")
    (cats / "rubbish.png").write_text("x")
    (cats / "notes.txt").write_text("x")
    return cats.parent


def test_counts(mixed: Path) -> None:
    seen = inspect_data(mixed)
    data = open_data(mixed)
    assert (seen.found, seen.usable, seen.blank) == (30, 29, 1)
    assert [s.name for s in seen.skipped] == ["cat/rubbish.png"] and seen.ignored == {".txt": 1}
    assert seen.classes == {"cat": 27, "dog": 2}
    assert (seen.sizes.least, seen.sizes.largest) == ("8×8", "16×8")
    assert seen.sizes.common == {"8×8": 27, "16×8": 2}
    assert seen.modes == {"8-bit RGB": 27, "8-bit grey": 2}
    assert (seen.duplicates.groups, seen.duplicates.extra) == (1, 1)
    assert seen.duplicates.named == (("cat/0.png", "cat/same.png"),)
    assert seen.near.pairs == 1 and seen.near.named == (("cat/1.png", "cat/near.png"),)
    assert seen.split == {"train": len(data.train), "held out": len(data.heldout), "dropped": 0}
    assert seen.fingerprint == data.fingerprint
    expected = data.rows[data.train] / 255
    assert np.allclose(seen.mean, expected.mean(axis=(0, 1, 2)))
    assert np.allclose(seen.std, expected.std(axis=(0, 1, 2)))


def test_warnings_and_text(mixed: Path) -> None:
    seen = inspect_data(mixed, holdout=0)
    text = str(seen)
    for words in (
        "few examples: 29 to train on",
        "unbalanced: the largest class has 14 times the smallest",
        "3.3% can't be used (1)",
        "1 are blank",
        "nothing is held out",
        "cat/rubbish.png can't be read as a picture",
        "1 exact, in 1 groups",
        "cat: 27, dog: 2",
        "8×8, RGB, uint8, fit by crop",
    ):
        assert words in text
    assert json.loads(json.dumps(seen.to_json()))["classes"] == {"cat": 27, "dog": 2}


def test_good_data_has_no_warnings() -> None:
    seen = inspect_data("digits")
    assert seen.warnings == () and seen.near.pairs == seen.duplicates.extra == 0
    assert "skipped" not in str(seen)


def test_near_duplicates_of_larger_pictures(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (10, 40, 30, 4), np.uint8)
    array[7] = array[2]
    array[7, :3, :3] ^= 1
    np.save(tmp_path / "d.npy", array)
    assert inspect_data(tmp_path / "d.npy").near.named == (("d[2]", "d[7]"),)


def test_errors_are_those_of_opening() -> None:
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        inspect_data("digts")
