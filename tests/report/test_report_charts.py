"""Charts are well-formed, stay within their frame, and words fit the numbers."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup
from PIL import Image

from ganwright.evaluate import Card, Entry
from ganwright.evaluate.verdict import LEVELS
from ganwright.report import charts
from ganwright.report.facts import number, spaced
from ganwright.report.inline import inline
from ganwright.report.page import row
from ganwright.report.words import lead

HOSTILE = "<b>&\"'"


def drawn(svg: Markup) -> ET.Element:
    """The drawing, parsed; every coordinate must lie within the frame."""
    root = ET.fromstring(str(svg))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for node in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert -1 <= float(node.attrib.get(name, 0)) <= width + 1
        for name in ("y", "y1", "y2", "cy"):
            assert -1 <= float(node.attrib.get(name, 0)) <= height + 1
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", node.attrib.get("d", "")):
            assert -1 <= float(x) <= width + 1 and -1 <= float(y) <= height + 1
    return root


SERIES = {
    "falling": [(float(i), 1 / (i + 1)) for i in range(50)],
    "constant": [(0.0, 3.0), (1.0, 3.0)],
    "zero": [(0.0, 0.0), (5.0, 0.0)],
    "one": [(7.0, -2.0)],
    "negative": [(0.0, -1e6), (1.0, 1e-9), (2.0, 4.0)],
    "tiny": [(0.0, 1e-7), (1.0, 2e-7)],
    "long": [(float(i), math.sin(i)) for i in range(5000)],
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("by_factors", [False, True])
def test_lines_stay_within_their_frame(name: str, by_factors: bool) -> None:
    points = SERIES[name]
    line = charts.Line(HOSTILE, points, 0)
    chart = charts.line_chart(
        HOSTILE, "says", [line], by_factors=by_factors, best=min(points, key=lambda p: p[1])
    )
    assert chart is not None
    root = drawn(chart.svg)
    assert root.attrib["aria-label"] == f"{HOSTILE}: says"
    assert sum(node.tag == "text" for node in root) >= 3


def test_nothing_to_draw_is_no_chart() -> None:
    assert charts.line_chart("t", "s", [charts.Line("a", [], 0)]) is None
    assert charts.stacked_chart("t", "s", ["a"], []) is None
    assert charts.stacked_chart("t", "s", [], [(1.0, [])]) is None


def test_long_lines_are_thinned_to_means() -> None:
    thin = charts.thinned([(float(i), float(i % 2)) for i in range(4800)])
    assert len(thin) == charts.MOST and {y for _, y in thin} == {0.5}


@pytest.mark.parametrize("count", [1, 12, 13, 1000])
def test_many_classes_are_few_bands(count: int) -> None:
    names = [HOSTILE * 3 + str(i) for i in range(count)]
    table = [(float(k), [1 / count] * count) for k in range(3)]
    chart = charts.stacked_chart("t", "s", names, table)
    assert chart is not None and len(chart.legend) <= charts.COLOURS
    drawn(chart.svg)
    assert (chart.legend[-1][1] == f"{count - 11} others") == (count > 12)


def test_bars_of_long_names_and_of_nothing() -> None:
    names = ["a" * 50, HOSTILE]
    drawn(charts.bars("t", "s", names, [("asked", [0.9, 0.1]), ("seen", [0.0, 1.0])]).svg)
    drawn(charts.bars("t", "s", names, [("asked", [0.0, 0.0]), ("seen", [0.0, 0.0])]).svg)


@pytest.mark.parametrize("place", [-50.0, 0.0, 0.5, 1.0, 1e9])
def test_standings_are_clipped(place: float) -> None:
    drawn(charts.standing(place, place - 1, place + 1, "good", HOSTILE))
    drawn(charts.standing(place, math.nan, math.nan, "good", HOSTILE))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-1.5, "−1.5"), (0.12345, "0.123"), (1234.5, "1,234"), (3e-6, "3.0e−06"), (2e7, "2.0e+07")],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    assert charts.shown(value) == text


def test_spaced_keeps_the_ends() -> None:
    assert spaced(3, 8) == [0, 1, 2] and spaced(0, 8) == []
    assert spaced(100, 8)[0] == 0 and spaced(100, 8)[-1] == 99 and len(spaced(100, 8)) == 8


@pytest.mark.parametrize("value", [None, "x", [], {}, math.nan, math.inf, "inf", 10**400])
def test_what_is_no_number_is_nan(value: object) -> None:
    assert math.isnan(number(value))


def test_pictures_keep_to_their_budget() -> None:
    noise = Image.effect_noise((900, 900), 80).convert("RGB")
    assert len(inline(noise, "noise", most=40_000).uri) < 40_000 * 4 / 3 + 40
    grey = inline(Image.new("L", (20, 30), 7), "grey", most=1)
    assert (grey.width, grey.height) == (20, 30)  # too small to be made smaller
    assert inline(Image.new("RGBA", (9, 9)), "a", most=9999).uri.startswith("data:image/png")


def entry(
    value: float, floor: float | None, baseline: float | None, better: str = "lower"
) -> Entry:
    return Entry(
        value=value, low=value - 1, high=value + 1, floor=floor, baseline=baseline,
        better=better, n=100,  # type: ignore[arg-type]
    )  # fmt: skip


def card(words: str, **measures: Entry) -> Card:
    return Card(
        samples="s", n=100, against={"n": 9, "fingerprint": "f"},
        features={"name": "x", "hash": "h"}, measures=measures, verdict=words,
    )  # fmt: skip


def test_the_first_words_say_whether_to_use_them() -> None:
    found = [lead(card(f"{text} (FID 3)."), None) for _, text in LEVELS]
    assert [one.level for one in found] == ["Very good", "Good", "Fair", "Poor"]
    assert [one.advice.split()[0] for one in found] == ["You", "You", "You", "Don't"]
    assert all(one.text[0].isupper() and one.text.endswith("(FID 3).") for one in found)
    copies = lead(card(f"{LEVELS[0][1]}.", ct=entry(-9.0, 0.0, 15.0, "near 0")), None)
    assert copies.tone == "poor" and "private" in copies.advice
    unsure = lead(card("Poor to very good: 9 samples can't tell which."), None)
    assert unsure.tone == "plain" and "Too few real examples" in unsure.advice
    assert lead(card("Fair to very good: …"), None).tone == "fair"
    assert lead(card("Too few."), None).level == "No grade"
    assert "(the data is gone)" in lead(None, "the data is gone").text


def test_no_standing_where_there_is_no_scale() -> None:
    assert row("fid", entry(3, 1, 9)).standing is not None
    for odd in (entry(3, None, 9), entry(3, 1, None), entry(3, 9, 9), entry(3, 9, 1)):
        assert row("fid", odd).standing is None
    assert row("precision", entry(0.5, 0.9, 0.1, "higher")).standing is not None
    assert row("of another time", entry(3, 1, 9)).says == ""


def test_too_much_is_as_wrong_as_too_little() -> None:
    label = str(row("density", entry(1.5, 1.0, 0.5, "near 1")).standing)
    assert "100% of the way" in label
