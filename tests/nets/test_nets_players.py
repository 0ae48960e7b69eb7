"""Every generator and every discriminator over many shapes: what any net must do."""

from __future__ import annotations

import copy
from itertools import pairwise, product
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import scipy.integrate
import torch
from torch import Tensor, nn

from ganwright import nets
from ganwright.base.errors import OptionError
from ganwright.base.options import build
from ganwright.base.spec import Spec
from ganwright.model import DiscriminatorOptions, GeneratorOptions
from ganwright.nets import (
    ACTIVATIONS,
    DCGANDiscriminatorOptions,
    DCGANGeneratorOptions,
    DenseConvGeneratorOptions,
    LatentSkipDiscriminatorOptions,
    LatentSkipGeneratorOptions,
    MLPDiscriminatorOptions,
    MLPGeneratorOptions,
    count_parameters,
)
from ganwright.nets.layers import GAINS, initialise, spectral_normalise
from ganwright.nets.shape import doublings
from ganwright.nets.stages import stages_of

LATENT, BATCH = 7, 4
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (4, 17, 50), (2, 5, 4)]
SMALL: dict[Any, dict[str, Any]] = {  # the same nets, narrow
    MLPGeneratorOptions: {"widths": (8, 12)},
    LatentSkipGeneratorOptions: {"width": 8, "depth": 3},
    DenseConvGeneratorOptions: {"widths": (8,), "width": 4},
    DCGANGeneratorOptions: {"width": 4},
    MLPDiscriminatorOptions: {"widths": (12, 8)},
    LatentSkipDiscriminatorOptions: {"width": 8, "depth": 3},
    DCGANDiscriminatorOptions: {"width": 4},
}
NORMS = ("none", "batch", "layer", "spectral")
# Those that take any activation and norm.
GENERATORS = [options for options in SMALL if "Generator" in options.__name__]
DISCRIMINATORS = [options for options in SMALL if "Discriminator" in options.__name__]
every_generator = pytest.mark.parametrize("options", GENERATORS)
every_discriminator = pytest.mark.parametrize("options", DISCRIMINATORS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
with_and_without_classes = pytest.mark.parametrize("classes", [(), ("a", "b", "c")])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def picture(shape: tuple[int, ...], classes: tuple[str, ...] = ()) -> Spec:
    return Spec(axes=("channel", "height", "width"), shape=shape, classes=classes)


def small(options: Any, spec: Spec, **changes: Any) -> nn.Module:
    net: nn.Module = options(**(SMALL[options] | changes)).build(spec, LATENT)
    return net


def labels_for(spec: Spec) -> Tensor | None:
    return torch.arange(BATCH) % len(spec.classes) if spec.classes else None


def pictures(spec: Spec, count: int = BATCH) -> Tensor:
    return torch.randn(count, *spec.shape).tanh()


def test_the_lists_and_the_options_name_the_same_nets() -> None:
    assert set(GENERATORS) < set(nets.GENERATORS) < set(get_args(get_args(GeneratorOptions)[0]))
    known = set(get_args(get_args(DiscriminatorOptions)[0]))
    assert set(DISCRIMINATORS) < set(nets.DISCRIMINATORS) < known
    for options in SMALL:
        activations = get_args(get_type_hints(options)["activation"])
        assert list(activations) == list(ACTIVATIONS) == list(GAINS)
    for options in DISCRIMINATORS:
        assert get_args(get_type_hints(options)["norm"]) == NORMS
    for options in GENERATORS:
        assert get_args(get_type_hints(options)["norm"]) == ("none", "batch")


@every_generator
@every_shape
@with_and_without_classes
def test_generators(options: Any, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    spec = picture(shape, classes)
    generator = small(options, spec)
    z = torch.randn(BATCH, LATENT, requires_grad=True)
    x = generator(z, labels_for(spec))
    assert x.shape == (BATCH, *shape)
    assert float(x.detach().abs().max()) <= 1
    x.square().sum().backward()
    for name, parameter in [("z", z), *generator.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert (z.grad != 0).any(dim=1).all()  # every latent matters


@every_discriminator
@every_shape
@with_and_without_classes
def test_discriminators(options: Any, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    spec = picture(shape, classes)
    discriminator = small(options, spec)
    x = pictures(spec).requires_grad_()
    logits = discriminator(x, labels_for(spec))
    assert logits.shape == (BATCH,)
    logits.square().sum().backward()
    for name, parameter in [("x", x), *discriminator.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("options", SMALL)
def test_nets_of_specs_that_are_no_pictures(options: Any) -> None:
    row = Spec(axes=("feature",), shape=(6,), classes=("a", "b"))
    owner = "generator" if options in GENERATORS else "discriminator"
    if "conv" in options.kind or "dcgan" in options.kind:
        with pytest.raises(OptionError) as caught:
            small(options, row)
        assert str(caught.value) == f"{owner}: needs pictures, got examples with axes ('feature',)"
        with pytest.raises(OptionError) as caught:
            small(options, picture((1, 3, 40)))
        assert str(caught.value) == (
            f"{owner}: needs sides of at least 4 pixels, got 3×40; "
            "use the mlp nets, or a larger data.size"
        )
        return
    net = small(options, row)
    labels = torch.tensor([0, 1])
    if options in GENERATORS:
        assert net(torch.randn(2, LATENT), labels).shape == (2, 6)
    else:
        assert net(torch.randn(2, 6), labels).shape == (2,)


@every_generator
def test_labels_change_what_is_generated(options: Any) -> None:
    generator = small(options, picture((1, 8, 8), ("a", "b"))).eval()
    z = torch.randn(BATCH, LATENT)
    a, b = (generator(z, torch.full((BATCH,), label)) for label in (0, 1))
    assert ((a - b).abs().amax(dim=(1, 2, 3)) > 1e-4).all()


@pytest.mark.parametrize("norm", NORMS)
@every_discriminator
def test_labels_change_what_is_thought(options: Any, norm: str) -> None:
    spec = picture((1, 8, 8), ("a", "b"))
    discriminator, x = small(options, spec, norm=norm).eval(), pictures(spec)
    a, b = (discriminator(x, torch.full((BATCH,), label)) for label in (0, 1))
    assert ((a - b).abs() > 1e-5).all()


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("options", SMALL)
def test_every_activation_and_norm(options: Any, activation: str) -> None:
    spec = picture((2, 8, 8), ("a", "b", "c"))
    for norm in get_args(get_type_hints(options)["norm"]):
        net = small(options, spec, activation=activation, norm=norm)
        given = torch.randn(BATCH, LATENT) if options in GENERATORS else pictures(spec)
        assert net(given, labels_for(spec)).isfinite().all()


@pytest.mark.parametrize("norm", NORMS)
@every_discriminator
def test_discriminators_treat_examples_one_by_one(options: Any, norm: str) -> None:
    """Only batch norm lets one example change another's logit, and says so."""
    spec = picture((2, 8, 8), ("a", "b", "c"))
    discriminator = small(options, spec, norm=norm)
    if norm == "spectral":
        discriminator.eval()  # no power iteration between the two looks
    x, labels = pictures(spec), labels_for(spec)
    other = x.clone()
    other[2] += 1
    changed = (discriminator(x, labels) - discriminator(other, labels)).abs() > 1e-6
    assert discriminator.mixes_examples == (norm == "batch")
    assert changed.tolist() == ([True] * 4 if norm == "batch" else [False, False, True, False])


@every_discriminator
def test_dropout_is_at_work_in_training_only(options: Any) -> None:
    spec = picture((1, 8, 8))
    discriminator, x = small(options, spec, dropout=0.5), pictures(spec)
    assert not torch.equal(discriminator(x), discriminator(x))
    discriminator.eval()
    assert torch.equal(discriminator(x), discriminator(x))


@pytest.mark.parametrize("options", SMALL)
@pytest.mark.parametrize("norm", NORMS)
def test_the_same_names_without_memory(options: Any, norm: str) -> None:
    """A finished model is checked against nets on the meta device before it is read."""
    if norm not in get_args(get_type_hints(options)["norm"]):
        return
    spec = picture((3, 17, 50), ("a", "b"))
    with torch.device("meta"):
        empty = small(options, spec, norm=norm).state_dict()
    full = small(options, spec, norm=norm).state_dict()
    assert list(empty) == list(full)
    assert all(t.is_meta for t in empty.values())
    assert [t.shape for t in empty.values()] == [t.shape for t in full.values()]


@pytest.mark.parametrize("options", SMALL)
def test_weights_follow_the_seed_and_can_be_loaded(options: Any) -> None:
    spec = picture((1, 8, 8), ("a", "b"))
    nets = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        nets.append(small(options, spec))
    first, again, other = (net.state_dict() for net in nets)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    nets[2].load_state_dict(first)
    assert all(torch.equal(first[name], t) for name, t in nets[2].state_dict().items())


# Sizes


def test_sizes_of_the_classic_nets_by_hand() -> None:
    spec = picture((1, 28, 28))

    def dense(*widths: int) -> int:
        return sum(a * b + b for a, b in pairwise(widths))

    def generator(options: Any) -> int:
        return count_parameters(options.build(spec, 100))

    assert generator(MLPGeneratorOptions()) == dense(100, 256, 512, 1024, 784)
    assert generator(MLPGeneratorOptions(norm="batch")) == (
        dense(100, 256, 512, 1024, 784) + 2 * (256 + 512 + 1024)
    )
    assert generator(MLPDiscriminatorOptions()) == dense(784, 1024, 512, 256, 1)
    assert generator(DCGANGeneratorOptions()) == (
        dense(100, 7 * 7 * 128) + 2 * 128 + (128 * 64 * 16 + 64) + 2 * 64 + (64 * 16 + 1)
    )
    assert generator(DCGANDiscriminatorOptions()) == (
        (64 * 16 + 64) + (64 * 128 * 16 + 128) + dense(7 * 7 * 128, 1)
    )
    assert generator(DenseConvGeneratorOptions()) == (
        dense(100, 256, 512, 1024, 7 * 7 * 256)
        + 2 * (256 + 512 + 1024 + 256 + 128)
        + (256 * 128 * 16 + 128)
        + (128 * 16 + 1)
    )
    assert generator(LatentSkipGeneratorOptions(depth=2)) == (
        dense(100, 256) + 2 * dense(356, 256) + dense(256, 784)
    )
    assert generator(LatentSkipDiscriminatorOptions(depth=2)) == (
        dense(784, 256) + dense(256, 256) + 2 * dense(512, 256) + dense(256, 1)
    )


def test_halvings_by_hand() -> None:
    sides = {(4, 4): 2, (5, 4): 2, (8, 8): 2, (28, 28): 2, (32, 32): 2, (33, 33): 3, (64, 64): 3}
    sides |= {(17, 50): 3, (4, 500): 2, (256, 256): 5}
    assert {side: doublings(*side) for side in sides} == sides


@pytest.mark.parametrize("options", [DCGANGeneratorOptions, DenseConvGeneratorOptions])
def test_odd_sizes_are_cut_from_the_middle(options: Any) -> None:
    generator = small(options, picture((1, 17, 50))).eval()
    z = torch.randn(2, LATENT)
    whole = torch.tanh(generator.layers(z))  # type: ignore[operator]
    assert whole.shape == (2, 1, 24, 56)
    torch.testing.assert_close(generator(z), whole[:, :, 3:20, 3:53])


# The start of training


def second_moment(f: nn.Module) -> float:
    def integrand(z: float) -> float:
        y = float(f(torch.tensor([z], dtype=torch.float64)).detach())
        return y * y * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    left, _ = scipy.integrate.quad(integrand, -9, 0)
    right, _ = scipy.integrate.quad(integrand, 0, 9)
    return float(left + right)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gains_keep_the_mean_square(activation: str) -> None:
    moment = second_moment(ACTIVATIONS[activation]().double())
    assert GAINS[activation] ** 2 * moment == pytest.approx(1, abs=1e-3)


DEPTHS = [{"depth": 1}, {"depth": 6}, {"depth": 200}]
PLAYERS: list[Any] = [(o, {}) for o in SMALL if "skip" not in o.kind]
PLAYERS += product((LatentSkipGeneratorOptions, LatentSkipDiscriminatorOptions), DEPTHS)


def at_scale(options: Any, spec: Spec, **changes: Any) -> nn.Module:
    narrow = {"width": 64} if "skip" in options.kind else {}
    net: nn.Module = options(**(narrow | changes)).build(spec, 100)
    return net


@pytest.mark.parametrize("activation", ["leaky-relu", "relu", "silu", "tanh"])
@pytest.mark.parametrize(("options", "changes"), PLAYERS)
def test_the_first_outputs_have_a_sane_scale(
    options: Any, changes: dict[str, Any], activation: str
) -> None:
    spec = picture((1, 28, 28))
    net = at_scale(options, spec, activation=activation, **changes)
    with torch.no_grad():
        if options in GENERATORS:
            x = net(torch.randn(64, 100))
            assert float((x.abs() > 0.99).float().mean()) < 0.05  # tanh isn't saturated
            assert float(x.std(dim=0).mean()) > 0.2  # and latents make a difference
        else:
            logits = net(pictures(spec, 64))
            assert 0.1 < float(logits.std()) < 10
            assert float(logits.abs().max()) < 10


@pytest.mark.parametrize("options", GENERATORS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
@torch.no_grad()
def test_generators_without_norm_start_at_the_scale_of_the_data(
    options: Any, shape: tuple[int, ...]
) -> None:
    """No norm layer hides a wrong fan-in: what goes into tanh has a deviation near 1."""
    x = options(norm="none").build(picture(shape), 100)(torch.randn(16, 100))
    assert 0.7 < float(torch.atanh(x.clamp(-1 + 1e-6, 1 - 1e-6)).std()) < 1.4


@pytest.mark.parametrize("options", [LatentSkipGeneratorOptions, LatentSkipDiscriminatorOptions])
@pytest.mark.parametrize("depth", [6, 200])
@pytest.mark.parametrize("activation", ["leaky-relu", "relu", "silu", "tanh"])
def test_great_depth_trains(options: Any, depth: int, activation: str) -> None:
    """The first stage gets about as much gradient as the last, and the latent is not lost."""
    spec = picture((1, 8, 8))
    net = at_scale(options, spec, activation=activation, depth=depth)
    given = torch.randn(16, 100) if options in GENERATORS else pictures(spec, 16)
    net(given).square().sum().backward()
    lengths = [float(layer.weight.grad.norm()) for layer in net.stages.layers]  # type: ignore[union-attr]
    assert len(lengths) == depth
    assert max(lengths) / min(lengths) < 30


# Spectral normalisation


@every_discriminator
@with_and_without_classes
def test_spectral_norms_are_one(options: Any, classes: tuple[str, ...]) -> None:
    spec = picture((2, 8, 8), classes)
    discriminator = small(options, spec, norm="spectral")
    plain = small(options, spec)
    assert count_parameters(discriminator) == count_parameters(plain)

    def norms() -> list[float]:
        """By numpy's singular values, of every layer: the last and the labels' too."""
        kinds = (nn.Linear, nn.Conv2d, nn.Embedding)
        found = [m for m in discriminator.modules() if isinstance(m, kinds)]
        matrices = [m.weight.detach().flatten(1).numpy() for m in found]
        return [float(np.linalg.svd(m, compute_uv=False)[0]) for m in matrices]

    discriminator.eval()
    assert norms() == pytest.approx([1.0] * len(norms()), rel=0.2)  # from the first step on
    discriminator.train()
    for _ in range(100):
        discriminator(pictures(spec), labels_for(spec))
    discriminator.eval()
    assert norms() == pytest.approx([1.0] * len(norms()), rel=1e-3)


@torch.no_grad()
def test_a_dense_spectral_discriminator_is_1_lipschitz() -> None:
    """Layers of norm 1 and activations of slope ≤ 1: logits are no further apart than pictures."""
    spec = picture((1, 8, 8))
    discriminator = small(MLPDiscriminatorOptions, spec, norm="spectral")
    for _ in range(100):
        discriminator(pictures(spec))
    discriminator.eval()
    x, y = pictures(spec, 200), pictures(spec, 200)
    apart = (discriminator(x) - discriminator(y)).abs() / (x - y).flatten(1).norm(dim=1)
    assert float(apart.max()) <= 1 + 1e-3


# Options


@pytest.mark.parametrize("options", SMALL)
def test_options_refuse_the_impossible(options: Any) -> None:
    wrong: dict[str, Any] = {"activation": "sigmoid"}
    with pytest.raises(OptionError, match=r"activation can't be 'sigmoid'; allowed: relu, leaky"):
        build(options, wrong)
    key = "widths" if "widths" in SMALL[options] else "width"
    with pytest.raises(OptionError, match=key):
        build(options, {key: (0,) if key == "widths" else 0})


def test_logits_keep_their_precision_under_autocast() -> None:
    spec = Spec(axes=("channel", "height", "width"), shape=(1, 8, 8))
    network = DCGANDiscriminatorOptions().build(spec, 16)
    network.head.linear.bias.data.fill_(100.0)  # bfloat16 rounds to halves here
    x = torch.randn(64, 1, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(x)
    assert logits.dtype == torch.float32
    assert len(logits.unique()) == len(x)


LAYERS = {
    "Linear": nn.Linear(6, 5),
    **{f"Conv{n}d": getattr(nn, f"Conv{n}d")(4, 6, 3) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": getattr(nn, f"ConvTranspose{n}d")(4, 6, 3) for n in (1, 2, 3)},
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_of_weights_is_normalised_initialised_and_a_stage(name: str) -> None:
    layer = copy.deepcopy(LAYERS[name])
    network = nn.Sequential(layer)
    before = layer.weight.detach().clone()
    torch.manual_seed(0)
    initialise(network, "relu")
    assert not layer.weight.equal(before) and layer.bias.abs().max() == 0
    assert [len(stage) for stage in stages_of(network)] == [2]
    spectral_normalise(network)
    for _ in range(200):
        layer.weight  # noqa: B018 (each access is one power iteration)
    rows = layer.weight.transpose(0, 1) if "Transpose" in name else layer.weight
    assert torch.linalg.matrix_norm(rows.flatten(1), 2).item() == pytest.approx(1, abs=1e-4)
