"""Speed and memory of evaluation: our measures against the usual ones, in turns, one process each.

    python benchmarks/metrics.py [--scale 0.1] [--turns 3] [--parts fid,prdc,large]

At --scale 1: FID of 50,000 × 2,048 features against np.cov and `scipy.linalg.sqrtm`; precision,
recall, density and coverage at 10,000 × 2,048 and k = 5 against `prdc`, and ours at 50,000 with the
peak memory of the process. Both processor and wall-clock time are given: `prdc` always uses eight
threads, and on a shared machine wall-clock time includes other work. --scale scales the rows, and
the features by its square root. Features are float32, with decreasing variance along random
axes. Prints tables for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

WIDTH, ROWS, NEIGHBOURS = 2048, 50_000, 10_000


def features(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """float32 (n, d), made in blocks, so that making it does not set the peak of memory."""
    spread = np.random.default_rng(0).permutation((1 + np.arange(d)) ** -0.5).astype(np.float32)
    rng = np.random.default_rng(seed)
    found = np.empty((n, d), np.float32)
    for start in range(0, n, 1000):
        part = found[start : start + 1000]
        part[:] = rng.standard_normal(part.shape, np.float32) * spread + shift * spread
    return found


def _usual_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(0), np.cov(x, rowvar=False)


def _usual_fid(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    import scipy.linalg

    root = scipy.linalg.sqrtm(a[1] @ b[1]).real
    return float(np.square(a[0] - b[0]).sum() + np.trace(a[1] + b[1] - 2 * root))


def fid_ours(n: int, d: int) -> dict[str, float]:
    from ganwright.evaluate import fid, statistics

    a, b = features(n, d, 1), features(n, d, 2, 0.1)
    before, start = time.process_time(), time.perf_counter()
    real, fake = statistics(a), statistics(b)
    between = time.perf_counter()
    value = fid(real, fake)
    end = time.perf_counter()
    return {"features": end - start, "moments": end - between, "value": value, "cpu_before": before}


def fid_usual(n: int, d: int) -> dict[str, float]:
    a, b = features(n, d, 1), features(n, d, 2, 0.1)
    before, start = time.process_time(), time.perf_counter()
    real, fake = _usual_moments(a), _usual_moments(b)
    between = time.perf_counter()
    value = _usual_fid(real, fake)
    end = time.perf_counter()
    return {"features": end - start, "moments": end - between, "value": value, "cpu_before": before}


def prdc_ours(n: int, d: int) -> dict[str, float]:
    from ganwright.evaluate import neighbourhood

    a, b = features(n, d, 1), features(n, d, 2, 0.1)
    before, start = time.process_time(), time.perf_counter()
    found = neighbourhood(a, b, k_precision=5, k_density=5, closed=False)
    seconds = time.perf_counter() - start
    names = ("precision", "recall", "density", "coverage")
    return {"features": seconds, "cpu_before": before} | {
        name: getattr(found, name) for name in names
    }


def prdc_usual(n: int, d: int) -> dict[str, float]:
    from prdc import compute_prdc

    a, b = features(n, d, 1), features(n, d, 2, 0.1)
    before, start = time.process_time(), time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(a, b, 5)
    seconds = time.perf_counter() - start
    return {"features": seconds, "cpu_before": before} | {k: float(v) for k, v in found.items()}


SIDES = {
    "fid_ours": fid_ours,
    "fid_usual": fid_usual,
    "prdc_ours": prdc_ours,
    "prdc_usual": prdc_usual,
}


def alone(side: str, n: int, d: int) -> dict[str, float]:
    """Runs one side in a process of its own; adds the process's greatest memory in GB."""
    command = [sys.executable, __file__, "--side", side, "--size", str(n), str(d)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _row(title: str, ours: list[float], usual: list[float], target: str) -> None:
    a, b = median(ours), median(usual)
    spread = f"{min(u / o for u, o in zip(usual, ours, strict=True)):.1f}"
    most = f"{max(u / o for u, o in zip(usual, ours, strict=True)):.1f}"
    print(f"| {title} | {a:.2f} s | {b:.2f} s | {b / a:.1f}× ({spread} … {most}) | {target} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--parts", default="fid,prdc,large")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, nargs=2, help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.side:
        found = SIDES[o.side](*o.size)
        found["cpu"] = time.process_time() - found.pop("cpu_before")
        found["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps(found))
        return
    d, parts = max(8, round(WIDTH * o.scale**0.5)), o.parts.split(",")
    n, few = round(ROWS * o.scale), round(NEIGHBOURS * o.scale)
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}; medians of {o.turns} turns (least … greatest ratio)\n")
    print("| measure | ours | usual | ratio | target |\n|---|---|---|---|---|")
    notes = []
    for part, rows, keys in (("fid", n, ("features", "moments")), ("prdc", few, ("features",))):
        if part not in parts:
            continue
        turns = [
            (alone(f"{part}_ours", rows, d), alone(f"{part}_usual", rows, d))
            for _ in range(o.turns)
        ]
        for key in keys:
            title = f"{part} of {rows:,} × {d:,}, from {key}"
            target = {"fid": "≥ 10×", "prdc": "≥ 4×"}[part]
            _row(title, [a[key] for a, _ in turns], [b[key] for _, b in turns], target)
        ours, usual = turns[0]
        target = {"fid": "≥ 10×", "prdc": "≥ 4×"}[part]
        title = f"{part} of {rows:,} × {d:,}, seconds of processor time"
        _row(title, [a["cpu"] for a, _ in turns], [b["cpu"] for _, b in turns], target)
        same = set(ours) - {"features", "moments", "gigabytes", "cpu"}
        apart = max(abs(ours[k] - usual[k]) / max(abs(usual[k]), 1e-12) for k in same)
        notes.append(f"{part}: largest relative difference of the values {apart:.1e}; ")
        notes[-1] += f"memory {ours['gigabytes']:.2f} GB, usual {usual['gigabytes']:.2f} GB"
    if "large" in parts:
        found = alone("prdc_ours", n, d)
        memory = f"{found['gigabytes']:.2f} GB (features {2 * n * d * 4 / 1e9:.2f})"
        print(f"| prdc of {n:,} × {d:,} | {found['features']:.1f} s, {memory} | | | ≤ 2 GB |")
    print("\n" + "\n".join(f"- {note}" for note in notes))


if __name__ == "__main__":
    main()
