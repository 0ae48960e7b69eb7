"""The picture in docs/architecture.md shows who imports whom, and nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ganwright"
PICTURE = ROOT / "docs" / "imports.svg"
SVG = "{http://www.w3.org/2000/svg}"


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


def boxes() -> dict[str, Box]:
    found = {}
    for group in ET.parse(PICTURE).iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        if rect is not None:
            x, y, w, h = (float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
            found[group.get("id", "")] = Box(x, y, x + w, y + h)
    return found


def numbers() -> dict[tuple[str, str], tuple[float, float]]:
    """Where the number of each pair stands: (x, y)."""
    found = {}
    for group in ET.parse(PICTURE).iter(f"{SVG}g"):
        dot, title = group.find(f"{SVG}circle"), group.findtext(f"{SVG}title", "")
        if dot is not None:
            importer, imported = title.split(":")[0].split(" → ")
            found[importer, imported] = float(dot.get("cx", "")), float(dot.get("cy", ""))
    return found


def room(parts: list[str]) -> str:
    return ".".join(parts[: 2 if parts[0] == "modalities" else 1])


def pairs() -> set[tuple[str, str]]:
    """Pairs of rooms that import each other, by the source; a modality is a room."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        own = room(list(file.relative_to(PACKAGE).with_suffix("").parts))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ganwright"):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                modules = [a.name for a in node.names if a.name.startswith("ganwright.")]
            else:
                continue
            found |= {(own, room(module.split(".")[1:])) for module in modules}
    outside = {"__init__", "__main__", "_version", "modalities.__init__"}
    kept = {(a, b) for a, b in found if a != b and not {a, b} & outside}
    return {(a.removeprefix("modalities."), b.removeprefix("modalities.")) for a, b in kept}


def test_the_picture_shows_the_pairs_that_import_each_other_and_no_others() -> None:
    assert set(numbers()) == pairs(), "python benchmarks/architecture.py --out docs/imports.svg"
    assert set(boxes()) == {name for pair in pairs() for name in pair}


def test_each_number_stands_where_a_line_leads_down_to_the_box_that_is_imported() -> None:
    box = boxes()
    for (importer, imported), (x, y) in numbers().items():
        start, end = box[importer], box[imported]
        assert start.top < y < end.top and end.left < x < end.right
        for name, other in box.items():
            across = other.top < y < other.bottom and start.left < other.right and other.left < x
            down = other.left < x < other.right and y < other.bottom and other.top < end.top
            assert name == importer or not (across or down), "a box is in the way"


def test_check_overlooks_lines_and_nothing_else(tmp_path: Path) -> None:
    def run(*words: str) -> int:
        command = [sys.executable, str(ROOT / "benchmarks" / "architecture.py"), "--out", str(copy)]
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60)
        return done.returncode

    copy = tmp_path / "imports.svg"
    assert run("--check") == 1
    assert run() == 0 and run("--check") == 0
    drawn = copy.read_text(encoding="utf-8")
    copy.write_text(re.sub(r"[\d,]+ lines", "1 lines", drawn), encoding="utf-8")
    assert run("--check") == 0
    copy.write_text(drawn.replace("cli → base", "base → cli"), encoding="utf-8")
    assert run("--check") == 1
