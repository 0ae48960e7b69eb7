"""Charts by value: known numbers stand at known places, and the axis says the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from ganwright.report import charts

LEFT, RIGHT = charts.LEFT, charts.WIDTH - charts.RIGHT
TOP, BOTTOM = charts.TOP, charts.HEIGHT - charts.BOTTOM
near = pytest.approx


def parsed(svg: Markup) -> ET.Element:
    return ET.fromstring(str(svg))


def path(root: ET.Element, look: str) -> list[tuple[float, float]]:
    """The corners of the one path of a class."""
    (node,) = [n for n in root.iter("path") if n.attrib["class"] == look]
    pairs = re.findall(r"(-?[\d.]+) (-?[\d.]+)", node.attrib["d"])
    return [(float(x), float(y)) for x, y in pairs]


def upright(root: ET.Element) -> dict[float, float]:
    """Labels of the vertical axis → their places."""
    found = [t for t in root.iter("text") if t.attrib.get("x") == str(LEFT - 5)]
    return {float(str(t.text).replace("−", "-")): float(t.attrib["y"]) for t in found}


def test_a_line_rises_to_the_right_and_up() -> None:
    line = charts.Line("a", [(0.0, 0.0), (5.0, 2.5), (10.0, 10.0)], 0)
    chart = charts.line_chart("t", "s", [line], limits=(0, 10), best=(10.0, 10.0))
    assert chart is not None
    root = parsed(chart.svg)
    middle = ((LEFT + RIGHT) / 2, BOTTOM - (BOTTOM - TOP) / 4)
    for found, wanted in zip(
        path(root, "line c0"), [(LEFT, BOTTOM), middle, (RIGHT, TOP)], strict=True
    ):
        assert found == near(wanted, abs=0.06)
    (dot,) = [n for n in root.iter("circle") if n.attrib["class"] == "best"]
    assert (float(dot.attrib["cx"]), float(dot.attrib["cy"])) == (RIGHT, TOP)
    axis = upright(root)
    assert len(axis) >= 3
    for value, y in axis.items():
        assert y == near(BOTTOM - value / 10 * (BOTTOM - TOP), abs=0.06)


def test_equal_factors_are_equal_steps_on_a_logarithmic_axis() -> None:
    line = charts.Line("a", [(0.0, 1.0), (1.0, 10.0), (2.0, 100.0)], 3)
    chart = charts.line_chart("t", "s", [line], by_factors=True)
    assert chart is not None
    low, middle, high = (y for _, y in path(parsed(chart.svg), "line c3"))
    assert low > middle > high and low - middle == near(middle - high, abs=0.2)


def test_the_band_lies_around_its_line() -> None:
    line = charts.Line("a", [(0.0, 4.0), (1.0, 4.0)], 0)
    band = [(0.0, 2.0, 6.0), (1.0, 3.0, 5.0)]
    chart = charts.line_chart("t", "s", [line], limits=(0, 8), band=band)
    assert chart is not None
    wanted = [TOP + (8 - v) / 8 * (BOTTOM - TOP) for v in (6, 5, 3, 2)]
    assert [y for _, y in path(parsed(chart.svg), "band c0")] == near(wanted, abs=0.06)


def test_stacked_shares_fill_from_below() -> None:
    chart = charts.stacked_chart("t", "s", ["a", "b"], [(0.0, [0.25, 0.75]), (1.0, [0.5, 0.5])])
    assert chart is not None
    root = parsed(chart.svg)
    high = BOTTOM - TOP
    quarter, half = BOTTOM - high / 4, BOTTOM - high / 2
    assert [y for _, y in path(root, "area c0")] == near([quarter, half, BOTTOM, BOTTOM])
    assert [y for _, y in path(root, "area c1")] == near([TOP, TOP, half, quarter])


def test_bars_are_as_long_as_their_values() -> None:
    chart = charts.bars("t", "s", ["a", "b"], [("real", [0.2, 0.4]), ("made", [0.1, 0.0])])
    root = parsed(chart.svg)
    wide = [float(r.attrib["width"]) for r in root.iter("rect")]
    assert [w / wide[2] for w in wide] == near([0.5, 0.25, 1, 0], abs=0.002)
    assert len({r.attrib["x"] for r in root.iter("rect")}) == 1
    labels = [t.text for t in root.iter("text") if t.attrib.get("class") == "small"]
    assert labels == ["20.0%", "10.0%", "40.0%", "0.0%"]


def test_a_histogram_stands_on_its_edges() -> None:
    chart = charts.histogram("t", "s", [0.0, 1.0, 4.0], [("real", [0.5, 0.25])])
    corners = path(parsed(chart.svg), "line c0")
    first = LEFT + (RIGHT - LEFT) / 4
    assert [x for x, _ in corners] == near([LEFT, LEFT, first, first, RIGHT, RIGHT], abs=0.06)
    heights = [BOTTOM - y for _, y in corners]
    assert heights[0] == heights[-1] == 0
    assert heights[1] == near(2 * heights[3], abs=0.2)


def test_a_heat_map_tells_sign_by_colour_and_strength_by_depth() -> None:
    chart = charts.heat_map("t", "s", ["a", "b"], [[1.0, -0.5], [float("nan"), 0.0]])
    root = parsed(chart.svg)
    one, other = [r for r in root.iter("rect") if r.attrib["class"].startswith("cell")]
    assert (one.attrib["class"], one.attrib["fill-opacity"]) == ("cell c1", "1.00")
    assert (other.attrib["class"], other.attrib["fill-opacity"]) == ("cell c0", "0.50")
    assert float(other.attrib["x"]) > float(one.attrib["x"])
    assert one.attrib["y"] == other.attrib["y"]


def test_the_standing_lies_between_its_ends() -> None:
    root = parsed(charts.standing(0.25, 0.0, 0.5, "good", "says"))
    real, simplest = (float(n.attrib["x1"]) for n in root.iter() if n.get("class") == "end")
    (dot,) = root.iter("circle")
    (reach,) = [n for n in root.iter() if n.get("class") == "range good"]
    assert float(dot.attrib["cx"]) == near(real + (simplest - real) / 4)
    assert float(reach.attrib["x1"]) == near(real)
    assert float(reach.attrib["x2"]) == near((real + simplest) / 2)
