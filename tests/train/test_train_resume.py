"""A run stopped anywhere goes on, and ends with the very bits of the run that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ganwright as gw
from ganwright.base.errors import Interrupted, RunError
from ganwright.base.runs import RunFolder
from ganwright.game import Result
from ganwright.train import state

RECIPES = ("relativistic", "dcgan", "wgan-gp", "mlp", "sngan", "lsgan")


def stop_at(*positions: int) -> Any:
    """Acts like Ctrl-C in the round that reaches one of `positions`."""

    def act(trainer: Any) -> None:
        if any(trainer.seen - 1 < p <= trainer.seen for p in positions):
            signal.raise_signal(signal.SIGINT)

    return act


def die_at(position: int) -> Any:
    """Ends the run without a word, as a power cut would."""

    def act(trainer: Any) -> None:
        if trainer.seen >= position:
            raise KeyboardInterrupt

    return act


def go_on(tiny: Any, out: Path, **rest: Any) -> gw.Run:
    return gw.train("digits", out=out, resume=True, **rest)


def events(out: Path, kind: str) -> list[dict[str, Any]]:
    return [e for e in RunFolder(out).events() if e["event"] == kind]


def curves(out: Path) -> dict[int, tuple[Any, ...]]:
    """What was reported at each place, but the clock."""
    return {
        e["seen"]: tuple(v for k, v in e.items() if k not in ("seconds", "images_per_s"))
        for e in events(out, "report")
    }


@pytest.fixture
def whole(tiny: Any, tmp_path: Path) -> Any:
    def make(name: str, **rest: Any) -> tuple[bytes, Path]:
        run = tiny.run(tmp_path / f"whole-{name}", name, **rest)
        return tiny.weights(run.path), run.path

    return make


@pytest.mark.parametrize("name", RECIPES)
def test_interrupted_twice_equals_never_interrupted(
    tiny: Any, whole: Any, tmp_path: Path, name: str
) -> None:
    expected, path = whole(name)
    out = tmp_path / "stopped"
    step = 48 if name == "wgan-gp" else 16
    with pytest.raises(Interrupted, match=r"^interrupted at .* --resume$"):
        tiny.run(out, name, observer=tiny.Watcher(stop_at(step)))
    with pytest.raises(Interrupted):
        go_on(tiny, out, observer=tiny.Watcher(stop_at(144)))
    assert [e["seen"] for e in events(out, "interrupted")] == [step, 144]
    run = go_on(tiny, out)
    assert tiny.weights(run.path) == expected
    assert len(events(out, "resume")) == 2
    assert curves(out) == curves(path)
    assert run.log[-1]["event"] == "done"
    assert (out / "recipe.toml").read_bytes() == (path / "recipe.toml").read_bytes()
    assert {p.name for p in (out / "samples").iterdir()} == {
        p.name for p in (path / "samples").iterdir()
    }


@pytest.mark.parametrize("position", [16, 64, 80, 128, 144, 176, 192])
def test_interrupted_where_something_is_due(
    tiny: Any, whole: Any, tmp_path: Path, position: int
) -> None:
    expected, path = whole("relativistic")
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        tiny.run(out, observer=tiny.Watcher(stop_at(position)))
    go_on(tiny, out)
    assert tiny.weights(out) == expected
    assert curves(out) == curves(path)

    def kept(run: Path) -> list[str]:
        return sorted(p.name for p in (run / "checkpoint").iterdir())

    assert kept(out) == kept(path)


@pytest.mark.parametrize("name", ["dcgan", "mlp"])
def test_a_power_cut_equals_never_interrupted(
    tiny: Any, whole: Any, tmp_path: Path, name: str
) -> None:
    expected, _ = whole(name)
    out = tmp_path / "cut"
    for position in (40, 100, 190):
        with pytest.raises(KeyboardInterrupt):
            if position == 40:
                tiny.run(out, name, observer=tiny.Watcher(die_at(position)))
            else:
                go_on(tiny, out, observer=tiny.Watcher(die_at(position)))
    run = go_on(tiny, out)
    assert tiny.weights(run.path) == expected
    assert len(events(out, "resume")) == 3


def test_a_checkpoint_that_knows_fewer_results_goes_on(tiny: Any, tmp_path: Path) -> None:
    """Those of version 0.2 ended with the surprise; later results were added after it."""
    out = tmp_path / "old"
    settings = {"train.report_kimg": 1}
    whole = tiny.run(tmp_path / "whole", settings=settings)
    with pytest.raises(Interrupted):
        tiny.run(out, settings=settings, observer=tiny.Watcher(stop_at(96)))
    found, _ = state.load(out / "checkpoint")
    known = 1 + Result._fields.index("nll")
    means = found["means"]
    assert means["count"] and known < len(means["counts"])
    found["means"] = means | {"total": means["total"][:known], "counts": means["counts"][:known]}
    state.save(out / "checkpoint", found["progress"]["seen"], found, regular=False)
    go_on(tiny, out)
    assert tiny.weights(out) == tiny.weights(whole.path)
    assert events(out, "report")[0]["penalty"] == events(whole.path, "report")[0]["penalty"]


def test_a_log_cut_in_the_middle_of_a_line_goes_on(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        tiny.run(out, observer=tiny.Watcher(die_at(100)))
    log = out / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-7] + b"\xff")
    go_on(tiny, out)
    assert len(events(out, "resume")) == 1 and events(out, "done")


def test_more_kimg_goes_on_with_a_finished_run(tiny: Any, whole: Any, tmp_path: Path) -> None:
    expected, _ = whole("relativistic", kimg=0.304)
    run = tiny.run(tmp_path / "short", kimg=0.208)
    assert tiny.weights(run.path) != expected
    go_on(tiny, run.path, kimg=0.304)
    assert tiny.weights(run.path) == expected


LASTING = {f"{who}_optimiser.decay_kimg": 0 for who in ("generator", "discriminator")}


def lengths(run: Path) -> set[float]:
    """Of the rates' decays, in thousand examples."""
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    return {recipe[f"{who}_optimiser"]["decay_kimg"] for who in ("generator", "discriminator")}


