"""What the verbs make of series, on the real command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.cli.app import run

from .conftest import QUICK, load, walks


def test_samples_have_the_columns_of_the_data(runs: Path, tmp_path: Path) -> None:
    assert run(["sample", str(runs / "load"), "-n", "30", "--out", str(tmp_path / "a.csv")]) == 0
    real, made = pd.read_csv(runs / "load.csv"), pd.read_csv(tmp_path / "a.csv")
    assert list(made.columns) == ["series", *real.columns]
    assert made["series"].nunique() == 30 and set(made["site"]) == {"north"}
    assert made["count"].dtype == real["count"].dtype
    for name in ("load", "spare", "count"):
        assert real[name].min() <= made[name].min() and made[name].max() <= real[name].max()
    assert (made["load"] == made["load"].round(1)).all()
    for _, one in made.groupby("series"):
        assert (pd.to_datetime(one["hour"]).diff().dropna() == pd.Timedelta("1h")).all()
    assert 0.02 < made["spare"].isna().mean() < 0.3 and made["load"].notna().all()
    assert made["hour"].iloc[0] == real["hour"].iloc[0]


def test_other_formats(runs: Path, tmp_path: Path) -> None:
    for name in ("a.parquet", "a.npz", "a.csv.gz"):
        assert run(["sample", str(runs / "walks"), "-n", "5", "--out", str(tmp_path / name)]) == 0
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == list(pd.read_csv(runs / "walks.csv").columns)
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "a.csv.gz", dtype={"who": str}))
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["samples"].shape == (5, 16, 1) and len(arrays["labels"]) == 5
        np.testing.assert_array_equal(arrays["samples"].ravel(), table["place"])


def test_what_describes_a_series_comes_from_one(runs: Path) -> None:
    model = gw.load(runs / "walks")
    ups = model.sample(40, label="up", seed=1)
    assert set(ups["kind"]) == {"up"} and (ups.groupby("who")["tall"].nunique() == 1).all()
    real = walks().groupby("who").first()
    pairs = set(zip(real["kind"], real["tall"].round(6), strict=True))
    any_ = model.sample(200, seed=2).groupby("who").first()
    assert set(zip(any_["kind"], any_["tall"].round(6), strict=True)) <= pairs
    assert 0.1 < (any_["kind"] == "down").mean() < 0.6


def test_sample_i_is_a_function_of_seed_and_i(runs: Path) -> None:
    model = gw.load(runs / "load")
    many, few = model.sample(100, seed=3), model.sample(70, seed=3)
    pd.testing.assert_frame_equal(many[: len(few)], few)
    assert not many["load"].equals(model.sample(100, seed=4)["load"])


def test_futures_go_on_from_what_is_given(runs: Path, tmp_path: Path) -> None:
    history = load()[:37]
    history.to_csv(tmp_path / "h.csv", index=False)
    out = tmp_path / "f.csv"
    words = ["sample", str(runs / "load"), "-n", "4", "--given", str(tmp_path / "h.csv")]
    assert run([*words, "--out", str(out)]) == 0
    made = pd.read_csv(out)
    assert list(made.columns) == [*history.columns, "draw"] and sorted(set(made["draw"])) == [
        1,
        2,
        3,
        4,
    ]
    assert len(made) == 4 * 6  # half of a window of 12
    for _, one in made.groupby("draw"):
        assert one["hour"].tolist() == load()["hour"][37:43].tolist()
    assert made.groupby("hour")["load"].nunique().max() > 1
    pd.testing.assert_frame_equal(made, gw.forecast(runs / "load", history, n=4), check_dtype=False)
    several = gw.forecast(runs / "walks", walks(3), n=2)
    assert several.groupby(["who", "draw"]).size().tolist() == [8] * 6
    assert set(several.query("who == 'w0'")["kind"]) == {"down"}


def test_a_future_depends_on_the_given_past(runs: Path) -> None:
    low, high = load()[:30].assign(load=30.0), load()[:30].assign(load=70.0)
    first = [
        gw.forecast(runs / "load", h, n=30).groupby("draw").first()["load"] for h in (low, high)
    ]
    assert first[0].mean() + 10 < first[1].mean()


def test_a_stopped_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    load(200).to_csv(tmp_path / "a.csv", index=False)
    common = ["train", str(tmp_path / "a.csv"), "--set", "data.form=series", *QUICK]
    common += [
        "--set",
        "generator_optimiser.decay_kimg=1",
        "--set",
        "discriminator_optimiser.decay_kimg=1",
    ]
    assert run([*common, "--kimg", "0.32", "--out", str(tmp_path / "whole")]) == 0
    assert run([*common, "--kimg", "0.16", "--out", str(tmp_path / "part")]) == 0
    again = ["train", str(tmp_path / "a.csv"), "--kimg", "0.32", "--out", str(tmp_path / "part")]
    assert run([*again, "--resume"]) == 0
    weights = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "part")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_card_has_both_baselines(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["evaluate", str(runs / "load"), "-n", "60", "--json", str(tmp_path / "c.json")]) == 0
    )
    measures = json.loads((tmp_path / "c.json").read_text())["measures"]
    for name in (
        "discriminative",
        "predictive",
        "autocorrelation",
        "spectrum",
        "stretches",
        "holes",
    ):
        entry = measures[name]
        assert {"value", "floor", "baseline"} <= set(entry) and "var" in entry["others"]
    # Half of a pasted window is a stretch of training data.
    assert measures["stretches"]["baseline"] > measures["stretches"]["value"] + 0.1
    assert run(["sample", str(runs / "load"), "-n", "60", "--out", str(tmp_path / "s.csv")]) == 0
    assert run(["evaluate", str(tmp_path / "s.csv"), "--against", str(runs / "load.csv")]) == 2
    assert "has no window of 24 steps" in capsys.readouterr().err


def test_the_report_draws_windows_side_by_side(runs: Path) -> None:
    assert run(["report", str(runs / "load")]) == 0
    page = (runs / "load" / "report.html").read_text(encoding="utf-8")
    for words in (
        "Made windows of load",
        "Real windows of load",
        "load: autocorrelation",
        "spare: spectrum",
    ):
        assert words in page


def test_a_comparison_shows_windows_side_by_side(runs: Path) -> None:
    from ganwright.modalities.series.look import LOOK

    model = gw.load(runs / "load")
    shown = LOOK.side_by_side(model, gw.open_data(runs / "load.csv", options=model.data_options))
    assert shown.unseen and shown.made.count("<svg") == 2 and shown.made != shown.real


def test_odd_windows_are_found(runs: Path, tmp_path: Path) -> None:
    frame = load(120, seed=5)
    frame.loc[60:62, "count"] = 40
    frame.to_csv(tmp_path / "a.csv", index=False)
    words = [
        "detect",
        str(runs / "load"),
        str(tmp_path / "a.csv"),
        "--out",
        str(tmp_path / "o.csv"),
    ]
    assert run(words) == 0
    found = pd.read_csv(tmp_path / "o.csv")
    assert len(found) == 19 and found["p_value"].between(0, 1).all()
    oddest = found.sort_values("score").iloc[-1]
    assert oddest["channel_1"] == "count"
    assert abs(pd.Timestamp(oddest["window"]) - pd.Timestamp("2026-01-03 07:00")) < pd.Timedelta(
        "12h"
    )


def test_rare_classes_are_grown(runs: Path, tmp_path: Path) -> None:
    words = ["augment", str(runs / "walks"), str(runs / "walks.csv"), "--balance", "kind"]
    assert run([*words, "--out", str(tmp_path / "g.csv")]) == 0
    real, grown = pd.read_csv(runs / "walks.csv"), pd.read_csv(tmp_path / "g.csv")
    assert list(grown.columns) == [*real.columns, "synthetic"]
    pd.testing.assert_frame_equal(grown[: len(real)].drop(columns="synthetic"), real)
    new = grown[grown["synthetic"]]
    assert set(new["kind"]) == {"down"} and new["who"].nunique() == 20
    assert not set(new["who"]) & set(real["who"])
    assert (grown.groupby("kind")["who"].nunique() == 40).all()


def test_a_model_of_a_stranger_is_checked(runs: Path, tmp_path: Path) -> None:
    from ganwright.base.errors import ModelError
    from ganwright.data import codec_from_json

    tree = gw.load(runs / "load").codec.to_json()
    assert codec_from_json(tree).to_json() == tree
    for part in (
        {"means": "1"}, {"covariances": "1 2"}, {"scales": []}, {"length": 1}, {"holes": [9]},
        {"clock": {}}, {"columns": [{"name": 1}]}, {"sizes": [3]}, {"covariances": "nan"},
    ):  # fmt: skip
        with pytest.raises(ModelError):
            codec_from_json(tree | part)
    shutil.copytree(runs / "load" / "model", tmp_path / "m")
    facts = json.loads((tmp_path / "m" / "model.json").read_text())
    facts["spec"]["channels"] = 2
    (tmp_path / "m" / "model.json").write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="impossible spec of series"):
        gw.load(tmp_path / "m")
