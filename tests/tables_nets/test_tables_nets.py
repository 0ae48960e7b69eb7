"""The nets of rows: probabilities as the textbook says, draws as asked, what is known stays."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding_bag

from ganwright.base.errors import OptionError
from ganwright.game import (
    Batch,
    Game,
    GameOptions,
    OptimiserOptions,
    PenaltyOptions,
    check,
    optimiser,
)
from ganwright.modalities.images.spec import ImageSpec
from ganwright.modalities.tables.nets import (
    TableDiscriminatorOptions,
    TableGenerator,
    TableGeneratorOptions,
    _Sum,
    draw,
    hats,
)
from ganwright.modalities.tables.spec import TableSpec
from ganwright.nets import bfloat16
from ganwright.nets.layers import Generator

SIZES = (3, 8, 2)
LATENT = 4


def spec_of(sizes: tuple[int, ...] = SIZES) -> TableSpec:
    """Fields of `sizes`; those of five codes and more lie on an axis."""
    positions = [(i / (k - 1) if k >= 5 else -1.0) for k in sizes for i in range(k)]
    shares = [1 / k for k in sizes for _ in range(k)]
    return TableSpec(
        axes=("choice",),
        shape=(sum(sizes),),
        choices=sizes,
        positions=tuple(positions),
        shares=tuple(shares),
    )


def generator(seed: int = 0, **options: float) -> TableGenerator:
    torch.manual_seed(seed)
    o = TableGeneratorOptions(width=16, **options)  # type: ignore[arg-type]
    net = o.build(spec_of(), LATENT)
    for parameter in net.parameters():  # far from its start, so that every term counts
        parameter.data += 0.3 * torch.randn_like(parameter)
    return net.eval()  # type: ignore[return-value]


def rows(count: int, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([random.integers(0, k, count) for k in SIZES], axis=1))


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def narrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With and without products in bfloat16, whatever this machine has."""
    monkeypatch.setattr(bfloat16, "has_bfloat16", lambda device: request.param)
    return request.param


# Probabilities


@pytest.mark.parametrize("blocks", [0, 2])
def test_negative_log_likelihood_is_cross_entropy_of_what_was_hidden(
    blocks: int, narrow: bool
) -> None:
    net, codes, z = generator(blocks=blocks), rows(32), torch.randn(32, LATENT)
    hidden = torch.rand(32, 3) < 0.6
    condition = torch.where(hidden, ~codes, codes)
    logits = net.predict(z, condition)
    parts = torch.split(logits, SIZES, dim=1)
    cost = torch.stack(
        [cross_entropy(p, codes[:, c], reduction="none") for c, p in enumerate(parts)], 1
    )
    want = (cost * hidden).sum(1) * 32 / hidden.sum()
    got = net.negative_log_likelihood(z, condition)
    assert torch.allclose(got, want, atol=0.2 if narrow else 1e-5)
    assert torch.allclose(net(z, condition).nll, got, atol=1e-5)

    names, weights = zip(*net.named_parameters(), strict=True)
    wanted = torch.autograd.grad(want.mean(), weights, allow_unused=True)
    found = torch.autograd.grad(got.mean(), weights, allow_unused=True)
    for name, a, b in zip(names, wanted, found, strict=True):
        assert (a is None) == (b is None), name
        if a is not None and b is not None:
            error = (a - b).norm() / a.norm().clamp(min=1e-6)
            assert error < (0.05 if narrow else 1e-4), name


def test_sums_of_vectors_have_the_gradient_of_embedding_bag() -> None:
    table = torch.randn(7, 5, requires_grad=True)
    places = torch.randint(0, 7, (9, 4))
    places[0] = 3  # the same one several times
    weight = torch.randn(9, 5)
    (want,) = torch.autograd.grad((embedding_bag(places, table, mode="sum") * weight).sum(), table)
    (got,) = torch.autograd.grad((_Sum.apply(table, places) * weight).sum(), table)
    assert (got - want).norm() < 0.02 * want.norm()


