"""Files of rows as people have them, through the command line: nothing that was there changes."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganwright.cli.app import run

ROWS = 300
SMALL = [
    "--set",
    "generator.width=32",
    "--set",
    "discriminator.width=32",
    "--set",
    "train.batch=64",
]
Capture = pytest.CaptureFixture[str]
Cell = Callable[[np.random.Generator], str]


def grouped(value: float, decimals: int = 0) -> str:
    return f"{value:,.{decimals}f}"


def european(value: float, decimals: int = 2) -> str:
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def day(rng: np.random.Generator, form: str) -> str:
    moment = np.datetime64("1997-01-01T00:00:00") + rng.integers(0, 3 * 10**8)
    return str(moment.item().strftime(form))


def bare(rng: np.random.Generator, form: str) -> str:
    """Without zeros in front of days, months and hours."""
    return re.sub(r"\b0(\d[/:])", r"\1", day(rng, form))


def money(rng: np.random.Generator) -> float:
    return float(rng.lognormal(7, 1))


# name: (a cell, what cells of that form look like)
CELLS: dict[str, tuple[Cell, str]] = {
    "thousands": (lambda r: grouped(r.lognormal(9, 2)), r"\d{1,3}(,\d{3})*"),
    "millions": (lambda r: grouped(r.integers(10**6, 10**7)), r"\d,\d{3},\d{3}"),
    "dollars": (lambda r: f"${grouped(money(r), 2)}", r"\$\d{1,3}(,\d{3})*\.\d\d"),
    "minus": (lambda r: f"-${money(r):.2f}" if r.random() < 0.4 else f"${money(r):.2f}", r"-?\$\d+\.\d\d"),
    "booked": (
        lambda r: f"(${money(r):.2f})" if r.random() < 0.4 else f"${money(r):.2f}",
        r"\(\$\d+\.\d\d\)|\$\d+\.\d\d",
    ),
    "euros": (lambda r: f"€ {european(money(r))}", r"€ \d{1,3}(\.\d{3})*,\d\d"),
    "behind": (lambda r: f"{european(money(r))} €", r"\d{1,3}(\.\d{3})*,\d\d €"),
    "code": (lambda r: f"USD {grouped(money(r), 2)}", r"USD \d{1,3}(,\d{3})*\.\d\d"),
    "yen": (lambda r: f"¥{grouped(money(r))}", r"¥\d{1,3}(,\d{3})*"),
    "percent": (lambda r: f"{r.integers(0, 100)}%", r"\d{1,2}%"),
    "spaced": (lambda r: f"{r.integers(0, 100)} %", r"\d{1,2} %"),
    "tenths": (lambda r: f"{100 * r.random():.1f}%", r"\d{1,2}\.\d%"),
    "short": (lambda r: bare(r, "%m/%d/%y"), r"\d{1,2}/\d{1,2}/(9[789]|0\d)"),
    "named": (lambda r: day(r, "%d-%b-%Y"), r"\d\d-[A-Z][a-z]{2}-(199|200)\d"),
    "long": (lambda r: day(r, "%B %d, %Y"), r"[A-Z][a-z]+ \d\d, (199|200)\d"),
    "halves": (lambda r: bare(r, "%m/%d/%y %I:%M %p"), r"\d{1,2}/\d{1,2}/\d\d \d{1,2}:\d\d [AP]M"),
    "utc": (lambda r: day(r, "%Y-%m-%d %H:%M:%S UTC"), r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"),
    "offset": (lambda r: day(r, "%Y-%m-%dT%H:%M:%S+02:00"), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+02:00"),
    "offsets": (
        lambda r: day(r, "%Y-%m-%dT%H:%M:%S") + ("+01:00" if r.random() < 0.5 else "-05:00"),
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\+01:00|-05:00)",
    ),
    "zulu": (lambda r: day(r, "%Y-%m-%dT%H:%M:%SZ"), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "tee": (lambda r: day(r, "%Y-%m-%dT%H:%M:%S"), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
    "minutes": (lambda r: day(r, "%Y-%m-%d %H:%M"), r"\d{4}-\d\d-\d\d \d\d:\d\d"),
    "packed": (
        lambda r: "99991231" if r.random() < 0.05 else "0" if r.random() < 0.05 else day(r, "%Y%m%d"),
        r"(199|200)\d(0[1-9]|1[0-2])([0-2]\d|3[01])|99991231|0",
    ),
    "never": (
        lambda r: "9999-12-31" if r.random() < 0.05 else day(r, "%Y-%m-%d"),
        r"(199|200)\d-\d\d-\d\d|9999-12-31",
    ),
    "zeros": (
        lambda r: "0000-00-00" if r.random() < 0.05 else day(r, "%Y-%m-%d"),
        r"(199|200)\d-\d\d-\d\d|0000-00-00",
    ),
    "endless": (lambda r: "inf" if r.random() < 0.05 else f"{r.normal(5, 1):.2f}", r"inf|-?\d\.\d\d"),
}  # fmt: skip


def written(path: Path, names: list[str], *, holes: float = 0.0, delimiter: str = ",") -> str:
    rng = np.random.default_rng(0)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([*names, "colour"])
    for i in range(ROWS):
        cells = [CELLS[name][0](rng) for name in names]
        cells = ["" if rng.random() < holes else cell for cell in cells]
        writer.writerow([*cells, ["red", "green", "blue"][i % 3]])
    path.write_bytes(buffer.getvalue().encode())
    return buffer.getvalue()


def read(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a table of all forms, and a run on it."""
    folder = tmp_path_factory.mktemp("rows")
    text = written(folder / "all.csv", list(CELLS), holes=0.03)
    arguments = ["train", str(folder / "all.csv"), "--out", str(folder / "run"), "--kimg", "1"]
    assert run([*arguments, *SMALL, "--set", "train.score_features=off"]) == 0
    return folder, text


