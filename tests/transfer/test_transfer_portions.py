"""A batch in portions takes the step of the whole batch, in less memory."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganwright as gw
from ganwright.base.errors import Interrupted, OptionError
from ganwright.base.spec import Spec
from ganwright.game import (
    LOSSES,
    AccumulatingGame,
    Batch,
    Game,
    GameOptions,
    PenaltyOptions,
    RegulariserOptions,
    check,
)
from ganwright.nets import DCGANDiscriminatorOptions, DCGANGeneratorOptions
from ganwright.train import plan
from ganwright.train.ram import peak_bytes, peak_of, room_for
from ganwright.train.recipes import RECIPES

SPEC = Spec(axes=("channel", "height", "width"), shape=(1, 8, 8), classes=("a", "b", "c"))
LATENT, BATCH = 5, 12
CPU = torch.device("cpu")


def game(o: GameOptions, microbatch: int | None, **d: Any) -> tuple[Game, Callable[[], Batch]]:
    """Small players in float64, and the batches that they meet; always the same."""
    torch.manual_seed(0)
    generator = DCGANGeneratorOptions(width=4, norm="none").build(SPEC, LATENT).double()
    discriminator = DCGANDiscriminatorOptions(width=4, **d).build(SPEC, LATENT).double()
    draws = torch.Generator().manual_seed(1)

    def latents(count: int) -> Tensor:
        return torch.randn(count, LATENT, generator=draws, dtype=torch.float64)

    def reals() -> Batch:
        x = torch.rand(BATCH, *SPEC.shape, generator=draws, dtype=torch.float64) * 2 - 1
        return Batch(x, torch.randint(3, (BATCH,), generator=draws))

    parts: dict[str, Any] = {
        "options": o, "generator": generator, "discriminator": discriminator, "latents": latents,
        "generator_optimiser": torch.optim.Adam(generator.parameters(), lr=1e-3),
        "discriminator_optimiser": torch.optim.Adam(discriminator.parameters(), lr=1e-3),
    }  # fmt: skip
    if microbatch is None:
        return Game(**parts), reals
    check(o, generator, discriminator, microbatch=microbatch)
    return AccumulatingGame(microbatch=microbatch, **parts), reals


RULES: dict[str, tuple[GameOptions, dict[str, Any]]] = {
    loss: (GameOptions(loss=loss), {})  # type: ignore[arg-type]
    for loss in LOSSES
    if loss != "relativistic-average"
} | {
    "r1, r2": (GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=2, r2=1)), {}),
    "steps": (
        GameOptions(discriminator_steps=2, generator_steps=2, penalty=PenaltyOptions(r1=1)),
        {},
    ),
    "fresh fakes": (GameOptions(share_fakes=False), {}),
    "clipping": (
        GameOptions(loss="wasserstein", clip_weights=0.05, clip_gradient=0.5),
        {"norm": "layer"},
    ),
    "lecam": (GameOptions(remedies=RegulariserOptions(lecam=0.5)), {}),
    "packs": (GameOptions(penalty=PenaltyOptions(r1=1)), {"pack": 2}),
    "groups": (GameOptions(), {"minibatch_std": 2}),
}


@pytest.mark.parametrize("microbatch", [4, 8])  # 8: a last portion of 4
@pytest.mark.parametrize("name", list(RULES))
def test_portions_take_the_step_of_the_whole_batch(name: str, microbatch: int) -> None:
    o, d = RULES[name]
    (whole, reals), (parts, same) = game(o, None, **d), game(o, microbatch, **d)
    for seen in range(3):
        expected, got = whole.round(reals, seen), parts.round(same, seen)
        for field, value in expected._asdict().items():
            other = getattr(got, field)
            assert (other is None) == (value is None), field
            if value is not None:
                torch.testing.assert_close(other, value, rtol=1e-9, atol=1e-12, msg=field)
    for player in ("generator", "discriminator"):
        mine, theirs = (getattr(g, player).parameters() for g in (parts, whole))
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_a_portion_as_large_as_the_batch_is_the_same_to_the_bit() -> None:
    o = GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=1, r2=1))
    (whole, reals), (parts, same) = game(o, None), game(o, BATCH)
    for seen in range(3):
        whole.round(reals, seen)
        parts.round(same, seen)
    for a, b in zip(whole.generator.parameters(), parts.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_in_float32_a_run_in_portions_is_near_the_whole(tiny: Any) -> None:
    settings = {"train.precision": "float32", "game.penalty.r1": 1}
    one, other = tiny.trainer(**settings), tiny.trainer(**settings, **{"train.microbatch": 4})
    assert isinstance(other.game, AccumulatingGame) and not isinstance(one.game, AccumulatingGame)
    for trainer in (one, other):
        for optimiser in (trainer.game.generator_optimiser, trainer.game.discriminator_optimiser):
            optimiser.param_groups[0]["eps"] = 1e-3  # Adam's first steps are signs of what is noise
        trainer.round()
    for player in ("generator", "discriminator"):
        for a, b in zip(
            getattr(one.game, player).parameters(),
            getattr(other.game, player).parameters(),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        (
            "dcgan",
            {},
            "batch norm needs statistics of the whole batch; choose another generator.norm",
        ),
        (
            "relativistic",
            {"discriminator.norm": "batch", "game.penalty.r1": 0, "game.penalty.r2": 0},
            "choose another discriminator.norm",
        ),
        ("relativistic", {"game.loss": "relativistic-average"}, "the mean of the whole batch"),
        (
            "relativistic",
            {"game.penalty.dragan": 1},
            "game.penalty.dragan needs the standard deviation",
        ),
        ("relativistic", {"game.remedies.top_k": 0.5}, "game.remedies.top_k ranks the whole"),
        ("relativistic", {"discriminator.pack": 8}, "must be a multiple of 8, .*; got 4"),
    ],
    ids=str,
)
def test_what_needs_the_whole_batch_is_refused(
    tiny: Any, recipe: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=f"^train.microbatch: .*{words}"):
        tiny.trainer(recipe, **settings, **{"train.microbatch": 4})


def test_a_microbatch_of_the_batch_or_more_is_the_whole(tiny: Any) -> None:
    for microbatch in (16, 100):
        assert type(tiny.trainer("dcgan", **{"train.microbatch": microbatch}).game) is Game


def test_an_interrupted_run_in_portions_ends_in_the_same_bits(tiny: Any, tmp_path: Path) -> None:
    settings = {"train.microbatch": 6, "game.remedies.lecam": 0.1, "discriminator.dropout": 0.2}

    def stop(trainer: Any) -> None:
        if trainer.seen == 96:
            signal.raise_signal(signal.SIGINT)

    whole = tiny.run(tmp_path / "whole", settings=settings)
    with pytest.raises(Interrupted):
        tiny.run(tmp_path / "cut", settings=settings, observer=tiny.Watcher(stop))
    gw.train("digits", out=tmp_path / "cut", resume=True)
    assert tiny.weights(whole.path) == tiny.weights(tmp_path / "cut")


def test_rows_of_a_table_are_learned_in_portions(tiny: Any, tmp_path: Path) -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": list("xyzw") * 50})
    settings = {"train.batch": 32, "train.microbatch": 8, "game.adversarial_every": 2}
    run = gw.train(frame, out=tmp_path / "run", kimg=0.2, device="cpu", settings=settings)
    assert run.log[-1]["event"] == "done"


# Memory


def test_tensors_are_counted_while_they_live() -> None:
    count = 1 << 20

    def step() -> None:
        a = torch.zeros(count)
        b = a + 1
        del a
        _ = b * 2
        b.view(2, -1).add_(1)  # neither a view nor an update in place takes memory

    assert peak_bytes(step, CPU) == 2 * 4 * count


def test_the_height_of_a_backward_pass_is_what_it_holds() -> None:
    """Weights, their gradients, the input, and the features that each layer keeps; two in work."""
    side, depth = 512, 4
    layers = nn.Sequential(
        *[nn.Sequential(nn.Linear(side, side, bias=False), nn.ReLU()) for _ in range(depth)]
    )
    x, square = torch.randn(side, side), 4 * side * side
    for weight in layers.parameters():
        weight.grad = torch.zeros_like(weight)
    slopes = [weight.grad for weight in layers.parameters() if weight.grad is not None]
    found = peak_bytes(lambda: layers(x).sum().backward(), CPU, slopes)
    held = (1 + 3 * depth) * square
    assert held <= found <= held + 3 * square


def test_portions_bound_the_memory_of_any_batch(tiny: Any) -> None:
    """With nets that are small beside their features, as on large pictures."""

    def height(batch: int, microbatch: int | None) -> int:
        settings = {"data.size": 16, "train.batch": batch, "train.microbatch": microbatch}
        trainer = tiny.trainer(**settings, **{"generator.width": 8, "discriminator.width": 8})
        trainer.round()
        return peak_of(trainer)

    whole, part = height(64, None), height(64, 8)
    assert part < 0.45 * whole
    assert height(128, 8) < 1.5 * part  # what grows is the batch itself


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fill(trainer: Any) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(plan, "measure", fill)
    yield


def test_a_full_device_is_told_what_helps(full: None, tmp_path: Path) -> None:
    words = r"^train.batch: a step of 64 examples doesn't fit .*: --set train.microbatch=32$"
    with pytest.raises(OptionError, match=words):
        gw.train("digits", recipe="relativistic", out=tmp_path / "run", kimg=1)
    recipe = RECIPES["relativistic"].make()
    with room_for(recipe):
        pass


def test_the_plan_says_how_high_a_step_goes(tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from ganwright.cli.app import run

    assert run(["train", "digits", "--recipe", "relativistic", "--kimg", "1", "--dry-run"]) == 0
    assert "MiB of tensors at the peak of a step" in capsys.readouterr().out