def test_nothing_of_what_is_hidden_is_seen() -> None:
    net, z = generator(), torch.randn(20, LATENT)
    first, second = rows(20, seed=1), rows(20, seed=2)
    hidden = torch.zeros(20, 3, dtype=torch.bool)
    hidden[:, 1] = True
    second[:, [0, 2]] = first[:, [0, 2]]
    told = [torch.where(hidden, ~codes, codes) for codes in (first, second)]
    assert torch.equal(net.predict(z, told[0]), net.predict(z, told[1]))


def test_new_nets_give_the_shares_of_the_data() -> None:
    sizes = (3, 4)
    shares = (0.7, 0.2, 0.1, 0.25, 0.25, 0.4, 0.1)
    spec = TableSpec(axes=("choice",), shape=(7,), choices=sizes, shares=shares)
    net = TableGeneratorOptions(width=64).build(spec, LATENT)
    net.logits.own.data.zero_()  # type: ignore[union-attr]
    logits = net.predict(torch.zeros(1, LATENT), torch.full((1, 2), -1))  # type: ignore[operator]
    assert torch.allclose(net.fields.probabilities(logits)[0], torch.tensor(shares), atol=1e-3)  # type: ignore[operator, union-attr]


def test_neighbours_on_an_axis_share_features() -> None:
    found = hats(spec_of((3, 33)), 4)
    assert found is not None
    (which, taken), weights = found
    assert which.tolist() == list(range(3, 36)) and taken.tolist() == list(range(33))
    flat = weights[0]
    distance = (flat[:-1] - flat[1:]).norm(dim=1)
    assert distance.max() < 0.5 * (flat[0] - flat[-1]).norm()
    assert hats(spec_of((3, 2)), 4) is None and hats(spec_of(), 0) is None


# Draws


def test_draws_invert_the_distribution() -> None:
    p = torch.tensor([0.2, 0.5, 0.3])
    chance = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 0.999])
    logits = p.log()[:, None].expand(3, 6)
    assert draw(logits, chance).tolist() == [0, 0, 1, 1, 2, 2]
    assert draw(logits, chance, torch.tensor([1.0, 0.0, 1.0])).tolist() == [0, 0, 0, 2, 2, 2]
    assert draw(logits, chance, torch.tensor([0.0, 1.0, 0.0])).tolist() == [1] * 6


def test_impossible_odds_still_keep_to_what_is_allowed() -> None:
    logits = torch.full((4, 3), -1e9)
    logits[0] = 1e9
    chance = torch.tensor([0.0, 0.5, 1.0])
    got = draw(logits, chance, torch.tensor([0.0, 1.0, 1.0, 0.0]))
    assert set(got.tolist()) <= {1, 2}


def test_samples_keep_what_is_known_and_obey_what_is_allowed() -> None:
    net, codes = generator(), rows(500)
    known = torch.where(torch.rand(500, 3) < 0.5, codes, -1)
    allowed = torch.ones(sum(SIZES))
    allowed[3:11] = torch.tensor([0, 0, 1, 0.5, 0, 0, 0, 0])
    made = net.sample(torch.randn(500, LATENT), known, torch.rand(500, 3), allowed)
    assert torch.equal(made[known >= 0], known[known >= 0])
    assert set(made[known[:, 1] < 0, 1].tolist()) == {2, 3}
    assert all(((made[:, c] >= 0) & (made[:, c] < k)).all() for c, k in enumerate(SIZES))


def test_rows_come_with_the_probability_that_the_chain_rule_gives() -> None:
    net = generator(seed=3).requires_grad_(False)
    z, count = torch.zeros(1, LATENT), 40_000
    chances = torch.rand(count, 3)
    chances[0] = torch.tensor([0.2, 0.4, 0.6])  # the order of this block: 0, 1, 2
    made = net.sample(z.expand(count, -1), torch.full((count, 3), -1), chances)
    p = np.ones(SIZES)
    for a in range(SIZES[0]):
        for b in range(SIZES[1]):
            for c in range(SIZES[2]):
                for at, row in enumerate(([-1, -1, -1], [a, -1, -1], [a, b, -1])):
                    shares = net.fields.probabilities(net.predict(z, torch.tensor([row])))[0]
                    p[a, b, c] *= float(shares[net.fields.spans[at]][(a, b, c)[at]])
    assert p.sum() == pytest.approx(1, abs=1e-4)
    counts = np.zeros(SIZES)
    np.add.at(counts, tuple(made.numpy().T), 1)
    keep = p.ravel() * count > 5
    expected = p.ravel()[keep] * count
    observed = counts.ravel()[keep]
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-4


