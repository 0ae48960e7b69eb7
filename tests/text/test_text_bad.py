"""Text that can't be used: one line that says why, exit code 2, and nothing is written."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ganwright as gw
from ganwright.modalities.text import read

SENTENCES = "".join(f"a {c} {n} waits here\n" for c in ("red", "old") for n in range(40)).encode()

BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.txt", b"", "is empty"),
    "blank": ("a.txt", b"\n \n\n", "is empty"),
    "one word": ("a.txt", b"hello", "contains 1 text only, 1 time; at least 2 different ones"),
    "one sentence": ("a.txt", b"a red bus\n" * 30, "contains 1 text only, 30 times"),
    "not UTF-8": (
        "a.txt",
        b"caf\xe9 one\nna\xefve two\nth\xe9 three\n",
        "line 1 is not UTF-8: byte 0xe9 at 3",
    ),
    "UTF-16": ("a.txt", "a red bus\nan old car\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "binary": ("a.txt", bytes(range(256)) * 9, "contains binary data"),
    "no gzip": ("a.txt.gz", SENTENCES, "can't be read"),
    "cut gzip": ("a.txt.gz", gzip.compress(SENTENCES)[:60], "can't be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_text_is_one_line(run, tmp_path: Path, name: str) -> None:
    file, content, told = BAD[name]
    (tmp_path / file).write_bytes(content)
    for verb in (["inspect"], ["train", "--kimg", "1", "--out", tmp_path / "run"]):
        code, _, error = run(verb[0], tmp_path / file, *verb[1:])
        assert code == 2 and told in error and len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_lines_that_are_not_utf_8_are_named_by_their_byte(run, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(SENTENCES + b"a caf\xe9 here\n")
    code, told, _ = run("inspect", path)
    assert code == 0 and f"line 81 is not UTF-8: byte 0xe9 at {len(SENTENCES) + 5:,}" in told
    code, _, error = run("inspect", path, "--set", "data.bad=refuse")
    assert code == 2 and "line 81 is not UTF-8" in error


def test_running_text_that_is_not_utf_8_is_named_by_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(("Größe und Maß. " * 9000).encode() + b"caf\xe9 " + b"ja, das. " * 50)
    data = gw.open_data(path)
    at = len(("Größe und Maß. " * 9000).encode()) + 3
    assert [one.reason for one in data.skipped] == [f"is not UTF-8: byte 0xe9 at {at:,}"]
    assert "caf ja" in "".join(data.examples(np.arange(len(data))))


def test_a_line_of_a_gigabyte_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, made = 1 << 30, 0

    def endless(path: Path) -> Iterator[tuple[bool, int, bytes]]:
        nonlocal made
        for at in range(0, size, read.PIECE):
            made += read.PIECE
            yield at == 0, at, b"one more word " * (read.PIECE // 14)

    monkeypatch.setattr(read, "_pieces", endless)
    tracemalloc.start()
    cut = read.Cutter("characters", 64)
    windows = read.windows(read.stream(tmp_path, read.Seen([])), cut)
    for _ in range(5000):
        next(windows)
    lines = read.lines(tmp_path, seen := read.Seen([]))
    assert len(next(lines)) <= read.PIECE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20 and made < 20 << 20 and not seen.skipped


def test_columns_that_are_not_there(run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("caption,kind\na red bus,x\nan old car,y\n", encoding="utf-8")
    code, _, error = run("inspect", path, "--set", "data.text.column=captoin")
    assert (
        code == 2
        and "no column 'captoin'; allowed: caption, kind. Did you mean 'caption'?" in error
    )
    code, _, error = run("inspect", path, "--set", "data.form=text")
    assert code == 2 and "name the one that holds the texts" in error


def test_a_folder_of_texts_is_counts_unless_text_is_asked_for(run, tmp_path: Path) -> None:
    for kind in ("ham", "spam"):
        (tmp_path / "mails" / kind).mkdir(parents=True)
        for i in range(20):
            text = f"a mail of {kind} with the number {i} in it"
            (tmp_path / "mails" / kind / f"{i}.txt").write_text(text, encoding="utf-8")
    code, told, _ = run("inspect", tmp_path / "mails")
    assert code == 0 and "data.form=text learns the texts themselves" in told
    code, told, _ = run("inspect", tmp_path / "mails", "--set", "data.form=text")
    assert (
        code == 0 and "ham: 20, spam: 20" in told and "data.form=counts counts their words" in told
    )


def test_a_txt_with_columns_is_a_table_and_prose_is_not(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\tb\n" + "1\t2\n3\t5\n" * 20, encoding="utf-8")
    (tmp_path / "p.txt").write_text(
        "\n".join(f"well, {i}, a red bus" + ", ja" * (i % 3) for i in range(50)), encoding="utf-8"
    )
    assert gw.open_data(tmp_path / "t.txt").codec.kind == "table"
    assert gw.open_data(tmp_path / "p.txt").codec.kind == "text"
    assert gw.open_data(tmp_path / "t.txt", form="text").codec.kind == "text"


@pytest.mark.parametrize(
    ("lines", "units"),
    [
        ([f"a {c} bus number {i % 7} waits" for i in range(60) for c in ("red", "old")], "words"),
        ([f"我有{i % 7}本红色的书和{i % 5}只猫" for i in range(80)], "words"),
        ([f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrs"], "characters"),
        (["".join(chr(0x4E00 + 40 * i + j) for j in range(9)) for i in range(200)], "bytes"),
    ],
)
def test_units_follow_from_the_text(tmp_path: Path, lines: list[str], units: str) -> None:
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    data = gw.open_data(tmp_path / "a.txt")
    assert data.codec.units == units
    for i in data.train[:50]:
        (text,) = data.examples(np.array([i]))
        row = data[i]
        if 1 not in row and len(data.codec.cut(text)) <= data.codec.length:
            assert data.codec.text(row.tolist()) == text
