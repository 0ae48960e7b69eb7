"""A drawn T: affine, exactly differentiable any number of times, and the geometry that it says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import affine_grid, grid_sample

from ganwright.base.spec import Spec
from ganwright.game import Augment, AugmentOptions
from ganwright.modalities.images import augment as part
from ganwright.modalities.images.augment.affine import (
    BILINEAR,
    REFLECTION,
    Drawn,
    Recolour,
    Sampling,
    sharpened,
)
from ganwright.modalities.images.augment.operations import DIFFAUG, USUAL

EVERYTHING = ("flip", "rotate90", *USUAL, "luma-flip")


def augment(
    shape: tuple[int, int, int], *operations: str, p: float = 1.0, **rest: object
) -> Augment:
    chances = {} if rest.get("mode") == "diffaug" else {"p": p, "colour_share": 1.0}
    options = {"mode": "fixed", "operations": operations} | chances | rest
    spec = Spec(axes=("channel", "height", "width"), shape=shape)
    return Augment.of(AugmentOptions(**options), part, spec)  # type: ignore[arg-type]


def pictures(count: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, *shape, dtype=dtype) * 2 - 1


def mixed(theta: Tensor, height: int, width: int) -> Sampling:
    """The resampling of theta, of every picture."""
    no = torch.zeros(len(theta), dtype=torch.bool)
    return Sampling.of(theta, no, ~no, (height, width), REFLECTION)


every_shape = pytest.mark.parametrize("shape", [(1, 5, 5), (3, 4, 4), (2, 3, 5)], ids=str)
every_mode = pytest.mark.parametrize(
    "mode",
    [{"operations": EVERYTHING, "p": 0.7}, {"operations": (), "mode": "diffaug"}],
    ids=["p", "diffaug"],
)


def draw(
    shape: tuple[int, int, int], mode: dict[str, object], count: int = 4
) -> tuple[Drawn, Tensor]:
    torch.manual_seed(0)
    x = pictures(count, *shape)
    rest = dict(mode)
    operations = rest.pop("operations")
    return augment(shape, *operations, **rest).draw(x), x  # type: ignore[misc, arg-type]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own
@every_shape
@every_mode
def test_derivatives_of_every_order(shape: tuple[int, int, int], mode: dict[str, object]) -> None:
    drawn, x = draw(shape, mode)
    assert gradcheck(drawn, x.requires_grad_(), check_forward_ad=True)
    assert gradgradcheck(lambda x: drawn(x) ** 2, x)
    third = torch.autograd.functional.hvp(lambda x: (drawn(x) ** 3).sum(), x.detach(), x.detach())[
        1
    ]
    torch.testing.assert_close(third, drawn.transposed(6 * drawn(x) * drawn.linear(x)))


@every_shape
@every_mode
def test_it_is_affine_and_the_transpose_is_one(
    shape: tuple[int, int, int], mode: dict[str, object]
) -> None:
    drawn, x = draw(shape, mode)
    y = pictures(len(x), *shape)
    torch.testing.assert_close(drawn(x) - drawn(torch.zeros_like(x)), drawn.linear(x))
    torch.testing.assert_close(drawn.linear(2 * x - y), 2 * drawn.linear(x) - drawn.linear(y))
    torch.testing.assert_close((drawn.linear(x) * y).sum(), (x * drawn.transposed(y)).sum())
    x.requires_grad_()
    (by_autograd,) = torch.autograd.grad(drawn(x), x, y)
    torch.testing.assert_close(by_autograd, drawn.transposed(y))


@every_mode
def test_a_mask_instead_of_numbers_of_rows_comes_to_the_same(mode: dict[str, object]) -> None:
    """As on a GPU, where nothing waits to learn which rows are which."""
    torch.manual_seed(1)
    theta = torch.randn(6, 2, 3, dtype=torch.float64)
    theta[::2] = torch.eye(2, 3, dtype=torch.float64)
    whole = torch.arange(6) % 2 == 0
    by_rows = Sampling.of(theta, whole, whole, (5, 6), REFLECTION)
    masked = []
    for one in by_rows.parts:
        mask = torch.zeros(6, dtype=torch.bool)
        mask[one.rows] = True
        masked.append(
            one._replace(rows=mask, grid=affine_grid(theta, [6, 1, 5, 6], align_corners=False))
        )
    x = pictures(6, 3, 5, 6)
    for transposed in (False, True):
        torch.testing.assert_close(
            Sampling(tuple(masked), REFLECTION).apply(x, transposed=transposed),
            by_rows.apply(x, transposed=transposed),
        )


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 9, 14)], ids=str)
def test_nothing_happens_at_p_nought_to_the_last_bit(shape: tuple[int, int, int]) -> None:
    x = pictures(16, *shape, dtype=torch.float32)
    assert augment(shape, *EVERYTHING, p=0.0)(x) is x
    seldom = augment(shape, *EVERYTHING, p=1e-12)(x)
    assert torch.equal(seldom.view(torch.int32), x.view(torch.int32))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 7, 7)], ids=str)
def test_flips_and_quarter_turns_are_exact(shape: tuple[int, int, int]) -> None:
    x = pictures(200, *shape, dtype=torch.float32)
    seen = [0] * 8
    for one, whole in zip(x, augment(shape, "flip", "rotate90")(x), strict=True):
        guises = [torch.rot90(way, k, (1, 2)) for way in (one, one.flip(2)) for k in range(4)]
        found = [torch.equal(guise, whole) for guise in guises]
        assert sum(found) == 1
        seen[found.index(True)] += 1
    assert min(seen) > 10


def test_an_oblong_picture_is_turned_by_half() -> None:
    x = pictures(50, 3, 6, 10, dtype=torch.float32)
    for one, whole in zip(x, augment((3, 6, 10), "rotate90")(x), strict=True):
        assert torch.equal(one, whole) or torch.equal(torch.rot90(one, 2, (1, 2)), whole)


def test_shifts_are_whole_exact_and_reflect() -> None:
    shape, x = (1, 28, 20), pictures(300, 1, 28, 20, dtype=torch.float32)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="symmetric")
    seen = set()
    for one, shifted in zip(padded, augment(shape, "shift")(x).numpy(), strict=True):
        found = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if np.array_equal(one[:, 4 - down : 32 - down, 4 - right : 24 - right], shifted)
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert {down for down, _ in seen} == set(range(-4, 5)) - {-4, 4} | (  # ±3.5 rounds to even
        {down for down, _ in seen} & {-4, 4}
    )
    assert {right for _, right in seen} == set(range(-2, 3))


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_resampling_that_needs_none_is_the_sharpened_picture(angle: int) -> None:
    x = pictures(2, 3, 8, 8)
    a = math.radians(angle)
    theta = torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0]])
    found = mixed(theta.double().expand(2, 2, 3), 8, 8).apply(x, transposed=False)
    torch.testing.assert_close(
        found, torch.rot90(sharpened(x), angle // 90, (2, 3)), rtol=0, atol=1e-6
    )


def test_sharpening_is_the_convolution_and_its_own_transpose() -> None:
    x, y = pictures(2, 1, 6, 9), pictures(2, 1, 6, 9)
    kernel = torch.tensor([-0.1, 1.2, -0.1], dtype=torch.float64)
    edged = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    expected = torch.nn.functional.conv2d(edged, torch.outer(kernel, kernel)[None, None])
    torch.testing.assert_close(sharpened(x), expected)
    torch.testing.assert_close((sharpened(x) * y).sum(), (x * sharpened(y)).sum())


def wave(side: int, across: float, down: float) -> Tensor:
    """A cosine of so many radians a pixel, at its crest in the middle."""
    y, x = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2 for _ in "yx")
    return torch.cos(across * x + down * y[:, None])[None, None]


@pytest.mark.parametrize("frequency", [math.pi / 4, math.pi / 2])
def test_resampling_keeps_the_contrast_of_waves(frequency: float) -> None:
    """Turned waves against the same waves drawn turned; bilinear alone loses up to a third."""
    side, ours, bare = 48, [], []
    for angle in (torch.arange(60) * 0.7548).tolist():
        cos, sin = math.cos(angle), math.sin(angle)
        theta = torch.tensor([[[cos, -sin, 0], [sin, cos, 0]]]).double()
        x, turned = wave(side, frequency, 0), wave(side, frequency * cos, -frequency * sin)
        grid = affine_grid(theta, [1, 1, side, side], align_corners=False)
        inner = (..., slice(14, 34), slice(14, 34))

        def gain(found: Tensor, true: Tensor = turned[inner], at: Any = inner) -> float:
            return float((found[at] * true).sum() / true.square().sum())

        ours.append(gain(mixed(theta, side, side).apply(x, transposed=False)))
        bare.append(gain(grid_sample(x, grid, align_corners=False)))
    lost, lost_bare = 1 - sum(ours) / 60, 1 - sum(bare) / 60
    assert abs(lost) < 0.6 * lost_bare
    assert lost_bare < 0.35


def test_scaled_there_and_back() -> None:
    x = wave(40, 0.4, 0.25)
    for factor in (0.8, 1.25):
        there, back = (
            mixed(torch.tensor([[[f, 0, 0], [0, f, 0]]]).double(), 40, 40)
            for f in (factor, 1 / factor)
        )
        found = back.apply(there.apply(x, transposed=False), transposed=False)
        assert float((found - x)[..., 8:32, 8:32].abs().max()) < 0.03


def test_only_what_is_mixed_is_resampled() -> None:
    torch.manual_seed(0)
    x = pictures(400, 1, 8, 8, dtype=torch.float32)
    drawn = augment((1, 8, 8), "shift", "scale", p=0.5).draw(x)
    (sampling,) = drawn.steps
    assert isinstance(sampling, Sampling)
    mixed_rows = next(part.rows for part in sampling.parts if part.kernel == BILINEAR)
    assert 140 < len(mixed_rows) < 260
    result = drawn(x)
    sums = {round(float(v), 6) for v in x.flatten()}
    still = [i for i in range(400) if i not in set(mixed_rows.tolist())]
    assert all({round(float(v), 6) for v in result[i].flatten()} <= sums for i in still)


def test_the_places_cut_out_and_the_usual_policy() -> None:
    torch.manual_seed(0)
    x = torch.ones(500, 2, 10, 16)
    cut = augment((2, 10, 16), "cutout")(x)
    assert set(cut.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(cut[:, 0], cut[:, 1])
    gone = 1 - cut[:, 0]
    rows, columns = gone.amax(2).sum(1), gone.amax(1).sum(1)
    assert torch.equal(gone.sum((1, 2)), rows * columns)  # a rectangle
    assert rows.max() == 5 and columns.max() == 8 and rows.min() >= 2
    assert 0.04 < float(gone.mean(0).min()) < 0.1 < 0.2 < float(gone.mean(0).max()) < 0.32
    assert "flip" not in USUAL and "luma-flip" not in USUAL and set(DIFFAUG) <= set(USUAL)


def test_the_colour_map_is_what_numpy_multiplies() -> None:
    """Brightness, contrast, luma flip, hue, saturation as 4×4 matrices, one after the other."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    ours = augment((3, 4, 4), "colour")
    axis = np.ones(3) / math.sqrt(3)
    x = rng.uniform(-1, 1, (3, 4, 4))
    for _ in range(20):
        bright, contrast, sign = rng.normal(), rng.uniform(0.3, 3), rng.choice([-1.0, 1.0])
        angle, saturation = rng.uniform(-4, 4), rng.uniform(0, 3)
        total = np.eye(4)
        total[:3, 3] = bright
        total = np.diag([contrast, contrast, contrast, 1]) @ total
        flip = np.eye(4)
        flip[:3, :3] -= (1 - sign) * np.outer(axis, axis)
        skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        hue = np.eye(4)
        hue[:3, :3] += math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew  # Rodrigues
        grey = np.eye(4)
        grey[:3, :3] = np.outer(axis, axis) + saturation * (np.eye(3) - np.outer(axis, axis))
        total = grey @ hue @ flip @ total
        expected = np.einsum("ij,jhw->ihw", total[:3, :3], x) + total[:3, 3, None, None]
        luma, chroma, turn, offset = (
            torch.tensor([v], dtype=torch.float64)
            for v in (contrast * sign, contrast * saturation, angle, contrast * sign * bright)
        )
        recolour = Recolour(ours.views._matrix(luma, chroma, turn), None, offset)
        np.testing.assert_allclose(
            recolour(torch.from_numpy(x)[None])[0].numpy(), expected, atol=1e-6
        )


