"""Options: built, overridden, written and read back; every refusal says what would do."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganwright.base.errors import OptionError
from ganwright.base.options import (
    Field,
    build,
    flatten,
    from_toml,
    options,
    override,
    parse,
    to_toml,
)


@options
class Circle:
    kind: Literal["circle"] = "circle"
    radius: float = Field(default=1.0, gt=0, description="half the width")


@options
class Path:
    kind: Literal["path"] = "path"
    points: tuple[tuple[int, int], ...] = ()
    closed: bool = False


@options
class Ink:
    colour: Literal["black", "red", "white"] = Field(default="black", description="of the line")
    width: int | None = Field(default=None, ge=1, description="none draws a hairline")
    dash: tuple[int, ...] = (4, 2)


@options
class Drawing:
    title: str = "untitled"
    shape: Annotated[Circle | Path, Field(discriminator="kind")] = Circle()
    ink: Ink = Ink()


FULL = Drawing(title="a \"b\"\n'ü'", shape=Path(points=((1, 2), (3, 4))), ink=Ink(width=3))


def refusal(call: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(OptionError) as caught:
        call(*args, **more)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_options_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ink().colour = "red"  # type: ignore[misc]
    assert dataclasses.replace(Ink(), colour="red") == Ink(colour="red")


def test_flattening_names_each_value_by_its_path() -> None:
    assert flatten(Drawing()) == {
        "title": "untitled",
        "shape.kind": "circle",
        "shape.radius": 1.0,
        "ink.colour": "black",
        "ink.width": None,
        "ink.dash": [4, 2],
    }


# There and back


def test_building_from_a_tree() -> None:
    tree = {"shape": {"kind": "path", "points": [[0, 1]]}, "ink": {"width": 2}}
    assert build(Drawing, tree) == Drawing(shape=Path(points=((0, 1),)), ink=Ink(width=2))
    assert build(Drawing, {}) == Drawing()


@pytest.mark.parametrize("value", [Drawing(), FULL])
def test_toml_there_and_back(value: Drawing) -> None:
    text = to_toml(value, heading="first\nsecond")
    assert text.startswith("# first\n# second\n")
    assert from_toml(Drawing, text, owner="file") == value


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    title=st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: t != "none"),
    radius=st.floats(min_value=1e-300, max_value=1e300),
    width=st.none() | st.integers(1, 2**62),
    dash=st.lists(st.integers(-(2**62), 2**62), max_size=4),
)
def test_toml_keeps_every_value(
    title: str, radius: float, width: int | None, dash: list[int]
) -> None:
    ink = Ink(width=width, dash=tuple(dash))
    value = Drawing(title=title, shape=Circle(radius=radius), ink=ink)
    assert from_toml(Drawing, to_toml(value), owner="file") == value


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a.b=1", ("a.b", 1)),
        ("a=0.5", ("a", 0.5)),
        ("a=1e-4", ("a", 1e-4)),
        ("a=true", ("a", True)),
        ("a=[1, 2]", ("a", [1, 2])),
        ("a='1'", ("a", "1")),
        ("a=hinge", ("a", "hinge")),
        (" a = some words ", ("a", "some words")),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
    ],
)
def test_settings_are_toml_or_else_words(text: str, read: tuple[str, Any]) -> None:
    assert parse(text) == read


def test_the_word_none_reaches_an_option_that_may_be_none() -> None:
    value = override(FULL, dict([parse("ink.width=none")]))
    assert value.ink.width is None


@pytest.mark.parametrize("text", ["a", "=1", " =1", ""])
def test_settings_need_a_key_and_a_value(text: str) -> None:
    assert refusal(parse, text) == f"--set: must read key.path=value; got {text!r}"


# Overriding


def test_overriding_leaves_the_rest() -> None:
    value = override(FULL, {"ink.colour": "red", "shape.closed": True})
    expected = Path(points=((1, 2), (3, 4)), closed=True)
    assert value == dataclasses.replace(FULL, shape=expected, ink=Ink(colour="red", width=3))
    assert override(FULL, {}) == FULL


def test_another_kind_starts_from_its_own_defaults() -> None:
    assert override(FULL, {"shape.kind": "circle"}).shape == Circle()
    changes = {"shape.radius": 2, "shape.kind": "circle"}  # in either order
    assert override(FULL, changes).shape == Circle(radius=2)
    assert override(FULL, {"shape.kind": "path"}).shape == FULL.shape  # the same kind: no change


# Refusals


def test_bad_values_name_what_is_allowed() -> None:
    assert refusal(override, FULL, {"ink.colour": "bleck"}) == (
        "--set: ink.colour can't be 'bleck'; allowed: black, red, white. Did you mean 'black'?"
    )
    assert refusal(override, FULL, {"shape.kind": "cirle"}) == (
        "--set: shape.kind can't be 'cirle'; allowed: circle, path. Did you mean 'circle'?"
    )
    assert refusal(override, FULL, {"ink.width": 0}, owner="flag") == (
        "flag: ink.width should be greater than or equal to 1; got 0"
    )
    assert refusal(override, Drawing(), {"shape.radius": float("nan")}) == (
        "--set: shape.radius should be a finite number; got nan"
    )
    assert "ink.dash.1 should be a valid integer" in refusal(override, FULL, {"ink.dash": [1, "a"]})
    assert "shape.points.0" in refusal(override, FULL, {"shape.points": [[1, 2, 3]]})


def test_unknown_paths_name_the_nearest() -> None:
    text = refusal(override, FULL, {"ink.color": "red"})
    assert text.startswith("--set: unknown option 'ink.color'; allowed: ink.")
    assert "shape.kind" not in text  # its own group says enough
    assert text.endswith("Did you mean 'ink.colour'?")
    for path in ("colour.kind", "ink.kind", "title.x", "shape.radius", "ink.", ".", "ink.dash.0"):
        assert f"unknown option '{path}'" in refusal(override, FULL, {path: 1})


def test_groups_are_no_values() -> None:
    assert refusal(override, FULL, {"ink": 3}) == (
        "--set: 'ink' is a group of options; allowed: ink.colour, ink.width, ink.dash"
    )


def test_files_are_refused_by_their_name() -> None:
    assert refusal(from_toml, Drawing, "a =", owner="x.toml").startswith("x.toml: not TOML: ")
    text = refusal(from_toml, Drawing, "[ink]\ncolor = 1\n", owner="x.toml")
    assert text.startswith("x.toml: unknown option 'ink.color'")
    assert refusal(from_toml, Drawing, "[shape]\nkind='x'\n", owner="x.toml") == (
        "x.toml: shape.kind can't be 'x'; allowed: circle, path"
    )


@options
class Norm:
    norm: Literal["none", "batch"] = "none"


def test_none_may_be_a_value_of_its_own() -> None:
    assert from_toml(Norm, to_toml(Norm()), owner="file") == Norm()


def test_none_may_be_set_where_it_is_a_value_of_its_own() -> None:
    assert override(Norm(norm="batch"), dict([parse("norm=none")])) == Norm()
