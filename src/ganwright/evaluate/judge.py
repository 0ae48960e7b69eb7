"""From samples and data to a card: who plays the fakes, who the reference, and what is measured.

The reference is the half of the held-out data that selecting checkpoints never saw. Real training
examples in the fakes' place give the floor, a Gaussian fitted to the training pixels the baseline;
both are measured at the samples' own n against the same reference.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.base.options import build
from ganwright.base.runs import RunFolder
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.evaluate.card import Card, Entry, verdict, warnings
from ganwright.evaluate.coverage import Manifold, Neighbourhood
from ganwright.evaluate.distances import Extrapolation, fid, inception_score
from ganwright.evaluate.features import Extractor, choose_extractor
from ganwright.evaluate.intervals import Estimate, jackknife, normal, wilson
from ganwright.evaluate.measures import (
    CLASSES,
    FAKE,
    HELD,
    MEASURES,
    PIXELS,
    PROBABILITIES,
    REAL,
    TRAINING,
    Scores,
    measure,
)
from ganwright.evaluate.memory import Memorisation
from ganwright.evaluate.twosample import TwoSample
from ganwright.model import Model

MOST = 10_000  # samples where nothing is asked for
BLOCK = 500  # pictures looked at together
WIDE = 512  # features beyond which intervals are made from fewer recomputations
ALL = tuple(MEASURES)
FLOORS = 3  # draws of real examples that the floor averages
PRINCIPAL = 256  # components of the Gaussian of the baseline


@dataclass(frozen=True)
class Looked:
    """One set as the extractor sees it."""

    features: np.ndarray
    probabilities: np.ndarray | None
    hashes: np.ndarray  # (n, 8) bytes of each picture's own hash

    def evidence(self) -> dict[str, Any]:
        """This set in the fakes' place, in the words of `Measure.needs`."""
        return {
            FAKE: self.features,
            PROBABILITIES: self.probabilities,
            CLASSES[0]: histogram(self.probabilities),
            PIXELS: self.hashes,
        }


def look(extractor: Extractor, blocks: Iterator[np.ndarray]) -> Looked:
    """Features, class probabilities and hashes of pictures that come block by block."""
    hashes: list[bytes] = []

    def noted() -> Iterator[np.ndarray]:
        for block in blocks:
            hashes.extend(hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in block)
            yield block

    parts = list(extractor.stream(noted()))
    found = [part.probabilities for part in parts if part.probabilities is not None]
    return Looked(
        np.concatenate([part.features for part in parts]),
        np.concatenate(found) if found else None,
        np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), 8),
    )


def histogram(probabilities: np.ndarray | None) -> np.ndarray | None:
    """How many pictures are taken for each class."""
    if probabilities is None:
        return None
    return np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])


def rows(data: Dataset, indices: np.ndarray) -> Iterator[np.ndarray]:
    """Pictures of a dataset, block by block."""
    for start in range(0, len(indices), BLOCK):
        yield np.asarray(data.rows[indices[start : start + BLOCK]])


def gaussian(data: Dataset, n: int, seed: int) -> Iterator[np.ndarray]:
    """The simplest model of pictures: a Gaussian of the training pixels, by principal components."""
    codec = data.codec
    rng = np.random.default_rng(seeds.derive(seed, "gaussian"))
    chosen = rng.permutation(data.train)[:5000]
    stored, _ = data.batch(np.sort(chosen))
    flat = codec.encode(stored).flatten(1).numpy().astype(np.float64)
    mean = flat.mean(0)
    _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    scale, axes = scale[:PRINCIPAL] / np.sqrt(max(1, len(flat) - 1)), axes[:PRINCIPAL]
    import torch

    for start in range(0, n, BLOCK):
        z = rng.standard_normal((min(BLOCK, n - start), len(scale)))
        made = torch.from_numpy((mean + (z * scale) @ axes).clip(-1, 1).astype(np.float32))
        yield codec.decode(made.unflatten(1, data.spec.shape))


@dataclass(frozen=True)
class Subject:
    """Whose samples are judged, and against which data."""

    name: str
    data: Dataset
    blocks: Callable[[int], Iterator[np.ndarray]]  # n → samples
    most: int  # samples there are
    reference: np.ndarray  # rows of data
    selection: np.ndarray  # other held-out rows
    notes: tuple[str, ...] = ()


