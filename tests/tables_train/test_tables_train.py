"""A table from file to rows: trained, stopped and gone on with, sampled under conditions, judged."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import ganwright as gw
from ganwright.base.errors import DataError, Interrupted, OptionError
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run as command
from ganwright.train.run import Silent

EVERY: dict[str, Any] = {
    "train.batch": 32,
    "train.report_kimg": 0.3,
    "train.snapshot_kimg": 0.5,
    "train.checkpoint_kimg": 0.2,
    "train.score_kimg": 0.4,
    "generator.width": 32,
    "discriminator.width": 16,
    "discriminator.pack": 4,
    "game.adversarial_every": 3,
}


def table(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Rows whose columns hang on each other, with holes, spikes, dates and words."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["north", "south", "east"], rows, p=[0.6, 0.3, 0.1])
    age = rng.integers(18, 80, rows)
    gain = np.where(rng.random(rows) < 0.8, 0, rng.integers(1, 90, rows) * 100)
    price = np.round(age * 1.5 + (group == "north") * 40 + rng.normal(0, 3, rows), 2)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), unit="D")
    frame = pd.DataFrame(
        {
            "id": np.arange(1000, 1000 + rows),
            "group": group,
            "age": age,
            "gain": gain,
            "price": price,
            "day": day.astype(str),
            "rich": np.where(price > 110, "yes", "no"),
        }
    )
    frame.loc[rng.random(rows) < 0.1, "price"] = np.nan
    return frame


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "people.csv"
    table(2000).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(csv: Path, tmp_path_factory: pytest.TempPathFactory) -> gw.Run:
    out = tmp_path_factory.mktemp("runs") / "people"
    wide = {"generator.width": 64, "game.adversarial_every": 16, "train.batch": 64}
    every = {f"train.{name}_kimg": 10 for name in ("report", "snapshot", "checkpoint", "score")}
    return gw.train(csv, out=out, kimg=60, settings=EVERY | wide | every)


def weights(run: gw.Run) -> str:
    return hashlib.sha256((run.path / "model" / "model.safetensors").read_bytes()).hexdigest()


class Stopper(Silent):
    """Acts like Ctrl-C in the round that reaches `position`."""

    def __init__(self, position: int) -> None:
        self.position = position

    def step(self, trainer: Any, seconds: float) -> None:
        if trainer.seen - 32 < self.position <= trainer.seen:
            signal.raise_signal(signal.SIGINT)


# Training


@pytest.mark.parametrize("position", [32, 400, 704])
def test_a_stopped_run_ends_in_the_same_bits(csv: Path, tmp_path: Path, position: int) -> None:
    whole = gw.train(csv, out=tmp_path / "whole", kimg=1, settings=EVERY)
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        gw.train(csv, out=out, kimg=1, settings=EVERY, observer=Stopper(position))
    run = gw.train(csv, out=out, resume=True)
    assert weights(run) == weights(whole)
    best = [(r.path / "best" / "model.safetensors").read_bytes() for r in (run, whole)]
    assert best[0] == best[1]


def test_the_run_says_how_far_it_came(trained: gw.Run) -> None:
    scores = [e for e in trained.log if e["event"] == "score"]
    assert min(e["nll"] for e in scores) == min(e["nll"] for e in scores if e["is_best"])
    assert {"fid", "shapes", "trends"} <= set(scores[-1])
    reports = [e for e in trained.log if e["event"] == "report"]
    assert all(np.isfinite(e["nll"]) for e in reports)
    shown = sorted((trained.path / "samples").iterdir())
    assert list(pd.read_csv(shown[-1]).columns) == list(table(2).columns)
    facts = json.loads((trained.path / "model" / "model.json").read_text())
    assert facts["codec"]["kind"] == "table" and facts["spec"]["choices"]


@pytest.mark.parametrize("name", ["mlp-small", "latent-skip"])
def test_classic_nets_play_on_rows_too(csv: Path, tmp_path: Path, name: str) -> None:
    run = gw.train(csv, recipe=name, out=tmp_path / name, kimg=0.5, settings={"train.batch": 32})
    made = run.model.sample(70, seed=3)
    assert list(made.columns) == list(table(2).columns) and len(made) == 70
    with pytest.raises(OptionError, match="don't support conditions; the recipe table does"):
        run.model.sample(5, where="age=20..30")


def test_convolutions_are_refused(csv: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="needs pictures"):
        gw.train(csv, recipe="dcgan", out=tmp_path / "run", kimg=1)


@pytest.mark.parametrize("setting", [("size", 32), ("fit", "pad"), ("channels", 3)])
def test_what_is_for_pictures_is_refused(
    csv: Path, tmp_path: Path, setting: tuple[str, Any]
) -> None:
    name, value = setting
    with pytest.raises(
        OptionError, match=rf"data\.{name}: for data of kind image; this holds rows"
    ):
        gw.train(csv, out=tmp_path / "run", kimg=0.1, settings={f"data.{name}": value})


def test_features_of_other_data_are_refused_before_there_is_a_folder(
    csv: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        OptionError, match=r"score_features can't be 'pixels'; allowed: columns, off"
    ):
        settings = {"train.score_features": "pixels"}
        gw.train(csv, out=tmp_path / "run", kimg=0.1, settings=settings)
    assert not (tmp_path / "run").exists()


def test_packs_that_do_not_fill_a_batch_are_refused(csv: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"discriminator\.pack: must divide"):
        settings = EVERY | {"discriminator.pack": 5}
        gw.train(csv, out=tmp_path / "run", kimg=1, settings=settings)


# Samples


def test_rows_look_like_the_data(trained: gw.Run) -> None:
    real, made = table(2000), trained.model.sample(4000, seed=1)
    assert list(made.columns) == list(real.columns)
    assert str(made["age"].dtype) == "int64" and str(made["price"].dtype) == "float64"
    assert set(made["group"]) == set(real["group"]) and set(made["rich"]) <= {"yes", "no"}
    for name in ("age", "gain", "price"):
        assert made[name].min() >= real[name].min() and made[name].max() <= real[name].max()
    assert (made["gain"] % 100 == 0).all()
    assert abs((made["gain"] == 0).mean() - 0.8) < 0.08
    assert abs(made["price"].isna().mean() - 0.1) < 0.04
    assert abs((made["group"] == "north").mean() - 0.6) < 0.08
    assert pd.to_datetime(made["day"]).between("2020-01-01", "2021-12-31").all()
    assert made["id"].is_unique
    north, others = (made[(made.group == "north") == is_north] for is_north in (True, False))
    slope = np.polyfit(north.age[north.price.notna()], north.price.dropna(), 1)[0]
    assert slope == pytest.approx(1.5, abs=0.4)
    assert north.price.mean() - others.price.mean() == pytest.approx(40, abs=18)
    known = made[made.price.notna()]
    assert ((known.price > 110) == (known.rich == "yes")).mean() > 0.85


def test_sample_i_depends_on_its_place_alone(trained: gw.Run) -> None:
    model = trained.model
    many = model.sample(2100, seed=5)
    pd.testing.assert_frame_equal(model.sample(7, seed=5), many[:7])
    assert not model.sample(7, seed=6).equals(many[:7])
    parts = [block.examples for block in model.stream(2100, seed=5)]
    assert len(parts) == 2
    pd.testing.assert_frame_equal(model.codec.join(parts), many)


@pytest.mark.parametrize(
    ("where", "obeyed"),
    [
        ("age=40..60, group=east", lambda r: r.age.between(40, 60) & (r.group == "east")),
        ({"gain": 0, "rich": "yes"}, lambda r: (r.gain == 0) & (r.rich == "yes")),
        ("price=missing", lambda r: r.price.isna()),
        ("price=50.5..51.25, gain!=0", lambda r: r.price.between(50.5, 51.25) & (r.gain != 0)),
        ("day=2020-06-01..2020-06-30", lambda r: r.day.astype(str).str.startswith("2020-06")),
        ("group=north|south, age=70..", lambda r: (r.group != "east") & (r.age >= 70)),
    ],
)
def test_every_row_obeys_a_condition(trained: gw.Run, where: Any, obeyed: Any) -> None:
    made = trained.model.sample(3000, seed=2, where=where)
    assert len(made) == 3000 and obeyed(made).all()


def test_the_rest_of_a_row_follows_the_condition(trained: gw.Run) -> None:
    old = trained.model.sample(2000, where="age=70.., group=north")
    young = trained.model.sample(2000, where="age=..25, group=south")
    assert (old.rich == "yes").mean() > 0.75 > 0.25 > (young.rich == "yes").mean()


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("agee=3", "Did you mean 'age'"),
        ("group=nort", "Did you mean 'north'"),
        ("age=300..400", "age"),
        ("age=60..40", "age"),
        ("age=missing", "missing"),
        ("age", "age"),
    ],
)
def test_conditions_that_can_not_be_met(trained: gw.Run, where: str, word: str) -> None:
    with pytest.raises(OptionError) as caught:
        trained.model.sample(5, where=where)
    assert word in str(caught.value) and "\n" not in str(caught.value)


# The command line


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = command([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_sample_writes_what_is_asked_for(trained: gw.Run, said: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    code, out, _ = said("sample", trained.path, "-n", 50, "--where", "age=30..40", "--out", path)
    made = pd.read_csv(path)
    assert code == 0 and out.strip() == str(path) and len(made) == 50
    assert made.age.between(30, 40).all() and list(made.columns) == list(table(2).columns)
    path = tmp_path / "rows.parquet"
    assert said("sample", trained.path, "-n", 50, "--out", path)[0] == 0
    schema = pq.read_schema(path)
    assert str(schema.field("age").type) == "int64" and str(schema.field("price").type) == "double"


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--where", "sexx=1"], "no column 'sexx'"),
        (["--label", "3"], "without classes"),
        (["--format", "png"], "--format"),
    ],
)
def test_wrong_wishes_are_one_line(
    trained: gw.Run, said: Any, tmp_path: Path, extra: list[str], words: str
) -> None:
    code, out, err = said("sample", trained.path, "--out", tmp_path / "x.csv", *extra)
    assert code == 2 and out == "" and words in err
    assert err.startswith("ganwright: error: ") and err.count("\n") == 1
    assert not (tmp_path / "x.csv").exists()


def test_a_dry_run_says_what_it_would_learn(csv: Path, said: Any, tmp_path: Path) -> None:
    code, out, err = said("train", csv, "--kimg", 1, "--dry-run", "--out", tmp_path / "run")
    assert code == 0 and "recipe table" in err and 'kind = "table"' in out
    assert not (tmp_path / "run").exists()


def test_frames_train_as_files_do(tmp_path: Path) -> None:
    frame = table(200).assign(group=lambda f: f["group"].astype("category"))
    run = gw.train(frame, out=tmp_path / "run", kimg=0.5, settings=EVERY)
    made = run.model.sample(20)
    assert made["group"].dtype == frame["group"].dtype
    assert RunFolder(run.path).recipe.is_file()
    with pytest.raises(DataError):
        gw.train(frame.iloc[:1], out=tmp_path / "one", kimg=0.5)
