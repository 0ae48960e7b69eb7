"""One process trains in a run folder; a second is refused, and a dead one blocks nobody."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ganwright as gw
from ganwright.base.errors import Interrupted
from ganwright.cli.app import run

HOLDER = """
import sys, time
from ganwright.base.runs import RunFolder, this_process
folder = RunFolder(sys.argv[1])
with folder.locked():
    folder.append(seen=0, kimg=0.0, seconds=0.0, event="resume", process=this_process())
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def stopped(tiny: Any, tmp_path: Path) -> Path:
    """A run that was interrupted early."""
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        tiny.run(out, "mlp", observer=tiny.Watcher(lambda _: signal.raise_signal(signal.SIGINT)))
    return out


@pytest.fixture
def holder(stopped: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLDER, str(stopped)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_changes_nothing(
    tiny: Any, stopped: Path, holder: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tiny.tree(stopped)
    assert run(["train", "digits", "--out", str(stopped), "--resume"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"in use: process {holder.pid} on" in line and "--out" in line
    assert tiny.tree(stopped) == before


def test_the_lock_of_a_killed_process_does_not_block(stopped: Path, holder: Any) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    gw.train("digits", out=stopped, resume=True)