@pytest.fixture()
def folder(trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained[0])
    return trained[0]


def test_samples_are_in_the_form_of_the_file(folder: Path) -> None:
    assert run(["sample", "run", "-n", "200", "--out", "new.csv"]) == 0
    rows = read(Path("new.csv"))
    for name, (_, form) in CELLS.items():
        wrong = {row[name] for row in rows if row[name] and not re.fullmatch(form, row[name])}
        assert not wrong, name
        assert sum(bool(row[name]) for row in rows) > 150, name


def test_augment_leaves_the_real_rows_to_the_byte(folder: Path, trained: tuple[Path, str]) -> None:
    assert run(["augment", "run", "all.csv", "-n", "50", "--out", "grown.csv"]) == 0
    lines = Path("grown.csv").read_bytes().decode().split("\r\n")
    assert lines[0].endswith(",synthetic") and len(lines) == ROWS + 52 and not lines[-1]
    real = [line.removesuffix(",false") for line in lines[1 : ROWS + 1]]
    assert real == trained[1].split("\r\n")[1:-1]
    made = read(Path("grown.csv"))[ROWS:]
    assert len(made) == 50 and all(row["synthetic"] == "true" for row in made)
    for name, (_, form) in CELLS.items():
        assert all(re.fullmatch(form, row[name]) for row in made if row[name]), name


def test_fill_changes_holes_alone_and_keeps_the_form(folder: Path) -> None:
    assert run(["fill", "run", "all.csv", "--out", "full.csv"]) == 0
    before, after = read(Path("all.csv")), read(Path("full.csv"))
    assert len(before) == len(after)
    for name, (_, form) in CELLS.items():
        for old, new in zip(before, after, strict=True):
            if old[name]:
                assert new[name] == old[name]
            else:
                assert re.fullmatch(form, new[name]), (name, new[name])


@pytest.mark.parametrize(
    ("where", "name", "low", "high"),
    [
        ("thousands=1,000..5,000", "thousands", 1000, 5000),
        ("dollars=$1,000..$2,000", "dollars", 1000, 2000),
        ("dollars>=1500, colour=red", "dollars", 1500, 1e9),
        ("percent=20%..30%", "percent", 20, 30),
        ("minus<0", "minus", -1e9, -0.001),
    ],
)
def test_conditions_on_numbers_in_a_form(
    folder: Path, where: str, name: str, low: float, high: float
) -> None:
    assert run(["sample", "run", "-n", "40", "--where", where, "--out", "some.csv"]) == 0
    values = [float(re.sub(r"[$,%]", "", row[name])) for row in read(Path("some.csv"))]
    assert all(low <= value <= high for value in values)


