"""What an extractor looks at, against slow arithmetic by hand and against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.base.errors import DataError
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features import dinov2, inception
from ganwright.modalities.images.features.pictures import checked, planes, rgb, rgb_rule
from ganwright.modalities.images.features.resize import bicubic, bilinear_tf1

RNG = np.random.default_rng(0)


def slow_tf1(picture: np.ndarray, size: int) -> np.ndarray:
    """resize_bilinear of TensorFlow 1 (align_corners and half_pixel_centers off), pixel by pixel."""
    height, width = picture.shape
    made = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            y, x = i * height / size, j * width / size
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            v, u = y - top, x - left
            above = picture[top, left] * (1 - u) + picture[top, right] * u
            below = picture[bottom, left] * (1 - u) + picture[bottom, right] * u
            made[i, j] = above * (1 - v) + below * v
    return made


@pytest.mark.parametrize(("height", "width", "size"), [(8, 8, 29), (5, 12, 17), (40, 33, 13)])
def test_bilinear_is_tensorflow_ones(height: int, width: int, size: int) -> None:
    picture = RNG.integers(0, 256, (height, width)).astype(np.float32)
    made = bilinear_tf1(torch.from_numpy(picture)[None, None], size)[0, 0].numpy()
    assert made == pytest.approx(slow_tf1(picture, size), abs=2e-3)


def test_bilinear_leaves_a_picture_of_the_size_alone() -> None:
    x = torch.rand(2, 3, 11, 11)
    assert torch.equal(bilinear_tf1(x, 11), x)


def test_bilinear_differs_from_pytorchs() -> None:
    x = torch.rand(1, 1, 8, 8)
    other = torch.nn.functional.interpolate(x, (29, 29), mode="bilinear", align_corners=False)
    assert (bilinear_tf1(x, 29) - other).abs().max() > 0.05


def test_bicubic_is_pillows_and_smooths() -> None:
    checkers = np.indices((448, 448)).sum(0) % 2 * 255
    picture = np.repeat(checkers[:, :, None], 3, axis=2).astype(np.uint8)
    made = bicubic(picture[None], 224)
    expected = np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BICUBIC))
    assert np.array_equal(made[0], expected)
    assert made[:, 8:-8, 8:-8].std() < 3  # without smoothing it would stay black and white
    assert bicubic(picture[None][:0], 224).shape == (0, 224, 224, 3)


def test_grey_is_repeated_and_eight_bit_stays() -> None:
    codec = ImageCodec(height=4, width=5, channels=1)
    pictures = RNG.integers(0, 256, (3, 4, 5, 1)).astype(np.uint8)
    assert np.array_equal(rgb(pictures, codec), np.repeat(pictures, 3, axis=3))
    assert rgb(pictures[:0], codec).shape == (0, 4, 5, 3)


def test_deep_pictures_are_brought_to_eight_bit_by_the_codecs_range() -> None:
    deep = ImageCodec(height=1, width=3, channels=1, dtype="uint16", high=65535.0)
    values = np.array([0, 257 * 100, 65535], np.uint16).reshape(1, 1, 3, 1)
    assert rgb(values, deep)[0, 0, :, 0].tolist() == [0, 100, 255]
    real = ImageCodec(height=1, width=3, channels=1, dtype="float32", low=-2.0, high=2.0)
    floats = np.array([-5, 0, 2], np.float32).reshape(1, 1, 3, 1)
    assert rgb(floats, real)[0, 0, :, 0].tolist() == [0, 128, 255]  # 127.5 rounds to even
    assert rgb_rule(real) != rgb_rule(deep)
    assert planes(floats, real, 64).flatten().tolist() == [-1, 0, 1]


def test_alpha_goes_over_white() -> None:
    codec = ImageCodec(height=1, width=3, channels=4)
    pictures = np.array([[[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]]], np.uint8)
    assert rgb(pictures, codec)[0, 0].tolist() == [[10, 20, 30], [255] * 3, [204] * 3]
    seen = planes(pictures, codec, 64)[0, :, 0]  # colour over white, then alpha
    assert seen[:, 1].tolist() == [1, 1, 1, -1]
    assert seen[0, 2].item() == pytest.approx(204 / 127.5 - 1, abs=1e-6)


def test_hidden_colour_is_not_seen() -> None:
    codec = ImageCodec(height=2, width=2, channels=2)
    a, b = np.zeros((2, 1, 2, 2, 2), np.uint8)
    b[..., 0] = 200
    assert torch.equal(planes(a, codec, 64), planes(b, codec, 64))


def test_large_pictures_are_averaged_down() -> None:
    codec = ImageCodec(height=64, width=128, channels=1)
    pictures = RNG.integers(0, 256, (2, 64, 128, 1)).astype(np.uint8)
    made = planes(pictures, codec, 32)
    by_hand = pictures.reshape(2, 16, 4, 32, 4).mean((2, 4)) / 127.5 - 1
    assert made.shape == (2, 1, 16, 32)
    assert made[:, 0].numpy() == pytest.approx(by_hand, abs=1e-5)


def test_inception_takes_299_pixels_centred_at_128() -> None:
    codec = ImageCodec(height=8, width=8, channels=1)
    pictures = RNG.integers(0, 256, (2, 8, 8, 1)).astype(np.uint8)
    x = inception.prepare(pictures, codec)
    assert x.shape == (2, 3, 299, 299)
    assert torch.equal(x[:, 0], x[:, 2])
    expected = (slow_tf1(pictures[1, :, :, 0].astype(float), 299) - 128) / 128
    assert x[1, 0].numpy() == pytest.approx(expected, abs=1e-4)


def test_dinov2_takes_224_pixels_by_imagenets_mean_and_spread() -> None:
    codec = ImageCodec(height=8, width=8, channels=3)
    pictures = np.full((2, 8, 8, 3), 102, np.uint8)  # 0.4
    x = dinov2.prepare(pictures, codec)
    assert x.shape == (2, 3, 224, 224)
    expected = [(0.4 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, (0.4 - 0.406) / 0.225]
    assert x[0, :, 100, 100].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("pictures", "text"),
    [
        (np.zeros((3, 4, 4, 1)), r"need \(n, 4, 4, 1\) float32; got \(3, 4, 4, 1\) float64"),
        (np.zeros((3, 4, 4), np.float32), r"got \(3, 4, 4\) float32"),
        (np.full((2, 4, 4, 1), np.nan, np.float32), "2 of 2 have NaN or infinite values; the fir"),
    ],
)
def test_other_pictures_are_refused(pictures: np.ndarray, text: str) -> None:
    codec = ImageCodec(height=4, width=4, channels=1, dtype="float32", low=0.0, high=1.0)
    with pytest.raises(DataError, match=text) as caught:
        checked(pictures, codec)
    assert "\n" not in str(caught.value)
