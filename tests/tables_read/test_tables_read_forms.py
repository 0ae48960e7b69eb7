"""Numbers and dates as people write them: which form is found, and the right value of each."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganwright.base.errors import DataError, OptionError
from ganwright.data import open_data
from ganwright.modalities.tables.codec.fit import far_dates
from ganwright.modalities.tables.columns import moments, numerals
from ganwright.modalities.tables.columns.column import Column

NUMBERS = {
    # texts: (form, values)
    ("8,047", "992"): ("#,##0", [8047, 992]),
    ("1,234,567", "2,345,678"): ("#,##0", [1234567, 2345678]),
    ("$9,957.95", "-$5.00"): ("$#,##0.00", [9957.95, -5]),
    ("($5.00)", "$7.25"): ("$0.00;($0.00)", [-5, 7.25]),
    ("$-5.00", "$7.25"): ("$0.00;$-0.00", [-5, 7.25]),
    ("5.00-", "7.25"): ("0.00;0.00-", [-5, 7.25]),
    ("€ 792,86", "€ 1.792,86"): ("€ #.##0,00", [792.86, 1792.86]),
    ("1.234,56 €", "5,10 €"): ("#.##0,00 €", [1234.56, 5.1]),
    ("USD 1,234.50", "USD 3.00"): ("USD #,##0.00", [1234.5, 3]),
    ("£5", "£1,000"): ("£#,##0", [5, 1000]),
    ("€1.000", "€5"): ("€#.##0", [1000, 5]),
    ("CHF 1'234.50", "CHF 2.05"): ("CHF #'##0.00", [1234.5, 2.05]),
    ("17%", "9%"): ("0%", [17, 9]),
    ("17 %", "-9 %"): ("0 %", [17, -9]),
    ("17.5%", "3%"): ("0.#%", [17.5, 3]),
    ("3,5", "12,25"): ("0,0#", [3.5, 12.25]),
    ("0,123", "8,047"): ("0,000", [0.123, 8.047]),
    ("1 234,50", "7,00"): ("# ##0,00", [1234.5, 7]),
}


@pytest.mark.parametrize("texts", NUMBERS)
def test_numbers_have_the_right_value_and_come_back_as_they_were(texts: tuple[str, ...]) -> None:
    form, values = NUMBERS[texts]
    array = pa.array(texts)
    found = numerals.form_of(array)
    assert found is not None and found.form == form
    numbers, known = numerals.read(array, form)
    assert numbers.tolist() == values and known.all()
    assert numerals.write(numbers, form).to_pylist() == list(texts)


@pytest.mark.parametrize(
    "texts",
    [("abc", "5"), ("A12", "A13"), ("$5", "€5"), ("1,2,3", "4,5,6"), ("1-2", "3-4"), ("5%%",),
     ("PEN12", "PEN13"), ("555 123 456", "555 123 457"), ("($5", "$6"), ("--5%",)],
)  # fmt: skip
def test_what_is_no_number_is_none(texts: tuple[str, ...]) -> None:
    assert numerals.form_of(pa.array(texts)) is None


@pytest.mark.parametrize("form", ["", "x", "#", "0.0;", "$#,##0.00;(0)"])
def test_a_damaged_form_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="no number format"):
        numerals.format_of(form)


D = datetime.datetime
DATES = {
    ("3/6/97", "12/25/03"): ("%-m/%-d/%y", [D(1997, 3, 6), D(2003, 12, 25)]),
    ("25/12/1997", "06/03/2003"): ("%d/%m/%Y", [D(1997, 12, 25), D(2003, 3, 6)]),
    ("08-Dec-2003", "09-Jan-2004"): ("%d-%b-%Y", [D(2003, 12, 8), D(2004, 1, 9)]),
    ("08-DEC-03", "19-JAN-04"): ("%d-%^b-%y", [D(2003, 12, 8), D(2004, 1, 19)]),
    ("December 08, 2003", "May 11, 2004"): ("%B %d, %Y", [D(2003, 12, 8), D(2004, 5, 11)]),
    ("May 8, 2003", "Dec 11, 2004"): ("%b %-d, %Y", [D(2003, 5, 8), D(2004, 12, 11)]),
    ("8. December 2003", "18. May 2004"): ("%-d. %B %Y", [D(2003, 12, 8), D(2004, 5, 18)]),
    ("3/6/97 4:05 PM", "3/16/97 12:05 AM"): (
        "%-m/%-d/%y %-I:%M %p",
        [D(1997, 3, 6, 16, 5), D(1997, 3, 16, 0, 5)],
    ),
    ("2003-12-08 16:05:01 UTC",): ("%Y-%m-%d %H:%M:%S UTC", [D(2003, 12, 8, 16, 5, 1)]),
    ("2003-12-08T16:05:01+02:00",): ("%Y-%m-%dT%H:%M:%S+02:00", [D(2003, 12, 8, 16, 5, 1)]),
    ("Mon, 08 Dec 2003 16:05:01 GMT",): (
        "%a, %d %b %Y %H:%M:%S GMT",
        [D(2003, 12, 8, 16, 5, 1)],
    ),
    ("8.12.2003", "18.3.2004"): ("%-d.%-m.%Y", [D(2003, 12, 8), D(2004, 3, 18)]),
    ("2003-12-08T16:05:01.123Z",): ("%Y-%m-%dT%H:%M:%S.%3fZ", [D(2003, 12, 8, 16, 5, 1, 123000)]),
    ("20031208", "19970306"): ("%Y%m%d", [D(2003, 12, 8), D(1997, 3, 6)]),
    ("4:05pm", "12:30am"): ("%-I:%M%P", [D(1900, 1, 1, 16, 5), D(1900, 1, 1, 0, 30)]),
}


@pytest.mark.parametrize("texts", DATES)
def test_dates_have_the_right_value_and_come_back_as_they_were(texts: tuple[str, ...]) -> None:
    form, days = DATES[texts]
    array = pa.array(texts)
    assert moments.forms_of(array)[0] == form
    ticks, known = moments.read(array, form)
    unit = moments.unit_of(form)
    assert known.all() and ticks.astype(f"M8[{unit}]").tolist() == [
        day.date() if unit == "D" else day for day in days
    ]
    assert moments.write(ticks, form, None, None).to_pylist() == list(texts)


@pytest.mark.parametrize(
    "text", ["2003-02-30", "13/13/2003", "25:00", "1.2.3", "12.345", "Foo 8, 2003", "8-Dec"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert moments.forms_of(pa.array([text])) == []


def test_whether_day_or_month_comes_first_is_said_when_it_can_not_be_told() -> None:
    assert len(moments.forms_of(pa.array(["3/6/97", "4/5/98"]))) > 1
    assert moments.forms_of(pa.array(["3/6/97", "4/25/98"])) == ["%-m/%-d/%y"]
    assert moments.forms_of(pa.array(["13/6/1997", "4/5/1998"])) == ["%-d/%-m/%Y"]


def test_a_new_moment_has_the_zone_of_the_nearest() -> None:
    """So that summer time stays in summer."""
    texts = [f"2020-{m:02}-15T10:00:00+0{2 if 4 <= m <= 10 else 1}:00" for m in range(1, 13)]
    form = moments.forms_of(pa.array(texts))[0]
    zones = moments.Zones.learn(pa.array(texts), form)
    made = np.array(["2020-07-01T08:00:00", "2020-12-24T08:00:00"], "M8[s]").astype(np.int64)
    assert moments.write(made, form, None, zones).to_pylist() == [
        "2020-07-01T08:00:00+02:00",
        "2020-12-24T08:00:00+01:00",
    ]


def test_dates_that_stand_for_never_are_told_by_their_distance() -> None:
    column = Column(name="d", kind="datetime", type="date32[day]")
    days = np.array(["1900-01-01", "2003-01-01", "2004-01-01", "2099-12-31", "9999-12-31"], "M8[D]")
    far = far_dates(column, days.astype(np.int64), np.array([3, 50, 50, 2, 1]))
    assert far.tolist() == [True, False, False, True, True]
    near = np.array(["1950-01-01", "2003-01-01", "2020-01-01"], "M8[D]").astype(np.int64)
    assert not far_dates(column, near, np.array([1, 50, 50])).any()


# --- files ---------------------------------------------------------------------------------------


def table(folder: Path, cells: list[str], mark: str = ",", more: list[str] | None = None) -> Path:
    path = folder / "a.csv"
    rows = [f'"{c}"{mark}{"xyz"[i % 3]}' for i, c in enumerate(cells)]
    rows = [f"{row}{mark}{m}" for row, m in zip(rows, more, strict=True)] if more else rows
    path.write_text(f"a{mark}w{mark + 'b' if more else ''}\n" + "\n".join(rows), encoding="utf-8")
    return path


def first(path: Path, **options: object) -> tuple[Column, list[object], tuple[str, ...]]:
    data = open_data(path, table=options)
    column = next(c for c in data.codec.columns if c.name == "a")
    return column, data.table["a"].to_pylist(), data.notes


WHOLE = [f"{n:,}" for n in range(1, 60_000, 997)]


def test_commas_with_three_digits_behind_are_thousands(tmp_path: Path) -> None:
    column, values, _ = first(table(tmp_path, WHOLE))
    assert (column.kind, column.type, column.written) == ("integer", "int64", "#,##0")
    assert values == list(range(1, 60_000, 997))


def test_where_it_can_not_be_told_it_stays_text_and_is_asked(tmp_path: Path) -> None:
    path = table(tmp_path, WHOLE, ";")
    column, values, notes = first(path)
    assert values == WHOLE and column.written == ""
    assert any("data.table.decimal=point or =comma says which" in note for note in notes)
    assert first(path, decimal="point")[1][-1] == 59_821
    assert first(path, decimal="comma")[1][-1] == 59.821
    assert first(path, kinds=["a=number"])[1][-1] == 59.821


def test_the_other_columns_of_a_file_tell(tmp_path: Path) -> None:
    commas = [f"{n / 4:.2f}".replace(".", ",") for n in range(len(WHOLE))]
    assert first(table(tmp_path, WHOLE, ";", commas))[1][-1] == 59.821
    points = [f"{n / 4:.2f}" for n in range(len(WHOLE))]
    assert first(table(tmp_path, WHOLE, ";", points))[1][-1] == 59_821
    dots = [text.replace(",", ".") for text in WHOLE]
    column, values, _ = first(table(tmp_path, dots, ";", commas))
    assert values[-1] == 59_821 and column.written == "#.##0"


def test_decimal_commas_of_a_european_file(tmp_path: Path) -> None:
    column, values, _ = first(table(tmp_path, [f"{n},5" for n in range(40)], ";"))
    assert column.kind == "number" and values[:2] == [0.5, 1.5] and column.written == "0,0"


@pytest.mark.parametrize("kind", ["number", "datetime"])
def test_a_kind_may_be_asked_for_where_some_cells_are_none(tmp_path: Path, kind: str) -> None:
    good = [f"${n}.50" for n in range(1, 60)] if kind == "number" else [
        f"{n % 28 + 1:02}-Dec-2003" for n in range(60)
    ]  # fmt: skip
    odd = [f"see {n}" for n in range(20)]
    column, values, notes = first(table(tmp_path, good + odd), kinds=[f"a={kind}"])
    assert column.kind == kind and values.count(None) == 20
    assert any(f"20 cells are no {kind}" in note and "missing" in note for note in notes)
    with pytest.raises(DataError):
        open_data(tmp_path / "a.csv", table={"kinds": [f"a={kind}"]}, bad="refuse")
    with pytest.raises(OptionError, match=f"can't be {kind}"):
        first(table(tmp_path, odd), kinds=[f"a={kind}"])


def test_a_few_words_among_dates_are_values_of_their_own(tmp_path: Path) -> None:
    cells = [f"{n % 28 + 1:02}-Dec-2003" for n in range(95)] + ["open"] * 5
    column, values, notes = first(table(tmp_path, cells))
    assert column.kind == "datetime" and values == cells
    assert "'a': 'open' is not a date, but kept as a value of its own (5 in all)" in notes


def test_a_column_that_comes_back_empty_is_warned_of(tmp_path: Path) -> None:
    cells = [f"{n:02} 12 03 at 4 h {n:02} {n * n}" for n in range(60)]
    column, _, notes = first(table(tmp_path, cells))
    assert column.kind == "text"
    assert any(n.startswith("warning: 'a' will be empty in samples: '00 12 03") for n in notes)


def test_text_in_a_frame_is_learned_in_its_form() -> None:
    frame = pd.DataFrame(
        {"m": [f"${n % 40 + 1},000.25" for n in range(1, 81)], "w": ["x", "y"] * 40}
    )
    data = open_data(frame)
    column = data.codec.columns[0]
    assert (column.kind, column.type, column.form) == ("number", "string", "$#,##0.00")
    assert (column.low, column.high) == (1_000.25, 40_000.25)
    codec = type(data.codec).from_json(json.loads(json.dumps(data.codec.to_json())))
    places = np.full((80, 2), 0.5)
    made = codec.join([codec.table(np.asarray(data.rows), places)])
    assert made["m"].str.fullmatch(r"\$\d{1,2}(,\d{3})?\.25").all()


def test_models_hold_values_of_their_own() -> None:
    frame = pd.DataFrame({"a": [1.5, np.inf, -np.inf, 2.5] * 10, "b": [1, 2, 3, 4] * 10})
    codec = open_data(frame).codec
    again = type(codec).from_json(json.loads(json.dumps(codec.to_json())))
    assert again.fields[0].apart.equals(codec.fields[0].apart)
    assert again.choices == codec.choices
    table = pa.Table.from_pandas(frame, preserve_index=False)
    codes = again.codes(table)
    back = again.table(codes, np.full(codes.shape, 0.5))
    assert back["a"].to_pylist() == frame["a"].tolist()


def test_a_column_of_which_little_could_be_read_is_warned_of(tmp_path: Path) -> None:
    cells = [f"${n}.50" for n in range(1, 20)] + [f"see {n}" for n in range(60)]
    notes = first(table(tmp_path, cells), kinds=["a=number"])[2]
    assert any(n.startswith("warning: 'a': 60 cells are no number ('see 0'") for n in notes)
