"""What a notebook and a prompt show: one line each, and something to look at."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

import ganwright as gw
from ganwright.estimators import TableGAN
from ganwright.train import Run


def one_line(value: object) -> str:
    text = repr(value)
    assert "\n" not in text and len(text) < 160
    return text


def test_a_model_of_images_is_a_line_and_a_grid(digits_run: Path) -> None:
    model = gw.load(digits_run)
    assert re.fullmatch(
        r"Model\(images of 8×8 grey, dcgan generator of [\d,]+ weights, 0\.2 kimg\)",
        one_line(model),
    )
    shown = model._repr_html_()
    png = base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1])  # type: ignore[index]
    with Image.open(io.BytesIO(png)) as grid:
        assert grid.size > (8 * 5, 8 * 5)


def test_a_run_says_how_far_and_how_good_it_is(digits_run: Path) -> None:
    text = one_line(Run(digits_run))
    assert "recipe relativistic, 0.2 kimg" in text
    assert "<img" in Run(digits_run)._repr_html_()
    assert "not begun" in one_line(Run(digits_run / "nowhere"))


def test_a_data_set_and_a_card(digits_run: Path) -> None:
    data = gw.open_data("digits")
    assert "<img" in data._repr_html_() and one_line(data).startswith("Dataset('digits', 1,797")
    card = gw.evaluate(gw.load(digits_run), "digits", n=200, features="pixels")
    assert re.match(r"Card\(fid [\d.]+, .*; 200 samples against", one_line(card))
    shown = card._repr_html_()
    assert (shown.count("<tr>") == len(card.measures) + 1 and "Fréchet" in shown) or "FID" in shown


def test_rows_are_shown_as_a_table() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 80, 60), "sex": rng.choice(["<a>", "b"], 60)})
    model = TableGAN(random_state=0, passes=1).fit(frame).model_
    assert one_line(model).startswith("Model(rows of 2 columns, table generator of")
    shown = model._repr_html_()
    assert "<th>age</th>" in shown and "&lt;a&gt;" in shown and "<a>" not in shown
    assert "<th>age</th>" in gw.open_data(frame)._repr_html_()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "progress", "shows"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_progress_shows_where_a_person_looks(
    monkeypatch: Any, terminal: bool, progress: bool | None, shows: bool
) -> None:
    frame = pd.DataFrame({"x": np.arange(60) % 7, "y": [None, 1.5, 2.5] * 20})
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    gw.fill(frame, progress=progress)
    assert ("kimg" in stream.getvalue()) == shows


def test_training_and_fitting_show_it_too(tiny: Any, tmp_path: Path, monkeypatch: Any) -> None:
    frame = pd.DataFrame({"x": np.arange(60) % 7, "y": ["a", "b", "c"] * 20})

    def told(terminal: bool, progress: bool | None) -> list[bool]:
        streams = []
        for act in (
            lambda: tiny.run(tmp_path / f"{terminal}-{progress}", progress=progress),
            lambda: TableGAN(passes=1, random_state=0, progress=progress).fit(frame),
        ):
            streams.append(Terminal() if terminal else io.StringIO())
            monkeypatch.setattr(sys, "stderr", streams[-1])
            act()
        return ["kimg" in stream.getvalue() for stream in streams]

    assert told(True, None) == told(False, True) == [True, True]
    assert told(False, None) == told(True, False) == [False, False]


def test_a_notebook_gets_plain_lines(monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    frame = pd.DataFrame({"x": np.arange(60) % 7, "y": [None, 1.5, 2.5] * 20})
    gw.fill(frame)
    captured = capsys.readouterr()
    assert "kimg" in captured.out and "\x1b" not in captured.out and captured.err == ""


def test_counts_are_shown_as_their_words() -> None:
    counts = sp.csr_matrix(np.random.default_rng(0).poisson(0.3, (60, 12)))
    data = gw.open_data(counts)
    assert one_line(data).startswith("Dataset('counts', 60 of 12")
    assert "<pre>" in data._repr_html_()
