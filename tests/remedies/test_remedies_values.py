"""What packs, spreads and terms come to: by hand in numpy, and facts that must hold exactly."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.base.spec import Spec
from ganwright.game import Game, GameOptions, RegulariserOptions, squared_gradient
from ganwright.game.regularisers import FOLLOW, Anchors, best, consistency, lecam
from ganwright.modalities.images.augment import moved as moved_a_little
from ganwright.nets import (
    DCGANDiscriminatorOptions,
    LatentSkipDiscriminatorOptions,
    MLPDiscriminatorOptions,
    R3GANDiscriminatorOptions,
)
from ganwright.nets.layers import Head, MinibatchStd, packed

PICTURE = ("channel", "height", "width")
NETS: dict[str, tuple[Any, dict[str, Any], str]] = {  # options, small, the layer that sees pixels
    "mlp": (MLPDiscriminatorOptions, {"widths": (8, 8)}, "layers.1"),
    "latent-skip": (LatentSkipDiscriminatorOptions, {"width": 8, "depth": 2}, "project.1"),
    "dcgan": (DCGANDiscriminatorOptions, {"width": 4}, "layers.0"),
    "r3gan": (R3GANDiscriminatorOptions, {"widths": (8,), "patch": 1}, "first"),
}
every_net = pytest.mark.parametrize("name", NETS)


def net_of(name: str, classes: int = 0, **more: Any) -> nn.Module:
    make, small, _ = NETS[name]
    spec = Spec(axes=PICTURE, shape=(2, 8, 8), classes=tuple(map(str, range(classes))))
    torch.manual_seed(0)
    network: nn.Module = make(**small, **more).build(spec, 4).double()
    with torch.no_grad():
        for parameter in network.parameters():  # layers that start at zero must tell, too
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def pictures(count: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 2, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1


# Packs


def test_a_pack_is_consecutive_examples_channel_after_channel() -> None:
    x = np.arange(6 * 3 * 2 * 2).reshape(6, 3, 2, 2)
    expected = np.stack([np.concatenate(list(x[i : i + 2])) for i in (0, 2, 4)])
    assert np.array_equal(packed(torch.from_numpy(x), 2).numpy(), expected)
    whole = torch.from_numpy(x)
    assert packed(whole, 1) is whole


@every_net
@pytest.mark.parametrize("classes", [0, 3])
def test_a_pack_of_copies_is_judged_as_the_one_by_the_sum_of_its_places(
    name: str, classes: int
) -> None:
    """Weights of a place that are a share of a plain net's; the shares add up to one."""
    shares, pixels = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64), NETS[name][2]
    plain, packs = net_of(name, classes), net_of(name, classes, pack=3)
    state = copy.deepcopy(plain.state_dict())
    for key, weight in state.items():
        if key == "head.embed.weight":
            state[key] = torch.cat([share * weight for share in shares])
        elif key == f"{pixels}.weight":
            state[key] = torch.cat([share * weight for share in shares], dim=1)
    packs.load_state_dict(state)
    x, labels = pictures(4), torch.tensor([0, 2, 1, 2]) if classes else None
    copies = x.repeat_interleave(3, dim=0).requires_grad_()
    judged = packs(copies, None if labels is None else labels.repeat_interleave(3))
    one = x.requires_grad_()
    expected = plain(one, labels)
    assert judged.shape == (4,)
    assert torch.allclose(judged, expected, atol=1e-12)
    # The gradient at each example is its place's share of the plain net's.
    found = squared_gradient(judged, copies).view(4, 3)
    assert torch.allclose(found, squared_gradient(expected, one)[:, None] * shares.square())


def test_a_label_speaks_for_its_own_place() -> None:
    head = Head(5, 4, pack=2).double()
    features = torch.randn(3, 5, dtype=torch.float64)
    labels = torch.tensor([0, 3, 1, 1, 3, 0])
    rows = head.embed.weight.detach().numpy()  # type: ignore[union-attr]
    vectors = [rows[a] + rows[4 + b] for a, b in labels.view(3, 2).tolist()]
    flat = head.linear.weight.detach().numpy()[0]
    bias = float(head.linear.bias.detach())
    expected = [f @ (flat + v) + bias for f, v in zip(features.numpy(), vectors, strict=True)]
    assert np.allclose(head(features, labels).detach().numpy(), expected)
    assert head(features, labels)[0] != head(features, labels.view(3, 2).flip(1).flatten())[0]


