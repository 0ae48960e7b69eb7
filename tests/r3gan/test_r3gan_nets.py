"""The nets of R3GAN: any picture, the paper's sizes, and the mathematics of their parts."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.base.options import build
from ganwright.base.spec import Spec
from ganwright.nets import (
    R3GANDiscriminatorOptions,
    R3GANGeneratorOptions,
    count_parameters,
    stages_of,
)
from ganwright.nets.r3gan import Block, Down, Map, Up, stages

LATENT, BATCH = 7, 4
SIZES = ("xs", "s", "m", "l")
SHAPES = [(1, 4, 4), (1, 8, 8), (3, 9, 23), (1, 28, 28), (3, 32, 32), (4, 50, 17), (2, 8, 120)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
with_and_without_classes = pytest.mark.parametrize("classes", [(), ("a", "b", "c")])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def picture(shape: tuple[int, ...], classes: tuple[str, ...] = ()) -> Spec:
    return Spec(axes=("channel", "height", "width"), shape=shape, classes=classes)


def generator(spec: Spec, **changes: Any) -> Any:
    return R3GANGeneratorOptions(**changes).build(spec, LATENT)


def discriminator(spec: Spec, **changes: Any) -> Any:
    return R3GANDiscriminatorOptions(**changes).build(spec, LATENT)


def narrow(spec: Spec, patch: int = 1) -> dict[str, Any]:
    """Options of a small net that changes its width where it has more than one stage."""
    least = min(-(-side // patch) for side in spec.shape[1:])
    return {"widths": (16, 8) if least > 7 else (8,), "blocks": (1,), "patch": patch}


def labels_for(spec: Spec) -> Tensor | None:
    return torch.arange(BATCH) % len(spec.classes) if spec.classes else None


@torch.no_grad()
def shaken(net: nn.Module) -> nn.Module:
    """The net with no weight left at 0, as after some training."""
    for parameter in net.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return net


# Any picture


@pytest.mark.parametrize("patch", [1, 2, 4])
@every_shape
@with_and_without_classes
def test_any_picture_is_made_and_judged(
    shape: tuple[int, ...], classes: tuple[str, ...], patch: int
) -> None:
    spec = picture(shape, classes)
    g, d = (shaken(make(spec, **narrow(spec, patch))) for make in (generator, discriminator))
    z, labels = torch.randn(BATCH, LATENT, requires_grad=True), labels_for(spec)
    x = g(z, labels)
    logits = d(x, labels)
    assert x.shape == (BATCH, *shape) and logits.shape == (BATCH,)
    logits.square().sum().backward()
    for name, parameter in [("z", z), *g.named_parameters(), *d.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    alone = d(x[2:3], None if labels is None else labels[2:3])
    torch.testing.assert_close(alone, logits[2:3])  # examples don't mix
    if labels is not None:
        assert ((d(x, labels) - d(x, (labels + 1) % 3)).abs() > 1e-6).all()
        assert ((g(z, labels) - g(z, (labels + 1) % 3)).abs().amax((1, 2, 3)) > 1e-6).all()


@pytest.mark.parametrize("side", [8, 12, 33, 100, 256, 511, 512])
def test_sizes_up_to_512_without_memory(side: int) -> None:
    with torch.device("meta"):
        for size, (height, width) in product(SIZES, [(side, side), (side, 96)]):
            spec = picture((3, height, width))
            g, d = generator(spec, size=size), discriminator(spec, size=size)
            assert all(t.is_meta for t in [*g.state_dict().values(), *d.state_dict().values()])
            low = g.maps[0]
            assert low.height * low.width < 100 and g.maps == d.maps[::-1]


def test_stages_by_hand() -> None:
    def sides(height: int, width: int, **changes: Any) -> list[tuple[int, int]]:
        maps, _ = stages(R3GANGeneratorOptions(size="l", **changes), height, width)
        return [(m.height, m.width) for m in maps]

    assert sides(32, 32) == [(4, 4), (8, 8), (16, 16), (32, 32)]
    assert sides(28, 28) == [(4, 4), (7, 7), (14, 14), (28, 28)]
    assert sides(28, 28, patch=2) == [(4, 4), (7, 7), (14, 14)]
    assert sides(24, 24) == [(6, 6), (12, 12), (24, 24)]
    assert sides(64, 256) == [(2, 8), (4, 16), (8, 32), (16, 64), (32, 128), (64, 256)]
    assert sides(8, 512) == [(2, 128), (4, 256), (8, 512)]
    assert sides(4, 4) == [(4, 4)]
    patches = [stages(R3GANGeneratorOptions(size="xs"), side, 40)[1] for side in (8, 15, 16, 28)]
    assert patches == [1, 1, 2, 2]


def test_stages_say_what_they_are_and_can_be_set() -> None:
    spec = picture((1, 28, 28))
    g = generator(spec, widths=(48, 24), blocks=(3, 1))
    assert g.maps == [Map(4, 4, 48, 3, True), Map(7, 7, 24, 1), Map(14, 14, 24, 1)]
    assert g.derived.startswith("3 × 48 channels at 4×4, 1 × 24 channels at 7×7, ")
    assert len(stages_of(discriminator(spec))) == 3
    with pytest.raises(OptionError) as caught:
        generator(picture((1, 8, 8)), widths=(8, 8, 8))
    assert str(caught.value) == "widths: 8×8 pixels have 2 stages, from 4×4 up; got 3"
    for options, wrong in product(
        (R3GANGeneratorOptions, R3GANDiscriminatorOptions),
        ({"widths": (0,)}, {"blocks": (0,)}, {"size": "xl"}, {"patch": 3}, {"group": 0}),
    ):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            build(options, wrong)


def test_parameters_as_in_the_paper() -> None:
    """Table 9 and the released presets, in millions: generator and discriminator."""

    def millions(spec: Spec) -> tuple[float, float]:
        with torch.device("meta"):
            nets = [
                o(size="l").build(spec, 64)
                for o in (R3GANGeneratorOptions, R3GANDiscriminatorOptions)
            ]
        first, second = (round(count_parameters(net) / 1e6, 2) for net in nets)
        return first, second

    assert millions(picture((3, 32, 32))) == (20.73, 20.68)  # as for Stacked MNIST
    assert millions(picture((3, 32, 32), tuple("abcdefghij"))) == (20.78, 21.28)
    assert millions(picture((3, 64, 64))) == (22.43, 22.38)
    assert millions(picture((3, 256, 256))) == (23.06, 23.01)


def test_presets_grow() -> None:
    with torch.device("meta"):
        counts = [count_parameters(generator(picture((3, 64, 64)), size=s)) for s in SIZES]
    assert counts == sorted(counts) and counts[0] < 250_000


# The parts


def halving(side: int) -> np.ndarray:
    """Bilinear downsampling by 2 of one axis as a matrix, (smaller, larger).

    Output j is centred between pixels 2j and 2j + 1; of an odd side, half a pixel earlier each.
    """
    centres = 2 * np.arange(-(-side // 2)) + 0.5 - side % 2
    distance = np.abs(centres[:, None] - np.arange(side))
    return np.maximum(2 - distance, 0) / 4  # a triangle of integral 1


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (2, 5), (3, 3)])
@pytest.mark.parametrize("channels", [3, 16, 40])
def test_resampling_by_numpy(height: int, width: int, channels: int) -> None:
    down, up = (kind(channels, height, width).double() for kind in (Down, Up))
    rows, columns = halving(height), halving(width)
    x = np.random.default_rng(0).normal(size=(2, channels, height, width))
    y = np.random.default_rng(1).normal(size=(2, channels, len(rows), len(columns)))
    made, back = down(torch.from_numpy(x)).numpy(), up(torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(made, rows @ x @ columns.T, atol=1e-12)
    np.testing.assert_allclose(back, 4 * rows.T @ y @ columns, atol=1e-12)


def test_upsampling_is_bilinear_but_for_the_edge() -> None:
    x = torch.randn(1, 16, 6, 5, dtype=torch.float64)
    made = Up(16, 12, 10).double()(x)
    usual = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(made[..., 1:-1, 1:-1], usual[..., 1:-1, 1:-1])


def test_blocks_by_hand() -> None:
    block: Any = shaken(Block(8, 4, depth=3).double())
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    rectified = [nn.LeakyReLU(0.2)] * 2
    y = rectified[0](torch.einsum("oi,bihw->bohw", block.widen.weight[..., 0, 0], x)
                     + block.widen.bias[:, None, None])  # fmt: skip
    parts = [
        nn.functional.conv2d(y[:, i : i + 4], block.mix.weight[i : i + 4], padding=1)
        for i in range(0, 16, 4)
    ]
    y = rectified[1](torch.cat(parts, 1) + block.mix.bias[:, None, None])
    y = torch.einsum("oi,bihw->bohw", block.narrow.weight[..., 0, 0], y)
    torch.testing.assert_close(block(x), x + y)
    assert block.narrow.bias is None and count_parameters(block) == 128 + 16 + 16 * 4 * 9 + 16 + 128


def test_groups_divide_whatever_the_width() -> None:
    assert [Block(c, 16, 1).mix.groups for c in (8, 12, 20, 64)] == [1, 3, 5, 8]


# The start of training


def test_blocks_start_as_identities_with_small_layers() -> None:
    depth = 16
    block, x = Block(64, 16, depth), torch.randn(2, 64, 4, 4)
    assert torch.equal(block(x), x)
    gain = math.sqrt(2 / (1 + 0.2**2)) * depth**-0.25
    assert float(block.widen.weight.detach().std()) == pytest.approx(gain / 8, rel=0.05)
    assert float(block.mix.weight.detach().std()) == pytest.approx(
        gain / math.sqrt(16 * 9), rel=0.05
    )
    assert not block.widen.bias.any() and not block.mix.bias.any()  # type: ignore[union-attr]


@pytest.mark.parametrize(("size", "classes"), [("xs", ()), ("s", ("a", "b"))])
@torch.no_grad()
def test_the_first_outputs_have_a_sane_scale(size: str, classes: tuple[str, ...]) -> None:
    """Near the data's, less what bilinear resampling takes from noise."""
    spec = picture((3, 32, 32), classes)
    g, d = generator(spec, size=size), discriminator(spec, size=size)
    labels = torch.arange(64) % 2 if classes else None
    x = g(torch.randn(64, LATENT), labels)
    assert 0.25 < float(x.std()) < 1.3
    assert 0.02 < float(d(torch.randn(64, 3, 32, 32), labels).std()) < 2
    single = generator(picture((3, 4, 4), classes), patch=1)(torch.randn(64, LATENT), labels)
    assert 0.7 < float(single.std()) < 1.3  # without resampling


