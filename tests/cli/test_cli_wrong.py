"""Wrong use and bad input: an exit code, one line on stderr, nothing on stdout, nothing left."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.cli.app import run

QUICK = ["--kimg", "0.03", "--set", "train.batch=4", "--recipe", "mlp-small"]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def refuses(tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused; returns its one line."""

    def check(*arguments: object, code: int = 2, notes: bool = False) -> str:
        before = tiny.tree(tmp_path)
        got = run([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert (got, out) == (code, ""), err
        assert tiny.tree(tmp_path) == before
        lines = err.splitlines()
        assert len(lines) == 1 or notes, err
        assert lines[-1].startswith("ganwright: error: ") and "Traceback" not in err
        return lines[-1].removeprefix("ganwright: error: ")

    return check


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian digits", "unknown command 'trian'; allowed: train, sample, .* 'train'"),
        ("train", "Missing argument"),
        ("train digits more", "unexpected extra argument"),
        ("train digits --kimgs 3", "No such option: --kimgs.*--kimg"),
        ("train digits --kimg", "--kimg.* requires an argument"),
        ("train digits --kimg many", "--kimg.*valid number.*; got 'many'"),
        ("train digits --kimg 0", "--kimg: kimg .*greater than 0; got 0"),
        ("train digits --kimg -1", "--kimg: kimg .*greater than 0; got -1"),
        ("train digits --kimg nan", "--kimg: kimg .*finite"),
        ("train digits --minutes inf", "--minutes: minutes .*finite"),
        ("train digits --seed 1.5", "--seed.*valid integer.*; got '1.5'"),
        ("train digits --seed=x", "--seed.*valid integer.*; got 'x'"),
        ("train digits --seed -1", "--seed: seed .*greater than or equal to 0"),
        ("train digits --device gpu", "--device: unknown device 'gpu'; allowed: auto, cpu"),
        ("train digits --device cuda:7", "--device: "),
        ("train digits --recipe dcgam", "unknown recipe 'dcgam'; allowed: .*mlp, .*'dcgan'"),
        ("train digits --recipe nowhere.toml", "'nowhere.toml' can't be read"),
        ("train digits --set train.batch", "--set: must read key.path=value; got 'train.batch'"),
        ("train digits --set =4", "--set: must read key.path=value"),
        ("train digits --set train.batsh=4", "unknown option 'train.batsh'; .*'train.batch'"),
        ("train digits --set train=4", "'train' is a group of options; allowed: train.batch"),
        ("train digits --set train.batch=0", "train.batch .*greater than or equal to 2; got 0"),
        ("train digits --set train.batch=some", "train.batch .*valid integer.*; got 'some'"),
        ("train digits --set train.batch=none", "train.batch .*valid integer"),
        ("train digits --set game.loss=hing", "game.loss can't be 'hing'; .*'hinge'"),
        ("train digits --set generator.kind=dcgam", "generator.kind can't be 'dcgam'.*'dcgan'"),
        ("train digits --set generator.kind=[1]", "generator"),
        ("train digits --set train.minutes=soon", "minutes .*valid number.*; got 'soon'"),
        ("train digits --set latent.dim=0", "latent.dim .*greater than or equal to 1"),
        ("train digits --set data.size=0", "size"),
        ("train digits --set data.size=8xa", "size .*should read 64 or 64x96"),
        ("train digits --set data.fit=corp", "fit can't be 'corp'.*'crop'"),
        ("train digits --set data.sise=8", "unknown option .*sise"),
        ("train digits --set data.size=2 --recipe dcgan", "sides of at least 4 pixels"),
        ("train digits --recipe wgan-gp --set discriminator.norm=batch", "gradient_penalty: needs"),
        ("train digits --recipe mlp --set game.loss=hinge", "hinge loss has no targets"),
        ("train digits --resume", "'runs/digits' is not a run folder"),
        ("train digits --resume --dry-run", "--dry-run: doesn't go with --resume"),
        ("train digit", "no file or folder 'digit'.*Did you mean 'digits'"),
        ("train /nowhere/at/all", "no file or folder '/nowhere/at/all'"),
        ("train s3://bucket/photos", "URLs can't be opened"),
        ("inspect /nowhere", "no file or folder '/nowhere'"),
        ("inspect ", "no data is given; allowed: a folder or zip"),
        ("inspect digits --set data.size=-1", "size"),
        ("inspect digits --set train.batch=4", "unknown option"),
        ("recipes dcgam", "unknown recipe 'dcgam'.*'dcgan'"),
        ("sample runs/none", "'runs/none' holds no model: there is no model.json in it"),
        ("sample /dev/null", "holds no model"),
    ],
)  # fmt: skip
def test_wrong_words(refuses: Callable[..., str], arguments: str, words: str) -> None:
    import re

    line = refuses(*arguments.split(" "))
    assert re.search(words, line), line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-n 0", "n: must be at least 1; got 0"),
        ("-n -3", "n: must be at least 1; got -3"),
        ("-n many", "--number.*valid integer.*; got 'many'"),
        ("--label seven", "label: no class 'seven'; allowed: 0, 1"),
        ("--truncation 2", "truncation: must lie between 0 and 1; got 2.0"),
        ("--format pgn --out x", "--format: can't be 'pgn'; allowed: png, npz, grid.*'png'"),
        ("--format npz --out x.png", "--format: 'npz' doesn't match 'x.png'"),
        ("--out x.jpg", "has no known suffix"),
        ("--out .", "exists and is not an empty folder|is a folder"),
        ("--out full", "'full' exists and is not an empty folder"),
        ("--out /dev/null/x", "'/dev/null/x' can't be written|can't be made"),
        ("--out /dev/null/x.npz", "'/dev/null/x.npz' can't be written"),
        ("--out full/file/x.png", "'full/file/x.png' can't be written"),
        ("--device tpu", "--device: unknown device 'tpu'"),
    ],
)
def test_wrong_samples(
    refuses: Callable[..., str], digits_run: Path, inside: Path, arguments: str, words: str
) -> None:
    import re

    (inside / "full").mkdir()
    (inside / "full" / "file").touch()
    line = refuses("sample", digits_run, *arguments.split(" "))
    assert re.search(words, line), line