# Minibatch standard deviation


@pytest.mark.parametrize("shape", [(8, 5), (8, 3, 4, 4)])
def test_minibatch_std_is_that_of_numpy(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    found = MinibatchStd(4)(torch.from_numpy(x)).numpy()
    assert np.array_equal(found[:, :-1], x)
    for start in (0, 4):
        expected = x[start : start + 4].std(0).mean()
        assert np.allclose(found[start : start + 4, -1], expected, atol=1e-7)


def test_minibatch_std_of_copies_is_nought_and_can_be_differentiated_twice() -> None:
    x = torch.ones(8, 6, dtype=torch.float64).requires_grad_()
    added = MinibatchStd(4)(x)[:, -1]
    assert added.abs().max() <= 1e-4
    (slope,) = torch.autograd.grad(added.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), x)
    assert slope.isfinite().all() and second.isfinite().all()
    x = torch.randn(8, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(MinibatchStd(4), (x,))


def test_minibatch_std_of_none_is_nothing() -> None:
    x = torch.randn(4, 3)
    assert MinibatchStd(0)(x) is x
    with pytest.raises(
        OptionError, match=r"^discriminator\.minibatch_std: a group of one has no deviation"
    ):
        MinibatchStd(1)


@every_net
def test_groups_do_not_see_each_other(name: str) -> None:
    """So real and fake in one pass are judged as in two, and examples in parts as in one."""
    network = net_of(name, pack=2, minibatch_std=2)
    assert (network.pack, network.group) == (2, 4) and not network.mixes_examples
    x, other = pictures(8), pictures(4, seed=2)
    whole = network(torch.cat([x, other]))
    assert torch.allclose(whole, torch.cat([network(x), network(other)]), atol=1e-12)
    changed = x.clone()
    changed[0] += 0.1
    differs = (network(changed) - network(x)).abs() > 1e-12
    assert differs.tolist() == [True, True, False, False]


@every_net
def test_without_packs_and_groups_nothing_is_added(name: str) -> None:
    plain = net_of(name).state_dict()
    same = net_of(name, pack=1, minibatch_std=0).state_dict()
    assert all(torch.equal(plain[key], same[key]) for key in plain | same)
    shapes = {key: value.shape for key, value in plain.items()}
    head = {key: value.shape for key, value in net_of(name, minibatch_std=4).state_dict().items()}
    assert {key.split(".")[0] for key in shapes if shapes[key] != head[key]} <= {"head", "basis"}


@every_net
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(
    "more", [{"pack": 2}, {"minibatch_std": 4}, {"pack": 2, "minibatch_std": 2}]
)
def test_a_penalty_s_gradient_is_that_of_the_group_s_logits(
    name: str, classes: int, more: dict[str, int]
) -> None:
    """By central differences; whether or not the step goes without differentiating twice."""
    network = net_of(name, classes, **more)
    labels = torch.tensor([0, 2, 1, 2, 0, 0, 1, 2]) if classes else None
    x, step = pictures(8), 1e-6
    game = Game(
        options=GameOptions(),
        generator=nn.Identity(),
        discriminator=network,
        generator_optimiser=torch.optim.SGD([torch.zeros(1)]),
        discriminator_optimiser=torch.optim.SGD(network.parameters()),
        latents=torch.zeros,
    )
    _, found = game._judge_with_square(x, labels, game._view(x))
    x_ = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(x_, labels).sum(), x_)
    assert torch.allclose(found, slope.square().flatten(1).sum(1))
    moved = torch.zeros_like(x)
    for place in ((0, 1, 4, 3), (5, 0, 2, 7)):
        moved.zero_()[place] = step
        up, down = network(x + moved, labels), network(x - moved, labels)
        assert torch.isclose(slope[place], (up - down).sum() / (2 * step), atol=1e-6)
    weights = list(network.parameters())
    one, other = (
        torch.autograd.grad(penalty.mean(), weights, materialize_grads=True)
        for penalty in (found, squared_gradient(network(x_, labels), x_))
    )
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(one, other, strict=True))