def test_residual_blocks_learn_alike_at_any_depth() -> None:
    """After a step no stage has changed the output by more than a few times another."""
    spec = picture((3, 32, 32))
    for blocks in (1, 4):
        d = discriminator(spec, widths=(32,), blocks=(blocks,), patch=1)
        d(torch.randn(16, 3, 32, 32)).sum().backward()
        lengths = [float(m.narrow.weight.grad.norm()) for m in d.modules() if isinstance(m, Block)]
        assert len(lengths) == 4 * blocks
        assert max(lengths) / min(lengths) < 30


# Gradients of gradients, and precision


@with_and_without_classes
def test_the_penalty_has_the_right_gradient(classes: tuple[str, ...]) -> None:
    """∂‖∇D‖²/∂w of every weight's most important number, against finite differences in float64."""
    spec = picture((2, 9, 10), classes)
    d, labels = shaken(discriminator(spec, **narrow(spec))).double(), labels_for(spec)
    x = torch.randn(BATCH, 2, 9, 10, dtype=torch.float64)

    def penalty() -> Tensor:
        at = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(d(at, labels).sum(), at, create_graph=True)
        return gradient.square().sum()

    found = torch.autograd.grad(penalty(), list(d.parameters()), allow_unused=True)
    step = 1e-7  # no rectifier turns over
    for (name, parameter), gradient in zip(d.named_parameters(), found, strict=True):
        place = 0 if gradient is None else int(gradient.abs().flatten().argmax())
        at = np.unravel_index(place, tuple(parameter.shape))
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[at] += sign * step
            values.append(float(penalty().detach()))
            with torch.no_grad():
                parameter[at] -= sign * step
        expected = 0.0 if gradient is None else float(gradient[at])
        slope = (values[0] - values[1]) / (2 * step)
        assert slope == pytest.approx(expected, rel=1e-3, abs=1e-5), name


