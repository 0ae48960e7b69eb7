"""Which table is series, which column is what, and the grid of times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.base.errors import DataError, OptionError
from ganwright.modalities.series.clock import read_times, regular

from .conftest import load, walks

TABLES = Path(__file__).parents[3] / "shared" / "data" / "tables"


def roles(data: gw.Dataset) -> dict[str, str]:
    return {column.name: column.role for column in data.codec.columns}


def test_a_steady_column_of_dates_beside_numbers_is_series(tmp_path: Path) -> None:
    load().drop(columns="site").to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv")
    assert data.codec.kind == "series"
    assert "data.form=table reads it as a table" in " ".join(data.notes)
    assert gw.open_data(tmp_path / "a.csv", form="table").codec.kind == "table"
    assert "'hour': 1 hour, 2026-01-01 00:00" in str(gw.inspect_data(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    "change", ["shuffled", "doubled", "uneven", "worded", "numbered", "short", "counted"]
)
def test_whatever_is_less_clear_stays_a_table(tmp_path: Path, change: str) -> None:
    frame, rng = load().drop(columns="site"), np.random.default_rng(0)
    if change == "shuffled":
        frame = frame.iloc[rng.permutation(len(frame))]
    elif change == "doubled":
        frame["other"] = frame["hour"]
    elif change == "uneven":
        frame = frame[rng.random(len(frame)) < 0.5]
    elif change == "worded":
        frame["word"] = rng.choice(["a", "b"], len(frame))
    elif change == "numbered":
        frame["hour"] = np.arange(len(frame))
    elif change == "counted":  # an order a day
        frame["order"] = 7000 + np.arange(len(frame))
    else:
        frame = frame[:40]
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert gw.open_data(tmp_path / "a.csv").codec.kind == "table"
    said = "--set data.series.time=hour reads them as series"
    hinted = said in " ".join(str(gw.inspect_data(tmp_path / "a.csv")).split())
    assert hinted == (change != "numbered")  # which looks like an identifier
    assert said not in " ".join(str(gw.inspect_data(tmp_path / "a.csv", form="table")).split())


def test_few_series_of_one_length_are_cut(tmp_path: Path) -> None:
    """Whole ones can't be held out, so windows must be shorter."""
    walks(count=6, length=48).to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv", form="series", series={"time": "step"})
    assert data.codec.length == 6 and len(data.train) and len(data.heldout)
    whole = gw.open_data(tmp_path / "a.csv", form="series", series={"time": "step"}, holdout=0)
    assert whole.codec.length == 48


@pytest.mark.skipif(not TABLES.is_dir(), reason="needs the tables of ../shared")
def test_known_tables_are_no_series() -> None:
    from ganwright.data.open import find_source

    for path in sorted(TABLES.glob("*.csv.gz")):
        assert find_source(path).modality == "table", path.name


def test_the_time_can_always_be_named(tmp_path: Path) -> None:
    walks().to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv", series={"time": "step", "classes": "kind"})
    assert roles(data) == {
        "who": "id", "step": "time", "kind": "class", "tall": "static", "place": "channel",
    }  # fmt: skip
    assert data.codec.length == 16 and len(data) == 60
    assert data.spec.classes == ("down", "up") and data.labels is not None
    frame = walks().sample(frac=1, random_state=0).sort_values("step")  # series interleaved
    mixed = gw.open_data(frame, form="series", series={"time": "step", "id": "who"})
    assert roles(mixed)["kind"] == "static"
    first = walks().query("who == 'w7'")["place"].to_numpy()
    every = mixed.examples(np.arange(60))[..., 0]
    assert (np.abs(every - first).max(1) == 0).sum() == 1


def test_missing_rows_are_holes_and_long_gaps_are_cut(tmp_path: Path) -> None:
    frame = load()
    gone = frame.drop(index=[50, 51, *range(100, 140)])
    gone.to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv", form="series", series={"length": 8})
    values = data.rows.series.values
    assert len(values) == 400 and np.isnan(values[[50, 51, 120]]).all()
    assert np.isnan(data.examples(np.arange(len(data)))).mean((1, 2)).max() < 0.6
    there = [i for i in range(400) if i not in (50, 51) and not 100 <= i < 140]
    np.testing.assert_array_equal(values[there, 0], frame["load"].to_numpy()[there])


def test_no_held_out_row_is_trained_on(tmp_path: Path) -> None:
    load().to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv", form="series", series={"length": 12})
    starts = data.windows.starts
    seen = {t for s in starts[data.train] for t in range(s, s + 12)}
    kept = {t for s in starts[data.heldout] for t in range(s, s + 12)}
    assert not seen & kept and len(kept) == 80
    assert len(data.train) + len(data.heldout) + len(data.dropped) == len(data)
    many = gw.open_data(walks(), form="series", series={"time": "step"})
    whose = many.windows.series
    assert not set(whose[many.train]) & set(whose[many.heldout]) and len(many.heldout)