def test_a_longer_budget_is_as_if_it_had_been_so_from_the_start(
    tiny: Any, whole: Any, tmp_path: Path
) -> None:
    """Before the rate falls: a schedule as long as the run grows with it."""
    expected, path = whole("relativistic", kimg=0.304, settings=LASTING)
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        tiny.run(out, kimg=0.208, settings=LASTING, observer=tiny.Watcher(stop_at(96)))
    assert lengths(out) == {0.208}
    go_on(tiny, out, kimg=0.304)
    assert tiny.weights(out) == expected
    assert lengths(out) == lengths(path) == {0.304}


def test_a_longer_budget_grows_a_second_time(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "run", kimg=0.112, settings=LASTING)
    go_on(tiny, run.path, kimg=0.16)
    assert lengths(run.path) == {0.16}
    go_on(tiny, run.path, kimg=0.208)
    assert lengths(run.path) == {0.208}
    assert [e["planned_kimg"] for e in events(run.path, "resume")] == [0.16, 0.208]


def test_a_schedule_of_a_length_of_its_own_keeps_it(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "run", kimg=0.112)
    go_on(tiny, run.path, kimg=0.16)
    assert lengths(run.path) == {0.2}


def test_equal_runs_are_equal_and_another_seed_is_not(tiny: Any, tmp_path: Path) -> None:
    first, second = tiny.run(tmp_path / "a"), tiny.run(tmp_path / "b")
    other = tiny.run(tmp_path / "c", seed=1)
    assert tiny.weights(first.path) == tiny.weights(second.path) != tiny.weights(other.path)


def test_a_run_by_the_clock_is_repeated_by_its_recipe(tiny: Any, tmp_path: Path) -> None:
    first = tiny.run(tmp_path / "a", "dcgan", kimg=None, minutes=0.006)
    assert first.log[-1]["seen"] > 0
    text = (first.path / "recipe.toml").read_text()
    assert 'minutes = "none"' in text and f"kimg = {first.log[-1]['kimg']}" in text
    second = gw.train("digits", recipe=first.path / "recipe.toml", out=tmp_path / "b")
    assert tiny.weights(first.path) == tiny.weights(second.path)
    assert (second.path / "recipe.toml").read_text() == text


def test_however_short_the_minutes_a_run_takes_one_round(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "a", kimg=None, minutes=1e-9)
    assert run.log[-1]["event"] == "done" and run.log[-1]["seen"] > 0


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"settings": {"train.batch": 8}},
        {"settings": {"game.loss": "hinge"}},
        {"settings": {"data.size": 16}},
        {"recipe": "dcgan"},
    ],
    ids=str,
)
def test_other_options_are_refused(tiny: Any, digits_run: Path, change: dict[str, Any]) -> None:
    before = tiny.tree(digits_run)
    with pytest.raises(RunError, match=r"^--resume: .* was started with other options; only"):
        go_on(tiny, digits_run, **change)
    assert tiny.tree(digits_run) == before


