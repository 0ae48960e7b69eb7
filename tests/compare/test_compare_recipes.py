"""ganwright compare DATA --recipes …: every recipe trained, judged and shown, whatever happens to one."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright import benchmark
from ganwright.base.errors import Diverged
from ganwright.base.options import override, parse, to_toml
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run
from ganwright.evaluate import Card, Entry
from ganwright.evaluate.compare import best_over_seeds, over_seeds
from ganwright.report.facts import read_run
from ganwright.train import plan

Capture = pytest.CaptureFixture[str]
BRIEF = ["--kimg", "0.5", "-n", "60", "--features", "pixels", "--set", "train.batch=64"]
SCORED = ["--set", "train.score_kimg=0.1", "--set", "train.score_features=pixels"]
BOTH = ["digits", "--recipes", "mlp-small,mlp-small-minimax"]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "measure", lambda trainer: 1000.0)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A comparison by the command line: its folder and what it printed."""
    place, printed = tmp_path_factory.mktemp("finished"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(place)
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        assert run(["compare", *BOTH, *BRIEF, *SCORED, "--json", "cards.json"]) == 0
    return place, printed.getvalue()


def test_one_command_trains_judges_and_shows(finished: tuple[Path, str]) -> None:
    place, printed = finished
    folder = place / "runs" / "digits-compare"
    assert sorted(p.name for p in folder.iterdir()) == [
        "compare.html", "mlp-small", "mlp-small-minimax",
    ]  # fmt: skip
    for name in ("mlp-small", "mlp-small-minimax"):
        assert read_run(folder / name).state == "done"
        assert json.loads((folder / name / "card.json").read_text())["n"] == 60
    assert printed.startswith("60 samples each, against 172 real examples")
    assert re.search(r"^ +mlp-small +mlp-small-minimax +real +better$", printed, re.MULTILINE)
    assert printed.endswith("runs/digits-compare/compare.html\n")
    told = json.loads((place / "cards.json").read_text())
    assert [card["samples"] for card in told["cards"]] == ["mlp-small", "mlp-small-minimax"]
    assert set(told["best"].values()) <= {"mlp-small", "mlp-small-minimax", None}


def test_the_page_shows_samples_scores_and_curves(finished: tuple[Path, str]) -> None:
    page = (finished[0] / "runs/digits-compare/compare.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3  # real and two recipes
    assert len(set(re.findall(r'<img src="(data:image/[^"]+)"', page))) == 3
    assert "64 real examples that the model never saw in a grid" in page
    assert page.count("64 samples in a grid") == 2
    for heading in ("over time", "over examples seen", "Variety"):
        assert heading in page
    assert page.count("<svg") == 3 and page.count('class="line c0') == 3
    assert "--kimg 0.5 --seed 0 --features pixels --number 60 --set train.batch=64" in page
    assert not re.search(r"<script|https?://(?!www\.w3)|<link", page)
    columns = re.findall(r'<th scope="col"[^>]*>(?:<span[^>]*></span>)?([^<]+)</th>', page)
    assert columns[:3] == ["Measure", "Real", "mlp-small"]  # so that Real doesn't scroll out
    card = json.loads((finished[0] / "runs/digits-compare/mlp-small/card.json").read_text())
    rows = re.findall(r'<th scope="row">([^<]+)<span class="says">', page)
    assert len(rows) == len(card["measures"])


def test_resume_keeps_what_is_complete_and_goes_on(finished: tuple[Path, str]) -> None:
    place = finished[0] / "runs" / "digits-compare"
    before = (place / "mlp-small" / "log.jsonl").read_bytes()
    folder = RunFolder(place / "mlp-small-minimax")
    settings = {"train.batch": 64, "train.score_kimg": 0.1, "train.score_features": "pixels"}
    found = gw.compare_recipes(
        "digits", ["mlp-small", "mlp-small-minimax"], kimg=0.5, out=place, settings=settings,
        n=60, features="pixels", resume=True,
    )  # fmt: skip
    assert list(found.runs) == list(found.cards) == ["mlp-small", "mlp-small-minimax"]
    assert (place / "mlp-small" / "log.jsonl").read_bytes() == before
    assert folder.events()[-1]["seen"] == 512
    found = gw.compare_recipes(  # more of it, and a recipe more
        "digits", ["mlp-small", "latent-skip"], kimg=0.6, out=place, settings=settings,
        n=60, features="pixels", resume=True,
    )  # fmt: skip
    assert [r.log[-1]["seen"] for r in found.runs.values()] == [640, 640]
    assert "latent-skip" in str(found) and found.page == place / "compare.html"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("digits --recipes mlp-small,dcgam", "unknown recipe 'dcgam'"),
        ("digits --recipes mlp-small", "--recipes: takes two at least, a comma between; got 1"),
        ("digits --recipes mlp-small,mlp-small", "--recipes: 'mlp-small' is given twice"),
        ("digits --recipes mlp-small,table", "table: table nets: need rows"),
        ("digits digits --recipes mlp-small,mlp", "needs one data set to train on; got 2"),
        ("nowhere --recipes mlp-small,mlp", "'nowhere'"),
        ("digits --recipes mlp,dcgan --against digits", "--against: doesn't go with --recipes"),
        ("digits --recipes mlp,dcgan --minutes 0", "error: --minutes: minutes should be"),
        ("digits --recipes mlp,mlp-small --set generator.widht=3", "widht"),
        ("digits --recipes mlp,mlp-small --seeds 0", "--seeds: takes 1 to 20; got 0"),
        ("digits --recipes mlp,mlp-small -n 1", "n: must be at least 2; got 1"),
        ("digits --recipes mlp,mlp-small --features pixel", "unknown features 'pixel'"),
        ("digits --recipes mlp,mlp-small --features columns", "'columns' is not for data of kind"),
        ("runs/a runs/b --minutes 2", "--minutes: needs --recipes"),
        ("runs/a", "needs at least two runs; got 1"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(
    inside: Path, capsys: Capture, line: str, text: str
) -> None:
    assert run(["compare", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and text in err.splitlines()[-1] and err.count("error") == 1
    assert not (inside / "runs").exists()


def test_an_existing_folder_or_another_run_is_refused(inside: Path, capsys: Capture) -> None:
    gw.train("digits", recipe="mlp-small", kimg=0.1, out="runs/x/mlp-small")
    before = (inside / "runs/x/mlp-small/log.jsonl").read_bytes()
    assert run(["compare", *BOTH, *BRIEF, "--out", "runs/x"]) == 2
    assert "exists: continue it with --resume" in capsys.readouterr().err
    assert run(["compare", *BOTH, *BRIEF, "--out", "runs/x", "--resume", "--seed", "5"]) == 2
    assert "was started with other options" in capsys.readouterr().err
    assert not (inside / "runs/x/mlp-small-minimax").exists()
    assert (inside / "runs/x/mlp-small/log.jsonl").read_bytes() == before


def test_a_diverged_recipe_is_named_and_the_rest_compared(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    begin = benchmark.begin

    def diverging(prepared: Any, folder: RunFolder, **rest: Any) -> gw.Run:
        if prepared.plan.recipe.name == "mlp-small-minimax":
            raise Diverged("training diverged at 0.1 kimg")
        return begin(prepared, folder, **rest)

    monkeypatch.setattr(benchmark, "begin", diverging)
    assert run(["compare", *BOTH, *BRIEF]) == 0
    out, err = capsys.readouterr()
    assert (
        "not compared: mlp-small-minimax: training diverged" in out
        and "*" not in out.split("\n")[3]
    )
    assert "continuing without it" in err
    page = (inside / "runs/digits-compare/compare.html").read_text(encoding="utf-8")
    assert "<strong>mlp-small-minimax</strong> is not compared: training diverged" in page


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(inside: Path) -> None:
    code = "from ganwright.cli.app import main; main()"
    line = [
        sys.executable, "-c", code, "compare", *BOTH, "--minutes", "10", "-n", "60",
        "--features", "pixels", "--out", "both",
    ]  # fmt: skip
    gw.train("digits", recipe="mlp-small", kimg=0.1, out="both/mlp-small")
    toml = Path("both/mlp-small/log.jsonl")  # as if its ten minutes were over
    lines = [json.loads(text) for text in toml.read_text().splitlines()]
    toml.write_text("".join(json.dumps(entry | {"seconds": 600.0}) + "\n" for entry in lines))
    going = subprocess.Popen([*line, "--resume"], stdout=-1, stderr=-1, text=True)
    log, ends = RunFolder("both/mlp-small-minimax").log, time.monotonic() + 60
    while not (log.is_file() and "checkpoint" in log.read_text()) and time.monotonic() < ends:
        time.sleep(0.1)
    time.sleep(0.5)
    going.send_signal(signal.SIGINT)
    _, err = going.communicate(timeout=60)
    assert going.returncode == 130, err
    assert "comparing what is finished" in err
    assert "interrupted in mlp-small-minimax; 1 of 2 runs are finished" in err.splitlines()[-1]
    page = Path("both/compare.html").read_text(encoding="utf-8")
    assert "<strong>mlp-small-minimax</strong> is not compared: interrupted" in page
    assert read_run(Path("both/mlp-small-minimax")).state == "interrupted"


def test_rows_are_compared_by_their_scores(inside: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "\n".join(",".join(map(str, row)) for row in rng.normal(size=(300, 3)).round(2))
    Path("rows.csv").write_text(f"a,b,c\n{rows}\n")
    settings = {"train.batch": 16, "generator.width": 8, "discriminator.width": 8}
    table = gw.RECIPES["table"].make()
    for name, weight in (("low", 0.1), ("high", 1.0)):
        Path(f"{name}.toml").write_text(to_toml(override(table, {"game.adversarial": weight})))
    found = gw.compare_recipes("rows.csv", ["low.toml", "high.toml"], kimg=0.1, settings=settings)
    assert list(found.cards) == ["low", "high"] and found.path == Path("runs/rows-compare")
    page = (found.path / "compare.html").read_text(encoding="utf-8")
    assert "<img" not in page and "don’t show at a glance" in page


def test_seeds_are_compared_by_their_means(inside: Path, capsys: Capture) -> None:
    assert run(["compare", *BOTH, *BRIEF, *SCORED, "--seeds", "2", "--seed", "3"]) == 0
    out, _ = capsys.readouterr()
    folder = Path("runs/digits-compare")
    runs = {p.name for p in folder.iterdir() if p.is_dir()}
    assert runs == {f"{name}-{i}" for name in ("mlp-small", "mlp-small-minimax") for i in (3, 4)}
    cards = [json.loads((folder / f"mlp-small-{i}/card.json").read_text()) for i in (3, 4)]
    low, high = sorted(card["measures"]["fid"]["value"] for card in cards)
    row = next(line for line in out.splitlines() if line.startswith("FID "))
    assert f"{(low + high) / 2:.4g} ± {(high - low) / 2:.2g}" in row
    page = (folder / "compare.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3 and page.count('class="line c0') == 6  # two seeds, three charts
    assert "--seeds 2" in page and "± half their range" in page


def test_the_command_on_the_page_makes_the_same_again() -> None:
    settings = {"game.gamma.auto": True, "data.size": None, "data.table.kinds": ("a=text", "b")}
    rules = benchmark.Rules(
        data="my pictures", minutes=1.23456789, seed=12345678, settings=settings, n=500,
        features="pixels",
    )  # fmt: skip
    words = shlex.split(rules.command(["mlp", "dcgan"], 3, Path("x")))
    assert words[:3] == ["ganwright", "compare", "my pictures"]
    told = dict(pairwise(words))
    assert float(told["--minutes"]) == 1.23456789 and told["--seed"] == "12345678"
    assert (told["--number"], told["--features"], told["--seeds"]) == ("500", "pixels", "3")
    given = [parse(word) for option, word in pairwise(words) if option == "--set"]
    assert given == [(k, [*v] if isinstance(v, tuple) else v) for k, v in settings.items()]


def card_of(value: float) -> Card:
    entry = Entry(value=value, low=None, high=None, floor=1.0, baseline=9.0, better="lower", n=60)
    return Card(samples="x", n=60, against={}, features={}, measures={"fid": entry})


def test_the_worst_seed_must_beat_all_others() -> None:
    good, bad = [card_of(2.0), card_of(3.0)], [card_of(3.5), card_of(9.0)]
    assert over_seeds(good, "fid").mean == 2.5 and over_seeds(good, "fid").spread == 0.5
    assert best_over_seeds({"a": bad, "b": good}, "fid") == "b"
    assert best_over_seeds({"a": bad, "b": [*good, card_of(3.6)]}, "fid") is None
    assert best_over_seeds({"b": good}, "fid") is None
