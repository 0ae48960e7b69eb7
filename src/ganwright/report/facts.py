"""What the files of a run folder say; missing or damaged files are no error, just absent."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganwright.base.runs import RunFolder

REPORT = "report.html"
Series = list[tuple[float, float]]  # (kimg, value)


@dataclass(frozen=True, eq=False)
class Facts:
    """A run folder, read from its files alone."""

    folder: RunFolder
    events: tuple[dict[str, Any], ...]
    recipe: str  # the text of recipe.toml
    snapshots: tuple[tuple[float, Path], ...]  # (kimg, file), the earliest first

    @cached_property
    def start(self) -> Mapping[str, Any]:
        """What was said when the run began; empty where the log is lost."""
        return next(iter(self.of("start")), {})

    def of(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one kind."""
        return [entry for entry in self.events if entry["event"] == event]

    def series(self, event: str, name: str, by: str = "kimg") -> Series:
        """One number of the log over time, by kimg or seconds; anything but finite numbers is dropped."""
        found = [(number(e.get(by)), number(e.get(name))) for e in self.of(event)]
        return [(x, y) for x, y in found if not math.isnan(x + y)]

    def last(self, name: str) -> float:
        """The last value of a number in the log, or NaN."""
        return next(
            (v for e in self.events[::-1] if not math.isnan(v := number(e.get(name)))), math.nan
        )

    @property
    def source(self) -> str | None:
        """What the run was trained on, as the user named it."""
        source = self.start.get("source")
        return source if isinstance(source, str) else None

    @property
    def state(self) -> str:
        """done, interrupted, diverged, or cut off: the log ends in mid-run."""
        for entry in reversed(self.events):
            if entry["event"] in ("done", "interrupted"):
                return str(entry["event"])
            if entry["event"] == "guard" and entry.get("problem") == "diverged":
                return "diverged" if "back_to" not in entry else "cut off"
            if entry["event"] in ("report", "start", "resume", "score"):
                break
        return "cut off"

    @cached_property
    def files(self) -> list[tuple[str, int]]:
        """What lies in the folder: path and bytes; many files of one folder are one line."""
        folders: dict[str, list[tuple[str, int]]] = {}
        for path in sorted(self.folder.path.rglob("*")):
            inside = path.relative_to(self.folder.path)
            hidden = any(part.startswith(".") for part in inside.parts)
            if path.is_file() and not hidden and path.suffix != ".html":
                line = (inside.as_posix(), path.stat().st_size)
                folders.setdefault(inside.parent.as_posix(), []).append(line)
        lines = []
        for folder, inner in folders.items():
            few = len(inner) <= 6
            total = sum(size for _, size in inner)
            lines += inner if few else [(f"{folder}/ ({len(inner)} files)", total)]
        return sorted(lines)

    def commands(self) -> list[tuple[str, str]]:
        """Command lines that reproduce this run and what is made from it."""
        run, source = shlex.quote(str(self.folder.path)), shlex.quote(self.source or "DATA")
        recipe = shlex.quote(str(self.folder.recipe))
        lines = [
            ("train it again", f"ganwright train {source} --recipe {recipe} --out {run}-again"),
            ("make samples", f"ganwright sample {run} -n 1000 --out samples.npz"),
            ("judge them", f"ganwright evaluate {run}"),
            ("make this page", f"ganwright report {run}"),
        ]
        if self.state in ("interrupted", "cut off"):
            lines.insert(0, ("continue it", f"ganwright train {source} --out {run} --resume"))
        return lines


def read_run(path: Path) -> Facts:
    """Reads a run folder. Raises RunError when it is none."""
    folder = RunFolder(path)
    folder.must_exist()
    recipe = folder.recipe.read_text(encoding="utf-8", errors="replace")
    files = [(number(p.stem), p) for p in sorted(folder.samples.glob("*"))]
    snapshots = tuple(sorted((k, p) for k, p in files if not math.isnan(k)))
    return Facts(folder, tuple(folder.events()), recipe, snapshots)


def number(value: Any) -> float:
    """A finite number, or NaN for whatever else a file may hold."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def spaced(count: int, most: int) -> list[int]:
    """At most `most` of 0 … count − 1, the first and last among them, evenly spaced."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
