"""Labels as people keep them: in folders, beside the pictures, in a list; and names of all kinds."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganwright.base.errors import DataError
from ganwright.data import Dataset, inspect_data, open_data

RNG = np.random.default_rng(12)


def picture(path: Path | str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (6, 5, 3), np.uint8)).save(path)


def pictures(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        picture(root / name)
    return root


def zipped(folder: Path, separator: str = "/", prefix: str = "") -> Path:
    """The files of a folder as a zip, their names as some programs write them."""
    target = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = prefix + str(file.relative_to(folder)).replace("/", separator)
            archive.writestr(name, file.read_bytes())
    return target


def labels_by_name(data: Dataset) -> dict[str, str]:
    assert data.labels is not None
    return {data.name_of(i): data.spec.classes[data.labels[i]] for i in range(len(data))}


def note(data: Dataset, words: str) -> bool:
    return any(words in text for text in data.notes)


# --- dataset.json and numbered folders ---------------------------------------------------------

SHARDS = [f"{i // 20:05}/img{i:08}.png" for i in range(50)]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return pictures(tmp_path / "shards", SHARDS)


FORMS: dict[str, Callable[[list[tuple[str, int]]], object]] = {
    "pairs": lambda pairs: pairs,
    "object": dict,
    "vectors": lambda pairs: [[n, [float(k == c) for c in range(3)]] for n, k in pairs],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["folder", "zip", "windows zip"])
def test_labels_of_a_dataset_json(shards: Path, form: str, place: str) -> None:
    pairs = [(name, i % 3) for i, name in enumerate(SHARDS)]
    (shards / "dataset.json").write_text(json.dumps({"labels": FORMS[form](pairs)}))
    separator = "\\" if place == "windows zip" else "/"
    data = open_data(shards if place == "folder" else zipped(shards, separator))
    assert labels_by_name(data) == {name: str(label) for name, label in pairs}
    assert note(data, "labels are those of dataset.json")


@pytest.mark.parametrize("tree", [{"labels": None}, {}, None, [1]])
def test_numbered_folders_are_no_classes(shards: Path, tree: object) -> None:
    if tree is not None:
        (shards / "dataset.json").write_text(json.dumps(tree))
    data = open_data(shards)
    assert data.labels is None and len(data) == 50
    assert note(data, "folders 00000 … 00002 are numbered parts, not classes")
    assert note(data, "dataset.json gives no labels") == (tree is not None)


def test_shards_by_the_number_of_their_first_picture(tmp_path: Path) -> None:
    names = [f"{i // 10 * 1000:05}/{i}.png" for i in range(35)]
    assert open_data(pictures(tmp_path / "d", names)).labels is None


@pytest.mark.parametrize(
    ("folders", "sizes"),
    [
        ([str(i) for i in range(10)], [6] * 10),
        ([f"{i:02}" for i in range(1, 6)], [6] * 5),
        ([f"{i:05}" for i in range(5)], [8, 12, 6, 9, 7]),  # traffic signs are kept like this
        (["0002", "0007", "0011"], [6] * 3),
    ],
)
def test_classes_that_are_numbers_stay_classes(
    folders: list[str], sizes: list[int], tmp_path: Path
) -> None:
    names = [f"{f}/{i}.png" for f, n in zip(folders, sizes, strict=True) for i in range(n)]
    assert open_data(pictures(tmp_path / "d", names)).spec.classes == tuple(folders)


def test_pictures_that_dataset_json_does_not_name_are_left_out(shards: Path) -> None:
    pairs = [(name, i % 3) for i, name in enumerate(SHARDS[:40])]
    (shards / "dataset.json").write_text(json.dumps({"labels": pairs}))
    data = open_data(zipped(shards))
    assert len(data) == 40 and note(data, "10 pictures have no label in it: left out")
    (shards / "dataset.json").write_text(json.dumps({"labels": pairs[:4]}))
    data = open_data(shards)
    assert data.labels is None and len(data) == 50 and note(data, "names 4 of 50 pictures")


# --- parts and folders -------------------------------------------------------------------------

CLASSED = [f"train/{c}/{i}.png" for c in "abc" for i in range(10)]


@pytest.mark.parametrize("flat", ["test", "val", "test/unknown"])
def test_a_test_part_without_classes_leaves_the_labels(flat: str, tmp_path: Path) -> None:
    names = [*CLASSED, *(f"{flat}/{i}.png" for i in range(12))]
    data = open_data(pictures(tmp_path / "d", names))
    assert data.spec.classes == ("a", "b", "c") and len(data) == 30 and len(data.heldout) > 0
    assert note(data, "12 test pictures are in no class folder: left out")
    assert not note(data, "test part is held out")


def test_one_picture_beside_the_folders_is_left_out(tmp_path: Path) -> None:
    names = [*(name.removeprefix("train/") for name in CLASSED), "cover.png"]
    data = open_data(pictures(tmp_path / "d", names))
    assert data.spec.classes == ("a", "b", "c") and note(data, "1 of 31 lie outside the folders")


# --- metadata and lists ------------------------------------------------------------------------

NAMES = [f"{i}.png" for i in range(30)]
WORDS = ["cat" if i % 2 else "dog" for i in range(30)]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    return pictures(tmp_path / "flat", NAMES)


def table(columns: list[str], *values: Iterable[object], delimiter: str = ",") -> str:
    rows = [columns, *zip(*values, strict=True)]
    return "".join(delimiter.join(str(cell) for cell in row) + "\n" for row in rows)


@pytest.mark.parametrize("column", ["label", "Class", "category", "species"])
@pytest.mark.parametrize("file", ["metadata.csv", "metadata.jsonl", "semicolons", "list", "zip"])
def test_labels_of_metadata(column: str, file: str, flat: Path) -> None:
    delimiter = ";" if file == "semicolons" else ","
    text = table(["file_name", "text", column], NAMES, range(30), WORDS, delimiter=delimiter)
    if file == "metadata.jsonl":
        rows = [{"file_name": n, column: w} for n, w in zip(NAMES, WORDS, strict=True)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
    path = flat / ("metadata.jsonl" if file == "metadata.jsonl" else "metadata.csv")
    path.write_text(text)
    given = {"list": path, "zip": zipped(flat)}.get(file, flat)
    settings = {"label": "species"} if column == "species" else {}
    data = open_data(given, **settings)
    assert labels_by_name(data) == dict(zip(NAMES, WORDS, strict=True))
    assert note(data, "metadata" if given != path else f"labels from '{column}'")


def test_metadata_of_each_part(tmp_path: Path) -> None:
    for part in ("train", "test"):
        pictures(tmp_path / "d" / part, NAMES)
        (tmp_path / "d" / part / "metadata.csv").write_text(
            table(["file_name", "label"], NAMES, WORDS)
        )
    data = open_data(tmp_path / "d")
    assert len(data.train) == len(data.heldout) == 30 and note(data, "test part is held out")
    assert labels_by_name(data)["test/1.png"] == "cat"


def test_metadata_without_labels_says_so(flat: Path) -> None:
    (flat / "metadata.csv").write_text(table(["file_name", "text"], NAMES, range(30)))
    data = open_data(flat)
    assert data.labels is None and note(data, "metadata.csv gives no labels")
    with pytest.raises(DataError, match=r"no column 'tex'.*Did you mean 'text'\?"):
        open_data(flat, label="tex")


@pytest.mark.parametrize("content", ["[1]\n", "{\n", "7\n"])
def test_metadata_that_is_none_is_one_line(content: str, flat: Path) -> None:
    (flat / "metadata.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"'metadata\.jsonl' can't be read"):
        open_data(flat)


def test_a_label_without_a_list_is_one_line(flat: Path) -> None:
    for given in (flat, "digits"):
        with pytest.raises(DataError, match=r"data\.label='x' names a column"):
            open_data(given, label="x")


def test_any_column_of_existing_pictures_makes_a_list(flat: Path) -> None:
    (flat / "l.csv").write_text(table(["", "photo", "species"], range(30), NAMES, WORDS))
    data = open_data(flat / "l.csv", label="species")
    assert labels_by_name(data)["1.png"] == "cat" and note(data, "from the column 'photo'")
    assert open_data(flat / "l.csv", form="table").table is not None
    (flat / "l.csv").write_text(table(["photo", "species"], [f"x{n}" for n in NAMES], WORDS))
    assert open_data(flat / "l.csv").table is not None


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_row_number_of_pandas_is_no_class(name: str, flat: Path) -> None:
    (flat / "l.csv").write_text(table([name, "path"], range(30), NAMES))
    data = open_data(flat / "l.csv")
    assert data.labels is None and note(data, "no labels")


def test_a_list_with_backslashes(tmp_path: Path) -> None:
    names = [f"{c}/{i}.png" for c in "ab" for i in range(6)]
    root = pictures(tmp_path / "d", names)
    (root / "l.csv").write_text(
        table(["file", "label"], [n.replace("/", "\\") for n in names], [n[0] for n in names])
    )
    assert len(open_data(root / "l.csv")) == 12


def test_a_label_for_every_picture_is_no_class(flat: Path) -> None:
    (flat / "l.csv").write_text(table(["file", "label"], NAMES, range(30)))
    data = open_data(flat / "l.csv")
    assert data.labels is None and note(data, "30 classes for 30 pictures: are they?")


def test_what_is_odd_about_classes_is_a_note_and_a_warning(flat: Path) -> None:
    (flat / "l.csv").write_text(table(["file", "label"], NAMES, [i // 2 for i in range(30)]))
    words = "15 classes for 30 examples: are they?"
    assert note(open_data(flat / "l.csv"), words)
    seen = inspect_data(flat / "l.csv")
    assert any(words in text for text in seen.warnings) and str(seen).count(words) == 1


# --- zips and names ----------------------------------------------------------------------------


@pytest.mark.parametrize(("separator", "prefix"), [("\\", "pics\\"), ("/", "./"), ("\\", "top/")])
def test_names_in_a_zip(separator: str, prefix: str, tmp_path: Path) -> None:
    names = [f"c{c}/{i}.png" for c in range(2) for i in range(6)]
    data = open_data(zipped(pictures(tmp_path / "d", names), separator, prefix))
    assert data.spec.classes == ("c0", "c1") and len(data) == 12 and not data.skipped


def odd_folders(root: Path) -> Path:
    """The same word in Latin-1 and in UTF-8, bytes that are neither, and a line break."""
    for name in (b"caf\xe9", "café".encode(), b"\x81\x8d", b"new\nline"):
        folder = os.path.join(os.fsencode(root), name)  # noqa: PTH118 - bytes
        for i in range(8):
            picture(os.fsdecode(folder + b"/b\xfc%d.png" % i))
    return root


def test_names_that_are_no_text_are_readable_and_distinct(tmp_path: Path) -> None:
    try:
        data = open_data(odd_folders(tmp_path / "d"))
    except OSError:
        pytest.skip("this file system takes text only")
    assert len(data) == 32 and not data.skipped
    assert len(set(data.spec.classes)) == 4 and "café" in data.spec.classes
    names = [data.name_of(i) for i in range(32)]
    assert len(set(names)) == 32
    for text in (*data.spec.classes, *names):
        assert text.encode() and text.isprintable()


def test_a_path_that_is_no_text_is_found_by_its_shown_name(flat: Path, tmp_path: Path) -> None:
    for source, name in ((flat, b"r\xf6ot"), (zipped(flat), b"z\xf6.zip")):
        target = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))  # noqa: PTH118 - bytes
        shutil.move(source, target)
        data = open_data(target)
        assert data.source.encode() and data.name.encode()
        assert open_data(data.source).fingerprint == data.fingerprint


# --- split -------------------------------------------------------------------------------------


def test_every_class_trains(tmp_path: Path) -> None:
    names = [f"{c}/{i}.png" for c in range(20) for i in range(1 if c < 10 else 12)]
    data = open_data(pictures(tmp_path / "d", names), holdout=0.45)
    assert set(data.labels[data.train]) == set(range(20))
    assert len(data.heldout) > 10 and note(data, "would be held out")
    seen = inspect_data(tmp_path / "d", holdout=0.45)
    trained = np.bincount(data.labels[data.train])
    assert list(seen.trained.values()) == trained.tolist()
    assert "to train on" in str(seen)


def test_a_class_of_the_test_part_alone_is_dropped(tmp_path: Path) -> None:
    names = [*CLASSED, *(f"test/{c}/{i}.png" for c in "abd" for i in range(5))]
    data = open_data(pictures(tmp_path / "d", names))
    assert data.spec.classes == ("a", "b", "c") and len(data.heldout) == 10
    assert len(data.dropped) == 5 and note(data, "without a training picture are left out: d")


def test_a_class_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = pictures(tmp_path / "d", [f"{c}/{i}.png" for c in "abd" for i in range(6)])
    for file in (root / "d").iterdir():
        file.write_text("no picture")
    data = open_data(root)
    assert data.spec.classes == ("a", "b")
    assert note(data, "classes without a picture that can be read are left out: d")
