"""Remedies in the game: what each adds to a step, with every recipe, across a resume, and refused."""

from __future__ import annotations

import copy
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import ganwright as gw
from ganwright.base.errors import Interrupted, OptionError
from ganwright.base.options import override
from ganwright.base.runs import RunFolder
from ganwright.base.spec import Spec
from ganwright.data import open_data
from ganwright.game import (
    LOSSES,
    AccumulatingGame,
    Augment,
    AugmentOptions,
    Batch,
    Game,
    GameOptions,
    PenaltyOptions,
    PrivacyOptions,
    RegulariserOptions,
    check,
)
from ganwright.modalities.images import augment as part
from ganwright.modalities.tables.spec import TableSpec
from ganwright.nets import MLPDiscriminatorOptions, MLPGeneratorOptions
from ganwright.train import RECIPES, state
from ganwright.train.trainer import Trainer

SPEC = Spec(axes=("channel", "height", "width"), shape=(1, 4, 4))
BATCH = 8


def check_with(remedies: RegulariserOptions, spec: Spec) -> None:
    o = GameOptions(remedies=remedies)
    check(o, nn.Identity(), nn.Identity(), spec=spec, batch=BATCH)


REMEDIES: dict[str, dict[str, Any]] = {
    "pack": {"discriminator.pack": 2},
    "minibatch-std": {"discriminator.minibatch_std": 4},
    "lecam": {"game.remedies.lecam": 0.1},
    "consistency": {"game.remedies.consistency": 10},
    "top-k": {"game.remedies.top_k": 0.5, "game.remedies.top_k_kimg": 0.02},
}
ALL: dict[str, Any] = {k: v for settings in REMEDIES.values() for k, v in settings.items()}
ALL["discriminator.minibatch_std"] = 2
SMALL: dict[str, Any] = {  # by the kind of net
    "mlp": {"widths": [8, 8]},
    "latent-skip": {"width": 8, "depth": 2},
    "dcgan": {"width": 4},
    "dense-conv": {"widths": [8], "width": 4},
    "r3gan": {"widths": [16]},
}
PICTURES = [name for name in RECIPES if RECIPES[name].make().generator.kind in SMALL]


def make(remedies: RegulariserOptions | None = None, **rules: Any) -> tuple[Game, list[Batch]]:
    """A game of dense nets in float64, and the batches that it is to be given."""
    torch.manual_seed(0)
    generator = MLPGeneratorOptions(widths=(8,)).build(SPEC, 4).double()
    discriminator = MLPDiscriminatorOptions(widths=(8,)).build(SPEC, 4).double()
    numbers = torch.Generator().manual_seed(1)

    def latents(count: int) -> Tensor:
        return torch.randn(count, 4, generator=numbers, dtype=torch.float64)

    game = Game(
        options=GameOptions(remedies=remedies or RegulariserOptions(), **rules),
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=torch.optim.SGD(generator.parameters(), lr=0.1),
        discriminator_optimiser=torch.optim.SGD(discriminator.parameters(), lr=0.1),
        latents=latents,
        moved=part.moved,
    )
    return game, [Batch(latents(4 * BATCH).view(BATCH, 1, 4, 4) / 3, None) for _ in range(4)]


