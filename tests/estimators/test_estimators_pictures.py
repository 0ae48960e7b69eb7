"""Images in estimators: arrays and Pillow's images, scored, balanced, copied, and refused in one line."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from ganwright.base.errors import WorkError
from ganwright.estimators import GANOutlierDetector, GANSampler, sampler
from ganwright.evaluate import learned

SIDE = 12
NARROW = {"generator.width": 8, "discriminator.width": 8}
QUICK: dict[str, Any] = {"passes": 4, "random_state": 0, "settings": NARROW, "progress": False}


def bars(count: int, seed: int, *, upright: bool = True) -> np.ndarray:
    """Bright bars (n, 12, 12) uint8 at several places, upright or level."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 30, (count, SIDE, SIDE))
    for image, at, wide in zip(
        found, rng.integers(2, 8, count), rng.integers(2, 4, count), strict=True
    ):
        image[:, at : at + wide] += rng.integers(150, 220)
    return (found if upright else found.transpose(0, 2, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def detector() -> GANOutlierDetector:
    return GANOutlierDetector(**QUICK).fit(bars(220, 0))


def test_odd_images_are_found_with_p_values(detector: GANOutlierDetector) -> None:
    new = np.concatenate([bars(40, 1), bars(20, 2, upright=False)])
    odd = np.arange(60) >= 40
    scores = detector.score_samples(new)
    assert scores.shape == (60,) and roc_auc_score(odd, -scores) > 0.95
    p = detector.p_values(new)
    n = len(detector.detector_.normal)
    assert detector.calibrated_by_ == "held-out images" and p.min() >= 1 / (n + 1)
    expected = [(1 + (detector.detector_.normal >= -s).sum()) / (1 + n) for s in scores]
    np.testing.assert_allclose(p, expected)
    np.testing.assert_allclose(detector.decision_function(new), scores - detector.offset_)
    assert set(detector.predict(new)) <= {1, -1} and (detector.predict(new)[odd] == -1).mean() > 0.5
    assert GANOutlierDetector(**QUICK).fit_predict(bars(120, 7)).mean() > 0.8


def test_of_unseen_normal_images_no_more_than_promised_have_small_p(
    detector: GANOutlierDetector,
) -> None:
    p, n = detector.p_values(bars(400, 3)), len(detector.detector_.normal)
    for level in (0.05, 0.2, 0.5):
        spread = np.sqrt(level * (1 - level) * (1 / 400 + 1 / n))
        assert (p <= level).mean() <= level + 3 * spread


def test_heat_maps_show_where(detector: GANOutlierDetector) -> None:
    new = bars(20, 4)
    new[:, 9:, 9:] = 255 - new[:, :3, 9:]
    heat = detector.heatmaps(new)
    assert heat.shape == new.shape and heat.dtype == np.uint8
    assert heat[:, 9:, 9:].mean() > 2 * heat[:, :9, :9].mean()
    with pytest.raises(ValueError, match="columns are of rows"):
        detector.odd_columns(new)


def test_the_same_images_in_other_forms_score_the_same(detector: GANOutlierDetector) -> None:
    new = bars(5, 5)
    expected = detector.score_samples(new)
    colour = np.repeat(new[..., None], 3, axis=3)
    files = [Image.fromarray(one) for one in new]
    for form in (new[..., None], colour, colour.transpose(0, 3, 1, 2), files, list(new)):
        np.testing.assert_allclose(detector.score_samples(form), expected, rtol=1e-6)
    large = [one.resize((24, 24), Image.Resampling.NEAREST) for one in files]
    np.testing.assert_allclose(detector.score_samples(large), expected, rtol=0.3)


def test_contamination_is_the_share_of_those_held_out() -> None:
    found = GANOutlierDetector(contamination=0.2, **QUICK).fit(bars(150, 6))
    normal = found.detector_.normal
    assert abs((normal > -found.offset_).mean() - 0.2) <= 1 / len(normal)


def test_clones_copies_and_pickles(detector: GANOutlierDetector) -> None:
    new = bars(6, 8)
    for twin in (copy.deepcopy(detector), pickle.loads(pickle.dumps(detector))):
        assert (twin.score_samples(new) == detector.score_samples(new)).all()
    with pytest.raises(NotFittedError):
        clone(detector).score_samples(new)


def test_what_no_detector_can_use_is_said(detector: GANOutlierDetector) -> None:
    failed = GANOutlierDetector(**QUICK)
    with pytest.raises(ValueError, match="p-values need 20"):
        failed.fit(bars(30, 9))
    with pytest.raises(NotFittedError):
        failed.p_values(bars(3, 9))
    with pytest.raises(ValueError, match="fitted on images"):
        detector.score_samples(bars(3, 9).reshape(3, -1))
    with pytest.raises(Exception, match="holds float32 images; the model was trained on uint8"):
        detector.score_samples(bars(3, 9).astype(np.float32))


def two_classes() -> tuple[np.ndarray, np.ndarray]:
    images = np.concatenate([bars(60, 10), bars(40, 11, upright=False)])
    return images, np.repeat(["upright", "level"], [60, 40])


def test_classes_of_images_are_balanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "STEPS", 60)
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path))
    images, labels = two_classes()
    balancer = GANSampler(**(QUICK | {"passes": 60}))
    more, names = balancer.fit_resample(images, labels)
    assert more.shape == (120, SIDE, SIDE) and more.dtype == np.uint8
    assert (more[:100] == images).all() and (names[:100] == labels).all()
    assert (names[100:] == "level").all()
    level = more[100:].astype(float)
    assert (level.mean(2).std(1) > level.mean(1).std(1)).mean() > 0.8  # they do lie
    assert not list(tmp_path.rglob("*.npy"))  # nothing of the images stays on disk


def test_a_class_that_cannot_be_grown_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: Any, source: Any, data: Any, wanted: Any, seed: int) -> None:
        raise WorkError(f"class '{wanted[0][0]}' can't be grown")

    monkeypatch.setattr(sampler, "grown", refuse)
    images, labels = two_classes()
    with pytest.raises(WorkError, match="class 'level' can't be grown"):
        GANSampler(**QUICK).fit_resample(images, labels)


def test_a_balanced_set_stays_as_it_is() -> None:
    files = [Image.fromarray(one) for one in bars(8, 12)]
    more, labels = GANSampler(**QUICK).fit_resample(files, [0, 1] * 4)
    assert more == files and labels == [0, 1] * 4
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GANSampler(**QUICK).fit_resample(files, [0, 1])
