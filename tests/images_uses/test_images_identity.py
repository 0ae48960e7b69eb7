"""Identities: never on both sides, and a generator that brings trained ones back is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ganwright as gw
from ganwright.base.errors import DataError
from ganwright.evaluate import learned
from ganwright.modalities.images.features.identity import Faces
from ganwright.modalities.images.features.views import told_apart
from ganwright.modalities.images.measures import leakage
from ganwright.model import Model, Samples
from ganwright.train.run import Run

SIDE, PERSONS, EACH = 12, 120, 5


def face(person: int) -> np.ndarray:
    """What identifies a person: a coarse pattern of 4×4 patches, (12, 12)."""
    coarse = np.random.default_rng(person).choice([40.0, 210.0], (4, 4))
    return np.kron(coarse, np.ones((3, 3)))


def photographs(persons: np.ndarray, seed: int) -> np.ndarray:
    """One photograph of each, (n, 12, 12) uint8: another light, and noise."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.7, 1.1, (len(persons), 1, 1))
    noise = rng.normal(0, 12, (len(persons), SIDE, SIDE))
    return (light * np.stack([face(p) for p in persons]) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    whose = np.repeat(np.arange(PERSONS), EACH)
    settings = {
        "data.image.identity": True, "data.holdout": 0.4,
        "train.batch": 16, "train.score_features": "off",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "STEPS", 60)
        yield gw.train(
            (photographs(whose, 0), whose), recipe="mlp-small", kimg=1,
            out=tmp_path_factory.mktemp("faces") / "run", settings=settings, progress=False,
        )  # fmt: skip


def data_of(run: Run) -> gw.Dataset:
    start = next(e for e in run.log if e["event"] == "start")
    return gw.open_data(start["source"], image={"identity": True}, holdout=0.4)


@pytest.fixture
def judged(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray], Any]:
    """The card of a run whose model makes these images."""

    def judge(images: np.ndarray) -> Any:
        def planted(self: Model, n: int, **_: Any) -> Iterator[Samples]:
            yield Samples(0, images[:n, :, :, None], None)

        monkeypatch.setattr(Model, "stream", planted)
        return gw.evaluate(run, n=len(images), features="pixels")

    return judge


def test_nobody_is_on_both_sides_and_nobody_is_a_class(run: Run) -> None:
    data = data_of(run)
    assert data.identities is not None and data.labels is None and not data.spec.classes
    known, unseen = (set(data.identities[part]) for part in (data.train, data.heldout))
    assert known and unseen and not known & unseen and len(known | unseen) == PERSONS
    assert any("none is on both sides of the split" in note for note in data.notes)


def test_new_persons_are_no_leak_and_old_ones_are(
    run: Run, judged: Callable[[np.ndarray], Any]
) -> None:
    data = data_of(run)
    assert data.identities is not None
    known = np.unique(data.identities[data.train])
    card = judged(photographs(np.arange(1000, 1100), 1))
    honest = card.measures["identity"]
    assert honest.low <= 0.05 and honest.floor < 0.2 and "No identity that was" in card.verdict
    assert any("are told apart with an AUC of" in note for note in card.notes)
    one = judged(photographs(np.repeat(known[:1], 100), 2))  # new photographs of one of them
    every = judged(photographs(np.resize(known, 100), 3))
    for card in (one, every):
        assert card.measures["identity"].low > 0.3
        assert "Identities that were trained on come back" in card.verdict
        assert card.measures["copies"].value == 0


def test_other_data_has_no_such_measure(tiny: Any, tmp_path: Path) -> None:
    card = gw.evaluate(tiny.run(tmp_path / "run"), n=100, features="pixels")
    assert "identity" not in card.measures and "identity" not in card.left_out


def test_what_has_no_identities_is_refused(tmp_path: Path) -> None:
    images = photographs(np.arange(40), 4)
    with pytest.raises(DataError, match=r"data\.identity: .* has no identities"):
        gw.open_data(images, image={"identity": True})
    with pytest.raises(DataError, match="has 4 identities; at least 10"):
        gw.open_data((images, np.arange(40) % 4), image={"identity": True})


def test_leakage_by_hand() -> None:
    """Half of the samples are nearer to training than the 95th percentile of 20 unseen images."""
    made = np.repeat([10, 59, 61.5, 80], 5)
    angle = np.deg2rad(np.concatenate([[0.0], np.linspace(90, 60, 20), made]))
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    faces = Faces(directions, 0.9, 2.0)
    found = leakage(faces[:1], faces[1:21], faces[21:])
    assert found.share.value == 0.5 and found.share.low < 0.5 < found.share.high
    with pytest.raises(DataError, match="needs 20 images of unseen identities; got 3"):
        leakage(faces[:1], faces[1:4], faces[21:])


def test_the_loss_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    x, whose = rng.normal(size=(6, 3)), np.array([0, 1, 0, 1, 2, 2])
    z = x / np.linalg.norm(x, axis=1, keepdims=True)
    total = 0.0
    for i in range(6):
        others = [k for k in range(6) if k != i]
        below = sum(np.exp(z[i] @ z[k] / 0.1) for k in others)
        same = [k for k in others if whose[k] == whose[i]]
        total -= np.mean([np.log(np.exp(z[i] @ z[k] / 0.1) / below) for k in same]) / 6
    found = told_apart(torch.from_numpy(x), torch.from_numpy(whose))
    assert float(found) == pytest.approx(total, rel=1e-9)
