"""What is saved reads back as it was, and what was tampered with is one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganwright.base.errors import ModelError
from ganwright.base.spec import MOST_CHOICES
from ganwright.data import codec_from_json
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.spec import TableSpec

from .conftest import Everything, draw


def test_what_is_saved_reads_back(everything: Everything) -> None:
    codec = everything.codec
    text = json.dumps(codec.to_json(), allow_nan=False)
    again = codec_from_json(json.loads(text))
    assert isinstance(again, TableCodec)
    assert json.dumps(again.to_json()) == text
    assert again.columns == codec.columns and again.choices == codec.choices
    codes = draw(codec, 300)
    places = np.random.default_rng(0).random(codes.shape)
    assert again.table(codes, places).equals(codec.table(codes, places))
    assert np.array_equal(again.codes(everything.table), codec.codes(everything.table))
    assert np.array_equal(again.weights(), codec.weights())
    rare = next(one for one in codec.fields if one.name == "city").values[-1].as_py()
    condition = f"city='{rare}'|'town, 1', gain=5..600"
    assert np.array_equal(again.allowed(condition).share, codec.allowed(condition).share)
    assert len(text) < 1_000_000


def paths(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, inner in items:
        if not isinstance(key, int) or key < 3:
            yield from paths(inner, (*at, key))


HOSTILE: list[Any] = [
    None, True, -1, 0, 3, 2**70, 1e308, -0.5, "", "x", "1 2", "-1 -2", "nan", "inf", "0 " * 50,
    "9" * 400, [], {}, [[]], ["x"], [None], {"a": 1}, "dictionary<values=string>", "list<int64>",
    float("nan"), float("inf"),
]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_hostile_json_is_a_line_or_a_sound_codec(
    everything: Everything, data: st.DataObject
) -> None:
    tree = copy.deepcopy(everything.codec.to_json())
    path = data.draw(st.sampled_from([p for p in paths(tree) if p]))
    node = tree
    for key in path[:-1]:
        node = node[key]
    if data.draw(st.booleans()) and isinstance(node, dict):
        del node[path[-1]]
    else:
        node[path[-1]] = data.draw(st.sampled_from(HOSTILE))
    _one_line_or_sound(tree)


@pytest.mark.parametrize("value", [float("inf"), 1e308, "9" * 400])
def test_digits_without_end_are_one_line(everything: Everything, value: Any) -> None:
    tree = copy.deepcopy(everything.codec.to_json())
    next(one for one in tree["remade"].values() if "digits" in one)["digits"] = value
    _one_line_or_sound(tree)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_numbers_that_were_tampered_with(everything: Everything, data: st.DataObject) -> None:
    tree = copy.deepcopy(everything.codec.to_json())
    field = data.draw(st.sampled_from(tree["fields"]))
    key = data.draw(
        st.sampled_from(["cuts", "owner", "starts", "first", "last", "counts", "means"])
        if field["family"] == "number"
        else st.sampled_from(["tallies", "tails"])
    )
    words = field[key].split()
    if not words:
        return
    at = data.draw(st.integers(0, len(words) - 1))
    change = data.draw(
        st.sampled_from(["drop", "twice", "-1", "1e300", "99999999", "0.5", "1e-320"])
    )
    words[at : at + 1] = (
        [] if change == "drop" else [words[at]] * 2 if change == "twice" else [change]
    )
    field[key] = " ".join(words)
    _one_line_or_sound(tree)


def _one_line_or_sound(tree: Any) -> None:
    try:
        codec = codec_from_json(tree)
    except ModelError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return
    assert isinstance(codec, TableCodec) and codec.width <= MOST_CHOICES
    codes = draw(codec, 20)
    made = codec.table(codes, np.random.default_rng(0).random(codes.shape))
    assert codec.plain(made).num_rows == 20


@pytest.mark.parametrize(
    "tree", [None, [], {}, {"kind": "table"}, {"kind": "tabel"}, {"kind": [1]}]
)
def test_no_codec_at_all(tree: Any) -> None:
    with pytest.raises(ModelError, match="codec"):
        codec_from_json(tree)


def test_spec_of_choices() -> None:
    spec = TableSpec(axes=("choice",), shape=(7,), choices=(3, 4))
    assert TableSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    good = spec.to_json()
    for key, value in [
        ("choices", [3, 5]),
        ("choices", []),
        ("choices", [7, 0]),
        ("choices", [8, -1]),
        ("choices", "ab"),
        ("choices", None),
        ("shape", [8]),
        ("shape", [7, 1]),
        ("shape", [2**40]),
    ]:
        with pytest.raises(ModelError, match=r"'spec'|shape"):
            TableSpec.from_json(good | {key: value})