# LeCam


def test_lecam_draws_to_the_other_side_s_past() -> None:
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(5, 2, 7))
    anchors = Anchors()
    real, fake = batches[0].mean(1)
    for number, batch in enumerate(batches):
        if number:
            real += FOLLOW * (batch[0].mean() - real)
            fake += FOLLOW * (batch[1].mean() - fake)
        anchors.follow(*torch.from_numpy(batch).mean(1))
    assert anchors.real is not None and anchors.fake is not None
    assert np.allclose([float(anchors.real), float(anchors.fake)], [real, fake], atol=1e-12)
    r, f = batches[0]
    expected = ((r - fake) ** 2).mean() + ((f - real) ** 2).mean()
    found = lecam(torch.from_numpy(r), torch.from_numpy(f), anchors.real, anchors.fake)
    assert np.isclose(float(found), expected, rtol=1e-12)


def test_lecam_starts_when_it_is_told() -> None:
    o = RegulariserOptions(lecam=0.3, lecam_after_kimg=2)
    assert [o.lecam_at(seen) for seen in (0, 1999, 2000, 10**6)] == [0, 0, 0.3, 0.3]


# Consistency


def test_consistency_is_the_mean_square_of_what_moved() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 9))
    found = consistency(torch.from_numpy(a), torch.from_numpy(b))
    assert np.isclose(float(found), ((a - b) ** 2).mean())


@pytest.mark.parametrize(("height", "width"), [(16, 24), (8, 2), (1, 9)])
def test_pictures_are_moved_by_whole_pixels_and_mirrored_at_the_edges(
    height: int, width: int
) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2, height, width))
    torch.manual_seed(0)
    moved = moved_a_little(torch.from_numpy(x)).numpy()
    most = [min(max(round(side / 8), 1), side - 1) for side in (height, width)]
    padded = np.pad(x, [(0, 0), (0, 0), *((m, m) for m in most)], mode="reflect")
    places = [(i, j) for i in range(2 * most[0] + 1) for j in range(2 * most[1] + 1)]
    crops = np.stack([padded[:, :, i : i + height, j : j + width] for i, j in places])
    equal = (crops == moved).all(axis=(2, 3, 4))  # (place, picture)
    assert equal.any(axis=0).all()
    assert equal.any(axis=1).all(), "some shift never came"


# Top-k


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("relative", [False, True])
def test_the_best_are_those_with_the_largest_logits(share: float, relative: bool) -> None:
    real, fake = np.random.default_rng(0).normal(size=(2, 10))
    score = fake - real if relative else fake
    expected = set(np.argsort(-score)[: int(np.ceil(share * 10))].tolist())
    kept = best(torch.from_numpy(real), torch.from_numpy(fake), share, relative=relative)
    assert set(kept.tolist()) == expected


def test_a_constant_of_a_class_favours_no_class_where_the_loss_is_relative() -> None:
    torch.manual_seed(0)
    real, fake, constant = torch.randn(3, 12)
    kept = best(real, fake, 0.5, relative=True)
    moved = best(real + 9 * constant, fake + 9 * constant, 0.5, relative=True)
    assert set(kept.tolist()) == set(moved.tolist())


def test_the_share_falls_from_one() -> None:
    o = RegulariserOptions(top_k=0.5, top_k_kimg=10)
    assert [o.share_at(seen) for seen in (0, 5000, 10_000, 10**6)] == [1, 0.75, 0.5, 0.5]
    assert RegulariserOptions(top_k=0.5, top_k_kimg=0).share_at(0) == 0.5
    assert {RegulariserOptions().share_at(seen) for seen in range(0, 30_000, 1000)} == {1.0}
