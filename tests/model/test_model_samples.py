"""Samples are functions of (seed, index), in the data's own form, with the shares of the data."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ganwright as gw
from ganwright.base.errors import OptionError, UsageError
from ganwright.data import open_data
from ganwright.model import Model
from ganwright.nets.layers import Generator


@pytest.fixture(scope="session")
def model(digits_run: Path) -> Model:
    return Model.load(digits_run)


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Model:
    out = tmp_path_factory.mktemp("unlabelled") / "run"
    options = {"data.labels": False, "generator.widths": [8], "discriminator.widths": [8]}
    return gw.train("digits", recipe="mlp-small", out=out, kimg=0.06, settings=options).model


def test_form(model: Model) -> None:
    samples = model.sample(5)
    assert samples.shape == (5, 8, 8, 1) and samples.dtype == np.uint8
    assert samples.std() > 0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    n=st.integers(1, 3 * Generator.block),
    k=st.integers(1, 3 * Generator.block),
    seed=st.integers(0, 2**40),
)
def test_the_first_samples_are_the_same_whatever_n(model: Model, n: int, k: int, seed: int) -> None:
    few, many = sorted((n, k))
    assert np.array_equal(model.sample(many, seed=seed)[:few], model.sample(few, seed=seed))


def test_blocks_are_the_samples(model: Model) -> None:
    n = 2 * Generator.block + 3
    blocks = list(model.stream(n, seed=4))
    assert [block.start for block in blocks] == [0, Generator.block, 2 * Generator.block]
    assert np.array_equal(np.concatenate([b.examples for b in blocks]), model.sample(n, seed=4))
    assert all(len(b.examples) == len(b.labels) for b in blocks if b.labels is not None)


def test_another_seed_gives_other_samples(model: Model) -> None:
    assert not np.array_equal(model.sample(8, seed=0), model.sample(8, seed=1))


def test_sampling_leaves_the_global_randomness_alone(model: Model) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    model.sample(3)
    assert torch.equal(torch.rand(3), expected)


def test_save_and_load_give_the_same_samples(model: Model, tmp_path: Path) -> None:
    for label in (None, 3):
        model.save(tmp_path / "copy")
        copy = gw.load(str(tmp_path / "copy"))
        assert np.array_equal(model.sample(70, label=label), copy.sample(70, label=label))
    assert {p.name for p in (tmp_path / "copy").iterdir()} == {"model.json", "model.safetensors"}
    assert (copy.spec, copy.codec, copy.net, copy.seen) == (
        model.spec, model.codec, model.net, model.seen,
    )  # fmt: skip


def test_labels_by_name_by_number_and_one_by_one(model: Model) -> None:
    by_name, by_number = model.sample(4, label="7"), model.sample(4, label=7)
    assert np.array_equal(by_name, by_number)
    assert np.array_equal(by_name, model.sample(4, label=[7, "7", np.int64(7), 7]))
    assert not np.array_equal(by_name, model.sample(4, label=8))
    (block,) = model.stream(3, label=["1", 0, 9])
    assert block.labels is not None and block.labels.tolist() == [1, 0, 9]
    mixed = model.sample(3, label=["7", 0, 9])
    assert np.array_equal(mixed[0], by_name[0])


def test_a_number_is_a_place_and_a_word_a_name(model: Model) -> None:
    """Where classes are called 1 to 10, the word "1" is the first class and the number 1 the second."""
    names = tuple(str(i) for i in range(1, 11))
    other = Model(**(vars(model) | {"spec": replace(model.spec, classes=names)}))
    (block,) = other.stream(10, label=np.arange(10))
    assert block.labels is not None and block.labels.tolist() == [*range(10)]
    (block,) = other.stream(10, label=names)
    assert block.labels is not None and block.labels.tolist() == [*range(10)]
    with pytest.raises(OptionError, match="label: no class 10; allowed"):
        other.sample(1, label=10)


def test_shares_of_labels_are_those_of_the_data(model: Model) -> None:
    labels = model.labels(seed=0, start=0, count=20_000)
    assert labels is not None
    counts = np.bincount(labels, minlength=10)
    expected = 20_000 * np.asarray(model.data["class_counts"]) / model.data["n"]
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # χ² with 9 degrees, p = 0.001
    data = open_data("digits")
    assert data.labels is not None
    assert model.data["class_counts"] == np.bincount(data.labels[data.train]).tolist()


def test_a_class_without_examples_is_never_drawn(model: Model) -> None:
    counts = [0, 5, 0, 1, 0, 0, 0, 0, 0, 0]
    other = Model(**(vars(model) | {"data": model.data | {"class_counts": counts}}))
    labels = other.labels(seed=1, start=0, count=5000)
    assert labels is not None and set(labels) == {1, 3}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n": 0}, "n: must be at least 1; got 0"),
        ({"n": -3}, "n: must be at least 1; got -3"),
        ({"truncation": -0.1}, "truncation: must lie between 0 and 1; got -0.1"),
        ({"truncation": 1.1}, "truncation: must lie between 0 and 1; got 1.1"),
        ({"truncation": float("nan")}, "truncation: must lie between 0 and 1; got nan"),
        ({"label": "seven"}, "label: no class 'seven'; allowed: 0, 1, 2"),
        ({"label": "77"}, "label: no class '77'; allowed: .* Did you mean '7'"),
        ({"label": 10}, "label: no class 10; allowed"),
        ({"label": -1}, "label: no class -1; allowed"),
        ({"label": [1, 2]}, "label: needs one for each of 4 samples; got 2"),
    ],
    ids=str,
)
def test_impossible_wishes(model: Model, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        model.sample(**({"n": 4} | wrong))


def test_no_labels_without_classes(unlabelled: Model) -> None:
    assert unlabelled.sample(3).shape == (3, 8, 8, 1)
    (block,) = unlabelled.stream(3)
    assert block.labels is None
    with pytest.raises(UsageError, match="label: this model was trained without classes"):
        unlabelled.sample(3, label=1)


def test_truncation(model: Model) -> None:
    assert np.array_equal(model.sample(9), model.sample(9, truncation=1.0))
    mean = model.sample(70, label=2, truncation=0)
    assert (mean == mean[0]).all()
    assert not np.array_equal(mean[0], model.sample(1, label=3, truncation=0)[0])
    spread = [model.sample(64, label=2, truncation=t).std(axis=0).mean() for t in (0.3, 0.7, 1.0)]
    assert 0 < spread[0] < spread[1] < spread[2]


def test_a_stream_takes_constant_memory(model: Model) -> None:
    def peak(blocks: int) -> int:
        tracemalloc.start()
        for _ in model.stream(blocks * Generator.block):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(40) < 1.2 * peak(4) + 20_000
    next(model.stream(10**9))  # a stream of a billion begins at once
