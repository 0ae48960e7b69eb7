"""Can the numbers on a card be trusted? The measured tables of docs/judging.md.

    python benchmarks/judging.py intervals [DATA] [--draws 60] [-n 1000] [--against 1000]
    python benchmarks/judging.py floor [DATA] [--draws 4] [-n 2000]
    python benchmarks/judging.py marks [--seeds 12] [-n 600] [--run RUN] [--kimg 200] [--seed 0]
    python benchmarks/judging.py ordering [DATA] [-n 2000]

DATA is a built-in name or a path, as everywhere; the default, `digits`, needs no download. The full
tables use MNIST: a folder with its four idx files. All use the learned features.

intervals: training examples take the place of the samples, against held-out ones. Both sides are drawn
repeatedly: does the stated error match the true spread, and how many intervals contain the mean of all
draws? A draw takes at most a quarter of the data, or the draws would be too similar.

floor: do training examples score better because the features were trained on them? Compares examples
excluded from feature training with examples used in it, both against the reference.

marks: samples of one model with many seeds differ by chance alone; how many pairs does `compare` mark?
Without --run, a digits model is trained first.

ordering: do worse images score worse? FID of corrupted held-out images against the training images,
with features learned with and without labels.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

import ganwright as gw
from ganwright.data import DataOptions, Dataset
from ganwright.evaluate import (
    MEASURES,
    Entry,
    Estimate,
    Neighbourhood,
    Scores,
    TwoSample,
    fid,
    measure,
    two_sample,
)
from ganwright.evaluate.compare import better_by_more_than_noise
from ganwright.evaluate.evidence import FAKE, PROBABILITIES, REAL
from ganwright.evaluate.features import Extractor, choose_extractor
from ganwright.evaluate.judge import Looked, Reference, look, look_at, rows
from ganwright.evaluate.learned import _parts
from ganwright.evaluate.measures import estimates
from ganwright.evaluate.subject import subject_of

TESTED = (
    "fid", "fid_infinite", "kid", "inception_score", "precision", "recall", "density", "coverage",
    "vendi", "accuracy", "auc",
)  # fmt: skip
POOL = 20  # draws' worth of examples looked at
SHARE = 4  # of a pool, that a draw takes at most one part of
TRAINED_MOST = 10_000
GREY, PIXELS, CLASSES = (32, 64), (0.5, 0.7, 1.0), (1, 2, 5)  # noise, blur and missing classes


def some(indices: np.ndarray, most: int, seed: int = 0) -> np.ndarray:
    """At most so many of the indices, by chance."""
    return np.sort(np.random.default_rng(seed).permutation(indices)[:most])


def seen(extractor: Extractor, data: Dataset, indices: np.ndarray) -> Looked:
    return look(extractor, rows(data, indices))


def print_row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def print_head(*cells: str) -> None:
    print_row(*cells)
    print("|" + "---|" * len(cells), flush=True)


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


# --- do the intervals hold? -----------------------------------------------------------------------


def intervals(o: argparse.Namespace) -> None:
    data = gw.open_data(o.data)
    extractor = choose_extractor("learned", data)
    n = min(o.n, len(data.train) // SHARE)
    against = min(o.against, len(data.heldout) // SHARE)
    training = seen(extractor, data, some(data.train, POOL * n))
    held = seen(extractor, data, some(data.heldout, POOL * against))
    drawn = [draw(training, n, held, against, seed) for seed in range(o.draws)]
    print(
        f"{data.name}: {n:,} of {len(training):,} training examples against {against:,} of "
        f"{len(held):,} held-out ones, {o.draws} draws\n"
    )
    print_head("measure", "stated error over true spread", "intervals that hold the mean")
    for name in TESTED:
        if all(name in found for found, _ in drawn):
            print_row(MEASURES[name].title, *held_by([found[name] for found, _ in drawn]))
    print("\nThe same with neighbourhoods and classifiers held fixed:\n")
    print_head("measure", "stated error over true spread", "intervals that hold the mean")
    for name in TESTED:
        if all(name in fixed for _, fixed in drawn):
            print_row(MEASURES[name].title, *held_by([fixed[name] for _, fixed in drawn]))


def draw(
    training: Looked, n: int, held: Looked, against: int, seed: int
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """The intervals of one draw of both sides: as on a card, and with one side held fixed."""
    fake = training.part(some(np.arange(len(training)), n, 2 * seed))
    real = held.part(some(np.arange(len(held)), against, 2 * seed + 1))
    evidence = {REAL: real.features, FAKE: fake.features, PROBABILITIES: fake.probabilities}
    scores = measure(TESTED, evidence)
    return estimates(scores, evidence), held_fixed(scores)


def held_fixed(scores: Scores) -> dict[str, Estimate]:
    """The intervals before they are widened for the balls and classifiers being drawn, too."""
    found: dict[str, Estimate] = {}
    for result in scores.results.values():
        if isinstance(result, Neighbourhood):
            found |= result.intervals()
        elif isinstance(result, TwoSample):
            found |= {"accuracy": result.accuracy, "auc": result.auc}
    return found


def held_by(found: list[Estimate]) -> tuple[str, str]:
    values = np.array([e.value for e in found])
    spread, mean = values.std(ddof=1), values.mean()
    if spread == 0:
        return f"all at {mean:.3g}", ""
    holds = np.mean([e.low <= mean <= e.high for e in found])
    return f"{np.mean([e.error for e in found]) / spread:.2f}", f"{100 * holds:.0f} %"


# --- are training examples a fair floor? ----------------------------------------------------------


def floor(o: argparse.Namespace) -> None:
    data = gw.open_data(o.data)
    extractor = choose_extractor("learned", data)
    learned, kept = _parts(data)
    n = min(o.n, len(kept), len(learned))
    real = seen(extractor, data, some(data.heldout_halves[1], o.n)).features
    print(f"{data.name}: {n:,} training examples against {len(real):,} of the reference")
    if "accuracy" in extractor.about:
        print(f"accuracy on those kept back: {extractor.about['accuracy']:.3f}")
    print()
    print_head("training examples", "FID", "AUC")
    players = [("kept back from learning", some(kept, n))]
    players += [(f"learned from, draw {i}", some(learned, n, i)) for i in range(1, o.draws + 1)]
    for name, indices in players:
        fake = seen(extractor, data, indices).features
        print_row(name, f"{fid(real, fake):.2f}", f"{two_sample(real, fake).auc.value:.2f}")


# --- how often is chance marked? ------------------------------------------------------------------


def marks(o: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = o.run
        if run is None:
            run = Path(folder) / "run"
            gw.train("digits", out=run, kimg=o.kimg, seed=o.seed)
        judged = list(judge_by_seeds(run, o.seeds, o.n))
    names = [name for name in MEASURES if all(name in entries for entries in judged)]
    pairs = list(combinations(judged, 2))
    print(f"{len(pairs)} pairs of {o.seeds} seeds of one model, n = {o.n:,}\n")
    print_head("measure", "pairs marked")
    for name in names:
        marked = sum(is_marked(a[name], b[name]) for a, b in pairs)
        print_row(MEASURES[name].title, f"{100 * marked / len(pairs):.0f} %" if marked else "never")


def judge_by_seeds(run: Path, seeds: int, n: int) -> Iterator[dict[str, Entry]]:
    """The card's numbers for samples of each seed, with one reference and floor, as in `compare`."""
    first = subject_of(run, None, 0)
    reference = Reference(first, choose_extractor("learned", first.data), 0)
    floors = reference.floors(n)
    for seed in range(seeds):
        fake = look_at(subject_of(run, None, seed), reference.extractor, n)
        scores = reference.score(fake)
        sure = estimates(scores, reference.evidence(fake))
        yield {
            name: Entry(
                value=scores.values[name], low=e.low, high=e.high, floor=floors.get(name),
                baseline=None, better=MEASURES[name].better, n=n,
            )
            for name, e in sure.items()
        }  # fmt: skip