# The game


def test_fakes_are_rows_and_the_known_cells_are_the_real_ones() -> None:
    net, codes = generator(), rows(64)
    condition = net.condition(codes, None)
    fakes = net(torch.randn(64, LATENT), condition).examples
    parts = torch.split(fakes, SIZES, dim=1)
    for c, part in enumerate(parts):
        assert torch.allclose(part.sum(1), torch.ones(64), atol=1e-5)
        assert torch.allclose(part.max(1).values, torch.ones(64), atol=1e-5)
        known = condition[:, c] >= 0
        assert torch.equal(part.argmax(1)[known], codes[known, c])
    fakes.square().sum().backward()
    assert net.shift.grad is not None and net.shift.grad.abs().sum() > 0


def test_any_share_of_a_row_may_be_hidden() -> None:
    torch.manual_seed(0)
    condition = generator().condition(rows(20_000), None)
    assert torch.equal(torch.where(condition < 0, ~condition, condition), rows(20_000))
    hidden = (condition < 0).sum(1)
    shares = torch.bincount(hidden, minlength=4) / len(hidden)
    want = 0.9 / 4 + torch.tensor([0.0, 0.0, 0.0, 0.1])  # uniform, and one in ten whole
    assert torch.allclose(shares, want, atol=0.015)


@pytest.mark.parametrize("pack", [1, 4])
def test_the_discriminator_judges_packs(pack: int) -> None:
    judge = TableDiscriminatorOptions(width=16, pack=pack).build(spec_of(), LATENT)
    net, codes = generator(), rows(32)
    condition = net.condition(codes, None)
    fakes = net(torch.randn(32, LATENT), condition).examples
    assert judge(fakes, condition).shape == (32 // pack,)


def players(**rules: float) -> tuple[Game, Batch]:
    o = GameOptions(penalty=PenaltyOptions(r1=1, r2=1), **rules)  # type: ignore[arg-type]
    net = generator().train()
    judge = TableDiscriminatorOptions(width=16).build(spec_of(), LATENT)
    check(o, net, judge)
    adam = OptimiserOptions(rate=1e-2)
    game = Game(
        options=o,
        generator=net,
        discriminator=judge,
        generator_optimiser=optimiser(adam, net.parameters()),
        discriminator_optimiser=optimiser(adam, judge.parameters()),
        latents=lambda n: torch.randn(n, LATENT),
    )
    codes = rows(64)
    real = torch.cat(
        [torch.nn.functional.one_hot(codes[:, c], k) for c, k in enumerate(SIZES)], 1
    ).float()
    return game, Batch(real, net.condition(codes, None))


def test_the_discriminator_rests_between_its_rounds() -> None:
    game, batch = players(likelihood=1, adversarial_every=3)
    for number in range(6):
        before = [p.clone() for p in game.discriminator.parameters()]
        own = [p.clone() for p in game.generator.parameters()]
        result = game.round(lambda: batch, number * 64)
        after = list(game.discriminator.parameters())
        same = all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert same == (number % 3 != 0)
        assert (result.discriminator_loss is None) == same
        assert result.nll is not None and math.isfinite(result.nll)
        moved = zip(own, game.generator.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in moved)


def test_likelihood_lowers_negative_log_likelihood() -> None:
    game, batch = players(likelihood=1, adversarial=0)
    found = [float(game.round(lambda: batch, 64 * i).nll) for i in range(60)]  # type: ignore[arg-type]
    assert found[-1] < 0.8 * found[0]


def test_rules_without_sense_are_refused() -> None:
    judge = TableDiscriminatorOptions(width=16).build(spec_of(), LATENT)
    with pytest.raises(OptionError, match="would have nothing to learn from"):
        check(GameOptions(adversarial=0), generator(), judge)
    with pytest.raises(OptionError, match="gives no probabilities"):
        check(GameOptions(likelihood=1), Generator(), judge)
    with pytest.raises(OptionError, match="need rows of a table, got pictures"):
        picture = ImageSpec(axes=("channel", "height", "width"), shape=(1, 8, 8))
        TableGeneratorOptions().build(picture, LATENT)
