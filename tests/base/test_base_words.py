"""Errors, names, specs and seeds."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ganwright.base import errors, seeds
from ganwright.base.errors import GanwrightError, ModelError, UnknownName, message, nearest
from ganwright.base.names import Names
from ganwright.base.spec import Spec

# Errors


def test_exit_codes() -> None:
    codes = {
        error.__name__: error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, GanwrightError)
    }
    usage = ("UsageError", "OptionError", "UnknownName", "DataError", "RunError", "ModelError")
    assert codes == dict.fromkeys(usage, 2) | {
        "GanwrightError": 1,
        "WorkError": 1,
        "Diverged": 3,
        "Interrupted": 130,
    }


def test_messages_have_one_form() -> None:
    assert message("", "no") == "no"
    assert message("--x", "no") == "--x: no"
    assert message("--x", "no", allowed=["a", "b"]) == "--x: no; allowed: a, b"
    assert message("--x", "no 'hing'", allowed=["hinge", "r1"], got="hing") == (
        "--x: no 'hing'; allowed: hinge, r1. Did you mean 'hinge'?"
    )
    many = message("", "no", allowed=[f"n{i}" for i in range(30)])
    assert many.endswith("n23, and 6 more")


def test_nearest() -> None:
    assert nearest("DCGAM", ["mlp", "DCGan"]) == "DCGan"
    assert nearest("zzz", ["mlp", "dcgan"]) is None
    assert nearest("x", []) is None


# Names


def test_a_table_of_names() -> None:
    rows = {"one": 1, "two": 2}
    table = Names("number", rows)
    rows["three"] = 3  # the table is its own
    assert list(table) == ["one", "two"]
    assert len(table) == 2
    assert table["two"] == 2
    assert table.get("three") is None
    assert table.get("three", 5) == 5
    assert "one" in table
    assert "three" not in table
    assert dict(table.items()) == {"one": 1, "two": 2}


@pytest.mark.parametrize("name", ["twoo", 2, None, ["two"]])
def test_an_unknown_name(name: object) -> None:
    table = Names("number", {"one": 1, "two": 2})
    with pytest.raises(UnknownName) as caught:
        table[name]  # type: ignore[index]
    assert isinstance(caught.value, KeyError)
    assert str(caught.value).startswith(f"unknown number {name!r}; allowed: one, two")
    if name == "twoo":
        assert str(caught.value).endswith(". Did you mean 'two'?")


# Specs

PICTURE = Spec(axes=("channel", "height", "width"), shape=(3, 4, 5), classes=("cat", "dog"))


def test_specs_there_and_back() -> None:
    assert PICTURE.size == 60
    assert Spec.from_json(json.loads(json.dumps(PICTURE.to_json()))) == PICTURE
    for bare in (
        Spec(axes=("feature",), shape=(1,)),
        Spec(axes=("channel", "time"), shape=(2, 10 * 44_100)),  # ten seconds of sound
    ):
        assert Spec.from_json(json.loads(json.dumps(bare.to_json()))) == bare


@pytest.mark.parametrize(
    "change",
    [
        {"axes": None},
        {"axes": ["channel"]},
        {"shape": [3, 4, 0]},
        {"shape": [3, 4, -1]},
        {"shape": [3, 4, 2**28]},
        {"shape": [3, 4, "x"]},
        {"shape": 3},
        {"classes": 3},
    ],
)
def test_impossible_specs(change: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"^model\.json: "):
        Spec.from_json(PICTURE.to_json() | change)


@pytest.mark.parametrize("tree", [None, 3, [], {}, "spec", {"axes": []}])
def test_what_is_no_spec(tree: object) -> None:
    with pytest.raises(ModelError, match=r"^model\.json: 'spec' is not readable"):
        Spec.from_json(tree)


# Seeds


def test_purposes_have_seeds_of_their_own() -> None:
    purposes: list[tuple[int | str, ...]] = [(), ("a",), ("b",), ("a", 0), ("a", 1), ("a", "b")]
    found = {seeds.derive(seed, *purpose) for seed in range(200) for purpose in purposes}
    assert len(found) == 200 * len(purposes)
    assert all(0 <= seed < 2**63 for seed in found)
    assert seeds.derive(3, "a", 1) == seeds.derive(3, "a", 1)


few = settings(max_examples=20, deadline=None, derandomize=True)


@few
@given(
    seed=st.integers(0, 2**63 - 1),
    start=st.integers(0, 2**50),
    width=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 12), max_size=4),
)
def test_a_row_of_uniforms_is_the_same_in_any_range(
    seed: int, start: int, width: int, cuts: list[int]
) -> None:
    whole = seeds.uniforms(seed, start, 12, width)
    parts = [
        seeds.uniforms(seed, start + a, b - a, width) for a, b in pairwise([0, *sorted(cuts), 12])
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.shape == (12, width)
    assert len(np.unique(whole)) == whole.size


def test_uniforms_are_uniform_and_open() -> None:
    u = seeds.uniforms(5, 0, 20_000, 3)
    assert u.dtype == np.float64
    assert 0 < u.min() < u.max() < 1
    for column in u.T:
        assert scipy.stats.kstest(column, "uniform").pvalue > 1e-3
    following = np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]  # rows don't go together
    assert abs(following) < 5 / np.sqrt(u.size)
    # The outermost words give the outermost values, still inside.
    ends = (
        (np.array([0, 2**64 - 1], dtype=np.uint64) >> np.uint64(12)).astype(float) + 0.5
    ) / 2**52
    assert 0 < ends[0] < ends[1] < 1


def test_other_seeds_other_uniforms() -> None:
    a, b = seeds.uniforms(0, 0, 5000, 1)[:, 0], seeds.uniforms(1, 0, 5000, 1)[:, 0]
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(5000)
