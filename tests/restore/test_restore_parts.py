"""What restoring is made of: damage, the nets, tiles and measures, against outside oracles."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import skimage.metrics
import torch
from PIL import Image

from ganwright.base.errors import OptionError
from ganwright.game.penalties import squared_gradient
from ganwright.modalities.images import degrade, tasks
from ganwright.modalities.images.nets import RestorerOptions
from ganwright.modalities.images.pixels import fit_back, fit_to
from ganwright.modalities.images.spec import AXES, ImageSpec
from ganwright.modalities.images.tiles import tiled
from ganwright.nets import PatchDiscriminatorOptions
from ganwright.nets.unet import UNet

COLOUR = ImageSpec(axes=AXES, shape=(3, 16, 24))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def smooth(n: int = 4, side: int = 48, channels: int = 3) -> torch.Tensor:
    """Pictures (n, channels, side, side) in [-1, 1] without fine detail."""
    coarse = torch.rand(n, channels, 6, 6) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, side, mode="bicubic").clamp(-1, 1)


def as_bytes(x: torch.Tensor) -> np.ndarray:
    found: np.ndarray = ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return found


# --- measures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "dtype"), [
    ((3, 20, 33, 3), "uint8"), ((2, 7, 9, 1), "uint16"), ((2, 5, 12, 4), "float32"),
])  # fmt: skip
def test_psnr_and_ssim_are_those_of_scikit_image(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    span = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    truth = (rng.random(shape) * span).astype(dtype)
    made = (0.8 * truth + 0.2 * rng.random(shape) * span).astype(dtype)
    side = min(7, *(s - 1 + s % 2 for s in shape[1:3]))
    for i, own in enumerate(tasks.ssim(made, truth, span)):
        theirs = skimage.metrics.structural_similarity(
            truth[i].astype(float), made[i].astype(float), data_range=span, channel_axis=-1, win_size=side
        )  # fmt: skip
        assert own == pytest.approx(theirs, abs=1e-6)
    for i, own in enumerate(tasks.psnr(made, truth, span)):
        theirs = skimage.metrics.peak_signal_noise_ratio(truth[i], made[i], data_range=span)
        assert own == pytest.approx(theirs, abs=1e-6)
    assert tasks.psnr(truth, truth, span) == pytest.approx(tasks.MOST_DB)
    assert tasks.ssim(truth, truth, span) == pytest.approx(1)


def test_harmonic_filling_continues_a_plane_exactly() -> None:
    rows, columns = np.mgrid[:12, :15]
    plane = (0.02 * rows + 0.03 * columns)[:, :, None]
    missing = np.zeros((12, 15), bool)
    missing[3:9, 4:11] = True
    holed = np.where(missing[:, :, None], 0.5, plane)
    np.testing.assert_allclose(tasks.harmonic(holed, missing), plane, atol=1e-10)


# --- damage --------------------------------------------------------------------------------------


def test_noise_is_as_strong_as_it_says() -> None:
    grey = torch.zeros(8, 3, 64, 64)
    assert float(degrade.gaussian_noise(grey, 25, 25).std() * 127.5) == pytest.approx(25, rel=0.02)
    share = degrade.salt_and_pepper(grey, 0.1, 0.1).abs().mean()
    assert float(share) == pytest.approx(0.1, abs=0.01)
    shot = (degrade.poisson_noise(grey, 40, 40) + 1) / 2  # of mean 20 photons of 40
    assert float(shot.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(shot.std()) == pytest.approx(math.sqrt(20) / 40, rel=0.05)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [15, 50, 80])
def test_jpeg_is_near_to_what_pillow_makes_of_a_file(channels: int, quality: int) -> None:
    pictures = smooth(3, 37, channels) + 0.05 * torch.randn(3, channels, 37, 37)
    pictures = pictures.clamp(-1, 1)
    made = as_bytes(degrade.jpeg(pictures, quality, quality)).astype(float)
    for one, own in zip(as_bytes(pictures), made, strict=True):
        file = io.BytesIO()
        image = Image.fromarray(one[:, :, 0] if channels == 1 else one)
        image.save(file, "JPEG", quality=quality, subsampling=2)
        theirs = np.asarray(Image.open(file)).astype(float).reshape(one.shape)
        lost = np.abs(theirs - one).mean()
        assert np.abs(theirs - own).mean() < 0.5 * lost + 1


@pytest.mark.parametrize("scale", [2, 4])
def test_fewer_pixels_are_those_of_pillow(scale: int) -> None:
    picture = smooth(1, 46)
    small = degrade.reduced(picture, scale)
    side = -(-46 // scale)
    theirs = Image.fromarray(as_bytes(picture)[0]).resize((side, side), Image.Resampling.BICUBIC)
    assert np.abs(as_bytes(small)[0].astype(int) - np.asarray(theirs)).max() <= 2


def test_holes_are_of_the_size_they_should_be() -> None:
    x = torch.zeros(200, 3, 32, 40)
    box = degrade.boxes(x, 0.25, 0.25)
    assert float(box.mean()) == pytest.approx(0.25, abs=0.01)
    assert set(degrade.holes(x).unique().tolist()) == {0.0, 1.0}
    assert set(degrade.halves(x).flatten(1).mean(1).tolist()) == {0.5}
    drawn = degrade.strokes(x).flatten(1).mean(1)
    assert float(drawn.min()) > 0 and float(drawn.mean()) < 0.6
    assert {round(float(v), 3) for v in degrade.boxes(x[:50], 0.05, 0.5).flatten(1).mean(1)} != {
        0.25
    }


def test_filling_is_smooth_and_keeps_what_is_known() -> None:
    plane = torch.linspace(-0.8, 0.8, 40).expand(1, 1, 30, 40)
    mask = torch.zeros(1, 1, 30, 40)
    mask[:, :, 8:20, 10:24] = 1
    made = degrade.filled(plane * (1 - mask) + 5 * mask, mask, 5)
    assert torch.equal(made[mask == 0], plane[mask == 0])
    assert float((made - plane).abs().max()) < 0.4
    flat = degrade.filled(torch.full_like(plane, 0.3), mask, 5)
    torch.testing.assert_close(flat, torch.full_like(plane, 0.3))
    nothing = degrade.filled(plane, torch.ones_like(mask), 5)
    assert float(nothing.abs().max()) == 0


@pytest.mark.parametrize("task", ["denoise", "inpaint", "colourise"])
def test_restorers_reach_no_further_than_they_say(task: str) -> None:
    net: Any = learned(RestorerOptions(task=task, width=4, depth=1).build(COLOUR, 2))
    side = 2 * net.reach + 40
    x = torch.rand(1, 3, side, side) * 2 - 1
    given = net.condition(x, None)[:, : net.given]
    if task == "inpaint":
        given = degrade.with_holes(x, (torch.rand(1, 1, side, side) < 0.97).float())
    other = given.clone()
    other[:, :3, 20 + net.reach :] *= 0.5  # rows further away than it can see
    with torch.inference_mode():
        made, changed = (net.made(torch.zeros(1, 2), one) for one in (given, other))
    torch.testing.assert_close(made[:, :, :20], changed[:, :, :20], atol=1e-6, rtol=0)
    assert not torch.equal(made, changed)


def test_kernels_keep_the_mean_and_blur() -> None:
    x = smooth()
    for kernels in (degrade.gaussian_kernels(x), degrade.motion_kernels(x)):
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(len(x)))
        assert float(kernels.min()) >= 0
    flat = torch.full((2, 3, 12, 12), 0.3)
    torch.testing.assert_close(degrade.blurred(flat, degrade.motion_kernels(flat)), flat)


@pytest.mark.parametrize("task", list(degrade.TASKS))
def test_damage_has_the_range_and_size_of_a_picture(task: str) -> None:
    for damage in (degrade.TASKS[task].damage, degrade.TASKS[task].exam):
        made = damage(smooth(8, 30))
        assert made.shape == (8, 3 + degrade.TASKS[task].masked, 30, 30)
        assert float(made.abs().max()) <= 1 + 1e-5


# --- nets ----------------------------------------------------------------------------------------


def learned(net: torch.nn.Module) -> torch.nn.Module:
    """With weights as after some training: at the start the net adds nothing."""
    for weight in net.parameters():
        torch.nn.init.normal_(weight, 0, 0.08)
    return net.eval()


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_place_depends_on_what_is_within_reach_alone(depth: int) -> None:
    net = UNet(1, 1, width=4, depth=depth, blocks=1, latent=0)
    learned(net)
    side = 2 * net.reach + 24
    x = torch.rand(1, 1, side, side, requires_grad=True)
    middle = side // 2 + 1
    net(x)[0, 0, middle, middle].backward()
    assert x.grad is not None
    rows, columns = x.grad[0, 0].nonzero().T
    far = max(int((rows - middle).abs().max()), int((columns - middle).abs().max()))
    assert far <= net.reach
    assert net.reach <= far + 2 * net.unit + 4 * 2**depth  # and not much more than needed


@pytest.mark.parametrize("size", [(70, 133), (32, 32), (97, 61)])
def test_tiles_are_the_same_as_the_whole_picture(size: tuple[int, int]) -> None:
    net = UNet(3, 3, width=4, depth=2, blocks=1, latent=2)
    learned(net)
    x, z = torch.rand(1, 3, *size) * 2 - 1, torch.randn(1, 2)
    with torch.inference_mode():
        whole = net(x, z)[0]
    made = torch.full_like(whole, torch.nan)
    for box, tile in tiled(
        lambda part: net(part, z), lambda box: x[:, :, box.rows, box.columns], *size,
        reach=net.reach, unit=net.unit, side=24,
    ):  # fmt: skip
        made[:, box.rows, box.columns] = tile
    torch.testing.assert_close(made, whole, atol=1e-5, rtol=0)


def test_a_latent_changes_the_result() -> None:
    net = UNet(1, 1, width=4, depth=1, blocks=1, latent=2)
    learned(net)
    x = torch.rand(1, 1, 8, 8)
    assert not torch.equal(net(x, torch.zeros(1, 2)), net(x, torch.ones(1, 2)))


def test_patches_are_judged_one_by_one_and_their_penalty_is_a_mean() -> None:
    net = PatchDiscriminatorOptions(width=4, depth=1, sees=3).build(COLOUR, 0)
    x, told = torch.rand(2, 3, 16, 24), torch.rand(2, 6, 16, 24)
    logits = net(x, told)
    assert logits.shape == (2 * 8 * 12,)
    torch.testing.assert_close(net(x[1:], told[1:]), logits[96:])  # those of an example in a row
    assert not torch.equal(net(x, told.flip(0)), logits)
    other = told.clone()
    other[:, 3:] = 0  # the truth, which it must not see
    torch.testing.assert_close(net(x, other), logits)
    at = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(at, told).sum(), at, retain_graph=True)
    torch.testing.assert_close(
        squared_gradient(net(at, told), at), slope.square().flatten(1).sum(1) / 96
    )


@pytest.mark.parametrize("task", list(degrade.TASKS))
def test_a_restorer_starts_by_doing_nothing_and_knows_its_error(task: str) -> None:
    net: Any = RestorerOptions(task=task, width=4, depth=1).build(COLOUR, 2)
    clean = smooth(4, 16)[..., :16]
    condition = net.condition(clean, None)
    given = net.shown(condition)
    made, error = net(torch.zeros(4, 2), condition)
    if task == "inpaint":
        mask = condition[:, 3:4]
        assert torch.equal(made * (1 - mask), clean * (1 - mask))
        torch.testing.assert_close(made, degrade.filled(given, mask, 5))
        expected = ((made - clean).abs().mean(1, keepdim=True) * mask).sum() / mask.sum()
        torch.testing.assert_close(error.mean(), expected)
    else:
        torch.testing.assert_close(made, given)
        torch.testing.assert_close(error, (given - clean).abs().flatten(1).mean(1))
    torch.testing.assert_close(
        net.sample(torch.zeros(4, 2), condition[:, : net.given], clean), made
    )


def test_colourising_keeps_the_brightness() -> None:
    net: Any = RestorerOptions(task="colourise", width=4, depth=1).build(COLOUR, 2)
    learned(net)
    clean = smooth(2, 16)
    with torch.inference_mode():
        made, _ = net(torch.zeros(2, 2), net.condition(clean, None))
    torch.testing.assert_close(degrade.luma(made), degrade.luma(clean), atol=1e-5, rtol=0)
    assert float((made - made.mean(1, keepdim=True)).abs().mean()) > 1e-3


def test_crops_are_parts_of_the_pictures_or_of_their_mirror_images() -> None:
    net: Any = RestorerOptions(width=4, depth=1, crop=5).build(COLOUR, 2)
    stored = torch.arange(2 * 9 * 11).view(2, 9, 11, 1)
    for _ in range(20):
        for i, part in enumerate(net.cut(stored)):
            values = part[:, :, 0]
            step = {int(v) for v in values.diff(dim=1).flatten()}
            assert step in ({1}, {-1})
            assert {int(v) for v in values.diff(dim=0).flatten()} == {11}
            assert values.min() >= 99 * i and values.max() < 99 * (i + 1)
    whole = RestorerOptions(width=4, crop=64).build(COLOUR, 2)
    assert whole.cut(stored).shape == stored.shape  # type: ignore[operator]


@pytest.mark.parametrize(("channels", "task", "said"), [
    (1, "colourise", "colour"), (4, "denoise", "data.channels=3"), (2, "denoise", "data.channels=1"),
])  # fmt: skip
def test_pictures_that_a_task_does_not_suit_are_refused(
    channels: int, task: str, said: str
) -> None:
    spec = ImageSpec(axes=AXES, shape=(channels, 16, 16))
    with pytest.raises(OptionError, match=said):
        RestorerOptions(task=task).build(spec, 2)  # type: ignore[arg-type]


def test_the_middle_is_cut_at_its_own_scale() -> None:
    picture = np.arange(9 * 8, dtype=np.uint8).reshape(9, 8, 1)
    cut = fit_to(picture, (3, 4), "cut")
    assert np.array_equal(cut, picture[3:6, 2:6])
    back = fit_back(np.full((3, 4), 9, np.uint8), (9, 8), "cut")
    assert back[3:6, 2:6].min() == 9 and back.sum() == 9 * 12
    assert np.array_equal(fit_to(picture, (12, 12), "cut"), fit_to(picture, (12, 12), "crop"))


def test_what_is_hidden_is_never_shown() -> None:
    """The result is the same whatever the truth is."""
    net: Any = learned(RestorerOptions(task="inpaint", width=4, depth=1).build(COLOUR, 2))
    condition = net.condition(smooth(2, 16), None)
    other = condition.clone()
    other[:, net.given :] = 0
    z = torch.zeros(2, 2)
    torch.testing.assert_close(net(z, condition).examples, net(z, other).examples)
