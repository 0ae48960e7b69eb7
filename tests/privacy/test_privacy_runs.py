"""Runs under differential privacy: ε is told, kept, bounded, and the same after a resume."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import ganwright as gw
from ganwright.base.errors import OptionError
from ganwright.base.runs import RunFolder
from ganwright.game import Accountant, PrivacyOptions
from ganwright.train import prepare, state
from ganwright.train.trainer import Trainer

SMALL: dict[str, Any] = {
    "generator.width": 16,
    "generator.blocks": 0,
    "discriminator.width": 16,
    "latent.dim": 4,
    "train.batch": 16,
    "train.threads": 1,
    "train.report_kimg": 0.064,
    "train.checkpoint_kimg": 0.064,
    "train.snapshot_kimg": 10,
    "game.privacy.noise": 1.0,
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b", "c"], 400)
    return pd.DataFrame(
        {"kind": kind, "x": rng.normal(size=400).round(2), "n": rng.poisson(3, 400)}
    )


def trainer(frame: pd.DataFrame, **more: Any) -> Trainer:
    settings = SMALL | {name.replace("__", "."): value for name, value in more.items()}
    made = prepare(frame, recipe="table-private", kimg=1, device="cpu", settings=settings)
    return Trainer(made.plan.recipe, made.data, "cpu")


def weights(its: Trainer) -> list[torch.Tensor]:
    return [
        *its.game.generator.state_dict().values(),
        *its.game.discriminator.state_dict().values(),
    ]


def test_epsilon_is_that_of_opacus() -> None:
    from opacus.accountants import RDPAccountant

    ours = Accountant(PrivacyOptions(noise=1.1, delta=1e-5), 10_000, 256)
    theirs = RDPAccountant()
    theirs.history = [(1.1, 256 / 10_000, 700)]
    epsilon = theirs.get_epsilon(delta=1e-5)
    assert ours.spent(700) == pytest.approx(epsilon, rel=0.02)
    assert ours.spent(700) <= epsilon * (1 + 1e-9)  # more orders: never looser
    assert ours.spent(0) == 0 < ours.spent(1) < ours.spent(2)


def test_epsilon_of_one_step_on_all_rows_is_the_gaussian_mechanisms() -> None:
    # Nearly no sampling: within what Rényi's bound loses of the exact curve (Balle and Wang 2018).
    ours = Accountant(PrivacyOptions(noise=10.0, delta=1e-6), 10_000, 9_999)
    assert 0.4 < ours.spent(1) < 0.6


def test_delta_follows_from_the_number_of_rows() -> None:
    assert Accountant(PrivacyOptions(noise=1), 10_000, 64).delta == pytest.approx(1e-6)


def test_a_run_ends_before_it_spends_more_and_says_so_everywhere(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    run = gw.train(
        frame, recipe="table-private", out=tmp_path / "run", kimg=100,
        settings=SMALL | {"game.privacy.epsilon": 3.0, "game.privacy.repeatable": True},
    )  # fmt: skip
    events = RunFolder(run.path).events()
    done = events[-1]
    assert done["event"] == "done" and 2.5 < done["epsilon"] <= 3.0 and done["seen"] < 100_000
    reported = [e["epsilon"] for e in events if e["event"] == "report"]
    assert reported == sorted(reported) and reported[-1] == done["epsilon"]
    assert not any("real_logit" in e or e["event"] == "score" for e in events)
    said = json.loads((run.path / "model" / "model.json").read_text("utf-8"))["data"]["privacy"]
    assert said["epsilon"] == done["epsilon"] and said["steps"] == done["seen"] // 16
    assert str(said["delta"]) == str(done["delta"]) and said["noise"] == 1.0
    made = run.model.sample(50, seed=1)
    assert list(made.columns) == list(frame.columns) and set(made.kind) <= {"a", "b", "c"}


def test_a_resume_ends_in_the_same_bits_with_the_same_secret(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    whole = trainer(frame)
    for _ in range(4):
        whole.round()
    state.save(tmp_path, whole.seen, whole.state())
    for _ in range(4):
        whole.round()
    resumed = trainer(frame)
    assert resumed.privacy.key != whole.privacy.key
    resumed.restore(state.load(tmp_path)[0])
    for _ in range(4):
        resumed.round()
    assert resumed.spent() == whole.spent()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_noise_differs_from_run_to_run_unless_it_is_to_repeat(frame: pd.DataFrame) -> None:
    pairs = [
        [trainer(frame, game__privacy__repeatable=repeat) for _ in range(2)]
        for repeat in (False, True)
    ]
    same = []
    for first, second in pairs:
        first.round(), second.round()
        same.append(
            all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
        )
    assert same == [False, True]


def test_the_key_is_not_in_the_model(frame: pd.DataFrame, tmp_path: Path) -> None:
    its = trainer(frame)
    its.round()
    its.model().save(tmp_path / "model")
    assert str(its.privacy.key) not in (tmp_path / "model" / "model.json").read_text("utf-8")


def test_a_private_run_on_classes_or_with_a_huge_batch_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match=r"train\.batch: privacy needs it below .*; got 4,096"):
        trainer(frame, train__batch=4096)
    with pytest.raises(OptionError, match=r"game\.privacy\.epsilon: a single step spends"):
        trainer(frame, game__privacy__epsilon=1e-3)
    with pytest.raises(OptionError, match="needs data without classes"):
        prepare(
            "digits", recipe="mlp-small", kimg=1, device="cpu",
            settings={"game.privacy.noise": 1.0, "game.loss": "non-saturating"},
        )  # fmt: skip


def test_without_opacus_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "opacus"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(OptionError, match=r"pip install 'ganwright\[private\]'"):
        Accountant(PrivacyOptions(noise=1.0), 1000, 10)
