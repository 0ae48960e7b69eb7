"""The built-in drawings: the same bytes everywhere, factors that read back, no drawing twice."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np
import pytest

import ganwright as gw
from ganwright.cli.app import run
from ganwright.modalities.images.read import shapes


@pytest.fixture(scope="module")
def whole() -> shapes.Factors:
    return shapes.factors(shapes.POSSIBLE)


@pytest.fixture(scope="module")
def images(whole: shapes.Factors) -> np.ndarray:
    return shapes.draw(whole)


def test_the_bytes_never_change() -> None:
    found = hashlib.sha256(shapes.draw(shapes.factors()).tobytes()).hexdigest()
    assert found == "be41c5c7e19ecb1b74ab3efe7200e3a0694bc8b649cbd4afae9a275b97bd60fc"


def test_every_drawing_is_another(images: np.ndarray) -> None:
    assert images.shape == (6 * 6 * 3 * 9 * 14, 32, 32, 3)
    assert len({image.tobytes() for image in images}) == len(images)


def test_each_level_is_equally_frequent(whole: shapes.Factors) -> None:
    for one, levels in zip(fields(whole), shapes.LEVELS, strict=True):
        assert set(np.bincount(getattr(whole, one.name))) == {shapes.POSSIBLE // levels}
    assert np.bincount(whole.count).tolist() == [0, *(n * shapes.POSSIBLE // 14 for n in (4, 6, 4))]


def test_a_drawing_shows_its_factors() -> None:
    square = shapes.FORMS.index("square")
    red = list(shapes.COLOURS).index("red")
    middle, both = shapes.SHIFTS.index((0, 0)), shapes.PLACES.index((1, 2))
    one = shapes.Factors(*(np.array([i]) for i in (square, red, 1, middle, both)))
    (image,) = shapes.draw(one)
    for top, left in ((0, 16), (16, 0)):  # a square of radius 5 covers at least 8×8 of its 16×16
        assert (image[top + 4 : top + 12, left + 4 : left + 12] == shapes.COLOURS["red"]).all()
        assert (image[top : top + 3, left : left + 16] == 255).all()
    assert (image[:16, :16] == 255).all() and (image[16:, 16:] == 255).all()
    assert one.count.tolist() == [2]


def test_reading_back(whole: shapes.Factors, images: np.ndarray) -> None:
    rows = slice(0, 300)
    found, distance = shapes.nearest(images[rows])
    assert (distance == 0).all()
    noise = np.random.default_rng(0).normal(0, 20, images[rows].shape)
    noisy, far = shapes.nearest((images[rows] + noise).clip(0, 255).astype(np.uint8))
    assert (far > 0).all()
    for one in fields(found):
        assert np.array_equal(getattr(found, one.name), getattr(whole[rows], one.name))
        if one.name in ("colour", "place"):
            assert np.array_equal(getattr(noisy, one.name), getattr(whole[rows], one.name))


def test_the_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    data = gw.open_data("shapes")
    what = shapes.factors()
    assert len(data) == 4000 and data[0].shape == (32, 32, 3)
    assert data.spec.classes == shapes.FORMS and np.array_equal(data.labels, what.form)
    assert np.array_equal(data.rows[np.arange(50)], shapes.draw(what[:50]))
    assert run(["inspect", "shapes"]) == 0
    assert "4,000" in capsys.readouterr().out


def test_a_near_name_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "shape"]) == 2
    assert "Did you mean 'shapes'" in capsys.readouterr().err