def test_a_broken_model(refuses: Callable[..., str], digits_run: Path, inside: Path) -> None:
    import shutil

    shutil.copytree(digits_run, "run")
    path = inside / "run" / "best" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "is damaged" in refuses("sample", "run", "--out", "x.npz")


def test_an_existing_run(refuses: Callable[..., str], digits_run: Path, tiny: Any) -> None:
    before = tiny.tree(digits_run)
    line = refuses("train", "/not/even/looked/at", "--out", digits_run)
    assert line.endswith("exists: continue it with --resume, or name another with --out")
    line = refuses("train", "digits", "--out", digits_run, "--resume", "--set", "train.batch=99")
    assert "started with other options" in line
    assert tiny.tree(digits_run) == before


@pytest.mark.parametrize("out", ["/dev/null/run", "file/run", "file", "x" * 300])
def test_a_place_that_can_not_be_written(
    refuses: Callable[..., str], inside: Path, out: str
) -> None:
    (inside / "file").write_text("mine")
    line = refuses("train", "digits", *QUICK, "--out", out, notes=True)
    assert "can't be made" in line or "exists" in line, line


# --- bad data -----------------------------------------------------------------------------------


def picture(seed: int = 0, size: tuple[int, int] = (12, 12)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8))


def good(folder: Path, count: int = 8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        picture(i).save(folder / f"good{i}.png")
    return folder


def png_of_claimed_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def cut_jpeg() -> bytes:
    file = io.BytesIO()
    picture(size=(64, 64)).save(file, "JPEG")
    return file.getvalue()[:-900]


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def one(folder: Path) -> Path:
    return good(folder, 1)


def other_files(folder: Path) -> Path:
    (empty(folder) / "notes.txt").write_text("no pictures")
    return folder


def all_corrupt(folder: Path) -> Path:
    for i in range(3):
        (good(folder, 0) / f"{i}.png").write_bytes(b"not a picture")
    return folder


def bombs(folder: Path) -> Path:
    for i in range(2):
        (good(folder, 0) / f"{i}.png").write_bytes(png_of_claimed_size(60_000, 60_000))
    return folder


def nan(folder: Path) -> Path:
    path = folder.with_suffix(".npy")
    np.save(path, np.full((9, 8, 8), np.nan, np.float32))
    return path


def numbers_without_pictures(folder: Path) -> Path:
    path = folder.with_suffix(".npy")
    np.save(path, np.zeros(9))
    return path


def objects(folder: Path) -> Path:
    path = folder.with_suffix(".npy")
    np.save(path, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    return path


def unmatched_labels(folder: Path) -> Path:
    path = folder.with_suffix(".npz")
    np.savez(path, images=np.zeros((9, 8, 8), np.uint8), labels=np.zeros(7, np.int64))
    return path


def unmatched_idx(folder: Path) -> Path:
    empty(folder)
    images = struct.pack(">IIII", 0x803, 9, 8, 8) + bytes(9 * 64)
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 7) + bytes(7))
    return folder


