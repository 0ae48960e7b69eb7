"""From samples and data to a card: who plays the fakes, who the reference, and what is measured.

The reference is the half of the held-out data that selecting checkpoints never saw. Real training
examples in the fakes' place give the floor, a Gaussian fitted to the training pixels the baseline;
both are measured at the samples' own n against the same reference.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError, message
from ganwright.data import Dataset
from ganwright.evaluate.card import Card, Entry, verdict, warnings
from ganwright.evaluate.coverage import Manifold, neighbourhood
from ganwright.evaluate.estimates import WIDE, estimates
from ganwright.evaluate.features import Extractor, choose_extractor
from ganwright.evaluate.intervals import Estimate
from ganwright.evaluate.measures import (
    ASKED,
    CLASSES,
    FAKE,
    HELD,
    MEASURES,
    PIXELS,
    PROBABILITIES,
    REAL,
    TRAINING,
    TRAINING_PIXELS,
    Scores,
    measure,
)
from ganwright.evaluate.memory import Memorisation
from ganwright.evaluate.modes import kl_floor
from ganwright.evaluate.subject import BLOCK, Source, Subject, rows, subject_of
from ganwright.evaluate.twosample import TwoSample
from ganwright.model import Model

__all__ = ["Looked", "Reference", "class_shares", "evaluate", "gaussian", "look", "rows"]

LEAST, MOST = 2, 10_000  # samples: fewer are no set; more only where they are asked for
FLOORS = 3  # draws of real examples that the floor averages
TRAINED_MOST = 50_000  # training examples looked at
FITTED_MOST, FITTED_NUMBERS = 5000, 2**24  # training examples and their pixels in the baseline
LACKS = {  # why a measure is left out, by what of `Measure.needs` is not there
    TRAINING: "needs held-out examples: how near do unseen ones lie to the training data?",
    CLASSES[0]: "needs features that know the data's classes",
    ASKED: "needs samples that were asked for a class, and features that know the classes",
    PROBABILITIES: "needs features with a classifier",
}
MEMORY = ("closer", "ct", "copies")  # what is asked of samples and training data
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One set as the extractor sees it. The features lie in a file without a name."""

    features: np.ndarray
    probabilities: np.ndarray | None
    hashes: np.ndarray  # (n, 8) bytes of each picture's own hash
    asked: np.ndarray | None = None  # the class each was asked to be

    def __len__(self) -> int:
        return len(self.features)

    def part(self, indices: np.ndarray) -> Looked:
        """The examples at `indices`."""
        shares = None if self.probabilities is None else self.probabilities[indices]
        asked = None if self.asked is None else self.asked[indices]
        return Looked(
            features=np.asarray(self.features[indices]), probabilities=shares,
            hashes=self.hashes[indices], asked=asked,
        )  # fmt: skip


def look(extractor: Extractor, blocks: Iterable[np.ndarray]) -> Looked:
    """Features, class probabilities and hashes of pictures that come block by block.

    In memory stay a few bytes a picture and the probabilities; the features are written to a
    temporary file, from which the measures read as they go.
    """
    hashes: list[bytes] = []
    shares: list[np.ndarray] = []

    def noted() -> Iterator[np.ndarray]:
        for block in blocks:
            hashes.extend(hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in block)
            yield block

    with tempfile.TemporaryFile(prefix="ganwright-") as file:
        for seen in extractor.stream(noted()):
            file.write(np.ascontiguousarray(seen.features, np.float32).tobytes())
            if seen.probabilities is not None:
                shares.append(seen.probabilities)
        file.flush()
        shape = (len(hashes), extractor.width)
        features = np.memmap(file, np.float32, "r", shape=shape).view(np.ndarray)
    return Looked(
        features=features,
        probabilities=np.concatenate(shares) if shares else None,
        hashes=np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), 8),
    )


def histogram(probabilities: np.ndarray) -> np.ndarray:
    """How many pictures are taken for each class."""
    return np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])


def class_shares(seen: Looked, classes: tuple[str, ...]) -> dict[str, float]:
    """The share of each class that the extractor takes the pictures for, 0 where there is none."""
    if seen.probabilities is None:
        return {}
    counts = histogram(seen.probabilities) / len(seen)
    return dict(zip(classes, counts.tolist(), strict=True))