def weights(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def play(
    remedies: RegulariserOptions | None, rounds: int = 3, **rules: Any
) -> tuple[Game, list[Any]]:
    game, batches = make(remedies, **rules)
    torch.manual_seed(5)
    return game, [game.round(lambda i=i: batches[i], i * BATCH) for i in range(rounds)]  # type: ignore[misc]


# What each adds


@pytest.mark.parametrize("loss", list(LOSSES))
def test_all_fakes_are_the_same_as_no_choice(loss: str) -> None:
    plain, _ = play(None, loss=loss)
    chosen, _ = play(RegulariserOptions(top_k=1.0, top_k_kimg=0.001), loss=loss)
    assert torch.equal(weights(plain.generator), weights(chosen.generator))
    half, _ = play(RegulariserOptions(top_k=0.5, top_k_kimg=0), loss=loss)
    assert not torch.equal(weights(plain.generator), weights(half.generator))


@pytest.mark.parametrize("loss", ["non-saturating", "relativistic-paired"])
def test_the_generator_learns_from_the_best_alone(loss: Any) -> None:
    game, (batch, *_) = make(RegulariserOptions(top_k=0.5, top_k_kimg=0), loss=loss)
    twin = copy.deepcopy(game.generator)
    z = game.latents(BATCH)
    made = game._make(z, batch)
    game._generator_step(batch, made, 0)
    fake, real = game.discriminator(twin(z)), game.discriminator(batch.examples).detach()
    relative = loss == "relativistic-paired"
    margin = fake - real if relative else fake
    kept = np.argsort(-margin.detach().numpy())[: BATCH // 2].tolist()
    sum(softplus(-margin[i]) for i in kept).div(len(kept)).backward()  # type: ignore[union-attr]
    expected = torch.cat([(p - 0.1 * p.grad).detach().flatten() for p in twin.parameters()])
    assert torch.allclose(weights(game.generator), expected, atol=1e-12)


def test_lecam_and_consistency_are_added_to_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    game, (batch, *_) = make(RegulariserOptions(lecam=0.3, consistency=7), penalty={"r1": 0.5})
    game.moved = lambda x: x.flip(3) * 0.9
    game.anchors.follow(torch.tensor(1.5).double(), torch.tensor(-0.5).double())
    twin = copy.deepcopy(game.discriminator)
    fakes = game.generator(game.latents(BATCH)).detach()
    told = game._discriminator_step(batch, fakes, 0)
    x = batch.examples.clone().requires_grad_()
    real, fake = twin(x), twin(fakes)
    (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
    lecam = 0.3 * ((real + 0.5).square().mean() + (fake - 1.5).square().mean())
    moved = [(a - twin(b.flip(3) * 0.9)).square().mean() for a, b in ((real, x), (fake, fakes))]
    whole = softplus(-real).mean() + softplus(fake).mean() + lecam + 7 * (moved[0] + moved[1])
    (whole + 0.25 * slope.square().sum() / BATCH).backward()
    expected = torch.cat([(p - 0.1 * p.grad).detach().flatten() for p in twin.parameters()])
    assert torch.allclose(weights(game.discriminator), expected, atol=1e-12)
    assert told.lecam is not None and torch.allclose(told.lecam, lecam.detach())
    assert told.consistency is not None
    assert torch.allclose(told.consistency, 7 * (moved[0] + moved[1]).detach())


@pytest.mark.parametrize("penalty", [{}, {"r1": 0.5}], ids=["together", "apart"])
def test_pictures_are_moved_and_otherwise_augmented_alike(
    monkeypatch: pytest.MonkeyPatch, penalty: dict[str, float]
) -> None:
    game, (batch, *_) = make(RegulariserOptions(consistency=7), penalty=penalty)
    game.augment = Augment.of(AugmentOptions(mode="fixed", p=0.8), part, SPEC)
    fakes = game.generator(game.latents(BATCH)).detach()
    told = game._discriminator_step(batch, fakes, 0)
    assert told.consistency is not None and told.consistency > 0
    game.moved = lambda x: x
    told = game._discriminator_step(batch, fakes, 0)
    assert told.consistency is not None and told.consistency < 1e-20


def test_lecam_compares_with_batches_before() -> None:
    game, results = play(RegulariserOptions(lecam=0.3, lecam_after_kimg=0.01), rounds=4)
    assert [result.lecam is None for result in results] == [True, True, False, False]
    real = results[0].real_logit
    for result in results[1:]:
        real = real + 0.01 * (result.real_logit - real)
    assert game.anchors.real is not None and torch.allclose(game.anchors.real, real)
    plain, _ = play(None, rounds=2)
    late, _ = play(RegulariserOptions(lecam=0.3, lecam_after_kimg=0.01), rounds=2)
    assert torch.equal(weights(plain.discriminator), weights(late.discriminator))


# With every recipe


@pytest.fixture(scope="module")
def digits() -> Any:
    return open_data("digits")


@pytest.mark.parametrize("name", PICTURES)
def test_every_remedy_goes_with_every_recipe_of_pictures(name: str, digits: Any) -> None:
    recipe = RECIPES[name].make()
    small = {
        f"{player}.{key}": value
        for player in ("generator", "discriminator")
        for key, value in SMALL[getattr(recipe, player).kind].items()
    }
    rounds = 3
    seen = {"game.augment.mode": "adaptive"}
    for settings in (*REMEDIES.values(), ALL, ALL | seen):
        fewer = {"train.batch": 8, "latent.dim": 4}
        fewer["game.discriminator_steps"] = min(recipe.game.discriminator_steps, 2)
        chosen = override(recipe, small | fewer | settings)
        trainer = Trainer(chosen, digits, "cpu")
        before = weights(trainer.game.discriminator)
        results = [trainer.round() for _ in range(rounds)]
        assert trainer.healthy()
        assert not torch.equal(before, weights(trainer.game.discriminator))
        last = results[-1]
        assert (last.lecam is not None) == ("game.remedies.lecam" in settings)
        assert (last.consistency is not None) == ("game.remedies.consistency" in settings)


def test_each_player_goes_at_a_rate_of_its_own(digits: Any) -> None:
    """Two time scales: rates, their decay and the numbers of steps."""
    settings = {
        "generator.width": 4,
        "discriminator.width": 4,
        "generator_optimiser.rate": 1e-4,
        "discriminator_optimiser.rate": 4e-4,
        "discriminator_optimiser.final_rate": 1e-4,
        "discriminator_optimiser.decay_kimg": 0.001,
        "game.discriminator_steps": 2,
    }
    trainer = Trainer(override(RECIPES["sngan"].make(), settings), digits, "cpu")
    steps = {"generator": 0, "discriminator": 0}
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for name in steps:
        its = getattr(trainer.game, f"{name}_optimiser")

        def count(its: Any, *_: Any, name: str = name) -> None:
            steps[name] += 1
            rates[name].append(its.param_groups[0]["lr"])

        its.register_step_post_hook(count)
    for _ in range(2):
        trainer.round()
    assert steps == {"generator": 2, "discriminator": 4}
    assert rates["generator"] == [1e-4] * 2
    assert rates["discriminator"] == pytest.approx([4e-4] * 2 + [1e-4] * 2)


# Resume


def test_a_resumed_run_has_the_anchors_and_the_same_bits(tiny: Any, tmp_path: Path) -> None:
    settings = ALL | {"game.remedies.lecam_after_kimg": 0.05, "game.remedies.top_k_kimg": 0.1}
    whole = tiny.run(tmp_path / "whole", "dcgan", settings=settings)
    out = tmp_path / "stopped"

    def stop(trainer: Any) -> None:
        if trainer.seen == 96:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        tiny.run(out, "dcgan", settings=settings, observer=tiny.Watcher(stop))
    found, _ = state.load(RunFolder(out).checkpoint)
    assert found["anchors"]["real"].shape == found["anchors"]["fake"].shape == ()
    run = gw.train("digits", out=out, resume=True)
    assert tiny.weights(run.path) == tiny.weights(whole.path)
    reports = [
        [e for e in RunFolder(path).events() if e["event"] == "report"][-1]
        for path in (out, whole.path)
    ]
    assert reports[0]["lecam"] == reports[1]["lecam"] > 0
    assert reports[0]["consistency"] == reports[1]["consistency"] > 0


# What is refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"discriminator.pack": 3},
            "discriminator.pack: must divide train.batch (16); got 3",
        ),
        (
            {"discriminator.minibatch_std": 6},
            "discriminator.minibatch_std: groups of 6 must divide train.batch (16)",
        ),
        (
            {"discriminator.pack": 2, "discriminator.minibatch_std": 3},
            "discriminator.minibatch_std: groups of 3 packs of 2 must divide train.batch (16)",
        ),
        (
            {"discriminator.minibatch_std": 1},
            "discriminator.minibatch_std: a group of one has no deviation; 0, or at least 2",
        ),
        (
            {"discriminator.norm": "batch", "discriminator.minibatch_std": 4},
            "game.penalty.r1: needs a discriminator that treats examples independently; "
            "discriminator.norm must be none, layer or spectral; got 'batch'",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    tiny: Any, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError) as caught:
        tiny.trainer("relativistic", **settings)
    assert str(caught.value) == said


@pytest.mark.parametrize(("name", "of"), [("lecam_after_kimg", "lecam"), ("top_k_kimg", "top_k")])
def test_when_a_remedy_begins_is_nothing_without_it(name: str, of: str) -> None:
    message = rf"^game.remedies.{name}: has no effect without game.remedies.{of}; got 5 alone$"
    with pytest.raises(OptionError, match=message):
        check(
            GameOptions(remedies=RegulariserOptions(**{name: 5})),
            nn.Identity(),
            nn.Identity(),
            spec=SPEC,
            batch=8,
        )  # type: ignore[arg-type]


def test_consistency_is_for_pictures() -> None:
    row = TableSpec(axes=("choice",), shape=(5,), choices=(2, 3))
    with pytest.raises(OptionError) as caught:
        check(
            GameOptions(remedies=RegulariserOptions(consistency=1)),
            nn.Identity(),
            nn.Identity(),
            spec=row,
            batch=8,
            moves=False,
        )
    assert str(caught.value) == (
        "game.remedies.consistency: compares an example with a slightly moved copy, and "
        "rows of a table can't be moved"
    )
    check(
        GameOptions(remedies=RegulariserOptions(lecam=1, top_k=0.5)),
        nn.Identity(),
        nn.Identity(),
        spec=row,
        batch=8,
    )


@pytest.mark.parametrize("name", ["lecam", "consistency"])
def test_a_private_game_refuses_what_looks_at_real_rows(name: str) -> None:
    discriminator = MLPDiscriminatorOptions(widths=(8,)).build(SPEC, 4)
    private = PrivacyOptions(noise=1.0)
    o = GameOptions(remedies=RegulariserOptions(**{name: 1.0}), privacy=private)  # type: ignore[arg-type]
    with pytest.raises(OptionError) as caught:
        check(o, nn.Identity(), discriminator)
    assert str(caught.value) == (
        f"game.remedies.{name}: shows real rows to the discriminator outside the noisy sum; "
        "with game.privacy it must be 0"
    )
    # The best fakes are chosen without any.
    o = GameOptions(remedies=RegulariserOptions(top_k=0.5), privacy=private)
    check(o, nn.Identity(), discriminator)
    for more in ({"pack": 2}, {"minibatch_std": 2}):
        mixed = MLPDiscriminatorOptions(widths=(8,), **more).build(SPEC, 4)  # type: ignore[arg-type]
        with pytest.raises(OptionError, match="judges rows independently"):
            check(o, nn.Identity(), mixed)


def test_a_batch_in_portions_has_the_same_anchors() -> None:
    o = RegulariserOptions(lecam=0.3)
    whole, _ = play(o, rounds=3)
    parts, batches = make(o)
    parts = AccumulatingGame(**vars(parts), microbatch=2)
    for number in range(3):
        parts.round(lambda number=number: batches[number], number * BATCH)  # type: ignore[misc]
    assert whole.anchors.real is not None and parts.anchors.real is not None
    assert torch.allclose(whole.anchors.real, parts.anchors.real, atol=1e-12)
    assert torch.allclose(weights(whole.discriminator), weights(parts.discriminator), atol=1e-12)


def test_portions_refuse_to_rank_a_part_of_the_batch() -> None:
    o = GameOptions(remedies=RegulariserOptions(top_k=0.5), penalty=PenaltyOptions(r1=1))
    with pytest.raises(OptionError) as caught:
        check(o, nn.Identity(), MLPDiscriminatorOptions().build(SPEC, 4), microbatch=2)
    assert str(caught.value) == "train.microbatch: game.remedies.top_k ranks the whole batch"
