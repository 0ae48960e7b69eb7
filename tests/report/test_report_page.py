"""The page stands alone, says all it should in order, and never fails for what is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganwright as gw
from ganwright.base.errors import DataError, OptionError, RunError
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run as command
from ganwright.modalities.images import features
from ganwright.modalities.images.features.learned import learned
from ganwright.report import make, write_report
from ganwright.report.facts import read_run
from ganwright.report.look import Look
from ganwright.train import plan

VOID = {"meta", "img", "br", "hr", "link", "input"}
SECTIONS = ["samples", "warnings", "card", "time", "memory", "classes", "ends", "inside", "how"]
GENERAL = ["samples", "warnings", "card", "time", "how"]  # where nothing says what the run was of
LARGEST = 3_000_000
SCORED = {"train.score_kimg": 0.1, "train.score_features": "pixels"}


class Page(HTMLParser):
    """A page taken apart; complains about tags that don't match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.words = text, ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def said(self) -> str:
        return " ".join(self.words.split())


def page_of(path: Path, sections: list[str] = SECTIONS) -> Page:
    """Parses a page and checks what every page must be."""
    text = path.read_text(encoding="utf-8")
    assert len(text) < LARGEST
    page = Page(text)
    assert [a["id"] for a in page.all("section") if "id" in a] == sections
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed"}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:" if tag == "img" else "#"), value
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|//", page.text.partition("</style>")[0])
    assert all(image.get("alt", "").strip() for image in page.all("img"))
    assert all(s.get("role") == "img" and s.get("aria-label") for s in page.all("svg"))
    anchors = {str(a["href"])[1:] for a in page.all("a")}
    assert anchors <= {str(a.get("id")) for _, a in page.tags}
    return page


@pytest.fixture(autouse=True)
def _quick_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for features to be learned."""
    monkeypatch.setattr(features, "LEAST_TO_LEARN", 10**9)
    quick = partial(learned, steps=20)
    monkeypatch.setitem(features.EXTRACTORS, "learned", lambda data, options: quick(data))


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with classes, scores, and a card by pixels. To copy from only."""
    out = tmp_path_factory.mktemp("scored") / "digits"
    settings = {
        **SCORED, "train.batch": 16, "train.report_kimg": 0.05, "train.snapshot_kimg": 0.11,
        "generator.width": 4, "discriminator.width": 4,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        gw.train("digits", recipe="relativistic", kimg=0.3, out=out, settings=settings)
    gw.evaluate(out, n=300, features="pixels")
    return out


@pytest.fixture
def copy(scored: Path, tmp_path: Path) -> Path:
    """A run of one's own, to damage."""
    return Path(shutil.copytree(scored, tmp_path / "run"))


@pytest.fixture(scope="module")
def whole(scored: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a run that lacks nothing."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    return page_of(write_report(scored, out=out))


def test_a_whole_run_shows_all(whole: Page) -> None:
    card = whole.said
    for title in ("FID", "Precision", "Recall", "Coverage", "Copying (C_T)", "Two-sample test"):
        assert title in card
    assert "Not judged" not in card and "Numbers with other features" in card
    charts = [str(svg["aria-label"]) for svg in whole.all("svg") if svg["class"] == "chart"]
    titles = [label.split(":")[0] for label in charts]
    assert titles[:3] == [
        "Losses", "What the discriminator says", "Distance from real examples (FID)",
    ]  # fmt: skip
    assert {"Quality and variety", "Collapse"} <= set(titles)
    alts = [str(image["alt"]) for image in whole.all("img")]
    assert sum(alt.startswith("64 ") for alt in alts) == 2
    assert sum(alt == "A sample" for alt in alts) == 8
    assert sum(alt == "The nearest training example" for alt in alts) == 8
    assert sum(alt.startswith("10 samples of class") for alt in alts) == 10
    assert {"From one sample to another", "Truncation"} <= set(alts)
    assert "typically" in card and "fingerprint" in card.lower()
    assert "ganwright train digits --recipe" in card
    assert "score_features" in card  # the recipe, whole


def test_standings_are_drawn_with_words(whole: Page) -> None:
    labels = [str(s["aria-label"]) for s in whole.all("svg") if s["class"] == "standing"]
    assert len(labels) > 8 and all("from real data to the baseline" in text for text in labels)


def test_the_same_run_gives_the_same_page(copy: Path) -> None:
    first = write_report(copy).read_bytes()
    assert write_report(copy).read_bytes() == first


def test_a_run_without_a_card_is_judged_first(copy: Path) -> None:
    RunFolder(copy).card.unlink()
    said: list[str] = []
    page = page_of(write_report(copy, progress=said.append))
    assert RunFolder(copy).card.is_file() and "computing features of real examples" in said
    assert "Not judged" not in page.said
    again: list[str] = []
    write_report(copy, progress=again.append)
    assert "computing features of real examples" not in again


def test_a_damaged_card_is_made_anew(copy: Path) -> None:
    RunFolder(copy).card.write_text("{}")
    page = page_of(write_report(copy))
    assert "is not a card" not in page.said and gw.Card.load(RunFolder(copy).card).measures


def test_a_card_of_an_earlier_model_is_made_anew(copy: Path) -> None:
    path = RunFolder(copy).card
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {"seen": 3, "verdict": "Stale: old words."}))
    assert "old words" not in page_of(write_report(copy)).said