def test_another_recipe_file_of_the_same_name_is_refused(
    tiny: Any, digits_run: Path, tmp_path: Path
) -> None:
    same, other = tmp_path / "same.toml", tmp_path / "other.toml"
    text = (digits_run / "recipe.toml").read_text()
    same.write_text(text)
    other.write_text(text.replace("r1 = 1.0", "r1 = 2.0"))
    with pytest.raises(RunError, match="other options"):
        go_on(tiny, digits_run, recipe=other)
    with pytest.raises(RunError, match="fingerprint"):  # the recipe was accepted, the data is not
        gw.train(_pictures(tmp_path), out=digits_run, resume=True, recipe=same)


def _pictures(tmp_path: Path) -> Path:
    import numpy as np
    from PIL import Image

    for name in "ab":
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            array = np.random.default_rng(i).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(array).save(tmp_path / "pictures" / name / f"{i}.png")
    return tmp_path / "pictures"


def test_the_same_options_again_are_accepted(tiny: Any, whole: Any, tmp_path: Path) -> None:
    expected, _ = whole("mlp")
    with pytest.raises(Interrupted):
        tiny.run(tmp_path / "run", "mlp", observer=tiny.Watcher(stop_at(96)))
    run = tiny.run(tmp_path / "run", "mlp", resume=True)
    assert tiny.weights(run.path) == expected


@pytest.mark.parametrize("left", ["nothing", "empty", "model only"])
def test_nothing_to_go_on_with(tiny: Any, tmp_path: Path, left: str) -> None:
    out = tmp_path / "run"
    if left != "nothing":
        out.mkdir()
    if left == "model only":
        (out / "model").mkdir()
    with pytest.raises(RunError, match="is not a run folder: it has no recipe"):
        go_on(tiny, out)


def test_killed_before_the_first_checkpoint(tiny: Any, whole: Any, tmp_path: Path) -> None:
    """Once there is a recipe, --resume goes on; before that, the command is given again."""
    expected, _ = whole("mlp")
    out = tmp_path / "run"
    (out / "samples").mkdir(parents=True)
    (out / ".recipe.toml.77.tmp").write_text("name = ")
    with pytest.raises(Interrupted):
        tiny.run(out, "mlp", stopped=lambda: True)
    for checkpoint in (out / "checkpoint").iterdir():
        checkpoint.unlink()
    run = go_on(tiny, out)
    assert tiny.weights(run.path) == expected


def test_ctrl_c_in_another_thread_does_not_break_a_run(tiny: Any, tmp_path: Path) -> None:
    worker = threading.Thread(target=lambda: tiny.run(tmp_path / "run"))
    worker.start()
    worker.join()
    assert events(tmp_path / "run", "done")


# --- the real command ---------------------------------------------------------------------------


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    code = "from ganwright.cli.app import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(out: Path, reports: int, process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 60
    while len(events(out, "report")) < reports:
        assert process.poll() is None and time.monotonic() < give_up, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
def test_signals_to_the_real_command(tiny: Any, whole: Any, tmp_path: Path) -> None:
    seldom = {"train.checkpoint_kimg": 0.3, "train.snapshot_kimg": 1}
    expected, _ = whole("dcgan", kimg=3, settings=seldom)
    options = tiny.every | tiny.small["dcgan"] | seldom
    settings = [f"--set={k}={v}" for k, v in options.items()]
    line = ["train", "digits", "--out", "run", "--recipe", "dcgan", "--kimg", "3", *settings]
    out = tmp_path / "run"

    process = command(*line, cwd=tmp_path)
    wait_for(out, 3, process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=180)
    assert (process.returncode, stdout) == (130, "")
    last = stderr.splitlines()[-1]
    assert last.startswith("ganwright: error: interrupted at ") and last.endswith("and --resume")
    assert "Traceback" not in stderr

    process = command(*line, "--resume", cwd=tmp_path)
    wait_for(out, len(events(out, "report")) + 3, process)
    process.kill()
    process.communicate(timeout=180)
    assert not events(out, "done"), "the run ended before it was killed"

    process = command(*line, "--resume", cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=180)
    assert (process.returncode, stdout) == (0, "run\n"), stderr
    assert tiny.weights(out) == expected
    assert len(events(out, "resume")) == 2
    assert not [p for p in out.rglob(".*") if p.name.endswith((".tmp", ".old"))]
