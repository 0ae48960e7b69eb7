"""Every kind of data opens to the same thing; anything else is one line that says what to do."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.base.errors import DataError, OptionError
from ganwright.data import Dataset, open_data
from ganwright.data.writers import writer_for
from ganwright.modalities.images.options import ImageOptions

GREY = np.random.default_rng(1).integers(0, 256, (24, 6, 5), np.uint8)
NUMBERS = np.arange(24) % 3


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write_folder(at: Path) -> Path:
    for i, picture in enumerate(GREY):
        (at / "d" / str(NUMBERS[i])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(at / "d" / str(NUMBERS[i]) / f"{i:02}.png")
    return at / "d"


def write_zip(at: Path) -> Path:
    with zipfile.ZipFile(at / "d.zip", "w") as archive:
        for file in write_folder(at).rglob("*.png"):
            archive.write(file, "top/" + str(file.relative_to(at / "d")))
    return at / "d.zip"


def write_npz(at: Path) -> Path:
    np.savez(at / "d.npz", images=GREY, labels=NUMBERS)
    return at / "d.npz"


def write_packed_npz(at: Path) -> Path:
    np.savez_compressed(at / "d.npz", x=GREY[..., None], y=NUMBERS[:, None].astype(float))
    return at / "d.npz"


def write_fortran_npz(at: Path) -> Path:
    np.savez(at / "d.npz", X=np.asfortranarray(GREY), y=NUMBERS.astype(str))
    return at / "d.npz"


def write_idx(at: Path) -> Path:
    (at / "train-images-idx3-ubyte").write_bytes(idx(GREY))
    (at / "train-labels-idx1-ubyte").write_bytes(idx(NUMBERS.astype(np.uint8)))
    return at / "train-images-idx3-ubyte"


def write_idx_gz(at: Path) -> Path:
    (at / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY)))
    (at / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(NUMBERS.astype(np.uint8))))
    return at / "train-images-idx3-ubyte.gz"


def write_csv(at: Path) -> Path:
    write_folder(at)
    rows = [f"{n},d/{n}/{i:02}.png" for i, n in enumerate(NUMBERS)]
    (at / "d.csv").write_text("class,Path\n" + "\n".join(rows) + "\n")
    return at / "d.csv"


WRITERS = [
    write_folder, write_zip, write_npz, write_packed_npz, write_fortran_npz, write_idx, write_idx_gz,
    write_csv,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS)
def test_every_kind_opens_to_the_same(write, tmp_path: Path) -> None:
    data = open_data(write(tmp_path))
    order = np.argsort(data.hashes)
    pixels = {(d.tobytes(), int(n)) for d, n in zip(data, data.labels, strict=True)}
    assert pixels == {(g.tobytes(), int(n)) for g, n in zip(GREY, NUMBERS, strict=True)}
    assert (data.rows.shape, data.rows.dtype) == ((24, 6, 5, 1), np.uint8)
    assert data.spec.classes == ("0", "1", "2")
    assert data.spec.shape == (1, 6, 5)
    assert data.spec.axes == ("channel", "height", "width")
    assert data.labels.dtype == np.int64
    assert sorted([*data.train, *data.heldout]) == list(range(24))
    same = open_data(write_npz(tmp_path))
    assert (data.hashes[order] == np.sort(same.hashes)).all()


def test_digits() -> None:
    data = open_data("digits")
    assert len(data) == 1797
    assert data.name == data.source == "digits"
    assert (data[0].min(), data[0].max(), data[0].shape) == (0, 239, (8, 8, 1))  # 15 of 16
    assert data.spec.classes == tuple("0123456789")
    assert data.fingerprint == open_data("digits").fingerprint
    assert len(data.fingerprint) == 16
    assert "1,797 of 8×8×1 uint8" in repr(data)


def test_batch_copies_rows_and_labels() -> None:
    data = open_data("digits")
    stored, labels = data.batch(np.array([3, 1]))
    assert (
        stored.shape == (2, 8, 8, 1) and stored.dtype == torch.uint8 and labels.tolist() == [3, 1]
    )
    before = data[3].copy()
    stored.zero_()
    assert (data[3] == before).all()
    assert open_data("digits", labels=False).batch(np.array([0]))[1] is None


def test_resolved_options_open_the_same_again(pictures) -> None:
    folder = pictures("a", 9, size=(190, 130))
    data = open_data(folder, fit="pad")
    assert data.options.of(ImageOptions).size == (64, 44)
    assert data.options.of(ImageOptions).channels == 3
    assert open_data(folder, options=data.options).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("size", "expected"), [(16, (16, 16)), ("16", (16, 16)), ("16x8", (16, 8)), ((8, 16), (8, 16))]
)
def test_size_is_read(size, expected) -> None:
    assert open_data("digits", size=size).rows.shape[1:3] == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": "8y"}, "data: image.size should read 64 or 64x96 (height x width); got '8y'"),
        ({"size": 0}, "size.0"),
        ({"holdout": 0.5}, "data: holdout should be less than 0.5; got 0.5"),
        ({"fit": "crpo"}, "Did you mean 'crop'?"),
        ({"sise": 8}, "sise"),
    ],
)
def test_wrong_settings(settings, words: str) -> None:
    with pytest.raises(OptionError) as error:
        open_data("digits", **settings)
    assert words in str(error.value)


# --- folders -----------------------------------------------------------------------------------


def test_derived_size_is_the_median_aspect(pictures) -> None:
    pictures("a", 3, size=(200, 100))
    data = open_data(pictures("a", 2, size=(40, 40), suffix="bmp"))
    assert data.rows.shape[1:] == (64, 32, 3)
    assert any("64×32" in note for note in data.notes)


def test_small_sizes_keep_their_median(pictures) -> None:
    pictures("a", 3, size=(20, 20))
    assert open_data(pictures("a", 2, size=(10, 20), suffix="bmp")).rows.shape[1:3] == (20, 20)


def test_one_size_up_to_128_is_kept(pictures) -> None:
    assert open_data(pictures("a", 3, size=(128, 30))).rows.shape[1:3] == (128, 30)
    assert open_data(pictures("b", 3, size=(129, 129))).rows.shape[1:3] == (64, 64)


def test_folder_rules(pictures, tmp_path: Path) -> None:
    pictures("a/class 10", 3)
    pictures("a/class 9/deep", 3, seed=1)
    pictures("a/.hidden", 3)
    root = tmp_path / "in" / "a"
    (root / "class 9" / "notes.txt").write_text("x")
    (root / "class 9" / "Thumbs.db").write_text("x")
    data = open_data(root)
    assert data.spec.classes == ("class 9", "class 10")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.ignored == {".db": 1, ".txt": 1}
    assert data.name == "a"


def test_mixed_depth_has_no_labels(pictures, tmp_path: Path) -> None:
    pictures("a/x", 2)
    pictures("a/y", 2, seed=1)
    data = open_data(pictures("a", 2, seed=2))
    assert data.labels is None
    assert "no labels: some pictures lie outside the folders" in data.notes


def test_one_class_is_none(pictures, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=GREY, y=np.zeros(24))
    data = open_data(tmp_path / "d.npz")
    assert data.labels is None and data.spec.classes == ()


def test_official_split_drops_what_stands_on_both_sides(pictures, tmp_path: Path) -> None:
    pictures("a/train/x", 3)
    pictures("a/train/y", 3, seed=1)
    pictures("a/Test/x", 3, seed=2)
    shutil.copy(tmp_path / "in/a/train/y/0.png", tmp_path / "in/a/Test/x/again.png")
    data = open_data(tmp_path / "in" / "a")
    assert len(data.train) == 6 and len(data.heldout) == 3 and len(data.dropped) == 1
    assert data.name_of(data.dropped[0]) == "Test/x/again.png"
    assert data.spec.classes == ("x", "y")
    assert "1 test examples are also in training: left out" in data.notes


def test_keras_npz_is_an_official_split(tmp_path: Path) -> None:
    y = NUMBERS
    np.savez(tmp_path / "d.npz", x_train=GREY[:20], y_train=y[:20], x_test=GREY[20:], y_test=y[20:])
    data = open_data(tmp_path / "d.npz")
    assert data.train.tolist() == list(range(20)) and data.heldout.tolist() == [20, 21, 22, 23]
    assert data.name_of(21) == "x_test[1]"


def test_mnist_folder(tmp_path: Path) -> None:
    write_idx_gz(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(GREY[:4] ^ 1))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(NUMBERS[:4].astype(np.uint8)))
    data = open_data(tmp_path)
    assert data.heldout.tolist() == [24, 25, 26, 27] and data.labels[24:].tolist() == [0, 1, 2, 0]


def test_loops_of_links_end(pictures) -> None:
    folder = pictures("a/x", 3)
    pictures("a/y", 3, seed=1)
    (folder / "up").symlink_to(folder.parent)
    (folder / "self").symlink_to(folder / "self")
    assert len(open_data(folder.parent)) == 6


# --- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "shape", "dtype"),
    [
        (np.ones((4, 3, 6, 5), np.uint8), (6, 5, 3), "uint8"),
        (np.ones((4, 6, 5, 2), np.uint8), (6, 5, 2), "uint8"),
        (np.ones((4, 6, 5), bool), (6, 5, 1), "uint8"),
        (np.full((4, 6, 5), 255, np.int64), (6, 5, 1), "uint8"),
        (np.full((4, 6, 5), 256, np.int32), (6, 5, 1), "uint16"),
        (np.full((4, 6, 5), -1, np.int32), (6, 5, 1), "float32"),
        (np.full((4, 6, 5), 65536, np.uint32), (6, 5, 1), "float32"),
        (np.full((4, 6, 5), 0.5, np.float64), (6, 5, 1), "float32"),
        (np.full((4, 6, 5), 7, ">u2"), (6, 5, 1), "uint16"),
    ],
)
def test_array_types(array: np.ndarray, shape, dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", array)
    data = open_data(tmp_path / "d.npy")
    assert data.rows.shape[1:] == shape and data.rows.dtype == dtype == data.codec.dtype
    assert data[0].flat[0] == (255 if array.dtype == bool else array.flat[0])


def test_float_range_is_of_the_training_part(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.random.default_rng(0).normal(size=(50, 4, 4)))
    data = open_data(tmp_path / "d.npy", holdout=0.4)
    assert len(data.heldout) > 5
    assert (
        data.codec.low == data.rows[data.train].min()
        and data.codec.high == data.rows[data.train].max()
    )


def test_nan_images_are_skipped_by_index(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((9, 4, 4))
    array[2, 1, 1], array[5, 0, 0], array[6, 0, 0] = np.nan, np.inf, 1e300
    np.savez(tmp_path / "d.npz", x=array, y=np.arange(9) % 3)
    data = open_data(tmp_path / "d.npz")
    assert [s.name for s in data.skipped] == ["x[2]", "x[5]", "x[6]"]
    assert {s.reason for s in data.skipped} == {"contains NaN or infinity"}
    assert data.labels.tolist() == [0, 1, 0, 1, 1, 2]
    with pytest.raises(
        DataError, match=r"of 9 examples 3 can't be read; the first: x\[2\] contains NaN"
    ):
        open_data(tmp_path / "d.npz", bad="refuse")


def test_plain_array_bad_shapes(tmp_path: Path) -> None:
    for array in (
        np.ones((4, 5)),
        np.ones((4, 7, 8, 9)),
        np.ones((4, 0, 8)),
        np.full((3, 2, 2), "a"),
    ):
        np.save(tmp_path / "d.npy", array)
        with pytest.raises(DataError, match=r"d\.npy'.*(shape|not numbers)"):
            open_data(tmp_path / "d.npy")


# --- what can't be opened ----------------------------------------------------------------------


def bad_inputs(at: Path) -> dict[str, tuple[str, str]]:
    """Name → (path, words of the one line)."""
    (at / "empty").mkdir()
    (at / "texts").mkdir()
    (at / "texts" / "a.txt").write_text("x")
    (at / "one").mkdir()
    Image.fromarray(GREY[0]).save(at / "one" / "a.png")
    (at / "broken").mkdir()
    (at / "broken" / "a.png").write_text("no picture")
    (at / "broken" / "b.png").write_bytes(b"")
    (at / "bad.zip").write_text("PK no")
    (at / "bad.npy").write_text("no")
    np.save(at / "objects.npy", np.array([{}, 1], object), allow_pickle=True)
    np.savez(at / "names.npz", weights=GREY, bias=GREY)
    np.savez(at / "counts.npz", x=GREY, y=np.arange(5))
    np.savez(at / "halves.npz", x=GREY, y=np.arange(24) / 2)
    np.savez(at / "onehot.npz", x=GREY, y=np.eye(24))
    (at / "cut-images-idx3-ubyte").write_bytes(idx(GREY)[:-1])
    (at / "cut-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY))[:-40])
    (at / "table.csv").write_text("a,b\n1,2\n")
    (at / "half.csv").write_text("file,label\na.png,x\nb.png,\n")
    (at / "notes.md").write_text("x")
    return {
        "nothing": ("/no/such", "no file or folder '/no/such'"),
        "mistyped": ("digts", "Did you mean 'digits'?"),
        "address": ("s3://a/b", "'s3://a/b': URLs can't be opened"),
        "empty": ("empty", "contains no pictures"),
        "texts": ("texts", "contains no pictures (but 1 .txt)"),
        "one": ("one", "has 1 usable example; at least 2 are needed"),
        "broken": (
            "broken",
            "of 2 examples none can be read; the first: a.png can't be read as a picture",
        ),
        "zip": ("bad.zip", "can't be read as a zip"),
        "npy": ("bad.npy", "can't be read as an array"),
        "objects": ("objects.npy", "contains Python objects, which are never loaded"),
        "names": ("names.npz", "has the arrays weights, bias; images are looked for as images"),
        "counts": ("counts.npz", "has 5 labels, but"),
        "halves": ("halves.npz", "labels that are not whole"),
        "onehot": ("onehot.npz", "labels are one per image"),
        "idx": ("cut-images-idx3-ubyte", "is truncated"),
        "idx.gz": ("cut-images-idx3-ubyte.gz", "is damaged"),
        "table": ("table.csv", "has one usable row; at least 2 are needed"),
        "half": ("half.csv", "'b.png' has no label"),
        "markdown": (
            "notes.md",
            "is not a known kind of data; allowed: a folder or zip of",
        ),
        "picture": ("one/a.png", "is a single picture: give the folder it is in"),
    }


NAMES = "nothing mistyped address empty texts one broken zip npy objects names counts halves onehot idx idx.gz table half markdown picture"  # noqa: E501


@pytest.mark.parametrize("name", NAMES.split())
def test_what_cannot_be_opened_is_one_line(name: str, tmp_path: Path) -> None:
    path, words = bad_inputs(tmp_path)[name]
    given = str(tmp_path / path) if (tmp_path / path).exists() else path
    with pytest.raises(DataError) as error:
        open_data(given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_files_are_named_and_skipped(pictures, tmp_path: Path) -> None:
    folder = pictures("a", 4, size=(40, 40), suffix="jpg")
    whole = (folder / "0.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "head.jpg").write_bytes(whole[:30])
    (folder / "text.png").write_text("hello")
    (folder / "zero.gif").write_bytes(b"")
    (folder / "dangling.png").symlink_to(tmp_path / "nowhere")
    Image.new("1", (20000, 20000)).save(folder / "bomb.png")
    data = open_data(folder)
    reasons = {s.name: s.reason for s in data.skipped}
    assert set(reasons) == {
        "bomb.png",
        "cut.jpg",
        "dangling.png",
        "head.jpg",
        "text.png",
        "zero.gif",
    }
    assert "has more than 89,478,485 pixels" in reasons["bomb.png"]
    assert "truncated" in reasons["cut.jpg"]
    assert reasons["text.png"] == "can't be read as a picture"
    assert reasons["zero.gif"] == "is empty"
    assert reasons["dangling.png"] == "can't be opened: No such file or directory"
    assert len(data) == 4 and len(data.hashes) == 4 and data.name_of(3) == "3.jpg"
    assert open_data(folder).skipped == data.skipped  # from the cache too
    with pytest.raises(DataError, match="of 10 examples 5 can't be read; the first: bomb"):
        open_data(folder, bad="refuse")


def test_zip_bombs_and_damaged_members_are_skipped(pictures, tmp_path: Path) -> None:
    folder = pictures("a", 3)
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
        with archive.open("z.png", "w", force_zip64=True) as member:
            for _ in range(257):
                member.write(bytes(1 << 20))
    raw = bytearray((tmp_path / "d.zip").read_bytes())
    raw[60] ^= 255  # inside the first picture
    (tmp_path / "d.zip").write_bytes(raw)
    data = open_data(tmp_path / "d.zip")
    assert len(data) == 2 and len(data.skipped) == 2
    assert "unpacks to more than 256 MiB" in data.skipped[-1].reason


def test_no_permission_is_one_line(pictures) -> None:
    folder = pictures("a", 3)
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder.chmod(0)
    with pytest.raises(DataError, match="can't be read: Permission denied"):
        open_data(folder)
    folder.chmod(0o700)


def test_the_face_is_explicit_and_light() -> None:
    import ganwright.data as data

    assert all(name in vars(data) for name in data.__all__) and data.__all__ == sorted(data.__all__)
    code = "import sys, ganwright.data; print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_damaged_archives_never_show_a_traceback(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for write in (write_packed_npz, write_zip, write_idx_gz):
        whole = write(tmp_path).read_bytes()
        broken = tmp_path / f"broken{write(tmp_path).suffix}"
        for _ in range(40):
            raw = bytearray(whole)
            for at in rng.integers(0, len(raw), 3):
                raw[at] = rng.integers(0, 256)
            broken.write_bytes(raw)
            with contextlib.suppress(DataError):
                open_data(broken)


def test_written_samples_open_as_data(tmp_path: Path) -> None:
    data: Dataset = open_data("digits")
    with writer_for(data.codec, tmp_path / "out", "png", 20, data.spec.classes) as writer:
        writer.add(data.rows[:20], data.labels[:20], 7)
    again = open_data(tmp_path / "out" / "samples.csv")
    assert (again.rows == data.rows[:20]).all() and (again.labels == data.labels[:20]).all()
    assert open_data(tmp_path / "out").ignored == {".csv": 1}
