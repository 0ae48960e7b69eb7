"""Growing folders of images: as many of each class as promised, originals untouched, filters that filter."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganwright as gw
from ganwright.base.errors import OptionError
from ganwright.cli.app import run as command
from ganwright.data import Dataset
from ganwright.data.folders import Places
from ganwright.evaluate import learned
from ganwright.evaluate.filters import Filters
from ganwright.modalities.images.features import features_for
from ganwright.model import Model, Samples
from ganwright.train import plan

Capture = pytest.CaptureFixture[str]
COUNTS = {"0": 60, "1": 60, "2": 30, "3": 50}


def tree(place: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()
    }


def table(grown: str | Path) -> list[dict[str, str]]:
    with Path(grown, "samples.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session", autouse=True)
def _short_lessons() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "STEPS", 150)
        yield


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of digits by class, one of them larger and one no image; and a run on it."""
    home, data = tmp_path_factory.mktemp("grow"), gw.open_data("digits")
    assert data.labels is not None
    for name, count in COUNTS.items():
        (home / "digits" / name).mkdir(parents=True)
        for i in np.flatnonzero(data.labels == int(name))[:count]:
            Image.fromarray(data[int(i)][..., 0]).save(home / "digits" / name / f"{i}.png")
    large = next((home / "digits" / "0").iterdir())
    Image.open(large).resize((12, 12)).save(large)
    (home / "digits" / "1" / "broken.png").write_bytes(b"no image")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        gw.train(
            home / "digits", recipe="mlp-small", kimg=40, out=home / "run",
            settings={"train.score_features": "off"}, progress=False,
        )  # fmt: skip
    return home


