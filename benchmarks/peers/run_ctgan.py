"""The `ctgan` package at its defaults on the benchmark's tables, in an environment of its own.

    python3 -m venv /tmp/peer
    /tmp/peer/bin/pip install torch ctgan==0.12.1 sdmetrics==0.32.0 imbalanced-learn 'pandas<3'
    OMP_NUM_THREADS=1 /tmp/peer/bin/python benchmarks/peers/run_ctgan.py adult insurance --out FOLDER

Writes FOLDER/ctgan_NAME.csv.gz, as many rows as it was trained on, and FOLDER/ctgan_NAME.json with the
seconds. What is there already is left as it is, so the command can be given again. Its licence
(Business Source 1.1) is why it is neither in our dependencies nor run by our tests.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ctgan.synthesizers.ctgan as package
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tables_data import SOURCES, read, split

PREPARING = {"seconds": 0.0, "cpu_s": 0.0}


class Transformer(package.DataTransformer):
    """Its transformer, with the time it takes: preparing is no training."""

    def fit(self, *given: Any, **named: Any) -> Any:
        return _timed(super().fit, *given, **named)

    def transform(self, *given: Any, **named: Any) -> Any:
        return _timed(super().transform, *given, **named)


def _timed(function: Any, *given: Any, **named: Any) -> Any:
    began, spent = time.perf_counter(), time.process_time()
    try:
        return function(*given, **named)
    finally:
        PREPARING["seconds"] += time.perf_counter() - began
        PREPARING["cpu_s"] += time.process_time() - spent


def run(name: str, out: Path, epochs: int, most: int | None, seed: int) -> dict[str, Any]:
    """Trains, samples as many rows, writes both files; gives what the JSON holds."""
    train, _ = split(read(name))
    train = train if most is None else train.sample(min(most, len(train)), random_state=0)
    for start in (random.seed, np.random.seed, torch.manual_seed):
        start(seed)
    package.DataTransformer = Transformer
    PREPARING.update(seconds=0.0, cpu_s=0.0)
    model = package.CTGAN(epochs=epochs, verbose=True)
    model.set_random_state(seed)
    began, spent = time.perf_counter(), time.process_time()
    model.fit(train, [c for c in train.columns if c in SOURCES[name].categories])
    fitted, spent = time.perf_counter(), time.process_time() - spent
    made = model.sample(len(train))
    sampled = time.perf_counter()
    trained = len(train) // 500 * 500 if len(train) >= 500 else 500  # whole batches only
    training = fitted - began - PREPARING["seconds"]
    found = {
        "package": f"ctgan {version('ctgan')}", "torch": torch.__version__, "dataset": name,
        "rows": len(train), "epochs": epochs, "seed": seed, "threads": torch.get_num_threads(),
        "seconds": round(fitted - began, 2), "preparing_s": round(PREPARING["seconds"], 2),
        "training_s": round(training, 2), "rows_per_s": round(trained * epochs / training, 1),
        "rows_per_cpu_s": round(trained * epochs / (spent - PREPARING["cpu_s"]), 1),
        "sampling_s": round(sampled - fitted, 2), "load_1min": os.getloadavg()[0],
    }  # fmt: skip
    made.to_csv(out / f"ctgan_{name}.csv.gz", index=False)
    (out / f"ctgan_{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=SOURCES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=300, help="the package's default")
    parser.add_argument("--most", type=int, help="rows to train on; all")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    for name in o.names:
        if (o.out / f"ctgan_{name}.json").exists():
            print(f"{name}: there already", flush=True)
            continue
        print(json.dumps(run(name, o.out, o.epochs, o.most, o.seed)), flush=True)


if __name__ == "__main__":
    main()