def _recipe_only(run: RunFolder) -> None:
    for path in (run.model, run.best, run.samples, run.checkpoint):
        shutil.rmtree(path, ignore_errors=True)
    run.log.unlink()
    run.card.unlink()


def _broken_weights(run: RunFolder) -> None:
    for folder in (run.model, run.best):
        if folder.is_dir():
            (folder / "model.safetensors").write_bytes(b"no")


def _lines(run: RunFolder, keep: Callable[[dict[str, Any]], bool]) -> None:
    events = [event for event in run.events() if keep(event)]
    run.log.write_text("".join(json.dumps(event) + "\n" for event in events))


def _moved_data(run: RunFolder) -> None:
    text = run.log.read_text().replace('"source": "digits"', '"source": "/gone/photos"')
    run.log.write_text(text)


def _diverged(run: RunFolder) -> None:
    _lines(run, lambda event: event["event"] != "done")
    run.append(seen=1, kimg=0.1, seconds=1, event="guard", problem="diverged", diverged_at=90,
               back_to=0, repairs=1)  # fmt: skip
    run.append(seen=1, kimg=0.1, seconds=1, event="guard", problem="diverged", repairs=3)


def _odd_log(run: RunFolder) -> None:
    run.append(seen="x", kimg="?", seconds=None, event="score", fid="nan", is_best=[])
    run.append(event="report", kimg=1, discriminator_loss=float("inf"), real_logit={})
    run.append(event="snapshot"), run.append(event="guard", problem="collapse", variety=0.1)


def _no_pictures(run: RunFolder) -> None:
    for path in run.samples.iterdir():
        path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_recipe_only, "have not been judged"),
        (_broken_weights, "the model can't be read|model can’t be read|can't be read"),
        (lambda run: run.log.unlink(), "The log has no curves"),
        (lambda run: _lines(run, lambda e: e["event"] == "start"), "The log has no curves"),
        (lambda run: _lines(run, lambda e: e["event"] != "score"), "no scores in training"),
        (lambda run: _lines(run, lambda e: e["event"] != "done"), "still training or was cut off"),
        (lambda run: run.append(event="interrupted", kimg=0.3), "was interrupted at 0.3 kimg"),
        (_diverged, "rolling back did not help.*rolled back"),
        (_moved_data, "The data can't be opened.*--against.*/gone/photos"),
        (_odd_log, "the generator collapsed there|The generator collapsed there"),
        (lambda run: shutil.rmtree(run.samples), "has no grids"),
        (_no_pictures, "has no grids"),
    ],
    ids=lambda value: getattr(value, "__name__", "")[:20],
)
def test_what_is_missing_is_said(
    copy: Path, damage: Callable[[RunFolder], None], words: str
) -> None:
    damage(RunFolder(copy))
    sections = GENERAL if damage is _recipe_only else SECTIONS
    assert re.search(words, page_of(write_report(copy), sections).said)


