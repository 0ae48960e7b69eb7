"""The page of a run on a table, whatever made its rows."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from ganwright.data import Dataset
from ganwright.evaluate import Card
from ganwright.modalities.tables.look import LOOK
from ganwright.report import findings, write_report
from ganwright.report.page import sections


class Block(NamedTuple):
    start: int
    examples: pa.Table
    labels: None = None


@dataclass
class Drawer:
    """Stands in for a model: gives real training rows, one column in an order of its own."""

    data_set: Dataset

    def __post_init__(self) -> None:
        self.codec, self.spec = self.data_set.codec, self.data_set.spec
        self.recipe: dict[str, Any] = {"data": {}}
        self.data_options = self.data_set.options
        self.generator = SimpleNamespace(task=None, beside={})
        self.data, self.seen = {"fingerprint": self.data_set.fingerprint}, 64_000
        rows = self.data_set.examples(self.data_set.train)
        rng = np.random.default_rng(0)
        order = rng.permutation(rows.num_rows)
        hollow = rows.column("job").is_null().to_numpy()[order]
        first = np.argsort(~hollow, kind="stable")[:1]  # among the rows shown, one with a hole
        rows = rows.take(pa.array(np.append(order[first], np.delete(order, first))))
        other = rows.column("gift").take(pa.array(rng.permutation(rows.num_rows)))
        self.rows = rows.set_column(rows.column_names.index("gift"), "gift", other)

    def stream(self, n: int, *, seed: int = 0, by: str | None = None) -> Iterator[Block]:
        for start in range(0, n, 500):
            yield Block(start, self.rows.slice(start, min(500, n - start)))


@pytest.fixture(scope="module")
def page(data: Dataset, source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    run = tmp_path_factory.mktemp("run")
    (run / "recipe.toml").write_text("# a recipe\n", encoding="utf-8")
    start = {"event": "start", "source": str(source), "data": "people", "n": len(data.train)}
    score = {"event": "score", "kimg": 1, "seen": 1000, "fid": 1.0, "shapes": 0.9, "trends": 0.8}
    done = {"event": "done", "kimg": 2, "seen": 2000}
    log = "".join(json.dumps(event) + "\n" for event in (start, score, done))
    (run / "log.jsonl").write_text(log, encoding="utf-8")
    drawer = Drawer(data)

    class Stub(Drawer):
        @staticmethod
        def load(path: Path) -> Drawer:
            return drawer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("ganwright.evaluate.subject"), "Model", Stub)
        patch.setattr(findings, "Model", Stub)
        path = write_report(run)
    assert Card.load(run / "card.json").measures["copies"].value < 1
    return path.read_text(encoding="utf-8")


def test_the_page_has_its_sections_and_stands_alone(page: str) -> None:
    found = re.findall(r'<section id="(\w+)"', page)
    assert found == [name for name, _ in sections(LOOK)]
    assert not re.search(r"<script|<link|src=\"http|href=\"http|@import", page)
    assert page.count('role="img"') == page.count("<svg")
    assert len(page) < 1_000_000


def test_it_shows_rows_columns_pairs_and_distances(page: str, data: Dataset) -> None:
    for text in ("Made by this model", "Real, and never seen by the model", "SMOTE", "independent"):
        assert text in page
    for column in data.codec.columns:
        assert f"<h3>{column.name}</h3>" in page
    assert page.count("<tbody>") >= 5 and 'class="gap">missing' in page
    for title in ("Real rows", "Made rows", "Made minus real", "Distance to the training rows"):
        assert f"<h3>{title}</h3>" in page
    assert "Shapes and trends" in page and "each column drawn by itself" in page
    assert "6 columns (" in page
    assert "gift ×" in page or "× gift" in page  # the pair that was torn apart
    assert "bell curve" not in page and "grids of samples" not in page


def test_dates_are_dates(page: str) -> None:
    assert re.search(r">(19|20)\d\d-\d\d-\d\d</text>", page)
