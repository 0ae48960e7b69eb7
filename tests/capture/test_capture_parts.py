"""What captured rounds rest on: scalars for numbers, draws and examples on the device, sums in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ganwright as gw
from ganwright.base import seeds
from ganwright.game import LATENTS, Average, Held, LatentOptions, OptimiserOptions, optimiser
from ganwright.game.optimisers import set_beta2, set_rate
from ganwright.modalities.images.augment import affine
from ganwright.train import feed, state
from ganwright.train.batches import Order

NARROW = {"generator.width": 4, "discriminator.width": 4}


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_adam_with_a_scheduled_beta2_is_torchs(kind: str) -> None:
    o = OptimiserOptions(
        kind=kind, rate=3e-3, final_rate=1e-4, beta1=0.5, beta2=0.9, final_beta2=0.999,
        decay_kimg=1, weight_decay=0.02,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(4, 3, generator=generator), torch.randn(5, generator=generator)]
    mine, theirs = ([torch.nn.Parameter(x.clone()) for x in start] for _ in range(2))
    held = Held("cpu")

    def fill(seen: int) -> None:
        held.fill({"rate": o.rate_at(seen), "rest": 1 - o.beta2_at(seen)})

    fill(0)
    ours, usual = optimiser(o, mine, held), optimiser(o, theirs)
    for seen in range(0, 1200, 40):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        fill(seen)
        set_rate(usual, o.rate_at(seen))
        set_beta2(usual, o.beta2_at(seen))
        ours.step()
        usual.step()
        for a, b in zip(mine, theirs, strict=True):
            assert torch.allclose(a, b, rtol=2e-6, atol=2e-7)
    names = {name for values in ours.state.values() for name in values}
    assert names == {"step", "exp_avg", "exp_avg_sq"}


def test_the_average_follows_a_scalar_as_a_number() -> None:
    torch.manual_seed(0)
    network, start = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    one, two = Average(start), Average(start)
    one.follow(network, 0.3)
    two.follow(network, torch.tensor(0.3))
    for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("kind", list(LATENTS))
def test_latents_drawn_on_a_device_have_the_tables_distribution(kind: str) -> None:
    torch.manual_seed(0)
    o = LatentOptions(kind=kind, dim=16)
    drawn, table = o.draw_on("cpu", 20_000), o.draw(0, 0, 20_000)
    assert drawn.shape == table.shape and drawn.dtype == table.dtype
    for of in (drawn, table):
        assert float(of.mean()) == pytest.approx(0, abs=0.01)
    assert float(drawn.std()) == pytest.approx(float(table.std()), rel=0.01)
    assert float(drawn.abs().max()) == pytest.approx(float(table.abs().max()), rel=0.15)
    assert float((drawn.norm(dim=1)).std()) == pytest.approx(
        float(table.norm(dim=1).std()), abs=0.02
    )


@pytest.mark.parametrize("kernel", [affine.NEAREST, affine.BILINEAR])
@pytest.mark.parametrize("padding", [affine.ZEROS, affine.REFLECTION])
@pytest.mark.parametrize("size", [(8, 8), (5, 9)])
def test_the_sampling_transposed_is_torchs(
    kernel: int, padding: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    grid = affine.places(torch.randn(6, 2, 3, dtype=torch.float64), *size)
    y = torch.randn(6, 3, *size, dtype=torch.float64)
    rest = (grid, kernel, padding, False, [True, False])
    expected, _ = torch.ops.aten.grid_sampler_2d_backward(y, y, *rest)
    found = affine.scattered(y, grid, kernel, padding)
    assert torch.allclose(found, expected, atol=1e-9)


def test_its_sums_do_not_depend_on_the_order() -> None:
    torch.manual_seed(0)
    side, theta = 12, torch.randn(4, 2, 3)
    grid, y = affine.places(theta, side, side), torch.randn(4, 2, side, side) * 1e-3
    order = torch.randperm(side * side)
    mixed = grid.flatten(1, 2)[:, order].view(grid.shape), y.flatten(2)[..., order].view(y.shape)
    for kernel in (affine.NEAREST, affine.BILINEAR):
        found = affine.scattered(y, grid, kernel, affine.REFLECTION)
        again = affine.scattered(mixed[1], mixed[0], kernel, affine.REFLECTION)
        assert torch.equal(found, again)


def test_a_gradient_that_is_not_finite_stays_so() -> None:
    grid, y = affine.places(torch.randn(3, 2, 3), 4, 4), torch.zeros(3, 1, 4, 4)
    y[1, 0, 2, 2], y[2, 0, 1, 1] = torch.nan, torch.inf
    found = affine.scattered(y, grid, affine.BILINEAR, affine.REFLECTION)
    assert [bool(x.isfinite().all()) for x in found] == [True, False, False]
    assert not found[0].any()


@pytest.mark.parametrize("steps", [1, 3])
def test_both_feeds_give_the_batches_of_the_order(noise: gw.Dataset, steps: int) -> None:
    size, seed = 8, seeds.derive(0, "data")
    make = (noise, Order(len(noise.train), seed), size, steps, torch.device("cpu"))
    kept, ahead = feed.feed(*make), feed.Ahead(*make)
    assert isinstance(kept, feed.Resident)
    order, span = Order(len(noise.train), seed), size * steps
    # On, through the end of a pass, back to where a rollback goes, and on.
    for start in [*range(0, 200, span), 16, 16 + span, 16 + 2 * span]:
        indices = noise.train[order.take(start, span)].reshape(steps, size)
        for its in (kept, ahead):
            its.ready(start)
            for step in range(steps):
                stored, labels = noise.batch(indices[step])
                found, told = its.batch(step)
                assert torch.equal(found, stored)
                assert labels is not None and told is not None and torch.equal(told, labels)


def test_examples_too_large_for_the_device_are_read_ahead(
    noise: gw.Dataset, rehearsed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = rehearsed.trainer(noise, "relativistic", NARROW, capture=True)
    monkeypatch.setattr(feed, "room", lambda device: 1000)
    read, recorder = rehearsed.trainer(noise, "relativistic", NARROW, capture=True)
    assert isinstance(whole.feed, feed.Resident) and isinstance(read.feed, feed.Ahead)
    for _ in range(6):
        whole.round(), read.round()
    assert recorder.played == 6
    for a, b in zip(rehearsed.state(whole), rehearsed.state(read), strict=True):
        assert torch.equal(a, b)


RESUMED = {
    "relativistic": NARROW
    | {
        "game.remedies.lecam": 0.3,
        "game.gamma.auto": True,
        "game.augment.mode": "adaptive",
        "game.augment.speed_kimg": 0.3,
    },
    "r3gan": {"generator.widths": [16], "discriminator.widths": [16]}
    | {f"{player}_optimiser.decay_kimg": 0.2 for player in ("generator", "discriminator")},
}


@pytest.mark.parametrize("recipe", list(RESUMED))
def test_a_resumed_captured_run_ends_in_the_same_bits(
    noise: gw.Dataset, rehearsed: Any, recipe: str, tmp_path: Path
) -> None:
    whole, _ = rehearsed.trainer(noise, recipe, RESUMED[recipe], capture=True)
    for _ in range(7):
        whole.means.add(whole.round())
    state.save(tmp_path, whole.seen, whole.state())
    resumed, recorder = rehearsed.trainer(noise, recipe, RESUMED[recipe], capture=True)
    resumed.round()  # captured, before the state is put in its place
    resumed.restore(state.load(tmp_path)[0])
    for _ in range(7):
        whole.means.add(whole.round())
        resumed.means.add(resumed.round())
    assert recorder.played >= 7
    for a, b in zip(rehearsed.state(whole), rehearsed.state(resumed), strict=True):
        assert torch.equal(a, b)


# Without momentum, Adam's first steps are the gradient's signs, and rounding decides those near zero.
@pytest.mark.parametrize(
    ("recipe", "rounds"), [("relativistic", 5), ("dcgan", 5), ("r3gan", 1), ("wgan-gp", 1)]
)
def test_the_way_of_a_gpu_is_the_same_game(
    noise: gw.Dataset, rehearsed: Any, recipe: str, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = RESUMED["r3gan"] if recipe == "r3gan" else NARROW
    captured, _ = rehearsed.trainer(noise, recipe, settings, capture=True)
    usual = type(captured)(captured.recipe, noise, "cpu")

    def drawn(o: LatentOptions, seed: int, start: int, count: int) -> torch.Tensor:
        return o.draw_on("cpu", count)

    monkeypatch.setattr(LatentOptions, "draw", drawn)
    for _ in range(rounds):
        a, b = captured.round(), usual.round()
        for x, y in zip(a, b, strict=True):
            assert (x is None) == (y is None)
            assert x is None or float(x) == pytest.approx(float(y), rel=2e-3, abs=1e-4)
    ours, theirs = (t.average.network.parameters() for t in (captured, usual))
    for x, y in zip(ours, theirs, strict=True):
        # Not biases: before batch norm their gradient is nothing but rounding.
        assert x.dim() == 1 or np.allclose(x.detach(), y.detach(), atol=2e-4)