TIMES = {
    "days": (["2026-01-30", "2026-01-31", "2026-02-01"], "2026-02-02", "1 day"),
    "day first": (["30/01/2026", "31/01/2026", "01/02/2026"], "02/02/2026", "1 day"),
    "months": (["2026-01-01", "2026-02-01", "2026-03-01"], "2026-04-01", "1 month"),
    "month ends": (["2026-01-31", "2026-02-28", "2026-03-31"], "2026-04-30", "1 month"),
    "years": (["2026-03-07", "2027-03-07", "2028-03-07"], "2029-03-07", "1 year"),
    "zoned": (["2026-01-30T22:00:00Z", "2026-01-30T23:00:00Z", "2026-01-31T00:00:00Z"],
              "2026-01-31T01:00:00Z", "1 hour"),
    "offset": (["2026-01-30 22:00+01:00", "2026-01-30 22:15+01:00", "2026-01-30 22:30+01:00"],
               "2026-01-30 22:45+01:00", "15 minutes"),
    "typed": (pd.date_range("2026-01-30", periods=3, freq="6h", tz="Europe/Berlin"),
              pd.Timestamp("2026-01-30 18:00", tz="Europe/Berlin"), "6 hours"),
    "typed days": ([pd.Timestamp(f"2026-01-0{i}").date() for i in (1, 2, 3)],
                   pd.Timestamp("2026-01-04").date(), "1 day"),
    "numbers": ([5, 7, 9], 11, "steps of 2"),
    "fractions": ([0.25, 0.5, 0.75], 1.0, "steps of 0.25"),
    "fractions as text": (["0.25", "0.50", "0.75"], 1.0, "steps of 0.25"),
}  # fmt: skip


@pytest.mark.parametrize("case", TIMES)
def test_times_go_on_as_they_began(case: str) -> None:
    import pyarrow as pa

    given, following, rate = TIMES[case]
    column = pa.chunked_array([pa.array(given)])
    when, clock = read_times("'a'", "t", column)
    clock = regular(clock, [when])
    assert clock.rate == rate and (clock.steps(when) == 1).all()
    made = clock.written(clock.after(when[:1], np.arange(4)[None])[0])
    if case != "fractions as text":
        assert made[:3].to_pylist() == pa.array(given).to_pylist()
    assert made[3].as_py() == following


def test_irregular_times_become_a_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    when = np.cumsum(0.05 + rng.exponential(2.0, 300)).round(2)
    pd.DataFrame({"t": when, "x": rng.normal(size=300)}).to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv", form="series", series={"length": 10})
    assert data.codec.names == ("x", "gaps of t") and "irregular" in " ".join(data.notes)
    table = data.codec.table(data.examples(data.train[5:6]))
    start = data.windows.starts[data.train[5]]
    gaps = np.diff(table["t"].to_numpy())
    np.testing.assert_allclose(gaps, np.diff(when[start : start + 10]), atol=0.006)
    assert table.column_names == ["series", "t", "x"]


def test_arrays_and_frames_with_times_as_index(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 9, 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", samples=x, labels=np.arange(40) % 3)
    data = gw.open_data(tmp_path / "a.npz", form="series")
    np.testing.assert_array_equal(data.examples(np.arange(40))[..., :2], x)
    assert data.spec.classes == ("0", "1", "2")
    assert gw.open_data(x, form="series").spec.shape == (4, 9)
    frame = load().set_index(pd.date_range("2026-01-01", periods=400, freq="D"))[["load", "count"]]
    opened = gw.open_data(frame)
    assert opened.codec.kind == "series" and opened.codec.clock.name == "time"


def test_classes_keep_their_type_and_may_be_left_unused() -> None:
    frame = walks().assign(kind=lambda f: (f["kind"] == "up").astype(np.int8))
    asked = {"time": "step", "classes": "kind"}
    data = gw.open_data(frame, form="series", series=asked)
    made = data.codec.table(data.examples(np.arange(3)))
    assert str(made.schema.field("kind").type) == "int8" and data.spec.classes == ("0", "1")
    plain = gw.open_data(frame, form="series", series=asked, labels=False)
    assert plain.labels is None and "kind" not in roles(plain)


def test_what_is_wrong_with_options_is_said(tmp_path: Path) -> None:
    load().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(
        OptionError, match=r"data.series.time: no column 'huor'.*Did you mean 'hour'"
    ):
        gw.open_data(tmp_path / "a.csv", series={"time": "huor"})
    with pytest.raises(
        DataError, match=r"no column of times: name it with data.series.time=COLUMN"
    ):
        gw.open_data(load()[["load", "count"]], form="series")


def test_stored_and_back(tmp_path: Path) -> None:
    import torch

    data = gw.open_data(load(), form="series", series={"time": "hour", "length": 12})
    examples = data.examples(data.train[:50])
    again = data.codec.decode(torch.from_numpy(data.codec.stored(examples)))
    np.testing.assert_allclose(again, examples, atol=1e-9, equal_nan=True)
    assert data.codec.digests(again).tolist() == data.codec.digests(examples).tolist()
