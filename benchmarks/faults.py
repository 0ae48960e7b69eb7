"""Kills real runs at random moments and resumes them; flips bits; fills the disk.

    python benchmarks/faults.py DATA [DATA …] [--kimg 2] [--kills 20] [--seed 0]

For each DATA the command line trains one run without a fault. Then, `--kills` times, a run of the same
command is killed with SIGKILL at a random moment of its life (from the start of Python to the last write;
half of them a second time, in the resumed run) and resumed until it ends. Whole means: the same weights,
averages and optimiser states to the bit, and the same log, but for clocks and resumes. Prints one line per
DATA and exits 1 if one run was not whole.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ganwright.base.runs import RunFolder
from ganwright.train import state

CLOCKS = {"seconds", "images_per_s", "score_seconds", "damaged", "planned_kimg"}
PASSING = ("resume", "start", "interrupted")  # what only one of two equal runs may have logged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="+")
    parser.add_argument("--kimg", type=float, default=2.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    lost = 0
    for data in asked.data:
        with tempfile.TemporaryDirectory() as folder:
            lost += trial(data, asked.kimg, asked.kills, random.Random(asked.seed), Path(folder))
    sys.exit(lost > 0)


def trial(data: str, kimg: float, kills: int, draw: random.Random, folder: Path) -> int:
    """Trains once whole and `kills` times killed; prints and returns how many were not whole."""
    every = kimg / 8
    line = [
        sys.executable, "-m", "ganwright", "train", data, "--kimg", str(kimg),
        "--set", f"train.checkpoint_kimg={every}", "--set", f"train.snapshot_kimg={2 * every}",
        "--set", f"train.score_kimg={2 * every}", "--set", f"train.report_kimg={every / 2}",
        "--out",
    ]  # fmt: skip
    began = time.monotonic()
    run(line, folder / "whole")
    took = time.monotonic() - began
    expected = content(folder / "whole")
    whole, killed, early = 0, 0, 0
    for number in range(kills):
        out = folder / "killed"
        moments = [draw.uniform(0.0, took) for _ in range(1 + number % 2)]
        for moment in moments:
            killed += kill_after(line, out, moment)
        early += not RunFolder(out).recipe.is_file()  # the command is simply given again
        run(line, out)
        found = content(out)
        wrong = [name for name, part in found.items() if part != expected[name]]
        whole += not wrong
        if wrong:
            print(f"{data}: other {', '.join(wrong)} after kills at {moments} s", flush=True)
        shutil.rmtree(out)
    print(
        f"{data}: {whole} of {kills} whole; {killed} kills within {took:.1f} s, {early} before "
        "there was a run folder",
        flush=True,
    )
    return kills - whole


def started(line: list[str], out: Path) -> subprocess.Popen[str]:
    """The run, begun or continued."""
    resume = ["--resume"] if RunFolder(out).recipe.is_file() else []
    return subprocess.Popen(
        [*line, str(out), *resume], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def run(line: list[str], out: Path) -> None:
    process = started(line, out)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {said}")


def kill_after(line: list[str], out: Path, seconds: float) -> bool:
    """Kills the run after so many seconds; False where it had already ended."""
    process = started(line, out)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True


def content(out: Path) -> dict[str, Any]:
    """The last checkpoint, the models, and what the log says besides clocks and resumes."""
    found, damaged = state.load(out / "checkpoint")
    assert not damaged, damaged
    tensors: dict[str, Any] = {}
    tree = state.pack(found, tensors)
    tree["progress"] = {k: v for k, v in tree["progress"].items() if k not in CLOCKS}
    models = [(out / name / "model.safetensors").read_bytes() for name in ("model", "best")]
    events = [e for e in RunFolder(out).events() if e["event"] not in PASSING]
    told = [{k: v for k, v in e.items() if k not in CLOCKS} for e in events]
    lines = [json.dumps(e, sort_keys=True) for e in told]
    return {
        "progress": json.dumps(tree, sort_keys=True),
        "tensors": state.checksum("", tensors),
        "models": models,
        "log": lines,
    }


if __name__ == "__main__":
    main()
