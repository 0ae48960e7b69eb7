"""Speed: rows trained per second against `ctgan`, and a large table in bounded memory.

    python benchmarks/tables.py speed adult --peer PYTHON [--turns 3] [--seconds 20] [--core 0]
    python benchmarks/tables.py large [--rows 1000000] [--minutes 2]

Both sides run in their own processes on the same core, in turns. A row counts once each time it is
shown to the discriminator or, for ours, to the generator as a row to fill: a pass over the table counts
all its rows, on either side. Encoding the table and scoring held-out rows don't count as training. On a
shared core, the rate per second of processor time is the fair one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tables_data import SOURCES, read, split

HERE = Path(__file__).parent
NARROW = {"generator.width": 128, "data.table.bins": 32}


# --- speed ----------------------------------------------------------------------------------------


def speed(o: argparse.Namespace) -> None:
    """Rows trained a second, ours and ctgan's, in turns on one core."""
    if o.core is not None:
        os.sched_setaffinity(0, {o.core})
    print(
        "| table | turn | load | ours, rows/s | ctgan | ratio | ours, rows/CPU s | ctgan | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in o.names:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.csv"
            train, _ = split(read(name))
            train.to_csv(path, index=False)
            turns = [_turn(name, path, Path(folder) / str(turn), o) for turn in range(o.turns)]
        for number, turn in enumerate(turns):
            print(_turn_line(name, str(number + 1), turn), flush=True)
        middle = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        print(_turn_line(name, "median", middle), flush=True)


def _turn(name: str, path: Path, out: Path, o: argparse.Namespace) -> dict[str, float]:
    """One turn of both sides: rates by the clock and by the processor, and the load before it."""
    load = os.getloadavg()[0]
    ours = _child([sys.executable, __file__, "train", str(path), str(o.seconds)])
    peer = HERE / "peers" / "run_ctgan.py"
    _child([str(o.peer), str(peer), name, "--epochs", str(o.epochs), "--out", str(out)])
    theirs = json.loads((out / f"ctgan_{name}.json").read_text())
    found = {"load": load}
    for kind in ("rows_per_s", "rows_per_cpu_s"):
        found |= {f"our {kind}": ours[kind], f"their {kind}": theirs[kind]}
        found[f"ratio {kind}"] = ours[kind] / theirs[kind]
    return found


def _turn_line(name: str, turn: str, found: dict[str, float]) -> str:
    cells = [
        f"{found[f'our {kind}']:,.0f} | {found[f'their {kind}']:,.0f} | {found[f'ratio {kind}']:.1f}×"
        for kind in ("rows_per_s", "rows_per_cpu_s")
    ]
    return f"| {name} | {turn} | {found['load']:.1f} | {' | '.join(cells)} |"


def _child(command: list[str], threads: int = 1) -> dict[str, Any]:
    """What a command prints as its last line, as JSON, if it does."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1]}")
    last = done.stdout.strip().splitlines()[-1]
    return dict(json.loads(last)) if last.startswith("{") else {}


def _train(path: str, seconds: str) -> dict[str, Any]:
    """Our side of a turn, in a process of its own: the recipe that `gw.train` chooses."""
    from ganwright.train.run import prepare
    from ganwright.train.trainer import Trainer

    prepared = prepare(path, minutes=10)
    recipe = prepared.plan.recipe
    trainer = Trainer(recipe, prepared.data, prepared.plan.device)
    for _ in range(recipe.game.adversarial_every):  # a whole turn of the game
        trainer.round()
    began, spent, seen = time.perf_counter(), time.process_time(), trainer.seen
    while time.perf_counter() - began < float(seconds):
        for _ in range(recipe.game.adversarial_every):
            trainer.round()
    rows = trainer.seen - seen
    return {
        "rows_per_s": rows / (time.perf_counter() - began),
        "rows_per_cpu_s": rows / (time.process_time() - spent),
        "batch": recipe.train.batch,
    }


# --- large ----------------------------------------------------------------------------------------


def large(o: argparse.Namespace) -> None:
    """Reads, trains and samples a large table: seconds, rates and the peak of memory."""
    o.out.mkdir(parents=True, exist_ok=True)
    path = o.out / f"large-{o.rows}.parquet"
    if not path.exists():
        _child([sys.executable, __file__, "generate", str(path), str(o.rows)])
    print("| recipe | threads | what | seconds | CPU seconds | rows/s | rows/CPU s | peak RSS |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for recipe, settings in (("default", {}), ("narrow", NARROW)):
        run = o.out / f"{recipe}-{time.strftime('%H%M%S')}"
        job = {"path": str(path), "run": str(run), "minutes": o.minutes, "settings": settings}
        found = _child([sys.executable, __file__, "fit", json.dumps(job)])
        print(_large_line(recipe, 1, "read and train", found), flush=True)
        for threads in o.threads:
            job = {"run": str(run), "rows": o.rows, "to": str(run / f"made-{threads}.parquet")}
            found = _child([sys.executable, __file__, "make", json.dumps(job)], threads)
            print(_large_line(recipe, threads, "sample to parquet", found), flush=True)


def _large_line(recipe: str, threads: int, what: str, found: dict[str, Any]) -> str:
    rows = found["rows"]
    return (
        f"| {recipe} | {threads} | {what} | {found['seconds']:.0f} | {found['cpu_s']:.0f} | "
        f"{rows / found['seconds']:,.0f} | {rows / found['cpu_s']:,.0f} | {found['peak_gib']:.2f} GiB |"
    )


def _measured(rows: int, began: float) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "rows": rows,
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time(),
        "peak_gib": peak,
    }


def _fit(job: str) -> dict[str, Any]:
    import ganwright as gw

    o, began = json.loads(job), time.perf_counter()
    run = gw.train(o["path"], out=o["run"], minutes=o["minutes"], settings=o["settings"])
    reports = [event["seen"] for event in run.log if "seen" in event]
    return _measured(int(max(reports, default=0)), began)


def _make(job: str) -> dict[str, Any]:
    """Through the command line's own path: blocks into a file, nothing kept."""
    from ganwright.cli.app import main

    o, began = json.loads(job), time.perf_counter()
    try:
        main(["sample", o["run"], "-n", str(o["rows"]), "--out", o["to"]])
    except SystemExit as end:
        if end.code:
            raise
    return _measured(o["rows"], began)


def _generate(path: str, rows: str) -> dict[str, Any]:
    """50 columns of mixed kinds that hang together by eight common factors."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n, block, writer = int(rows), 100_000, None
    mix = np.random.default_rng(0).normal(size=(8, 50)) / np.sqrt(8)
    for start in range(0, n, block):
        rng = np.random.default_rng([1, start])
        count = min(block, n - start)
        base = rng.normal(size=(count, 8)) @ mix + 0.5 * rng.normal(size=(count, 50))
        table = pa.table({f"c{i:02d}": _column(i, base[:, i], rng) for i in range(50)})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return {}


def _column(i: int, x: np.ndarray, rng: np.random.Generator) -> Any:
    """Two columns in five are numbers (one of them heavy-tailed), one counts, with many zeros, one
    categories, one flags; every tenth has holes."""
    import pyarrow as pa

    kind = i % 5
    values: Any
    if kind == 0:
        values = x.round(3)
    elif kind == 1:
        values = np.exp(1.5 * x).round(2)
    elif kind == 2:
        values = np.maximum(0, (8 * x).astype(np.int64))
    elif kind == 3:
        names = np.array([f"v{k}" for k in range(3 + 4 * (i // 5))])
        values = names[np.clip((x + 2) / 4 * len(names), 0, len(names) - 1).astype(int)]
    else:
        values = x > 0.7
    holes = rng.random(len(x)) < 0.05 if i % 10 == 0 else None
    return pa.array(values, mask=holes)


def add(subparsers: Any) -> None:
    sub = subparsers.add_parser("speed", help=speed.__doc__)
    sub.set_defaults(command=speed)
    sub.add_argument("names", nargs="+", choices=SOURCES)
    sub.add_argument("--peer", type=Path, required=True, help="python with ctgan")
    sub.add_argument("--turns", type=int, default=3)
    sub.add_argument("--seconds", type=float, default=20, help="of our side of a turn")
    sub.add_argument("--epochs", type=int, default=4, help="of ctgan's side of a turn")
    sub.add_argument("--core", type=int, help="the one core for both; any")
    sub = subparsers.add_parser("large", help=large.__doc__)
    sub.set_defaults(command=large)
    sub.add_argument("--rows", type=int, default=1_000_000)
    sub.add_argument("--minutes", type=float, default=2)
    sub.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    sub.add_argument("--out", type=Path, default=Path("benchmark-runs/large"))


if __name__ == "__main__":
    sides = {"train": _train, "fit": _fit, "make": _make, "generate": _generate}
    print(json.dumps(sides[sys.argv[1]](*sys.argv[2:])))  # type: ignore[operator]
