"""The whole way on rows of which it is known beforehand what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganwright.base.errors import DataError, OptionError
from ganwright.cli.app import run
from ganwright.data import Dataset
from ganwright.evaluate import Card, evaluate
from ganwright.evaluate.compare import compare
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.measures import measures_of

Judged = Callable[..., Card]
People = Callable[[int, int], pd.DataFrame]
N = 1200


@pytest.fixture(scope="module")
def fresh(judged: Judged, people: People) -> Card:
    """Real rows that nobody saw: the best there can be."""
    return judged(people(N, 1), "fresh")


@pytest.fixture(scope="module")
def shuffled(judged: Judged, training: pd.DataFrame) -> Card:
    """Each column in an order of its own."""
    rng = np.random.default_rng(0)
    order = [rng.permutation(len(training))[:N] for _ in training]
    rows = {c: training[c].to_numpy()[o] for c, o in zip(training, order, strict=True)}
    return judged(pd.DataFrame(rows), "shuffled")


@pytest.fixture(scope="module")
def copied(judged: Judged, training: pd.DataFrame) -> Card:
    return judged(training.head(N), "copied")


def test_a_card_has_every_measure_of_tables_with_all_beside_it(fresh: Card) -> None:
    assert set(fresh.measures) == set(measures_of("table"))
    assert fresh.left_out == {} and fresh.others == ("smote",)
    for name, entry in fresh.measures.items():
        assert set(entry.others) == {"smote"}, name
        numbers = (entry.low, entry.value, entry.high, entry.floor, entry.baseline)
        assert all(n is not None and np.isfinite(n) for n in numbers), name
        assert entry.low <= entry.value <= entry.high, name  # type: ignore[operator]
    printed = str(fresh)
    assert "smote" in printed and "macro-F1 of 'income'" in printed
    assert "nan" not in printed.replace("nance", "")


def test_unseen_real_rows_are_at_the_floor(fresh: Card) -> None:
    assert fresh.verdict.startswith(("Very good", "Good", "Fair to very good"))
    for name in ("shapes", "trends", "quality", "worst_column", "correlation"):
        entry = fresh.measures[name]
        assert entry.floor is not None and abs(entry.value - entry.floor) < 0.05, name
    for name in ("detection", "auc", "nearer", "membership"):
        entry = fresh.measures[name]
        assert entry.low is not None and entry.high is not None
        assert entry.low - 0.02 <= 0.5 <= entry.high + 0.02, name
    utility = fresh.measures["utility"]
    assert utility.floor is not None and utility.baseline is not None
    assert abs(utility.value - utility.floor) < 0.06 < utility.floor - utility.baseline


def test_independent_columns_have_shapes_and_no_trends(fresh: Card, shuffled: Card) -> None:
    def value(name: str) -> float:
        return shuffled.measures[name].value

    assert value("shapes") == pytest.approx(fresh.measures["shapes"].value, abs=0.02)
    assert value("trends") < fresh.measures["trends"].value - 0.1
    assert value("correlation") > 3 * fresh.measures["correlation"].value
    assert value("detection") > 0.8 and value("fid") > 5 * fresh.measures["fid"].value
    assert value("utility") < fresh.measures["utility"].value - 0.1
    # They are the simplest model, and all of its numbers are near to it.
    for name in ("shapes", "trends", "quality", "utility", "detection"):
        near = 0.1 if name == "utility" else 0.05  # what trees learn from noise varies
        assert value(name) == pytest.approx(shuffled.measures[name].baseline, abs=near)
    assert shuffled.verdict.startswith("Poor")


def test_copies_are_found_by_every_measure_of_memory(copied: Card) -> None:
    values = {name: entry.value for name, entry in copied.measures.items()}
    assert values["copies"] == 1 and values["unique_copies"] > 0.8
    assert values["nearer"] > 0.55 and values["membership"] > 0.6
    assert any("copy the training data" in text for text in copied.warnings)
    assert "memorised" in copied.verdict


def test_smote_stands_between_real_rows_and_independent_columns(fresh: Card) -> None:
    for name in ("trends", "utility"):
        entry = fresh.measures[name]
        assert entry.baseline is not None
        assert entry.others["smote"] > entry.baseline + 0.1
    assert fresh.measures["nearer"].others["smote"] > 0.55  # it lies between training rows


def test_noise_and_loss_are_seen_where_they_are(
    judged: Judged, people: People, fresh: Card
) -> None:
    rows = people(N, 2)
    rng = np.random.default_rng(0)
    rows["age"] = rows["age"] + rng.normal(0, 15, N).round().astype(int)
    rows.loc[rows["job"] == "smith", "job"] = "clerk"
    card = judged(rows, "noisy")
    assert "the worst column is 'age'" in card.notes
    assert any("job = smith" in note for note in card.notes)
    assert card.measures["worst_column"].value < fresh.measures["worst_column"].value - 0.05
    assert card.measures["rare"].value < 1


def test_missing_cells_are_values(judged: Judged, people: People, fresh: Card) -> None:
    rows = people(N, 3)
    rows["pay"] = rows["pay"].fillna(rows["pay"].mean())
    card = judged(rows, "filled")
    assert "the worst column is 'pay'" in card.notes
    assert card.measures["detection"].value > fresh.measures["detection"].value + 0.03


def test_columns_in_another_order_and_more_of_them(
    judged: Judged, people: People, fresh: Card
) -> None:
    rows = people(N, 1)[["income", "since", "gift", "pay", "job", "age"]]
    card = judged(rows.assign(extra=1), "reordered")
    assert card.measures == fresh.measures
    assert any("not looked at: extra" in note for note in card.notes)


def test_the_same_again_is_the_same(judged: Judged, people: People) -> None:
    first = judged(people(200, 1), "same")
    assert first == judged(people(200, 1), "same")


def test_what_is_wrong_is_said_in_a_line(
    judged: Judged, people: People, source: Path, tmp_path: Path, data: Dataset
) -> None:
    with pytest.raises(DataError, match="job"):
        judged(people(100, 1).drop(columns="job"), "lacking")
    with pytest.raises(DataError, match="age"):
        judged(people(100, 1).assign(age="old"), "words")
    pictures = tmp_path / "pictures.npz"
    np.savez(pictures, samples=np.zeros((60, 8, 8, 1), np.uint8))
    with pytest.raises(DataError, match="is no table"):
        evaluate(pictures, source)
    rows = tmp_path / "rows.csv"
    people(100, 1).to_csv(rows, index=False)
    with pytest.raises(DataError, match="table"):
        evaluate(rows, "digits")
    with pytest.raises(OptionError, match="features: 'pixels' is not for data of kind table"):
        choose_extractor("pixels", data)
    with pytest.raises(OptionError, match="allowed: columns"):
        evaluate(rows, source, features="inception")


def test_few_rows_give_what_they_can(judged: Judged, people: People) -> None:
    card = judged(people(12, 1), "few")
    assert {"shapes", "trends", "fid"} <= set(card.measures)
    assert card.left_out["utility"] == "fake: needs at least 50 rows; got 12"
    assert "too few for a verdict" in card.verdict


def test_the_command(
    source: Path, people: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = tmp_path / "rows.parquet", tmp_path / "card.json"
    people(300, 4).to_parquet(rows)
    assert run(["evaluate", str(rows), "--against", str(source), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Use for prediction" in printed and "smote" in printed
    card = Card.load(out)
    assert json.loads(out.read_text(encoding="utf-8"))["measures"]["utility"]["others"].keys() == {
        "smote"
    }
    assert card.features["name"] == "columns" and card.features["about"]["target"] == "income"


def test_comparing(source: Path, people: People, tmp_path: Path) -> None:
    paths = []
    for i in range(2):
        paths.append(tmp_path / f"{i}.csv")
        people(300, 5 + i).to_csv(paths[-1], index=False)
    cards = compare(paths, source)
    assert [card.n for card in cards] == [300, 300]
