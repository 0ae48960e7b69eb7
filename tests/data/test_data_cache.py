"""Decoded once; safe against damage, other processes and places that can't be written."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ganwright.data import cache as shared_cache
from ganwright.data import open_data
from ganwright.modalities.images import cache as cache_module
from ganwright.modalities.images.options import ImageOptions

OPEN = """
import sys
from ganwright.data import open_data
print(open_data(sys.argv[1]).fingerprint)
"""


def decoded(cache: Path) -> list[Path]:
    return sorted(cache.rglob("rows.npy"))


def test_decoded_once(pictures, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures("a", 5)
    first = open_data(folder)
    assert len(decoded(cache)) == 1

    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache_module, "_decode", fail)
    again = open_data(folder, holdout=0.3, labels=False, size=first.options.of(ImageOptions).size)
    assert (again.rows == first.rows).all() and (again.hashes == first.hashes).all()
    assert isinstance(again.rows.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again.rows[0] = 0


def test_changed_data_is_decoded_again(pictures, cache: Path) -> None:
    folder = pictures("a", 5)
    before = open_data(folder)
    os.utime(folder / "1.png", ns=(1, 1))
    assert open_data(folder).fingerprint == before.fingerprint
    assert len(decoded(cache)) == 2
    pictures("a", 1, seed=9)
    assert open_data(folder).fingerprint != before.fingerprint


@pytest.mark.parametrize("file", ["rows.npy", "index.npz", "survey.npz"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "nonsense"])
def test_a_damaged_cache_is_built_anew(file: str, damage: str, pictures, cache: Path) -> None:
    folder = pictures("a", 5)
    before = open_data(folder).fingerprint
    (path,) = cache.rglob(file)
    if damage == "gone":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[:-9], "empty": b"", "nonsense": b"x" * len(whole)}[damage])
    assert open_data(folder).fingerprint == before
    assert open_data(folder).fingerprint == before
    assert len(decoded(cache)) == 1
    assert not list(cache.rglob(".tmp-*"))


def test_an_unwritable_cache_is_a_warning(
    pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(shared_cache, "_temporary", [])
    data = open_data(pictures("a", 5))
    assert len(data) == 5 and open_data(pictures("a", 5)).fingerprint == data.fingerprint
    assert caplog.text.count("can't be written (") == 1


def test_two_processes_at_once(tmp_path: Path, cache: Path) -> None:
    np.save(tmp_path / "d.npy", np.random.default_rng(0).integers(0, 256, (3000, 16, 16), np.uint8))
    command = [sys.executable, "-c", OPEN, str(tmp_path / "d.npy")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate(timeout=60)[0] for process in running}
    assert printed == {open_data(tmp_path / "d.npy").fingerprint + "\n"}
    assert len(decoded(cache)) == 1 and not list(cache.rglob(".tmp-*"))


def test_the_loser_uses_the_winners(
    tmp_path: Path, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process publishes the same between our decoding and our renaming."""
    folder, publish = pictures("a", 5), cache_module._publish

    def late(aside: Path, final: Path, plan) -> Path:
        monkeypatch.setattr(cache_module, "_publish", publish)
        open_data(folder)
        theirs = (final / "rows.npy").stat().st_ino
        assert publish(aside, final, plan) == final
        assert (final / "rows.npy").stat().st_ino == theirs
        return final

    monkeypatch.setattr(cache_module, "_publish", late)
    assert len(open_data(folder)) == 5


def test_threads_keep_the_order(pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures("a", 300)
    one = open_data(folder, size=8)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    three = open_data(folder, size=9)
    assert (one.hashes == three.hashes).all()


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    array = np.lib.format.open_memmap(tmp_path / "d.npy", "w+", np.uint8, (3000, 64, 64, 3))
    for i in range(len(array)):
        array[i] = np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8)
    del array
    open_data("digits")  # imports are not what is measured
    tracemalloc.start()
    data = open_data(tmp_path / "d.npy")
    data.batch(np.arange(64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert data.rows.nbytes > 36e6 and peak < 5e6
