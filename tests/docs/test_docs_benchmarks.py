"""Every benchmark imports and explains itself; the quick ones run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
FILES = sorted(FOLDER.glob("*.py"))
COMMANDS = [f for f in FILES if "def main() -> None" in f.read_text(encoding="utf-8")]


def test_every_benchmark_imports_and_has_help() -> None:
    """In one process, as imports take seconds; each gets its own folder on the path."""
    code = f"""
import importlib, sys
sys.path.insert(0, {str(FOLDER)!r})
for name in {[f.stem for f in FILES]!r}:
    module = importlib.import_module(name)
    if name in {[f.stem for f in COMMANDS]!r}:
        sys.argv = [name + ".py", "--help"]
        try:
            module.main()
        except SystemExit as end:
            assert end.code == 0, name
        else:
            raise AssertionError(name + " ran instead of helping")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("usage: ") >= len(COMMANDS)


TINY = {  # those that need no data but what comes along
    "modes": "ring --seeds 1 --plain 0 --kimg 1",
    "architecture": "--out imports.svg",
    "gpu": "--device cpu --tiny --parts checks",
    "convolutions": "--side 4 --batch 2 --seconds 0.001",
}


@pytest.mark.parametrize("name", TINY)
def test_the_quick_ones_run(name: str, tmp_path: Path) -> None:
    line = [sys.executable, str(FOLDER / f"{name}.py"), *TINY[name].split()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"\d", done.stdout)
