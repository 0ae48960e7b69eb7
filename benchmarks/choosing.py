"""Which loss, which penalty, which regulariser? The tables of docs/choosing.md, cell by cell.

    python benchmarks/choosing.py matrix MNIST_FOLDER [--seeds 3] [--minutes 1.5] [--jobs 2]
    python benchmarks/choosing.py remedies MNIST_FOLDER [--seeds 3] [--minutes 1.5] [--jobs 2]
    python benchmarks/choosing.py amount MNIST_FOLDER [--seeds 3] [--minutes 1.5] [--jobs 2]
    python benchmarks/choosing.py table FILE

matrix: each loss with each penalty. remedies: a plain non-saturating DCGAN, and each regulariser added
to it alone. Both on MNIST and on Stacked MNIST (`--sets`), without labels, so that missing modes show.
amount: the relativistic recipe on different numbers of digits, plain and with regularisers for few data.
All cells of a table have the same nets, rates and time (`--base`, `--minutes`; or `--kimg`).

Each cell runs in its own process on one thread and adds a line to FILE (`--out`). Stop whenever you
like; the same command continues with the missing cells. `--losses`, `--penalties` and `--remedies`
select some of them.

MNIST: FID on learned features of 5,000 samples against the final half of the held-out part, coverage
and recall, and by a classifier of real digits the share of the rarest digit and the variety: the mean
distance between two samples of one digit, relative to that of real ones. Stacked MNIST: modes of 1,000,
and the KL divergence of the classes of 26,000 samples from equal shares. `table` prints the mean of the
seeds ± half of their range.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

import ganwright as gw
from ganwright.base.errors import Diverged
from ganwright.base.runs import replacing
from ganwright.evaluate import fid, neighbourhood
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.judge import look, rows
from judge import Judge, train_judge
from modes import SAMPLES as STACKED_SAMPLES
from modes import STACKS, classify, stacks

SAMPLES, NEAR = 5000, 2000  # of FID; of coverage and recall
LOSSES = (
    "minimax", "non-saturating", "least-squares", "wasserstein", "hinge", "relativistic-paired",
    "relativistic-average",
)  # fmt: skip
# Option paths, so that a row is easily corrected or added.
PENALTIES: dict[str, dict[str, Any]] = {
    "none": {},
    "R1": {"game.penalty.r1": 1},
    "R1 + R2": {"game.penalty.r1": 1, "game.penalty.r2": 1},
    "gradient penalty": {"game.penalty.gradient_penalty": 10},
    "DRAGAN": {"game.penalty.dragan": 10},
    "spectral norm": {"discriminator.norm": "spectral"},
    "clipped weights": {"game.clip_weights": 0.01},
}
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "dropout in D": {"discriminator.dropout": 0.3},
    "smoothed labels": {"game.labels.real": 0.9},
    "instance noise": {"game.instance_noise": 0.2},
    "batch norm in D": {"discriminator.norm": "batch"},
    "spectral norm": {"discriminator.norm": "spectral"},
    "R1": {"game.penalty.r1": 1},
    "relativistic, R1 + R2": {
        "game.loss": "relativistic-paired", "game.penalty.r1": 1, "game.penalty.r2": 1,
    },
    "packs of 2": {"discriminator.pack": 2},
    "minibatch deviation": {"discriminator.minibatch_std": 4},
    "LeCam": {"game.remedies.lecam": 0.1},
    "consistency": {"game.remedies.consistency": 10},
    "top-k": {"game.remedies.top_k": 0.5},
    "two time scales": {"discriminator_optimiser.rate": 1e-3, "generator_optimiser.rate": 2.5e-4},
}  # fmt: skip
AMOUNTS = (100, 500, 2000, 10_000, 50_000)  # training pictures
HELPS: dict[str, dict[str, Any]] = {
    "none": {},
    "augmentation": {"game.augment.mode": "adaptive"},
    "LeCam": {"game.remedies.lecam": 0.1},
    "consistency": {"game.remedies.consistency": 10},
}
# The nets and rates of all cells: no dropout, no labels, nothing that is itself a remedy.
PLAIN = {"game.loss": "non-saturating", "game.penalty.r1": 0.0, "game.penalty.r2": 0.0}
NARROW = {f"{who}.width": 32 for who in ("generator", "discriminator")}
QUICK = {f"{who}_optimiser.rate": 2e-3 for who in ("generator", "discriminator")}
BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan": ("dcgan", {"discriminator.dropout": 0.0}),
    "modern": ("relativistic", PLAIN),
    # As `train` chooses for minutes on a CPU: ten times dcgan's rate, which not every game stands.
    "quick": ("relativistic", {**PLAIN, **NARROW, **QUICK}),
}
ALWAYS = {
    "data.labels": False, "train.score_features": "off", "train.repairs": 0, "train.threads": 1,
}  # fmt: skip
Cell = dict[str, Any]


def cells(o: argparse.Namespace) -> list[Cell]:
    """All that the command line asks for, one seed after the other."""
    budget = {"kimg": o.kimg} if o.kimg else {"minutes": o.minutes}
    if o.study == "matrix":
        named = [
            {"loss": loss, "penalty": penalty}
            for loss in chosen(o.losses, LOSSES)
            for penalty in chosen(o.penalties, PENALTIES)
        ]
    elif o.study == "amount":
        helps = chosen(o.remedies, HELPS)
        return [
            {"study": "amount", "set": "mnist", "pictures": n, "help": name, **budget, "seed": seed}
            for seed in range(o.seeds)
            for n in AMOUNTS
            for name in helps
        ]
    else:
        named = [{"remedy": remedy} for remedy in chosen(o.remedies, REMEDIES)]
    return [
        {"study": o.study, "set": where, **name, "base": o.base, **budget, "seed": seed}
        for seed in range(o.seeds)
        for where in o.sets.split(",")
        for name in named
    ]


def chosen(asked: str | None, known: Iterable[str]) -> list[str]:
    """Those asked for, by name; all where nothing is."""
    names = list(known)
    if asked is None:
        return names
    wanted = [name.strip() for name in asked.split(",")]
    if unknown := set(wanted) - set(names):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return wanted


def settings_of(cell: Cell) -> tuple[str, dict[str, Any]]:
    """The recipe a cell starts from, and its options on top."""
    if cell["study"] == "amount":
        return "relativistic", {**ALWAYS, **HELPS[cell["help"]]}
    recipe, settings = BASES[cell["base"]]
    own = REMEDIES[cell["remedy"]] if "remedy" in cell else PENALTIES[cell["penalty"]]
    loss = {"game.loss": cell["loss"]} if "loss" in cell else {}
    return recipe, {**ALWAYS, **settings, **loss, **own}


# --- one cell ------------------------------------------------------------------------------------


def run_cell(cell: Cell, data: str, work: Path) -> dict[str, Any]:
    """Trains and judges; what comes back goes beside the cell in the file."""
    recipe, settings = settings_of(cell)
    source = data if cell["set"] == "mnist" else str(work / "stacks.npy")
    if "pictures" in cell:
        source = str(few(data, cell["pictures"], work))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        try:
            run = gw.train(
                source, recipe=recipe, out=out, minutes=cell.get("minutes"), kimg=cell.get("kimg"),
                seed=cell["seed"], device="cpu", settings=settings,
            )  # fmt: skip
        except Diverged:
            return {"state": "diverged", "kimg_seen": gw.Run(out).log[-1]["kimg"]}
        last, model = run.log[-1], run.model
        found = {"state": "done", "kimg_seen": last["kimg"], "seconds": last["seconds"]}
        judge = load_judge(work)
        mnist = gw.open_data(data)
        if cell["set"] == "stacked":
            seen = classify(judge, model.sample(STACKED_SAMPLES, seed=1))
            found |= {"modes": seen.covered, "kl": seen.kl}
        else:
            found |= on_mnist(model.sample(SAMPLES, seed=1), mnist, judge)
        return found | {"all_seconds": round(time.perf_counter() - began, 1)}


def on_mnist(pictures: np.ndarray, mnist: gw.Dataset, judge: Judge) -> dict[str, float]:
    """What a cell's pictures score, by features and by the classifier."""
    extractor = choose_extractor("learned", mnist)
    real = look(extractor, rows(mnist, mnist.heldout_halves[1])).features
    made = look(extractor, [pictures]).features
    near = neighbourhood(real[:NEAR], made[:NEAR])
    seen = judge.judge(pictures)
    typical = judge.judge(mnist.examples(mnist.heldout[:SAMPLES])).spread
    return {
        "fid": fid(real, made), "coverage": near.coverage, "recall": near.recall,
        "precision": near.precision, "sure": seen.sure, "rarest": seen.least,
        "variety": seen.spread / typical,
    }  # fmt: skip