def is_marked(a: Entry, b: Entry) -> bool:
    return bool(better_by_more_than_noise(a, b) or better_by_more_than_noise(b, a))


# --- are worse pictures further away? -------------------------------------------------------------


def ordering(o: argparse.Namespace) -> None:
    data = gw.open_data(o.data, options=DataOptions(labels=True))
    held = some(data.heldout, o.n)
    labels = np.zeros(len(held), int) if data.labels is None else data.labels[held]
    spoilt_ones = dict(spoilt(data.rows[held], labels))
    columns = {} if data.labels is None else {"with labels": distances(data, spoilt_ones)}
    unlabelled = gw.open_data(o.data, options=DataOptions(labels=False))
    columns["without"] = distances(unlabelled, spoilt_ones)
    print(
        f"{data.name}: FID of {len(held):,} held-out pictures, spoilt, to the training pictures\n"
    )
    print_head("held-out pictures", *columns)
    for name in spoilt_ones:
        print_row(name, *(short(column[name]) for column in columns.values()))


def distances(data: Dataset, pictures: dict[str, np.ndarray]) -> dict[str, float]:
    """FID of each set of pictures to the training pictures, by features learned from `data`."""
    extractor = choose_extractor("learned", data)
    real = seen(extractor, data, some(data.train, TRAINED_MOST)).features
    return {name: float(fid(real, extractor.features(made))) for name, made in pictures.items()}


def spoilt(pictures: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The pictures as they are, noisy, blurred, without some classes, and noise alone."""
    if pictures.dtype != np.uint8:
        raise SystemExit("ordering: takes pictures of 8 bits")
    rng = np.random.default_rng(1)
    yield "as they are", pictures
    for by in GREY:
        noisy = pictures + rng.normal(0, by, pictures.shape)
        yield f"noise of {by} grey levels", noisy.clip(0, 255).round().astype(np.uint8)
    for width in PIXELS:
        blurred = gaussian_filter(pictures.astype(float), (0, width, width, 0))
        yield f"blur of {width:g} pixels", blurred.round().astype(np.uint8)
    for count in CLASSES:
        if count <= labels.max():
            yield f"{count} of {labels.max() + 1} classes missing", pictures[labels >= count]
    yield "uniform noise", rng.integers(0, 256, pictures.shape).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_subparsers(required=True).add_parser
    for command, n in ((intervals, 1000), (floor, 2000), (marks, 600), (ordering, 2000)):
        sub = add(command.__name__)
        sub.set_defaults(command=command)
        sub.add_argument("-n", type=int, default=n, help="samples, or fewer where there are fewer")
        if command is not marks:
            sub.add_argument("data", nargs="?", default="digits")
        if command is intervals:
            sub.add_argument("--draws", type=int, default=60)
            sub.add_argument("--against", type=int, default=1000)
        if command is floor:
            sub.add_argument("--draws", type=int, default=4)
        if command is marks:
            sub.add_argument("--seeds", type=int, default=12)
            sub.add_argument("--run", type=Path)
            sub.add_argument("--kimg", type=float, default=200)
            sub.add_argument("--seed", type=int, default=0, help="of the training")
    o = parser.parse_args()
    o.command(o)


if __name__ == "__main__":
    main()
