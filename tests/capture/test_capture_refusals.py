"""What can't be captured is found, and said once; and the rehearsal itself finds what it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

import ganwright as gw
from ganwright.base.ahead import ahead
from ganwright.base.errors import OptionError
from ganwright.base.options import override
from ganwright.train import trainer
from ganwright.train.in_memory import InMemory
from ganwright.train.loop import Silent, train
from ganwright.train.ram import room_for
from ganwright.train.recipes import RECIPES


def _replaced(box: dict[str, Any]) -> None:
    box["x"] = box["x"] + 1


def _baked(box: dict[str, Any]) -> None:
    box["n"] += 1
    box["x"].add_(box["n"])


@pytest.mark.parametrize(
    ("play", "why"),
    [
        (lambda box: box["x"].sum().item(), "waits for the device"),
        (lambda box: bool((box["x"] > 0).all()), "waits for the device"),
        (lambda box: box["x"].nonzero(), "waits for the device"),
        (lambda box: box["x"][box["x"] > 0], "waits for the device"),
        (lambda box: box["x"].numpy(), "is read"),
        (lambda box: box["x"].tolist(), "is read"),
        (lambda box: box["x"].add_(torch.tensor([1.0, 2.0, 3.0])), "the CPU's memory"),
        (lambda box: box["x"].add_(torch.from_numpy(np.ones(3))), "the CPU's memory"),
    ],
)
def test_the_rehearsal_refuses(rehearsed: Any, play: Callable[[Any], Any], why: str) -> None:
    box = {"x": torch.zeros(3)}
    with pytest.raises(rehearsed.Unfit, match=why):
        rehearsed.notes(lambda: play(box))


@pytest.mark.parametrize("play", [_replaced, _baked])
def test_the_rehearsal_shows_what_a_graph_would_get_wrong(
    rehearsed: Any, play: Callable[[Any], None]
) -> None:
    eager = {"x": torch.zeros(3), "n": 0}
    captured = {"x": torch.zeros(3), "n": 0}
    x = captured["x"]
    rehearsed.notes(lambda: play(captured)).play()
    play(eager), play(eager)
    assert not torch.equal(x, eager["x"])


@pytest.mark.parametrize(("batch", "why"), [(1536, ""), (1538, "more than 3,072 labels")])
def test_many_labels_are_not_captured(
    rehearsed: Any, noise: gw.Dataset, batch: int, why: str
) -> None:
    settings = {"train.batch": batch, "generator.widths": [4], "discriminator.widths": [4]}
    its, _ = rehearsed.trainer(noise, "mlp", settings, capture=True)
    assert why in its.captured.why and bool(why) == bool(its.captured.why)


def test_a_card_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "has_bfloat16", lambda device: False)
    assert (
        trainer.precision_on("auto", "cuda") == trainer.precision_on("float32", "cuda") == "float32"
    )
    with pytest.raises(OptionError, match=r"^train.precision: this card .* float32, or auto"):
        trainer.precision_on("bfloat16", "cuda")


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"train.batch": 64}, r"smaller microbatches may: --set train.microbatch=32$"),
        ({"train.batch": 64, "train.microbatch": 1}, r"microbatches of 1 .* a narrower net may"),
    ],
)
def test_too_little_memory_names_the_setting_that_helps(
    settings: dict[str, Any], advice: str
) -> None:
    recipe = override(RECIPES["dcgan"].make(), settings)
    with (
        pytest.raises(OptionError, match=rf"^train.batch: a step of 64 .*{advice}"),
        room_for(recipe),
    ):
        raise torch.OutOfMemoryError


@pytest.mark.parametrize("value", ["on", "true"])
def test_capture_is_automatic_or_off(value: str) -> None:
    with pytest.raises(OptionError, match=r"train\.capture.*auto.*off"):
        override(RECIPES["dcgan"].make(), {"train.capture": value})


@pytest.mark.parametrize("workers", [0, 3])
def test_work_done_ahead_comes_in_order_and_not_all_at_once(workers: int) -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        time.sleep(0.001 * (i % 3))
        return i * i

    found = ahead(work, range(1000), workers)
    assert [next(found) for _ in range(20)] == [i * i for i in range(20)]
    assert len(begun) < 60
    found.close()
    assert list(ahead(work, range(30), workers)) == [i * i for i in range(30)]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> gw.Dataset:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("words") / "words.npz"
    counts = rng.poisson(rng.gamma(0.3, 1.0, 30), (150, 30))
    scipy.sparse.save_npz(path, scipy.sparse.csr_matrix(counts))
    return gw.open_data(path)


def test_a_round_that_waits_is_played_call_by_call(rehearsed: Any, words: gw.Dataset) -> None:
    captured, recorder = rehearsed.trainer(words, "counts", {}, capture=True)
    eager, _ = rehearsed.trainer(words, "counts", {}, capture=False)
    for _ in range(3):
        captured.round(), eager.round()
    assert recorder.taken == 0 and "waits for the device" in captured.captured.why
    for a, b in zip(rehearsed.state(captured), rehearsed.state(eager), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("recipe", "settings", "why"),
    [
        ("table-private", {"game.privacy.repeatable": True}, "privacy each batch has another size"),
        ("table", {"generator_optimiser.kind": "sgd"}, "sgd can't be captured"),
        (
            "table",
            {
                "discriminator_optimiser.kind": "rmsprop",
                "discriminator_optimiser.final_beta2": 0.9,
                "discriminator_optimiser.decay_kimg": 1,
            },
            "scheduled α can't be captured",
        ),
    ],
)
def test_the_log_says_once_why(
    rehearsed: Any, rows: gw.Dataset, recipe: str, settings: dict[str, Any], why: str
) -> None:
    usual = {"train.kimg": 0.04, "train.report_kimg": 0.02}
    its, recorder = rehearsed.trainer(rows, recipe, settings | usual, capture=True)
    told: list[dict[str, Any]] = []

    class Told(InMemory):
        def append(self, **event: Any) -> None:
            told.append(event)

    train(its, Told(), Silent(), lambda: False)
    reasons = [event["why"] for event in told if event["event"] == "uncaptured"]
    assert len(reasons) == 1 and why in reasons[0]
    assert recorder.taken == 0 and its.seen >= 40