def few(data: str, count: int, work: Path) -> Path:
    """A file of training digits of which `count` are trained on: a fifth of it is held out again."""
    path = work / f"first-{count}.npy"
    if not path.is_file():
        mnist = gw.open_data(data)
        drawn = np.random.default_rng(0).permutation(mnist.train)[: round(count / 0.8)]
        with replacing(path) as aside, aside.open("wb") as handle:
            np.save(handle, mnist.examples(np.sort(drawn)))
    return path


def load_judge(work: Path) -> Judge:
    judge = Judge()
    judge.load_state_dict(load_file(work / "judge.safetensors"))
    return judge


# --- many ----------------------------------------------------------------------------------------


def get_ready(data: str, work: Path, file: Path) -> None:
    """The classifier, the features and the stacks, made once; and what real digits score."""
    work.mkdir(parents=True, exist_ok=True)
    mnist = gw.open_data(data)
    if not (work / "judge.safetensors").is_file():
        judge, accuracy = train_judge(mnist)
        save_file(judge.state_dict(), work / "judge.safetensors")
        print(f"the judge is right about {accuracy:.2%} of held-out digits", flush=True)
    if not (work / "stacks.npy").is_file():
        np.save(work / "stacks.npy", stacks(mnist, mnist.train, STACKS, seed=0))
    judge = load_judge(work)
    done = {json.dumps(line["cell"], sort_keys=True) for line in lines(file)}
    for where in ("mnist", "stacked"):
        cell = {"set": where, "real": True}
        if json.dumps(cell, sort_keys=True) in done:
            continue
        if where == "mnist":
            played = np.random.default_rng(0).permutation(mnist.train)[:SAMPLES]
            found: dict[str, Any] = on_mnist(mnist.examples(np.sort(played)), mnist, judge)
        else:
            seen = classify(judge, stacks(mnist, mnist.heldout, STACKED_SAMPLES, seed=1))
            found = {"modes": seen.covered, "kl": seen.kl, "noise": seen.floor}
        append(file, cell, found)


def lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def append(file: Path, cell: Cell, found: Mapping[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"cell": cell, **found}) + "\n")


def go(o: argparse.Namespace) -> None:
    """Runs the cells that are not in the file yet."""
    file, work = o.out, o.out.parent / "choosing-work"
    file.parent.mkdir(parents=True, exist_ok=True)
    get_ready(o.data, work, file)
    done = {json.dumps(line["cell"], sort_keys=True) for line in lines(file)}
    open_ = [cell for cell in cells(o) if json.dumps(cell, sort_keys=True) not in done]
    print(f"{len(open_)} cells to go, {o.jobs} at a time", flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def one(cell: Cell) -> tuple[Cell, dict[str, Any]]:
        line = [sys.executable, __file__, "cell", o.data, str(work), json.dumps(cell)]
        ended = subprocess.run(line, capture_output=True, text=True, env=environment)
        if ended.returncode:
            return cell, {"state": "failed", "error": ended.stderr.strip().splitlines()[-1]}
        return cell, json.loads(ended.stdout.splitlines()[-1])

    with ThreadPoolExecutor(o.jobs) as pool:
        try:
            for ended in as_completed([pool.submit(one, cell) for cell in open_]):
                cell, found = ended.result()
                if found["state"] == "failed":  # not kept, so that it is tried again
                    print(f"failed: {json.dumps(cell)}: {found['error']}", flush=True)
                    continue
                append(file, cell, found)
                print(json.dumps({**cell, **found}), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            sys.exit(130)


# --- tables --------------------------------------------------------------------------------------

COLUMNS = {  # name: (heading, form)
    "fid": ("FID", "{:.1f}"),
    "coverage": ("coverage", "{:.2f}"),
    "recall": ("recall", "{:.2f}"),
    "rarest": ("rarest digit", "{:.1%}"),
    "variety": ("variety", "{:.2f}"),
    "modes": ("modes of 1,000", "{:.0f}"),
    "kl": ("KL", "{:.3f}"),
    "kimg_seen": ("kimg", "{:.0f}"),
}
BY_SET = {"mnist": ("fid", "coverage", "variety"), "stacked": ("modes", "kl")}


def put_tables(file: Path) -> None:
    """Markdown: for the matrix losses × penalties, a table a number; a row a remedy."""
    found = lines(file)
    real = {line["cell"]["set"]: line for line in found if "real" in line["cell"]}
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in found:
        cell = line["cell"]
        if "real" not in cell:
            budget = (
                f"{cell['minutes']:g} minutes" if "minutes" in cell else f"{cell['kimg']:g} kimg"
            )
            base = cell.get("base", "relativistic")
            groups.setdefault((cell["study"], cell["set"], base, budget), []).append(line)
    for (study, where, base, budget), group in groups.items():
        seeds = sorted({line["cell"]["seed"] for line in group})
        print(f"### {study}, {where}\n\nNets and rates of `{base}`, {budget} a cell, "
              f"seeds {', '.join(map(str, seeds))}; mean ± half of the range.\n")  # fmt: skip
        if where in real:
            names = [n for n in COLUMNS if n in real[where]]
            told = ", ".join(
                f"{COLUMNS[n][0]} {COLUMNS[n][1].format(real[where][n])}" for n in names
            )
            print(f"Real data in the samples' place: {told}.\n")
        if study == "amount":
            put_amounts(group)
        elif study == "matrix":
            for number in BY_SET[where]:
                put_matrix(number, group)
        else:
            put_remedies(where, group)


def put_matrix(number: str, group: list[dict[str, Any]]) -> None:
    penalties = [p for p in PENALTIES if any(line["cell"]["penalty"] == p for line in group)]
    print(f"| {COLUMNS[number][0]} | " + " | ".join(penalties) + " |")
    print("|---|" + "---|" * len(penalties))
    for loss in LOSSES:
        own = [line for line in group if line["cell"]["loss"] == loss]
        if own:
            words = [
                mean(number, [line for line in own if line["cell"]["penalty"] == p])
                for p in penalties
            ]
            print(f"| {loss} | " + " | ".join(words) + " |")
    print()


def put_remedies(where: str, group: list[dict[str, Any]]) -> None:
    rest = ("recall", "rarest") if where == "mnist" else ()
    numbers = (*BY_SET[where], *rest, "kimg_seen")
    print("| remedy | " + " | ".join(COLUMNS[n][0] for n in numbers) + " |")
    print("|---|" + "---|" * len(numbers))
    for remedy in REMEDIES:
        own = [line for line in group if line["cell"]["remedy"] == remedy]
        if own:
            print(f"| {remedy} | " + " | ".join(mean(n, own) for n in numbers) + " |")
    print()


def put_amounts(group: list[dict[str, Any]]) -> None:
    for number in ("fid", "coverage"):
        print(f"| {COLUMNS[number][0]} | " + " | ".join(HELPS) + " |")
        print("|---|" + "---|" * len(HELPS))
        for count in AMOUNTS:
            own = [line for line in group if line["cell"]["pictures"] == count]
            words = [mean(number, [x for x in own if x["cell"]["help"] == name]) for name in HELPS]
            if own:
                print(f"| {count:,} pictures | " + " | ".join(words) + " |")
        print()


def mean(number: str, own: list[dict[str, Any]]) -> str:
    """The mean over seeds ± half their range, and how many diverged or are not there."""
    values = [line[number] for line in own if number in line]
    lost = sum(line["state"] == "diverged" for line in own)
    form = COLUMNS[number][1]
    if not values:
        return "diverged" if lost else ""
    text = form.format(np.mean(values))
    if len(values) > 1:
        text += f" ± {form.format((max(values) - min(values)) / 2)}"
    return text + (f" ({lost} of {len(own)} diverged)" if lost and number != "kimg_seen" else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    studies = parser.add_subparsers(dest="study", required=True)
    for study in ("matrix", "remedies", "amount"):
        sub = studies.add_parser(study)
        sub.add_argument("data", help="MNIST's folder")
        sub.add_argument("--out", type=Path, default=Path("benchmark-runs/choosing.jsonl"))
        sub.add_argument("--sets", default="mnist,stacked")
        sub.add_argument("--base", choices=BASES, default="dcgan")
        sub.add_argument("--minutes", type=float, default=1.5)
        sub.add_argument("--kimg", type=float, help="instead of minutes")
        sub.add_argument("--seeds", type=int, default=3)
        sub.add_argument("--jobs", type=int, default=2)
        sub.add_argument("--losses")
        sub.add_argument("--penalties")
        sub.add_argument("--remedies")
    one = studies.add_parser("cell", help="one cell, in a process of its own")
    one.add_argument("data")
    one.add_argument("work", type=Path)
    one.add_argument("cell", type=json.loads)
    studies.add_parser("table").add_argument("file", type=Path)
    o = parser.parse_args()
    if o.study == "table":
        put_tables(o.file)
    elif o.study == "cell":
        print(json.dumps(run_cell(o.cell, o.data, o.work)))
    else:
        go(o)


if __name__ == "__main__":
    main()
