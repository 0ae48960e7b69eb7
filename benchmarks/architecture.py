"""The picture of who imports whom in src/ganwright: rooms in layers, and all arrows go down.

    python benchmarks/architecture.py --out docs/imports.svg
    python benchmarks/architecture.py --check

With `--check` nothing is written; it exits with 1 if the file is not what would be drawn. Counts of
lines are not compared. Imports inside functions count too. What the core asks a modality for by name
(base/modality.py) is not an import.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ganwright"
# From top to bottom; rooms of one layer do not import each other.
LAYERS = (
    ("cli",),
    ("serve",),
    ("api", "benchmark"),
    ("estimators",),
    ("uses",),
    ("audio", "images", "tables", "counts", "series", "text"),
    ("report",),
    ("evaluate", "train"),
    ("model",),
    ("data", "nets", "game"),
    ("base",),
)
OUTSIDE = {"__init__", "__main__", "_version"}  # no rooms
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
WIDTH, HEIGHT, GAP, LANE, MARGIN, RADIUS = 88, 48, 14, 22, 16, 9
INSET = 24  # from the arrow into a box to the box's right edge
STYLE = """
  .paper, .dot { fill: #ffffff } text { font: 11px system-ui, sans-serif; fill: #57606a }
  .name { font-size: 12.5px; font-weight: 600 } .name, .number { fill: #1f2328; text-anchor: middle }
  .size { text-anchor: middle } .box, .dot { stroke: #8c959f } .head { fill: #6e7781 }
  .face { fill: #f1f3f5 } .modality { fill: #dff5e3 } .core { fill: #dceafb }
  .line { fill: none; stroke: #b3bac2; stroke-width: 1.3 }
  @media (prefers-color-scheme: dark) {
    .paper, .dot { fill: #0d1117 } text { fill: #9da7b1 } .name, .number { fill: #e6edf3 }
    .face { fill: #21262d } .modality { fill: #12361f } .core { fill: #10294a }
    .line { stroke: #4b535d } .head { fill: #8b949e }
  }
"""
LEGEND = (
    "A line leaves each box to the right. Where it meets the",
    "column above another box, the number says how many of",
    "its modules import that box. No arrow goes up: the core",
    "(blue) imports no modality (green).",
)
Pairs = dict[tuple[str, str], int]


class Place(NamedTuple):
    """Where a box stands: the x of the arrow into it, its top, and the y of the line that leaves it."""

    x: int
    top: int
    lane: int


def room_of(name: tuple[str, ...]) -> str:
    """The room of a module from its name after `ganwright`, in parts; each modality is a room."""
    return name[1] if name[0] == "modalities" else name[0]


def imported(file: Path) -> Iterator[tuple[str, ...]]:
    """What a file imports of the package: names after `ganwright`, in parts."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (tuple(n.split("."))[1:] for n in names if n.startswith("ganwright."))


def survey() -> tuple[Pairs, dict[str, list[int]]]:
    """How many modules of a room import another room; and of each room the lines of its files."""
    pairs, lines = Counter[tuple[str, str]](), dict[str, list[int]]()
    for file in sorted(PACKAGE.rglob("*.py")):
        room = room_of(file.relative_to(PACKAGE).with_suffix("").parts)
        if room in OUTSIDE:
            continue
        lines.setdefault(room, []).append(len(file.read_text(encoding="utf-8").splitlines()))
        others = {room_of(name) for name in imported(file)} - OUTSIDE - {room}
        pairs.update((room, other) for other in others)
    if unknown := set(lines) - set(LEVEL):
        sys.exit(f"no layer is stated for {', '.join(sorted(unknown))}")
    for room, other in pairs:
        if LEVEL[room] >= LEVEL[other]:
            sys.exit(f"{room} imports {other}, which is not below it")
    return dict(sorted(pairs.items())), lines


def places(there: set[str]) -> dict[str, Place]:
    """Each box has a column of its own, right of the boxes above it, so no line crosses a box."""
    found: dict[str, Place] = {}
    x, y = MARGIN + WIDTH - INSET, MARGIN
    for layer in LAYERS:
        rooms = [room for room in layer if room in there]
        for after, room in zip(range(len(rooms))[::-1], rooms, strict=True):
            # The last of a layer is left from its side, those before it from below.
            lane = HEIGHT + 14 + (after - 1) * LANE if after else HEIGHT // 2
            found[room] = Place(x, y, y + lane)
            x += WIDTH + GAP if after else INSET + 2 * RADIUS
        y += HEIGHT + GAP + (len(rooms) - 1) * LANE if rooms else 0
    return found


def draw(pairs: Pairs, lines: dict[str, list[int]]) -> str:
    """The picture as SVG. Each number has a title that says its pair."""
    at = places(set(lines))
    width, height = at["base"].x + INSET + MARGIN, at["base"].top + HEIGHT + MARGIN
    wires, above = [], []
    for room, (x, top, lane) in at.items():
        if targets := [at[b].x for a, b in pairs if a == room]:
            start = f"M{x} {top + HEIGHT}V{lane}" if lane > top + HEIGHT else f"M{x + INSET} {lane}"
            wires.append(f"{start}H{max(targets)}")
        if sources := [at[a].lane for a, b in pairs if b == room]:
            wires.append(f"M{x} {min(sources)}V{top - 7}")
            above.append(f'<path class="head" d="M{x} {top}l-4 -8h8z"/>')
        above.append(box(room, x + INSET - WIDTH, top, lines[room]))
    for (a, b), count in pairs.items():
        x, y = at[b].x, at[a].lane
        above.append(
            f'<g><title>{a} → {b}: {count}</title><circle class="dot" cx="{x}" cy="{y}" r="{RADIUS}"/>'
            f'<text class="number" x="{x}" y="{y + 4}">{count}</text></g>'
        )
    for i, line in enumerate(reversed(LEGEND)):
        above.append(f'<text x="{MARGIN}" y="{height - MARGIN - 18 * i}">{line}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>Who imports whom in Ganwright</title><style>{STYLE}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>\n'
        + "".join(f'<path class="line" d="{d}"/>\n' for d in wires)
        + "\n".join([*above, "</svg>\n"])
    )


def box(room: str, left: int, top: int, lines: list[int]) -> str:
    """A room with its name and size."""
    modality = room in ("audio", "images", "tables", "counts", "text")
    kind = "modality" if modality else "core" if LEVEL[room] >= LEVEL["report"] else "face"
    files = f"{len(lines)} file" + "s" * (len(lines) > 1)
    said = (("name", room), ("size", files), ("size", f"{sum(lines):,} lines"))
    texts = "".join(
        f'<text class="{css}" x="{left + WIDTH // 2}" y="{top + 16 + 13 * i}">{text}</text>'
        for i, (css, text) in enumerate(said)
    )
    shape = f'x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="5"'
    return f'<g id="{room}"><rect class="box {kind}" {shape}/>{texts}</g>'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "imports.svg")
    parser.add_argument("--check", action="store_true")
    o = parser.parse_args()
    pairs, lines = survey()
    drawn = draw(pairs, lines)
    if o.check:
        there = o.out.read_text(encoding="utf-8") if o.out.is_file() else ""
        if re.sub(r"[\d,]+ lines", "", there) != re.sub(r"[\d,]+ lines", "", drawn):
            sys.exit(f"{o.out} is out of date: python benchmarks/architecture.py --out {o.out}")
    else:
        o.out.write_text(drawn, encoding="utf-8")
    print(f"{len(lines)} rooms, {len(pairs)} pairs of them import each other")


if __name__ == "__main__":
    main()
