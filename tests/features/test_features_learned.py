"""The network that learns from the user's own data: what it is worth, and that it is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ganwright.base.errors import DataError, OptionError
from ganwright.data import Dataset
from ganwright.evaluate.distances import fid
from ganwright.evaluate.learned import _parts, vicreg
from ganwright.modalities.images.features.learned import learned, moved

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("way", ["supervised", "self_supervised"])
def test_distances_are_in_the_right_order(way: str, request: pytest.FixtureRequest) -> None:
    digits = request.getfixturevalue(way)
    extractor, held = digits.extractor, digits.heldout
    assert extractor.about["kind"] == way.replace("_", "-")
    real = extractor.features(digits.data.rows[digits.data.train])
    assert real.var(0).mean() == pytest.approx(1, abs=0.1)

    def far(pictures: np.ndarray) -> float:
        return float(fid(real, extractor.features(pictures)))

    def noisy(by: float) -> np.ndarray:
        noise = np.random.default_rng(1).normal(0, by, held.shape)
        return np.clip(held + noise, 0, 255).round().astype(np.uint8)

    def blurred(by: float) -> np.ndarray:
        return gaussian_filter(held.astype(float), (0, by, by, 0)).round().astype(np.uint8)

    def without(classes: int) -> np.ndarray:
        return held[digits.heldout_labels >= classes]

    floor = far(held)
    assert floor < far(noisy(32)) < far(noisy(64))
    assert floor < far(blurred(0.5)) < far(blurred(0.7)) < far(blurred(1))
    assert floor < far(without(1)) < far(without(2)) < far(without(5))
    assert 4 * floor < min(far(noisy(64)), far(blurred(0.7)), far(without(2)))
    assert 20 * floor < far(RNG.integers(0, 256, held.shape).astype(np.uint8))


def test_classes_are_told_apart(supervised) -> None:  # type: ignore[no-untyped-def]
    extractor = supervised.extractor
    shares = extractor.probabilities(supervised.heldout)
    assert shares is not None and shares.shape == (len(supervised.heldout), 10)
    assert shares.sum(1) == pytest.approx(1, abs=1e-5)
    right = shares.argmax(1) == supervised.heldout_labels
    assert right.mean() > 0.9
    assert extractor.about["accuracy"] > 0.9 and extractor.about["accuracy_n"] > 100
    # Calibrated: the confidence is about the share that is right.
    assert shares.max(1).mean() == pytest.approx(right.mean(), abs=0.03)
    assert extractor.classes == supervised.data.spec.classes


def test_without_labels_there_are_no_probabilities(self_supervised) -> None:  # type: ignore[no-untyped-def]
    assert self_supervised.extractor.probabilities(self_supervised.heldout) is None
    assert "accuracy" not in self_supervised.extractor.about


# --- the same again -----------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def test_deterministic_and_leaves_the_callers_randomness(
    few: Dataset, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    with torch.inference_mode():  # in-training scores are made in it
        first = learned(few, steps=3)
    assert torch.equal(state, torch.random.get_rng_state())
    monkeypatch.setenv("GANWRIGHT_CACHE", str(own_cache.parent / "another"))
    torch.manual_seed(6)
    again = learned(few, steps=3)
    assert again.hash == first.hash and again.about == first.about
    assert np.array_equal(again.features(few.rows[:9]), first.features(few.rows[:9]))


def test_the_hash_tells_extractors_apart(few: Dataset, own_cache: Path) -> None:
    first = learned(few, steps=2)
    assert len(first.hash) == 16 and int(first.hash, 16)
    others = {
        learned(few, steps=3).hash,
        learned(few, steps=2, seed=1).hash,
        learned(replace(few, fingerprint="other"), steps=2).hash,
        learned(replace(few, codec=replace(few.codec, dtype="float32", high=256.0)), steps=2).hash,
    }
    assert len(others | {first.hash}) == 5


def test_held_out_pictures_are_never_looked_at(few: Dataset, own_cache: Path) -> None:
    first = learned(few, steps=2)
    rows = np.array(few.rows)
    rows[few.heldout] = 255
    own_cache.rename(own_cache.with_name("aside"))
    again = learned(replace(few, rows=rows), steps=2)
    assert again.hash == first.hash


def test_kept_and_found_again(
    few: Dataset, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = learned(few, steps=2)
    weights, facts = sorted(own_cache.iterdir(), key=lambda p: p.suffix, reverse=True)
    assert (weights.suffix, facts.suffix) == (".safetensors", ".json")
    assert json.loads(facts.read_text())["facts"]["steps"] == 2
    monkeypatch.setattr(sys.modules[vicreg.__module__], "_train", None)  # would fail
    again = learned(few, steps=2)
    assert again.hash == first.hash and again.about == first.about
    assert np.array_equal(again.see(few.rows[:5]).features, first.see(few.rows[:5]).features)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".safetensors", b"damaged"),
        (".safetensors", b""),
        (".json", b"{"),
        (".json", b"[]"),
        (".json", b'{"weights": "0000", "facts": {}}'),
    ],
)
def test_a_damaged_cache_is_built_anew(
    few: Dataset, own_cache: Path, suffix: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = learned(few, steps=2)
    file = next(own_cache.glob(f"*{suffix}"))
    whole = file.read_bytes()
    file.write_bytes(content)
    assert learned(few, steps=2).hash == first.hash
    assert "are damaged" in caplog.text
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    few: Dataset, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text("a file where a folder should be")
    assert learned(few, steps=1).width == 128
    assert "can't be kept" in caplog.text


def test_two_processes_at_once(own_cache: Path) -> None:
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from dataclasses import replace\n"
        "import ganwright as gw\n"
        "from ganwright.modalities.images.features.learned import learned\n"
        "data = gw.open_data('digits')\n"
        "few = replace(data, train=data.train[:30], fingerprint='of thirty digits')\n"
        "print(learned(few, steps=4).hash)"
    )
    made = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    found = [process.communicate(timeout=120)[0].strip() for process in made]
    assert [process.returncode for process in made] == [0, 0]
    assert found[0] == found[1] and len(found[0]) == 16
    assert sorted(p.suffix for p in own_cache.iterdir()) == [".json", ".safetensors"]


# --- any picture --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((8, 8, 3), "uint8"),
        ((16, 12, 4), "uint8"),
        ((4, 4, 1), "uint8"),
        ((5, 33, 1), "uint16"),
        ((64, 64, 3), "float32"),
        ((9, 80, 2), "uint8"),
    ],
)
@pytest.mark.parametrize("labels", [True, False])
def test_any_kind_of_picture(
    shape: tuple[int, int, int], dtype: str, labels: bool, open_array: Callable[..., Dataset]
) -> None:
    if dtype == "float32":
        pictures = RNG.normal(0, 3, (40, *shape)).astype(np.float32)
    else:
        pictures = RNG.integers(0, np.iinfo(dtype).max + 1, (40, *shape)).astype(dtype)
    data = open_array(pictures, np.arange(40) % 2 if labels else None)
    assert data.codec.dtype == dtype and data.codec.channels == shape[2]
    extractor = learned(data, steps=2)
    seen = extractor.see(data.rows)
    assert seen.features.shape == (40, 128)
    assert (seen.probabilities is not None) == labels


def test_too_little_is_said_in_one_line(few: Dataset, open_array: Callable[..., Dataset]) -> None:
    with pytest.raises(DataError, match="needs at least 20 training pictures; got 5: use 'pixels'"):
        learned(replace(few, train=few.train[:5]))
    flat = open_array(RNG.integers(0, 256, (40, 3, 8, 1)).astype(np.uint8))
    with pytest.raises(DataError, match="at least 4 pixels per side; got 3×8: use 'pixels'"):
        learned(flat)
    with pytest.raises(OptionError, match="features 'learned': steps must be at least 1; got 0"):
        learned(few, steps=0)


def test_labels_need_ten_pictures_a_class(few: Dataset, own_cache: Path) -> None:
    assert learned(few, steps=1).classes == ()  # thirty of ten classes
    hundred = replace(few, train=np.arange(100), fingerprint="of hundred")
    assert len(learned(hundred, steps=1).classes) == 10


@pytest.mark.parametrize("different", [1, 2, 5])
def test_data_of_few_different_pictures(
    different: int, few: Dataset, open_array: Callable[..., Dataset]
) -> None:
    some = RNG.integers(0, 256, (different, 8, 8, 1)).astype(np.uint8)
    data = open_array(some[np.arange(60) % different], holdout=0)
    inner, checked = _parts(data)
    assert len(inner) >= 10 and len(checked)
    assert np.isfinite(learned(data, steps=2).features(data.rows)).all()


# --- its parts ----------------------------------------------------------------------------------


def test_the_inner_part_is_kept_back_by_content(supervised) -> None:  # type: ignore[no-untyped-def]
    data = supervised.data
    inner, checked = _parts(data)
    assert sorted([*inner, *checked]) == sorted(data.train)
    assert 0.05 < len(checked) / len(data.train) < 0.15
    assert not set(data.hashes[inner]) & set(data.hashes[checked])


def test_moving_by_nothing_leaves_the_picture() -> None:
    x = torch.rand(3, 2, 6, 9)
    assert torch.allclose(moved(x, 0, 0, 0), x, atol=1e-5)
    flat = torch.full((2, 1, 5, 5), 0.3)
    assert torch.allclose(moved(flat, 0.3, 45, 0.5), flat)


def test_vicreg_by_hand() -> None:
    a, b = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    expected = 25 * ((a - b) ** 2).mean().item()
    for z in (a.numpy(), b.numpy()):
        spread = np.sqrt(z.var(0, ddof=1) + 1e-4)
        covariance = np.cov(z.T)
        off = (covariance**2).sum() - (np.diag(covariance) ** 2).sum()
        expected += 12.5 * np.maximum(0, 1 - spread).mean() + off / 3
    assert vicreg(a, b).item() == pytest.approx(expected, rel=1e-9)
