"""One round of the game: who moves, on what, and that it is the textbook's round."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from ganwright.base.errors import OptionError
from ganwright.base.spec import Spec
from ganwright.game import LOSSES, PENALTIES, Batch, Game, GameOptions, LabelOptions, PenaltyOptions
from ganwright.game.round import frozen, noisy
from ganwright.nets import MLPDiscriminatorOptions

LATENT, BATCH = 3, 6
every_loss = pytest.mark.parametrize("loss", list(LOSSES))


class Generator(nn.Module):
    """Two layers; a label shifts what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(LATENT, 8), nn.Tanh(), nn.Linear(8, 4))
        self.labels: list[Tensor | None] = []

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.labels.append(labels)
        x: Tensor = torch.tanh(self.layers(z))
        return x if labels is None else x + labels[:, None] / 10


class Discriminator(nn.Module):
    """Two layers; remembers every batch that it was shown."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.mixes_examples = norm is not None
        self.layers = nn.Sequential(
            nn.Linear(4, 8), norm or nn.Identity(), nn.Softplus(), nn.Linear(8, 1)
        )
        self.seen: list[tuple[Tensor, Tensor | None, Tensor]] = []

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        logits: Tensor = self.layers(x).squeeze(1)
        self.seen.append((x.detach().clone(), labels, logits.detach().clone()))
        return logits if labels is None else logits + labels * x[:, 0]


class Source:
    """Latents or real batches by number, so that two games can be given the same."""

    def __init__(self, classes: int = 0, dtype: torch.dtype = torch.float64) -> None:
        self.classes, self.dtype, self.latents_drawn, self.reals_drawn = classes, dtype, 0, 0

    def latents(self, count: int) -> Tensor:
        self.latents_drawn += 1
        generator = torch.Generator().manual_seed(self.latents_drawn)
        return torch.randn(count, LATENT, generator=generator, dtype=self.dtype)

    def reals(self) -> Batch:
        self.reals_drawn += 1
        generator = torch.Generator().manual_seed(1000 + self.reals_drawn)
        x = torch.rand(BATCH, 4, generator=generator, dtype=self.dtype) * 2 - 1
        labels = (
            torch.randint(self.classes, (BATCH,), generator=generator) if self.classes else None
        )
        return Batch(x, labels)


def make(
    o: GameOptions | None = None, *, norm: nn.Module | None = None, rate: float = 0.05
) -> tuple[Game, Source]:
    torch.manual_seed(0)
    generator, discriminator = Generator().double(), Discriminator(norm).double()
    source = Source()
    game = Game(
        options=o or GameOptions(),
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=torch.optim.SGD(generator.parameters(), lr=rate),
        discriminator_optimiser=torch.optim.SGD(discriminator.parameters(), lr=rate),
        latents=source.latents,
    )
    return game, source


def weights(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def watch(optimiser: torch.optim.Optimizer, log: list[str], name: str) -> None:
    optimiser.register_step_post_hook(lambda *_: log.append(name))


# Who moves


@every_loss
@pytest.mark.parametrize("share", [True, False])
def test_each_player_moves_in_its_own_step_only(loss: str, share: bool) -> None:
    game, source = make(GameOptions(loss=loss, share_fakes=share))  # type: ignore[arg-type]
    players = {"G": game.generator, "D": game.discriminator}
    states: list[dict[str, Tensor]] = []

    def remember(*_: object) -> None:
        states.append({name: weights(player) for name, player in players.items()})

    game.generator_optimiser.register_step_post_hook(remember)
    game.discriminator_optimiser.register_step_post_hook(remember)
    for _ in range(4):
        states.clear()
        remember()
        game.round(source.reals, 0)
        start, after_d, after_g = states
        assert torch.equal(start["G"], after_d["G"])
        assert not torch.equal(start["D"], after_d["D"])
        assert torch.equal(after_d["D"], after_g["D"])
        assert not torch.equal(after_d["G"], after_g["G"])


@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (3, 1), (1, 2), (5, 3)])
@pytest.mark.parametrize("share", [True, False])
def test_steps_are_counted(d_steps: int, g_steps: int, share: bool) -> None:
    o = GameOptions(discriminator_steps=d_steps, generator_steps=g_steps, share_fakes=share)
    game, source = make(o)
    log: list[str] = []
    watch(game.discriminator_optimiser, log, "D")
    watch(game.generator_optimiser, log, "G")
    game.round(source.reals, 0)
    assert "".join(log) == "D" * d_steps + "G" * g_steps
    assert source.reals_drawn == d_steps  # what `seen` counts
    assert source.latents_drawn == d_steps + g_steps - share


def test_neither_player_is_left_frozen_nor_with_the_other_s_gradients() -> None:
    game, source = make()
    game.round(source.reals, 0)
    for network in (game.generator, game.discriminator):
        assert all(p.requires_grad for p in network.parameters())
    with pytest.raises(RuntimeError, match="inside"), frozen(game.discriminator):
        assert not any(p.requires_grad for p in game.discriminator.parameters())
        raise RuntimeError("inside")
    assert all(p.requires_grad for p in game.discriminator.parameters())


def test_the_generator_s_step_leaves_no_gradient_on_the_discriminator() -> None:
    game, source = make()
    left: list[Tensor] = []

    def remember(*_: object) -> None:
        left.append(torch.cat([p.grad.flatten() for p in game.discriminator.parameters()]))

    game.discriminator_optimiser.register_step_post_hook(remember)
    game.round(source.reals, 0)
    remember()
    assert torch.equal(*left)


def test_results_are_plain_numbers() -> None:
    game, source = make(GameOptions(penalty=PenaltyOptions(r1=1)))
    result = game.round(source.reals, 0)
    found = {name: value for name, value in result._asdict().items() if value is not None}
    # This generator gives no probabilities, and neither remedy nor augmentation was asked for.
    silent = {"nll", "lecam", "consistency", "augment_p", "sureness"}
    assert set(result._fields) - set(found) == silent
    for name, value in found.items():
        assert value.shape == (), name
        assert not value.requires_grad, name
        assert value.isfinite(), name
    assert min(result.generator_gradient, result.discriminator_gradient, result.penalty) > 0


# The textbook's round, written out


def textbook(loss: str, game: Game, rounds: int, rate: float) -> tuple[nn.Module, nn.Module]:
    """The same game in plain torch: two losses, two `backward`, weights moved by hand."""
    generator, discriminator = copy.deepcopy(game.generator), copy.deepcopy(game.discriminator)
    source = Source()

    def move(network: nn.Module, value: Tensor) -> None:
        slopes = torch.autograd.grad(value, list(network.parameters()))
        with torch.no_grad():
            for parameter, slope in zip(network.parameters(), slopes, strict=True):
                parameter -= rate * slope

    bce = binary_cross_entropy_with_logits
    for _ in range(rounds):
        x, _labels = source.reals()
        z = source.latents(len(x))
        r, f = discriminator(x), discriminator(generator(z).detach())
        ones, zeros = torch.ones_like(r), torch.zeros_like(f)
        if loss in ("minimax", "non-saturating"):
            told = bce(r, ones) + bce(f, zeros)
        elif loss == "least-squares":
            told = 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean()
        elif loss == "wasserstein":
            told = -(r.mean() - f.mean())
        elif loss == "hinge":
            told = (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean()
        elif loss == "relativistic-paired":
            told = bce(r - f, ones)
        else:
            told = bce(r - f.mean(), ones) + bce(f - r.mean(), zeros)
        move(discriminator, told)
        r, f = discriminator(x).detach(), discriminator(generator(z))
        if loss == "minimax":
            made = -bce(f, zeros)
        elif loss == "non-saturating":
            made = bce(f, ones)
        elif loss == "least-squares":
            made = 0.5 * ((f - 1) ** 2).mean()
        elif loss in ("wasserstein", "hinge"):
            made = -f.mean()
        elif loss == "relativistic-paired":
            made = bce(f - r, ones)
        else:
            made = bce(f - r.mean(), ones) + bce(r - f.mean(), zeros)
        move(generator, made)
    return generator, discriminator


@every_loss
def test_three_rounds_are_the_textbook_s(loss: str) -> None:
    game, source = make(GameOptions(loss=loss))  # type: ignore[arg-type]
    generator, discriminator = textbook(loss, game, rounds=3, rate=0.05)
    for _ in range(3):
        game.round(source.reals, 0)
    torch.testing.assert_close(weights(game.generator), weights(generator))
    torch.testing.assert_close(weights(game.discriminator), weights(discriminator))


def test_a_penalised_step_is_the_textbook_s() -> None:
    """Non-saturating with R1 and smoothing; the penalty by a second, plainer route."""
    gamma, rate = 3.0, 0.05
    o = GameOptions(penalty=PenaltyOptions(r1=gamma), labels=LabelOptions(real=0.9))
    game, source = make(o, rate=rate)
    discriminator, other = copy.deepcopy(game.discriminator), Source()
    x, _ = other.reals()
    fake = game.generator(other.latents(BATCH)).detach()
    x.requires_grad_()
    r, f = discriminator(x), discriminator(fake)
    slopes = torch.autograd.grad(r.unbind(), x, create_graph=True)[0]
    value = (softplus(r) - 0.9 * r + softplus(f)).mean()
    penalty = gamma / 2 * torch.stack([s.norm() ** 2 for s in slopes]).mean()
    expected = torch.autograd.grad(value + penalty, list(discriminator.parameters()))
    before = weights(game.discriminator)
    result = game.round(source.reals, 0)
    moved = (before - weights(game.discriminator)) / rate
    torch.testing.assert_close(moved, torch.cat([g.flatten() for g in expected]))
    torch.testing.assert_close(result.discriminator_loss, value.detach())
    torch.testing.assert_close(result.penalty, penalty.detach())


# Fakes, batches, labels


@every_loss
def test_shared_and_fresh_fakes_move_the_generator_alike(loss: str) -> None:
    moved = []
    for share in (True, False):
        game, source = make(GameOptions(loss=loss, share_fakes=share))  # type: ignore[arg-type]
        z = source.latents(BATCH)
        game.latents = lambda count, z=z: z
        game.round(source.reals, 0)
        moved.append(weights(game.generator))
    torch.testing.assert_close(*moved)


@pytest.mark.parametrize("penalties", [{}, {"r1": 2.0, "r2": 2.0}])
def test_one_pass_over_both_batches_equals_two(penalties: dict[str, float]) -> None:
    moved, passes = [], []
    for mixes in (False, True):
        game, source = make(GameOptions(penalty=PenaltyOptions(**penalties)))
        game.discriminator.mixes_examples = mixes
        results = [game.round(source.reals, 0) for _ in range(3)]
        moved.append((weights(game.discriminator), weights(game.generator), results[-1]))
        passes.append(len(game.discriminator.seen))
    assert passes == [6, 9]
    torch.testing.assert_close(*moved)


def test_batch_statistics_never_mix_real_and_fake() -> None:
    game, source = make(norm=nn.BatchNorm1d(8))
    other, _ = make(norm=nn.BatchNorm1d(8))
    with torch.no_grad():  # another generator altogether
        for parameter in other.generator.parameters():
            parameter.mul_(-5)
    game.round(source.reals, 0)
    other.round(Source().reals, 0)
    shown, shown_other = game.discriminator.seen, other.discriminator.seen
    assert [len(x) for x, _, _ in shown] == [BATCH] * 3
    real, _ = Source().reals()
    assert torch.equal(shown[0][0], real)
    assert torch.equal(shown[0][2], shown_other[0][2])  # logits of real: whatever the fakes
    assert not torch.equal(shown[1][0], shown_other[1][0])


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("loss", ["hinge", "relativistic-paired"])
def test_labels_reach_both_players(share: bool, loss: str) -> None:
    o = GameOptions(
        loss=loss,  # type: ignore[arg-type]
        share_fakes=share,
        penalty=PenaltyOptions(gradient_penalty=1),
        generator_steps=2,
        discriminator_steps=2,
    )
    game, source = make(o)
    source.classes = 3
    other = Source(classes=3)
    first, second = other.reals().condition, other.reals().condition
    assert first is not None and second is not None
    game.round(source.reals, 0)
    expected = [first, second] + [second] * (1 if share else 2)
    for got, want in zip(game.generator.labels, expected, strict=True):
        assert torch.equal(got, want)
    for x, labels, _ in game.discriminator.seen:
        assert labels is not None and len(labels) == len(x)
        known = [labels] if len(labels) == BATCH else labels.chunk(2)
        assert all(torch.equal(part, first) or torch.equal(part, second) for part in known)


@pytest.mark.parametrize("name", list(PENALTIES))
def test_each_penalty_alone_reaches_the_weights(name: str) -> None:
    found = {}
    for weight in (0.0, 5.0):
        o = GameOptions(penalty=PenaltyOptions(**{name.replace("-", "_"): weight}))
        game, source = make(o)
        torch.manual_seed(1)
        found[weight] = game.round(source.reals, 0), weights(game.discriminator)
    assert found[0.0][0].penalty == 0 < found[5.0][0].penalty
    assert not torch.equal(found[0.0][1], found[5.0][1])
    for field in ("discriminator_loss", "real_logit", "fake_logit"):
        torch.testing.assert_close(getattr(found[0.0][0], field), getattr(found[5.0][0], field))


def test_penalties_add_up() -> None:
    total, apart = 0.0, {}
    for name in ("r1", "r2"):
        game, source = make(GameOptions(penalty=PenaltyOptions(**{name: 2.0})))
        apart[name] = float(game.round(source.reals, 0).penalty)
        total += apart[name]
    game, source = make(GameOptions(penalty=PenaltyOptions(r1=2.0, r2=2.0)))
    assert float(game.round(source.reals, 0).penalty) == pytest.approx(total)
    assert apart["r1"] != pytest.approx(apart["r2"])


# Bounds, noise, precision


@pytest.mark.parametrize("bound", [1e-3, 1e3])
def test_gradient_clipping_bounds_the_step(bound: float) -> None:
    rate = 0.05
    game, source = make(GameOptions(clip_gradient=bound), rate=rate)
    free, _ = make(rate=rate)
    before = weights(game.discriminator), weights(game.generator)
    result = game.round(source.reals, 0)
    expected = free.round(Source().reals, 0)
    torch.testing.assert_close(result.discriminator_gradient, expected.discriminator_gradient)
    lengths = (result.discriminator_gradient, result.generator_gradient)
    for was, network, length in zip(
        before, (game.discriminator, game.generator), lengths, strict=True
    ):
        moved = float((weights(network) - was).norm()) / rate
        assert moved == pytest.approx(min(float(length), bound), rel=1e-4)


def test_weights_are_clipped_after_each_step() -> None:
    game, source = make(GameOptions(loss="wasserstein", clip_weights=0.01, discriminator_steps=2))
    game.round(source.reals, 0)
    assert float(weights(game.discriminator).abs().max()) == pytest.approx(0.01)
    assert float(weights(game.generator).abs().max()) > 0.01


def test_instance_noise_falls_with_what_was_seen() -> None:
    o = GameOptions(instance_noise=0.2, instance_noise_kimg=2)
    assert [o.noise_at(n) for n in (0, 500, 1000, 2000, 9000)] == pytest.approx(
        [0.2, 0.15, 0.1, 0, 0]
    )
    assert GameOptions(instance_noise=0.2).noise_at(10**9) == 0.2
    assert GameOptions().noise_at(0) == 0


def test_a_fall_of_no_instance_noise_is_refused(tiny: Any) -> None:
    with pytest.raises(OptionError, match=r"^game.instance_noise_kimg: has no effect without"):
        tiny.trainer("mlp", **{"game.instance_noise_kimg": 5.0, "game.instance_noise": 0.0})


def test_instance_noise_is_on_all_that_the_discriminator_sees() -> None:
    torch.manual_seed(0)
    x = torch.zeros(40_000)
    assert noisy(x, 0.0) is x
    assert float(noisy(x, 0.3).std()) == pytest.approx(0.3, rel=0.02)
    o = GameOptions(loss="relativistic-paired", instance_noise=0.5, instance_noise_kimg=1)
    for seen, differ in ((0, True), (1000, False)):
        game, source = make(o)
        game.round(source.reals, seen)
        real, _ = Source().reals()
        (both, *_), (fake, *_), (again, *_) = game.discriminator.seen
        assert torch.equal(both[:BATCH], real) != differ
        assert torch.equal(again, real) != differ
        assert torch.equal(both[BATCH:], fake) != differ


@pytest.mark.parametrize("loss", ["non-saturating", "relativistic-average"])
def test_half_precision_passes_leave_losses_in_full(loss: str) -> None:
    def bfloat16() -> AbstractContextManager[None]:
        return torch.autocast("cpu", dtype=torch.bfloat16)

    o = GameOptions(loss=loss, penalty=PenaltyOptions(r1=1, r2=1))  # type: ignore[arg-type]
    game, _ = make(o)
    source = Source(dtype=torch.float32)
    game.generator.float()
    game.discriminator.float()
    game.latents, game.precision = source.latents, bfloat16
    before = weights(game.discriminator), weights(game.generator)
    for value in filter(torch.is_tensor, game.round(source.reals, 0)):
        assert value.dtype == torch.float32
        assert value.isfinite()
    assert not torch.equal(before[0], weights(game.discriminator))
    assert not torch.equal(before[1], weights(game.generator))


@pytest.mark.parametrize("penalties", [{}, {"r1": 1.0}, {"r1": 1.0, "r2": 1.0}, {"dragan": 1.0}])
@pytest.mark.parametrize("norm", ["none", "layer", "spectral"])
def test_real_nets_take_every_way_through_a_step(norm: str, penalties: dict[str, float]) -> None:
    spec = Spec(axes=("feature",), shape=(4,), classes=("a", "b"))
    torch.manual_seed(0)
    discriminator = MLPDiscriminatorOptions(
        widths=(8, 8),
        norm=norm,  # type: ignore[arg-type]
        dropout=0.2,
    ).build(spec, LATENT)
    generator, source = Generator(), Source(classes=2, dtype=torch.float32)
    game = Game(
        options=GameOptions(penalty=PenaltyOptions(**penalties)),
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=torch.optim.Adam(generator.parameters()),
        discriminator_optimiser=torch.optim.Adam(discriminator.parameters()),
        latents=source.latents,
    )
    before = [p.detach().clone() for p in discriminator.parameters()]
    for _ in range(3):
        assert all(v is None or v.isfinite() for v in game.round(source.reals, 0))
    after = list(discriminator.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