def test_colours_of_diffaugment_are_the_papers() -> None:
    torch.manual_seed(0)
    x = pictures(200, 3, 6, 6)
    result = augment((3, 6, 6), "colour", mode="diffaug")(x)
    mean, grey = x.mean((1, 2, 3), keepdim=True), x.mean(1, keepdim=True)
    bright = result.mean((1, 2, 3), keepdim=True) - mean
    assert -0.5 <= float(bright.min()) < -0.4 < 0.4 < float(bright.max()) <= 0.5
    found = result.mean(1, keepdim=True) - mean - bright  # grey is left alone by saturation
    contrast = (found * (grey - mean)).sum((1, 2, 3), keepdim=True) / (grey - mean).square().sum(
        (1, 2, 3), keepdim=True
    )
    torch.testing.assert_close(found, contrast * (grey - mean))
    assert 0.5 <= float(contrast.min()) < 0.6 < 1.4 < float(contrast.max()) <= 1.5  # fmt: skip
    colour = (result - result.mean(1, keepdim=True)) / contrast
    saturation = (colour * (x - grey)).sum((1, 2, 3), keepdim=True) / (x - grey).square().sum(
        (1, 2, 3), keepdim=True
    )
    torch.testing.assert_close(colour, saturation * (x - grey))
    assert 0 <= float(saturation.min()) < 0.1 < 1.9 < float(saturation.max()) <= 2  # fmt: skip


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_colours_mean_for_other_channels(channels: int) -> None:
    torch.manual_seed(0)
    x = pictures(300, channels, 3, 3)
    result = augment((channels, 3, 3), "colour", "luma-flip")(x)
    centred = [v - v.mean((2, 3), keepdim=True) for v in (result, x)]
    alike = torch.cosine_similarity(centred[0].flatten(1), centred[1].flatten(1)).abs()
    if channels == 3:  # hues change
        assert float(alike.min()) < 0.5
    else:  # one gain and one offset for all channels
        assert float(alike.min()) > 1 - 1e-6
        gain = (centred[0] * centred[1]).sum((1, 2, 3)) / centred[1].square().sum((1, 2, 3))
        assert 0.4 < float((gain > 0).double().mean()) < 0.6
        assert abs(float(gain.abs().log2().std()) - 0.5) < 0.1