@pytest.mark.parametrize(
    ("where", "name", "form"),
    [
        ("short=3/1/99..3/31/99", "short", r"3/\d+/99"),
        ("named=08-Dec-2003", "named", "08-Dec-2003"),
        ("halves=6/1/99 12:00 AM..6/30/99 11:59 PM", "halves", r"6/\d+/99 .*"),
        ("zulu=1999", "zulu", r"1999-.*Z"),
        ("packed=19990101..19991231", "packed", r"1999\d{4}"),
        ("packed=99991231", "packed", "99991231"),
        ("packed=0", "packed", "0"),
        ("never=9999-12-31", "never", "9999-12-31"),
        ("zeros=0000-00-00", "zeros", "0000-00-00"),
        ("endless=inf", "endless", "inf"),
        ("endless>5", "endless", r"inf|[5-9]\.\d+"),
        ("endless=3..6", "endless", r"[3-6](\.\d+)?"),
    ],
)
def test_conditions_on_dates_and_on_values_of_their_own(
    folder: Path, where: str, name: str, form: str
) -> None:
    assert run(["sample", "run", "-n", "40", "--where", where, "--out", "some.csv"]) == 0
    assert all(re.fullmatch(form, row[name]) for row in read(Path("some.csv")))


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "zip"])
def test_every_packing_is_read_and_written(folder: Path, packing: str, capsys: Capture) -> None:
    out = f"new.csv.{packing}"
    assert run(["sample", "run", "-n", "30", "--seed", "4", "--out", out]) == 0
    assert run(["sample", "run", "-n", "30", "--seed", "4", "--out", "plain.csv"]) == 0
    assert run(["augment", "run", out, "-n", "1", "--out", "more.csv"]) == 0
    plain = Path("plain.csv").read_text("utf-8").splitlines()
    more = Path("more.csv").read_text("utf-8").splitlines()
    assert [line.removesuffix(",false") for line in more[1:31]] == plain[1:]
    if packing == "zip":
        with zipfile.ZipFile(out) as archive:
            assert archive.namelist() == ["new.csv"]
    if packing == "gz":
        assert gzip.decompress(Path(out).read_bytes()) == Path("plain.csv").read_bytes()
    assert run(["fill", "run", out, "--out", f"full.csv.{packing}"]) == 0


def test_a_zip_of_several_tables_is_refused_in_one_line(folder: Path, capsys: Capture) -> None:
    with zipfile.ZipFile("two.csv.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n2\n")
        archive.writestr("b.csv", "x\n1\n2\n")
    assert run(["inspect", "two.csv.zip"]) == 2
    assert "must contain one table; it contains 'a.csv', 'b.csv'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "encoding", "mark", "line"),
    [
        ("bom.csv", "utf-8-sig", ";", "\r\n"),
        ("wide.csv", "utf-16", "\t", "\n"),
        ("windows.csv", "cp1252", ";", "\r\n"),
        ("tabs.tsv", "utf-8", "\t", "\n"),
    ],
)
def test_files_of_other_encodings_and_marks_grow_by_rows_alone(
    folder: Path, name: str, encoding: str, mark: str, line: str
) -> None:
    names = [*CELLS, "colour", "café"]
    rows = [
        [*row.values(), "naïve €" if encoding == "cp1252" else "x"] for row in read(Path("all.csv"))
    ]
    text = line.join(mark.join(row) for row in [names, *rows]) + line + line
    Path(name).write_bytes(text.encode(encoding))
    out = f"grown-{name}"
    assert run(["augment", "run", name, "-n", "7", "--out", out]) == 0
    grown = Path(out).read_bytes().decode(encoding)
    before = text.split(line)[1:-2]
    assert [
        row.removesuffix(f"{mark}false") for row in grown.split(line)[1 : len(before) + 1]
    ] == before
    assert grown.count(f"{mark}true{line}") == 7
    if encoding == "utf-16":
        assert Path(out).read_bytes()[:2] == Path(name).read_bytes()[:2]


def test_a_parquet_file_keeps_its_columns_and_types(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert run(["sample", "run", "-n", "20", "--out", "some.parquet"]) == 0
    table = pq.read_table("some.parquet").append_column("more", pa.array(range(20), pa.int8()))
    pq.write_table(table, "more.parquet")
    assert run(["augment", "run", "more.parquet", "-n", "3", "--out", "grown.parquet"]) == 0
    grown = pq.read_table("grown.parquet")
    assert grown.slice(0, 20).drop_columns(["synthetic"]).equals(table)
    assert grown["more"].to_pylist()[20:] == [None] * 3


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_frames_of_the_same_text_keep_its_form(folder: Path, kind: str) -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    import ganwright as gw

    frame = pd.read_csv("all.csv", dtype=str)
    given = {
        "pandas": lambda: frame,
        "polars": lambda: pl.from_pandas(frame),
        "arrow": lambda: pa.Table.from_pandas(frame, preserve_index=False),
    }[kind]()
    model = gw.load("run")
    for done in (gw.fill(model, given), gw.augment(model, given, n=30)):
        plain = done if kind == "pandas" else done.to_pandas()
        assert plain[list(frame)][:ROWS].where(frame.notna()).equals(frame.where(frame.notna()))
        for name, (_, form) in CELLS.items():
            texts = plain[name].dropna()
            assert texts.str.fullmatch(form).all(), name