def test_what_has_no_look_of_its_own_is_reported(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "look_of", lambda one, task: Look())
    page = page_of(write_report(copy), GENERAL)
    assert any("images of 8×8" in str(image["alt"]) for image in page.all("img"))
    assert "1×8×8 (channel, height, width)" in page.said and "Quality and variety" in page.said
    _broken_weights(RunFolder(copy))
    assert "no samples to show" in page_of(write_report(copy), GENERAL).said


def test_snapshots_are_files_of_any_kind(copy: Path) -> None:
    for name in ("0.5.txt", "notes.txt"):
        (RunFolder(copy).samples / name).write_text("words")
    assert read_run(copy).snapshots[-1] == (0.5, RunFolder(copy).samples / "0.5.txt")


def test_moved_data_is_named_with_against(copy: Path) -> None:
    _moved_data(RunFolder(copy))
    page = page_of(write_report(copy, against="digits"))
    assert "can't be opened" not in page.said
    assert any(image["alt"] == "The nearest training example" for image in page.all("img"))


def test_other_data_has_no_pairs(copy: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "other.npy", rng.integers(0, 256, (400, 8, 8, 1), dtype=np.uint8))
    page = page_of(write_report(copy, against=tmp_path / "other.npy"))
    assert "not what the model was trained on" in page.said


HOSTILE = "<script>alert('x')</script>&\"'"


def test_names_are_escaped(tiny: Any, tmp_path: Path) -> None:
    names = ["<script>alert(1)<", 'b"onload="x']
    rng = np.random.default_rng(1)
    for name in names:
        (tmp_path / "<b>data" / name).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "<b>data" / name / f"{i}.png")
    out = tmp_path / "<i>run"
    settings = tiny.every | tiny.small["relativistic"]
    run = gw.train(
        tmp_path / "<b>data", recipe="relativistic", kimg=0.1, out=out, settings=settings
    )
    folder = RunFolder(run.path)
    text = folder.log.read_text().replace('"device": "cpu"', f'"device": {json.dumps(HOSTILE)}')
    folder.log.write_text(text)
    page = page_of(write_report(out))
    assert all(name in page.said for name in names) and HOSTILE in page.said
    assert "<i>run" in page.said and "<b>data" in page.said
    assert not {tag for tag, _ in page.tags} & {"script", "i", "b"}


def test_a_run_without_classes(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "plain"
    tiny.run(out, settings={"data.labels": False})
    page = page_of(write_report(out))
    assert "trained without classes" in page.said
    assert not any("of class" in str(image["alt"]) for image in page.all("img"))


def test_classes_of_learned_features_are_counted(copy: Path) -> None:
    gw.evaluate(copy, n=300, features="learned")
    page = page_of(write_report(copy))
    charts = [str(svg["aria-label"]).split(":")[0] for svg in page.all("svg")]
    assert "Classes" in charts and "Classes asked for and seen" in charts
    assert "recognised" in page.said


# --- the verb ------------------------------------------------------------------------------------


def test_the_verb(copy: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command(["report", str(copy)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{copy / 'report.html'}\n" and "drawing samples …" in err
    target = tmp_path / "new" / "page.html"
    assert command(["report", str(copy), "--out", str(target)]) == 0
    assert target.is_file() and not list(tmp_path.rglob(".*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{tmp}", "is not a run folder: it has no recipe.toml"),
        ("{tmp}/nowhere", "is not a run folder"),
        ("{run} --out {tmp}", "--out: '.*' is a folder; name a file"),
        ("{run} --against {tmp}/gone", "no file or folder '.*gone'"),
        ("{run} --agianst x", "No such option"),
    ],
)
def test_wrong_use_is_one_line(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, words: str
) -> None:
    given = [a.format(tmp=tmp_path, run=copy) for a in arguments.split()]
    assert command(["report", *given]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert re.match(f"ganwright: error: .*{words}", err)
    assert not (copy / "report.html").exists()


def test_errors_of_the_function(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        write_report(tmp_path)
    with pytest.raises(OptionError, match="is a folder"):
        write_report(copy, out=tmp_path)
    with pytest.raises(DataError, match="no file or folder"):
        write_report(copy, against=tmp_path / "gone")