def evaluate(
    samples: Model | str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Card:
    """Judges a model's samples, or any pictures, against real data.

    `samples` is a Model, a run folder, or anything `open_data` reads; `against` the data (a run knows
    its own). `n` samples are judged (default: as many as there are training examples, 10,000 at
    most), by the extractor `features` (default: learned from the training data). Raises DataError or
    OptionError with what is missing.
    """
    progress("opening the data")
    subject = _subject(samples, against, seed)
    data = subject.data
    if len(subject.reference) < 10:
        raise DataError(
            f"{data.name}: only {len(subject.reference)} held-out examples to judge by; it takes 10, "
            "better 2,000"
        )
    n = min(subject.most, len(data.train) if n is None else n, MOST if n is None else n)
    if n < 10:
        raise DataError(f"{subject.name}: {n} samples are too few to judge; it takes 10")
    progress("preparing the features")
    extractor = choose_extractor(features, data)
    progress("looking at real examples")
    real = look(extractor, rows(data, subject.reference))
    rng = np.random.default_rng(seeds.derive(seed, "evaluate", "training"))
    trained = np.sort(rng.permutation(data.train)[:50_000])
    training = look(extractor, rows(data, trained))
    common = {
        REAL: real.features,
        CLASSES[1]: histogram(training.probabilities),
        TRAINING: training.features,
        HELD: real.features,
    }
    manifold = Manifold(real.features)
    progress(f"looking at {n:,} samples")
    fake = look(extractor, subject.blocks(n))
    scores = _measure(common, fake, manifold)
    progress("real examples in the samples' place: the floor")
    floors = [
        _measure(common, _part(training, rng.permutation(len(trained))[:n]), manifold, memory=False)
        for _ in range(FLOORS if extractor.width <= WIDE else 1)
    ]
    if len(subject.selection) >= 10:  # unseen real data in the samples' place
        unseen = look(extractor, rows(data, subject.selection))
        honest = measure(("closer", "ct", "copies"), {**common, FAKE: unseen.features})
    else:
        honest = Scores({}, {}, {})
    progress("the simplest model in the samples' place: the baseline")
    simple = _measure(common, look(extractor, gaussian(data, n, seed)), manifold)
    entries = {}
    for name, value in scores.values.items():
        found = [f.values[name] for f in (*floors, honest) if name in f.values]
        low, high = _interval(name, scores.results[name], {**common, **fake.evidence()}, n)
        entries[name] = Entry(
            value=value,
            low=low,
            high=high,
            floor=float(np.mean(found)) if found else None,
            baseline=simple.values.get(name),
            better=MEASURES[name].better,
            n=n,
        )
    return Card(
        samples=subject.name,
        n=n,
        against={"n": len(subject.reference), "fingerprint": data.fingerprint},
        features={"name": extractor.name, "hash": extractor.hash},
        measures=entries,
        left_out=scores.refused,
        warnings=(*subject.notes, *warnings(entries, len(subject.reference))),
        verdict=verdict(entries),
    )


def _measure(
    common: dict[str, Any], fake: Looked, manifold: Manifold, *, memory: bool = True
) -> Scores:
    names = [m for m in ALL if memory or TRAINING not in MEASURES[m].needs]
    near = [m for m in names if MEASURES[m].part in ("precision", "recall", "density", "coverage")]
    evidence = {**common, **fake.evidence()}
    first = measure([m for m in names if m not in near], evidence)
    second = measure(near, {**evidence, REAL: manifold})  # whose radii are known already
    order = {
        m: {**first.values, **second.values}[m]
        for m in names
        if m in {**first.values, **second.values}
    }
    return Scores(order, first.results | second.results, first.refused | second.refused)


def _part(seen: Looked, indices: np.ndarray) -> Looked:
    probabilities = None if seen.probabilities is None else seen.probabilities[indices]
    return Looked(seen.features[indices], probabilities, seen.hashes[indices])


def _interval(
    name: str, result: Any, evidence: dict[str, Any], n: int
) -> tuple[float | None, float | None]:
    """The 95 % interval of a measure, by the way that fits it; (None, None) where there is none."""
    found = _estimate(name, result, evidence, n)
    return (None, None) if found is None else (found.low, found.high)


def _estimate(name: str, result: Any, evidence: dict[str, Any], n: int) -> Estimate | None:
    if isinstance(result, Estimate):
        return result
    if isinstance(result, Extrapolation):
        return normal(result.value, result.error, "error of the line")
    if isinstance(result, Neighbourhood):
        return result.intervals().get(name)
    if isinstance(result, TwoSample):
        return {"accuracy": result.accuracy, "auc": result.auc}[name]
    if isinstance(result, Memorisation):
        if name == "ct":
            return normal(result.ct, 1.0, "a z score")
        if name == "closer":  # the Mann–Whitney share's error where nothing is copied
            return normal(result.closer, (1 / (6 * result.n)) ** 0.5, "Mann–Whitney")
        return None
    if name == "unique":
        return wilson(result * n, n)
    if name == "fid":
        wide = evidence[FAKE].shape[1] > WIDE
        parts = (evidence[REAL], evidence[FAKE])
        if min(map(len, parts)) < 20:
            return None
        return jackknife(fid, *parts, blocks=10 if wide else 20, fixed=(0,) if wide else ())
    if name == "inception_score" and len(evidence[PROBABILITIES]) >= 200:
        return jackknife(lambda p: inception_score(p.array())[0], evidence[PROBABILITIES])
    return None


def _subject(
    samples: Model | str | os.PathLike[str], against: str | os.PathLike[str] | None, seed: int
) -> Subject:
    if isinstance(samples, Model):
        if against is None:
            raise DataError("against: a model doesn't hold its data; name the data to judge by")
        return _of_model(samples, "the model", against, None, seed)
    path = Path(samples)
    if RunFolder(path).recipe.is_file():
        events = RunFolder(path).events()
        source = next((e.get("source") for e in events if e["event"] == "start"), None)
        by = source if against is None else against
        if by is None:
            raise DataError(f"'{path}' doesn't say what it was trained on; name it with --against")
        return _of_model(Model.load(path), str(path), by, source, seed)
    if (path / "model.json").is_file():
        return _subject(Model.load(path), against, seed)
    if against is None:
        raise DataError(f"'{path}' is not a run: name the data to judge by with --against")
    return _of_files(path, against)


def _of_model(
    model: Model, name: str, against: str | os.PathLike[str], source: str | None, seed: int
) -> Subject:
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    data = open_data(against, options=options)
    selection, final = data.heldout_halves
    notes: tuple[str, ...] = ()
    if data.fingerprint != model.data.get("fingerprint"):
        final, notes = _other_data(data, options, source, final)

    def blocks(n: int) -> Iterator[np.ndarray]:
        return (block.examples for block in model.stream(n, seed=seeds.derive(seed, "evaluate")))

    return Subject(name, data, blocks, 10**9, final, selection, notes)


def _other_data(
    data: Dataset, options: DataOptions, source: str | None, final: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Judged by other data than the model was trained on: does that hold any of it?"""
    if source is None:
        return final, ("this is not the data the model was trained on; if it holds some of it, the "
                       "numbers measure memory, not quality",)  # fmt: skip
    trained = open_data(source, options=options)
    shared = np.isin(data.hashes[final], trained.hashes[trained.train])
    if shared.any():
        return final, (
            f"{shared.mean():.0%} of the reference was in the training data: the numbers measure "
            "memory, not quality",
        )
    return final, ()


def _of_files(path: Path, against: str | os.PathLike[str]) -> Subject:
    data = open_data(against)
    own = open_data(path)
    notes = []
    if own.spec.shape != data.spec.shape:
        shape = f"{own.codec.height}×{own.codec.width}×{own.codec.channels}"
        notes.append(
            f"the samples are {shape}: brought to the data's size and channels by its rule"
        )
        own = open_data(path, options=replace(data.options, holdout=0.0, labels=False))
    if own.codec.dtype != data.codec.dtype:
        raise DataError(
            f"'{path}' holds {own.codec.dtype} pictures, the data {data.codec.dtype}: not comparable"
        )
    selection, final = data.heldout_halves
    overlap = np.isin(own.hashes, data.hashes[final]).mean()
    if overlap > 0:
        notes.append(f"{overlap:.0%} of the samples are in the reference itself")

    def blocks(n: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(seeds.derive(0, "evaluate", "files"))
        return rows(own, np.sort(rng.permutation(len(own))[:n]))

    return Subject(str(path), data, blocks, len(own), final, selection, tuple(notes))


def class_shares(seen: Looked) -> dict[int, float]:
    """The share of each class that the extractor takes the samples for."""
    if seen.probabilities is None:
        return {}
    counts = Counter(seen.probabilities.argmax(1).tolist())
    return {cls: counts[cls] / len(seen.features) for cls in sorted(counts)}