def gaussian(data: Dataset, n: int, seed: int) -> Iterator[np.ndarray]:
    """The simplest model of pictures: the Gaussian with the mean and covariance of training pixels.

    Drawn as mean + Σ zᵢ (xᵢ − mean) / √(m − 1), which has exactly the covariance of the m examples
    without computing it.
    """
    rng = np.random.default_rng(seeds.derive(seed, "gaussian"))
    most = max(2, min(FITTED_MOST, FITTED_NUMBERS // math.prod(data.spec.shape)))
    stored, _ = data.batch(np.sort(rng.permutation(data.train)[:most]))
    flat = data.codec.encode(stored).flatten(1)
    mean = flat.mean(0)
    axes = (flat - mean) / math.sqrt(max(1, len(flat) - 1))
    for start in range(0, n, BLOCK):
        z = rng.standard_normal((min(BLOCK, n - start), len(axes)), np.float32)
        yield data.codec.decode((mean + torch.from_numpy(z) @ axes).unflatten(1, data.spec.shape))


class Reference:
    """What samples are held against: real examples as the extractor sees them, looked at once."""

    def __init__(self, subject: Subject, extractor: Extractor, seed: int) -> None:
        self.subject, self.data, self.extractor, self.seed = subject, subject.data, extractor, seed
        data = self.data
        self.real = look(extractor, rows(data, subject.reference))
        rng = np.random.default_rng(seeds.derive(seed, "evaluate", "training"))
        trained = np.sort(rng.permutation(data.train)[:TRAINED_MOST])
        self.training = look(extractor, rows(data, trained))
        self.manifold = self._manifold()
        self.knows_classes = bool(data.spec.classes) and extractor.classes == data.spec.classes

    def _manifold(self) -> Manifold | np.ndarray:
        """With the radii of its balls, which all scores share; just the features where too few."""
        try:
            return Manifold(self.real.features)
        except DataError:
            return self.real.features

    def evidence(self, fake: Looked) -> dict[str, Any]:
        """All that the measures may need, in the words of `Measure.needs`."""
        found: dict[str, Any] = {
            REAL: self.real.features,
            FAKE: fake.features,
            PROBABILITIES: fake.probabilities,
            PIXELS: fake.hashes,
        }
        if self.subject.unseen:
            found |= {TRAINING: self.training.features, HELD: self.real.features}
        if self.knows_classes and fake.probabilities is not None:
            assert self.training.probabilities is not None  # of the same extractor
            counted = histogram(fake.probabilities), histogram(self.training.probabilities)
            found |= dict(zip(CLASSES, counted, strict=True)) | {ASKED: fake.asked}
        return found | {TRAINING_PIXELS: self.training.hashes}

    def score(self, fake: Looked, names: Iterable[str] = tuple(MEASURES)) -> Scores:
        """The measures of `fake`, in the order of the table."""
        wanted, evidence = list(names), self.evidence(fake)
        near = [name for name in wanted if MEASURES[name].function is neighbourhood]
        rest = measure([name for name in wanted if name not in near], evidence)
        found = measure(near, {**evidence, REAL: self.manifold})
        values = found.values | rest.values
        return Scores(
            {name: values[name] for name in wanted if name in values},
            found.results | rest.results,
            found.refused | rest.refused,
        )

    def floors(self, n: int) -> dict[str, float]:
        """What real examples score in the samples' place."""
        names = [name for name in MEASURES if name not in MEMORY and name != "class_kl"]
        if not self.subject.unseen:  # they would be held against themselves
            names = [name for name in names if REAL not in MEASURES[name].needs]
        draws = FLOORS if self.extractor.width <= WIDE and n < len(self.training) else 1
        found = []
        for i in range(draws):
            rng = np.random.default_rng(seeds.derive(self.seed, "evaluate", "floor", i))
            chosen = np.sort(rng.permutation(len(self.training))[:n])
            found.append(self.score(self.training.part(chosen), names).values)
        floors = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
        return floors | self._floors_of_unseen() | self._floors_of_classes(n)

    def _floors_of_unseen(self) -> dict[str, float]:
        """Of memorisation: what held-out examples score that are not in the reference."""
        if not self.subject.unseen or len(self.subject.selection) < 8:
            return {}
        unseen = look(self.extractor, rows(self.data, self.subject.selection))
        return self.score(unseen, MEMORY).values

    def _floors_of_classes(self, n: int) -> dict[str, float]:
        """The noise of counting, and how often the classifier knows a real example it never saw."""
        if not self.knows_classes:
            return {}
        floors = {"class_kl": kl_floor(len(self.data.spec.classes), n, len(self.training))}
        if self.data.labels is not None and self.subject.unseen:
            true = replace(self.real, asked=self.data.labels[self.subject.reference])
            floors |= self.score(true, ("obeyed",)).values
        return floors

    def baseline(self, n: int, asked: np.ndarray | None) -> dict[str, float]:
        """What the simplest model scores: a Gaussian of pixels, blind to what it is asked."""
        simple = look(self.extractor, gaussian(self.data, n, self.seed))
        return self.score(replace(simple, asked=asked)).values


def evaluate(
    samples: Model | Source,
    against: Source | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> Card:
    """Judges a model's samples, or any pictures, against real data.

    `samples` is a Model, a run folder, or anything `open_data` reads; `against` the data (a run knows
    its own). `n` samples are judged (default: as many as there are training examples, 10,000 at
    most), by the extractor `features` (default: learned from the training data). Raises DataError or
    OptionError with what is missing.
    """
    if n is not None and n < LEAST:
        raise OptionError(message("n", f"must be at least {LEAST}; got {n}"))
    progress("opening the data")
    subject = subject_of(samples, against, seed)
    most = math.inf if subject.most is None else subject.most
    count = int(min(most, min(MOST, len(subject.data.train)) if n is None else n))
    progress("preparing the features")
    extractor = choose_extractor(features, subject.data)
    progress("looking at real examples")
    reference = Reference(subject, extractor, seed)
    progress(f"looking at {count:,} samples")
    fake = look_at(subject, extractor, count)
    scores = reference.score(fake)
    given = reference.evidence(fake)
    sure = estimates(scores, given)
    progress("real examples in the samples' place: the floor")
    floors = reference.floors(count)
    progress("the simplest model in the samples' place: the baseline")
    baselines = reference.baseline(count, fake.asked)
    entries = {
        name: _entry(name, scores, sure.get(name), floors, baselines, count)
        for name, value in scores.values.items()
        if math.isfinite(value)
    }
    notes = _notes(reference, count, n)
    left_out = {name: _why(name, text, given) for name, text in scores.refused.items()}
    return _card(reference, fake, entries, left_out, notes)


def look_at(subject: Subject, extractor: Extractor, n: int) -> Looked:
    """`n` samples, and the classes they were asked to be."""
    asked: list[np.ndarray] = []

    def pictures() -> Iterator[np.ndarray]:
        for examples, labels in subject.draw(n):
            if labels is not None:
                asked.append(labels)
            yield examples

    seen = look(extractor, pictures())
    return replace(seen, asked=np.concatenate(asked)) if asked else seen


def _entry(
    name: str,
    scores: Scores,
    sure: Estimate | None,
    floors: dict[str, float],
    baselines: dict[str, float],
    n: int,
) -> Entry:
    result = scores.results[name]
    return Entry(
        value=scores.values[name],
        low=None if sure is None else sure.low,
        high=None if sure is None else sure.high,
        floor=floors.get(name),
        baseline=baselines.get(name),
        better=MEASURES[name].better,
        n=result.n if isinstance(result, TwoSample | Memorisation) else n,
        method="" if sure is None else sure.method,
    )


def _why(name: str, text: str, given: dict[str, Any]) -> str:
    lacking = [need for need in MEASURES[name].needs if given.get(need) is None]
    return LACKS.get(lacking[0], text) if lacking else text


def _notes(reference: Reference, n: int, asked: int | None) -> list[str]:
    found = list(reference.subject.notes)
    if asked is not None and n < asked:
        found.append(f"{asked:,} samples were asked for; there are {n:,}")
    if n > len(reference.training):
        found.append(
            f"floors are of {len(reference.training):,} real examples: there are not {n:,} to look at"
        )
    return found


def _card(
    reference: Reference,
    fake: Looked,
    entries: dict[str, Entry],
    left_out: dict[str, str],
    notes: list[str],
) -> Card:
    subject, extractor = reference.subject, reference.extractor
    names = reference.data.spec.classes if reference.knows_classes else ()
    shares, real = (class_shares(s, names) if names else {} for s in (fake, reference.training))
    classes = {name: {"samples": shares[name], "real": real[name]} for name in names}
    size = len(subject.reference)
    return Card(
        samples=subject.name,
        n=len(fake),
        against={"n": size, "fingerprint": reference.data.fingerprint, "part": subject.part},
        features={"name": extractor.name, "hash": extractor.hash, "about": dict(extractor.about)},
        measures=entries,
        classes=classes,
        left_out=left_out,
        notes=tuple(notes),
        warnings=(*subject.warnings, *warnings(entries, size, extractor.width, classes)),
        verdict=verdict(entries, classes, size),
        seen=subject.seen,
    )