@pytest.fixture
def inside(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one stands; the data and the run lie elsewhere and must stay as they are."""
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return gw.open_data("digits")


@pytest.fixture(scope="session")
def filters(digits: Dataset) -> Filters:
    return Filters(digits, features=features_for(digits), plain="pixels", things="images")


def of(data: Dataset, part: np.ndarray, label: int) -> np.ndarray:
    assert data.labels is not None
    return data.examples(part[data.labels[part] == label])


# --- the verb ------------------------------------------------------------------------------------


def test_classes_grow_to_the_largest_beside_the_originals(inside: Path, capsys: Capture) -> None:
    before = tree(inside)
    line = ["augment", str(inside / "run"), str(inside / "digits"), "--balance", "--out", "grown"]
    assert command(line) == 0
    told = capsys.readouterr()
    assert told.out == "grown\n"
    rows = table("grown")
    assert Counter(row["label"] for row in rows) == dict.fromkeys(COUNTS, 60)
    new = Counter(row["label"] for row in rows if row["synthetic"] == "true")
    assert new == {"2": 30, "3": 10}
    assert tree(inside) == before  # nothing of the user's was changed
    kept = {k: v for k, v in tree(Path("grown")).items() if "synthetic-" not in k}
    assert {k: v for k, v in kept.items() if k.endswith(".png")} == {
        k: v for k, v in tree(inside / "digits").items() if "broken" not in k
    }
    files = {row["file"] for row in rows}
    assert files == {k for k in tree(Path("grown")) if k.endswith(".png")}
    assert all(row["file"].startswith(f"{row['label']}/") for row in rows)
    for row in rows:
        if row["synthetic"] == "true":
            with Image.open(Path("grown", row["file"])) as image:
                assert image.size == (8, 8) and image.mode == "L"
    note = Path("grown", "samples.txt").read_text(encoding="utf-8")
    assert "2: 30 originals, 30 new of" in note
    assert "broken.png" in note and "1 of 200 originals have another size" in note
    assert "held-out images of these classes would pass" in note
    assert all(text in told.err for text in note.splitlines())


def test_a_grown_folder_is_read_as_data_and_can_grow_again(inside: Path) -> None:
    line = ["augment", str(inside / "run"), str(inside / "digits"), "-n", "20", "--out", "a"]
    assert command(line) == 0
    data = gw.open_data("a")
    assert data.spec.classes == tuple(COUNTS) and len(data) == 220
    assert command(["augment", str(inside / "run"), "a", "-n", "20", "--out", "b"]) == 0
    assert sum("synthetic-" in row["file"] for row in table("b")) == 40
    assert sum(row["synthetic"] == "true" for row in table("b")) == 20


def test_n_keeps_the_shares_and_the_seed_repeats(inside: Path) -> None:
    grown = [
        gw.augment(inside / "run", inside / "digits", n=40, seed=3, out=name, mark="made")
        for name in ("a", "b")
    ]
    assert grown[0].made == {"0": 12, "1": 12, "2": 6, "3": 10} and grown[0].given == 200
    assert set(grown[0].dropped["0"]) == {"agreement", "density", "memorisation"}
    assert tree(Path("a")) == tree(Path("b"))
    assert sum(row["made"] == "true" for row in table("a")) == 40


def test_what_is_balanced_already_is_copied(inside: Path, capsys: Capture) -> None:
    line = ["augment", str(inside / "run"), str(inside / "digits"), "--balance", "--ratio", "0.5"]
    assert command(line) == 0
    captured = capsys.readouterr()
    assert captured.out == "digits-augmented\n" and "nothing to add" in captured.err
    assert len(table("digits-augmented")) == 200


def test_arrays_become_files(inside: Path, digits: Dataset) -> None:
    assert digits.labels is not None
    some = np.flatnonzero(digits.labels < 4)
    np.savez("some.npz", images=digits.examples(some), labels=digits.labels[some])
    gw.augment(inside / "run", "some.npz", n=8, out="grown")
    rows = table("grown")
    assert len(rows) == len(some) + 8
    with Image.open(Path("grown", rows[0]["file"])) as image:
        assert (np.asarray(image) == digits[int(some[0])][..., 0]).all()


def test_a_test_part_of_its_own_is_no_training_data(inside: Path) -> None:
    for name, count in COUNTS.items():
        for i, path in enumerate(sorted((inside / "digits" / name).glob("[0-9]*.png"))):
            part = Path("d", "test" if i % 5 == 0 else "train", name)
            part.mkdir(parents=True, exist_ok=True)
            (part / path.name).write_bytes(path.read_bytes())
        assert count
    gw.augment(inside / "run", "d", n=8, out="grown")
    names = {path.name for path in Path("d/test").rglob("*.png")}
    assert not names & {Path(row["file"]).name for row in table("grown")}
    assert "own test part (40) is left out" in Path("grown/samples.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN", "DATA"], "needs one of balance"),
        (["RUN", "DATA", "--balance", "colour"], "images have no column 'colour'; allowed: label"),
        (["RUN", "DATA", "--balance", "--out", "full"], "'full' exists and is not an empty folder"),
        (
            ["RUN", "DATA", "-n", "4", "--out", "rows.csv/new"],
            "'rows.csv/new' can't be made",
        ),
        (["RUN", "DATA", "-n", "4", "--out", "DATA/new"], "lies within the data"),
        (["RUN", "flat", "--balance"], "has no classes"),
        (["RUN", "flat", "-n", "4"], "the model has classes and the data has none"),
        (["RUN", "other", "--balance"], "the model does not know the class '7'"),
        (["RUN", "rows.csv", "--balance"], "holds no images"),
        (["RUN", "DATA", "-n", "4", "--mark", "label"], "samples.csv has a column 'label' already"),
        (["none", "DATA", "--balance"], "holds no model"),
    ],
)
def test_mistakes_are_one_line(
    inside: Path, digits: Dataset, capsys: Capture, arguments: list[str], said: str
) -> None:
    for place in ("full", "flat", *(f"other/{name}" for name in "789")):
        Path(place).mkdir(parents=True)
        for i in range(20 if place != "other/7" else 8):
            Image.fromarray(digits[i + 20 * len(place)][..., 0]).save(f"{place}/{i}.png")
    Path("rows.csv").write_text("a,b\n" + "1,2\n" * 40)
    before = tree(Path())
    words = [a.replace("RUN", str(inside / "run")) for a in arguments]
    code = command(["augment", *(w.replace("DATA", str(inside / "digits")) for w in words)])
    error = capsys.readouterr().err.splitlines()
    assert code == 2 and said in error[-1] and error[-1].startswith("ganwright: error: ")
    assert tree(Path()) == before


def test_a_class_that_can_not_be_grown_is_named(
    inside: Path, digits_run: Path, capsys: Capture
) -> None:
    assert command(["augment", str(digits_run), "digits", "-n", "30", "--out", "grown"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "class '0' can't be grown: of 400 images drawn" in error and "dropped by" in error
    assert not list(Path().iterdir())


def test_a_model_without_classes_grows_what_has_none(inside: Path, tiny: Any) -> None:
    settings = {"data.labels": False, "train.score_features": "off"}
    run = gw.train(inside / "digits", recipe="mlp-small", kimg=30, out="plain", settings=settings)
    with pytest.raises(OptionError, match="out: name a folder"):
        gw.augment(run, inside / "digits", n=10)
    grown = gw.augment(run, inside / "digits", n=10, out="grown")
    assert grown.made == {"": 10} and set(grown.dropped[""]) == {"density", "memorisation"}
    assert {row["label"] for row in table("grown")} == {""}
    assert len(list(Path("grown").glob("*.png"))) == 210


# --- the filters ---------------------------------------------------------------------------------


def test_copies_are_dropped_as_memorised(filters: Filters, digits: Dataset) -> None:
    for label in range(10):
        found = filters.passes(of(digits, digits.train, label), label)
        assert not found["memorisation"].any()
        assert found["density"].mean() > 0.75


def test_another_class_is_dropped_by_agreement(filters: Filters, digits: Dataset) -> None:
    wrong = filters.passes(of(digits, digits.heldout, 3), 7)
    assert wrong["agreement"].mean() < 0.05


def test_noise_is_dropped_by_density(filters: Filters, digits: Dataset) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 1)).astype(np.uint8)
    assert filters.passes(noise, 3)["density"].mean() < 0.02


def test_most_unseen_images_would_pass(filters: Filters) -> None:
    n, shares = filters.calibration(list(range(10)))
    assert n > 300 and shares["all"] > 0.75
    assert min(shares["agreement"], shares["memorisation"]) > 0.9


def test_only_what_passes_is_kept(
    inside: Path, monkeypatch: pytest.MonkeyPatch, digits: Dataset
) -> None:
    """Copies, another class, noise and unseen images of the class, as if a model made them."""
    data = gw.open_data(inside / "digits")
    copies = of(data, data.train, 2)
    seen = {image.tobytes() for image in data.examples(np.arange(len(data)))}
    twos = of(digits, np.arange(len(digits)), 2)
    fresh = np.stack([image for image in twos if image.tobytes() not in seen])
    noise = np.random.default_rng(1).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)
    threes = of(digits, np.arange(len(digits)), 3)[:50]
    drawn = np.concatenate([copies, noise, threes, fresh])

    def planted(self: Model, n: int, **_: Any) -> Iterator[Samples]:
        yield Samples(0, drawn, None)

    monkeypatch.setattr(Model, "stream", planted)
    grown = gw.augment(inside / "run", inside / "digits", balance="label", ratio=0.6, out="grown")
    assert grown.made == {"2": 6}
    made = [row["file"] for row in table("grown") if row["synthetic"] == "true"]
    allowed = {image.tobytes() for image in fresh}
    for file in made:
        with Image.open(Path("grown", file)) as image:
            assert np.asarray(image).tobytes() in allowed
    dropped = grown.dropped["2"]
    assert dropped["memorisation"] >= len(copies)
    assert dropped["agreement"] >= 45 and dropped["density"] >= 50


def test_names_are_never_twice_and_always_safe() -> None:
    own = Places(["cat", "a/b", "..", "class-1"])
    assert own.place("cat", "x/1.png") == "cat/1.png"
    assert own.place("cat", "y/1.PNG") == "cat/1-2.PNG"
    assert own.place("a/b", "1.png") == "class-1_/1.png"
    assert own.place("..", "1.png") == "class-2_/1.png"