def test_small_maps_and_logits_keep_their_precision_under_autocast() -> None:
    spec = picture((1, 32, 32))
    g, d = (shaken(make(spec, patch=1)) for make in (generator, discriminator))
    seen: dict[tuple[int, int], set[torch.dtype]] = {}

    def note(module: nn.Module, given: Any, made: Tensor) -> None:
        seen.setdefault((made.shape[2], made.shape[3]), set()).add(made.dtype)

    for module in [*g.modules(), *d.modules()]:
        if isinstance(module, Block):
            module.register_forward_hook(note)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = g(torch.randn(64, LATENT))
        logits = d(x)
    low, high = {torch.float32}, {torch.bfloat16}
    assert seen == {(4, 4): low, (8, 8): high, (16, 16): high, (32, 32): high}
    exact = {m.height for m in stages(R3GANGeneratorOptions(patch=1), 256, 256)[0] if m.exact}
    assert exact == {4, 8, 16}  # of more than four maps
    assert logits.dtype == torch.float32 and len(logits.unique()) == 64
    torch.testing.assert_close(logits, d(x.float()), rtol=0.1, atol=0.1)


def test_packs_and_spread_are_seen() -> None:
    spec = picture((1, 8, 8), ("a", "b"))
    d = shaken(discriminator(spec, pack=2, minibatch_std=2))
    x, labels = torch.randn(8, 1, 8, 8), torch.arange(8) % 2
    assert d(x, labels).shape == (4,) and d.group == 4


def test_the_same_names_without_memory() -> None:
    spec = picture((3, 17, 50), ("a", "b"))
    for make in (generator, discriminator):
        with torch.device("meta"):
            empty = make(spec, **narrow(spec))
        full = make(spec, **narrow(spec))
        shapes = [{k: t.shape for k, t in net.state_dict().items()} for net in (empty, full)]
        assert shapes[0] == shapes[1] and not any("kernel" in name for name in shapes[0])
        empty.load_state_dict(full.state_dict(), assign=True)
        empty.to("cpu")  # nothing is left behind on no device
