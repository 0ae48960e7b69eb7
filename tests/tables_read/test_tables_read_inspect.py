"""inspect, for tables."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from ganwright.cli.app import run
from ganwright.data import inspect_data


def test_every_column_has_its_line(write, people: pd.DataFrame, capsys) -> None:
    people["id"] = range(len(people))
    people["a long name that would take up the whole of the line if it were let"] = 1.5
    path = write(people.to_csv(index=False).encode())
    assert run(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in lines)
    shown = {line.split()[0]: " ".join(line.split()) for line in lines if line}
    assert shown["rows"] == "rows 200 usable of 200"
    assert shown["columns"].startswith("columns 7, of which 5 are learned, as ")
    assert shown["age"].startswith("age integer int64 69 ") and "18 … 57 … 89" in shown["age"]
    assert shown["height"].startswith("height number double 14.5 % ")
    assert shown["city"] == "city category string 3 3 Zürich, ZH 34%, …"
    assert "1990-01-" in shown["born"] and shown["predict"] == "predict income"
    assert "a long name that would …" in "\n".join(lines)
    assert any("identifiers, not learned but generated anew: 'id'" in line for line in lines)
    assert any(line.startswith("warning") and "few rows" in line for line in lines)


def test_rare_and_nearly_always_are_not_rounded_away() -> None:
    frame = pd.DataFrame({"a": ["x"] * 999 + ["y"], "b": [i % 9 for i in range(1000)]})
    assert "x >99%, y <1%" in str(inspect_data(frame))


def test_for_machines(write, people: pd.DataFrame, capsys) -> None:
    path = write(people.to_csv(index=False).encode())
    assert run(["inspect", str(path), "--json", "--set", "data.table.target=city"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["target"] == "city" and found["split"]["train"] + found["split"]["held out"] == 200
    age = found["columns"][0]
    assert (age["name"], age["kind"], age["missing"]) == ("age", "integer", 0)
    assert sum(found["columns"][4]["frequent"].values()) == 200
    assert found["choices"] == sum(c["choices"] for c in found["columns"])


def test_what_stands_out(people: pd.DataFrame) -> None:
    people["gain"] = [0 if i % 10 else i * 17 for i in range(200)]
    people.loc[::3, "gain"] = 0
    people["gain"] += [i // 2 if i > 150 else 0 for i in range(200)]
    people["hollow"] = [1.5 + i if i % 3 == 0 else None for i in range(200)]
    twice = pd.concat([people, people[:50]])
    found = inspect_data(twice.reset_index(drop=True))
    text = str(found)
    assert "50 (equal to another row in all learned columns)" in text
    assert "% 0" in text.split("gain", 1)[1].splitlines()[0]
    assert "more than half is missing in 'hollow'" in found.warnings
    assert "20% of the rows repeat another" in found.warnings


def test_skipped_rows_are_counted(write) -> None:
    good = "\n".join(f"{i % 30},{i % 3}" for i in range(300))
    path = write(f"a,b\n1,2,3\n{good}\n1\n")
    found = inspect_data(path)
    assert (found.found, found.usable) == (302, 300)
    assert [s.name for s in found.skipped] == ["line 2", "line 303"]
    assert "0.7% can't be used (2)" in found.warnings


@pytest.mark.parametrize("columns", [1, 300])
def test_narrow_and_wide(columns: int) -> None:
    frame = pd.DataFrame(
        {f"c{i}": [j * i % 7 + (j == 3) for j in range(20)] for i in range(columns)}
    )
    text = str(inspect_data(frame))
    assert all(len(line) <= 100 for line in text.splitlines())
    assert ("100 more columns: --json shows all" in text) == (columns == 300)
