"""What can't be captured is found, and said once; and the rehearsal itself finds what it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

import ganwright as gw
from ganwright.train.in_memory import InMemory
from ganwright.train.loop import Silent, train


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
    trainer, recorder = rehearsed.trainer(rows, recipe, settings | usual, capture=True)
    told: list[dict[str, Any]] = []

    class Told(InMemory):
        def append(self, **event: Any) -> None:
            told.append(event)

    train(trainer, Told(), Silent(), lambda: False)
    reasons = [event["why"] for event in told if event["event"] == "uncaptured"]
    assert len(reasons) == 1 and why in reasons[0]
    assert recorder.taken == 0 and trainer.seen >= 40