def cut_zip(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    path.write_bytes(b"PK\x03\x04" + bytes(50))
    return path


def a_listing_of_nothing(folder: Path) -> Path:
    path = folder.with_suffix(".csv")
    path.write_text("file,label\nnowhere.png,a\nneither.png,b\n")
    return path


def a_single_picture(folder: Path) -> Path:
    return good(folder, 1) / "good0.png"


def refused_if_asked(folder: Path) -> Path:
    (good(folder) / "bad.png").write_text("text")
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, "contains no pictures"),
        (one, "has 1 usable example; at least 2 are needed"),
        (other_files, r"contains no pictures \(but 1 .txt\)"),
        (
            all_corrupt,
            "of 3 examples none can be read; the first: 0.png can't be read as a picture",
        ),
        (bombs, "of 2 examples none can be read; the first: 0.png has more than .* pixels"),
        (nan, "of 9 examples none can be read; .* NaN or infinity"),
        (numbers_without_pictures, ""),
        (objects, ""),
        (unmatched_labels, "7.*9|9.*7"),
        (unmatched_idx, "7.*9|9.*7"),
        (cut_zip, "can't be read as a zip"),
        (a_listing_of_nothing, "none can be read"),
        (a_single_picture, "is a single picture: give the folder it is in"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
@pytest.mark.parametrize("verb", ["train", "inspect"])
def test_bad_data(
    refuses: Callable[..., str], inside: Path, make: Callable[[Path], Path], words: str, verb: str
) -> None:
    import re

    data = make(inside / "data")
    line = refuses(verb, data, *(QUICK if verb == "train" else []))
    assert str(data) in line and re.search(words, line), line


def test_bad_data_refused_if_asked(refuses: Callable[..., str], inside: Path) -> None:
    data = refused_if_asked(inside / "data")
    line = refuses("train", data, *QUICK, "--set", "data.bad=refuse")
    assert "of 9 examples 1 can't be read; the first: bad.png can't be read as a picture" in line, (
        line
    )


@pytest.mark.parametrize("verb", ["train", "inspect"])
def test_bad_pictures_among_good_ones_are_skipped_counted_and_named(
    tiny: Any, inside: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    data = good(inside / "data", 30)
    picture(99, (40, 20)).convert("P").save(data / "palette.png")
    picture(98, (9, 30)).convert("L").save(data / "grey.png")
    (data / "bomb.png").write_bytes(png_of_claimed_size(60_000, 60_000))
    (data / "cut.jpg").write_bytes(cut_jpeg())
    (data / "text.png").write_text("I am text")
    (data / "empty.png").touch()
    (data / "readme.md").write_text("hello")
    arguments = [verb, str(data), *([*QUICK, "--out", "run"] if verb == "train" else [])]
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    shown = err if verb == "train" else out
    for name in ("bomb.png", "cut.jpg", "text.png", "empty.png"):
        assert name in shown, shown
    if verb == "train":
        assert (
            "warning: skipped 4 of 36 examples, which can't be used" in shown
            and "good" not in shown
        )
    else:
        assert "32 usable of 36" in shown and ".md: 1" in shown


# --- the process itself -------------------------------------------------------------------------


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("ganwright")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_real_command_refuses_in_one_line() -> None:
    done = shell("sample", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ganwright: error: 'nowhere' holds no model: there is no model.json in it\n"
    )


def test_debug_shows_where_an_error_comes_from() -> None:
    done = shell("recipes", "dcgam", "--debug")
    assert done.returncode != 0 and done.stdout == ""
    assert "Traceback" in done.stderr and "UnknownName" in done.stderr


def too_much() -> RuntimeError:
    """What torch really says when it is asked for an exabyte."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58)
    return caught.value


def test_failures_while_working_are_one_line(
    tiny: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganwright.train import run as runs

    for error, words in (
        (
            OSError(28, "No space left on device", "run/log.jsonl"),
            "No space left on device ('run/lo",
        ),
        (MemoryError(), "out of memory; a smaller train.batch"),
        (too_much(), "out of memory; a smaller train.batch"),
    ):

        def fail(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(runs, "begin", fail)
        assert run(["train", "digits", *QUICK]) == 1
        out, err = capsys.readouterr()
        assert out == "" and words in err.splitlines()[-1] and "Traceback" not in err


def test_diverging_is_three_and_the_good_model_is_kept(
    tiny: Any, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = [
        f"--set={p}_optimiser.{w}"
        for p in ("generator", "discriminator")
        for w in ("rate=1e6", "kind=sgd")
    ]
    assert run(["train", "digits", *QUICK, "--out", "run", *wild, "--set=train.repairs=1"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert err.splitlines()[-1].startswith("ganwright: error: training diverged at ")
    assert "warning: diverged at" in err
    assert run(["sample", "run", "--out", "x.npz", "-n", "2"]) == 0
