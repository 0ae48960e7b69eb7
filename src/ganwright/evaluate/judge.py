"""From samples and data to a card: who plays the fakes, who the reference, and what is measured.

The reference is the half of the held-out data that selecting checkpoints never saw. Real training
examples in the fakes' place give the floor, the simplest model of this kind of data the baseline; both
are measured at the samples' own n against the same reference.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError, message
from ganwright.evaluate.card import Card, Entry
from ganwright.evaluate.coverage import Manifold, neighbourhood
from ganwright.evaluate.estimates import WIDE
from ganwright.evaluate.evidence import (
    ASKED,
    CLASSES,
    FAKE,
    FAKE_ROWS,
    HELD,
    PIXELS,
    PROBABILITIES,
    REAL,
    REAL_ROWS,
    TRAINING,
    TRAINING_PIXELS,
    TRAINING_ROWS,
)
from ganwright.evaluate.features import Extractor, choose_extractor
from ganwright.evaluate.intervals import Estimate
from ganwright.evaluate.measures import MEASURES, Scores, estimates, measure, measures_of
from ganwright.evaluate.memorisation import Memorisation, repetition
from ganwright.evaluate.modes import kl_floor
from ganwright.evaluate.subject import Given, Subject, judge_of, rows, subject_of
from ganwright.evaluate.twosample import TwoSample
from ganwright.evaluate.verdict import verdict, warnings
from ganwright.model import Model

__all__ = ["Looked", "Reference", "class_shares", "evaluate", "look", "rows"]

LEAST, MOST = 2, 10_000  # samples: fewer are no set; more only where they are asked for
FLOORS = 3  # draws of real examples that the floor averages
TRAINED_MOST = 50_000  # training examples looked at
LACKS = {  # why a measure is left out, by what of `Measure.needs` is not there
    TRAINING: "needs held-out examples: how near do unseen ones lie to the training data?",
    CLASSES[0]: "needs features that know the data's classes",
    ASKED: "needs samples that were asked for a class, and features that know the classes",
    PROBABILITIES: "needs features with a classifier",
}
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One set as the extractor sees it. The features lie in a file without a name."""

    features: np.ndarray
    probabilities: np.ndarray | None
    hashes: np.ndarray  # (n, 8) bytes of each example's own hash
    asked: np.ndarray | None = None  # the class each was asked to be
    cells: Any = None  # the form that the modality's own measures look at

    def __len__(self) -> int:
        return len(self.features)

    def part(self, indices: np.ndarray) -> Looked:
        """The examples at `indices`."""
        shares = None if self.probabilities is None else self.probabilities[indices]
        asked = None if self.asked is None else self.asked[indices]
        return Looked(
            features=np.asarray(self.features[indices]), probabilities=shares,
            hashes=self.hashes[indices], asked=asked,
            cells=None if self.cells is None else self.cells[indices],
        )  # fmt: skip


def look(extractor: Extractor, blocks: Iterable[Any]) -> Looked:
    """Features, class probabilities and hashes of examples that come block by block.

    In memory stay a few bytes an example, the probabilities and the cells; the features are written
    to a temporary file, from which the measures read as they go.
    """
    hashes: list[np.ndarray] = []
    shares: list[np.ndarray] = []
    cells: list[Any] = []

    def noted() -> Iterator[Any]:
        for block in blocks:
            hashes.append(extractor.codec.digests(block))
            yield block

    with tempfile.TemporaryFile(prefix="ganwright-") as file:
        for seen in extractor.stream(noted()):
            file.write(np.ascontiguousarray(seen.features, np.float32).tobytes())
            if seen.probabilities is not None:
                shares.append(seen.probabilities)
            if seen.cells is not None:
                cells.append(seen.cells)
        file.flush()
        shape = (sum(map(len, hashes)), extractor.width)
        features = np.memmap(file, np.float32, "r", shape=shape).view(np.ndarray)
    return Looked(
        features=features,
        probabilities=np.concatenate(shares) if shares else None,
        hashes=np.concatenate(hashes),
        cells=cells[0].joined(cells) if cells else None,
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
        self.judge = judge_of(data.codec.kind)
        self.measures = measures_of(data.codec.kind)
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
            REAL_ROWS: self.real.cells,
            FAKE_ROWS: fake.cells,
            TRAINING_ROWS: self.training.cells,
        }
        if self.subject.unseen:
            found |= {TRAINING: self.training.features, HELD: self.real.features}
        if self.knows_classes and fake.probabilities is not None:
            assert self.training.probabilities is not None  # of the same extractor
            counted = histogram(fake.probabilities), histogram(self.training.probabilities)
            found |= dict(zip(CLASSES, counted, strict=True)) | {ASKED: fake.asked}
        return found | {TRAINING_PIXELS: self.training.hashes}

    def score(self, fake: Looked, names: Iterable[str] | None = None) -> Scores:
        """The measures of `fake` that concern this kind of data, in the order of the table."""
        wanted, evidence = list(self.measures if names is None else names), self.evidence(fake)
        near = [name for name in wanted if self.measures[name].function is neighbourhood]
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
        names = [
            name for name, row in self.measures.items() if not row.memory and name != "class_kl"
        ]
        if not self.subject.unseen:  # they would be held against themselves
            names = [
                name for name in names if not {REAL, REAL_ROWS} & set(self.measures[name].needs)
            ]
        draws = FLOORS if self.extractor.width <= WIDE and n < len(self.training) else 1
        found = []
        for i in range(draws):
            rng = np.random.default_rng(seeds.derive(self.seed, "evaluate", "floor", i))
            chosen = np.sort(rng.permutation(len(self.training))[:n])
            asked = [name for name in names if i == 0 or not self.measures[name].costly]
            found.append(self.score(self.training.part(chosen), asked).values)
        floors = {
            name: float(np.mean([one[name] for one in found if name in one])) for name in found[0]
        }
        return floors | self._floors_of_unseen() | self._floors_of_classes(n)

    def _floors_of_unseen(self) -> dict[str, float]:
        """Of memorisation: what held-out examples score that are not in the reference."""
        if not self.subject.unseen or len(self.subject.selection) < 8:
            return {}
        unseen = look(self.extractor, rows(self.data, self.subject.selection))
        names = [name for name, row in self.measures.items() if row.memory]
        return self.score(unseen, names).values | self._floors_of_copies()

    def _floors_of_copies(self) -> dict[str, float]:
        """How often real examples repeat others by themselves.

        Held-out ones can't say: equal pictures are held out together.
        """
        kept = len(self.data.train) / len(self.data)
        shares = repetition(self.training.hashes)
        floors = dict(zip(("copies", "unique_copies"), (kept * s for s in shares), strict=True))
        return {name: floor for name, floor in floors.items() if name in self.measures}

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
        """What the simplest model scores, blind to what it is asked."""
        simple = look(self.extractor, self.judge.baseline(self.data, self.extractor, n, self.seed))
        return self.score(replace(simple, asked=asked)).values

    def others(self, n: int) -> dict[str, dict[str, float]]:
        """What each further reference of this kind of data scores."""
        return {
            name: self.score(
                look(self.extractor, make(self.data, self.extractor, n, self.seed))
            ).values
            for name, make in self.judge.OTHERS.items()
        }


def evaluate(
    samples: Model | Given,
    against: Given | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> Card:
    """Judges a model's samples, or any pictures or rows, against real data.

    `samples` is a Model, a run folder, or anything `open_data` reads; `against` the data (a run knows
    its own). `n` samples are judged (default: as many as there are training examples, 10,000 at
    most), by the extractor `features` (default: learned from the training data). Raises DataError or
    OptionError with what is missing.
    """
    check_count(n)
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
    if reference.judge.OTHERS:
        progress(f"others in the samples' place: {', '.join(reference.judge.OTHERS)}")
    others = reference.others(count)
    beside = {
        name: {other: found[name] for other, found in others.items() if name in found}
        for name in scores.values
    }
    entries = {
        name: _entry(name, scores, sure.get(name), floors, baselines, beside[name], count)
        for name, value in scores.values.items()
        if math.isfinite(value)
    }
    notes = [*_notes(reference, count, n), *_told(scores)]
    left_out = {name: _why(name, text, given) for name, text in scores.refused.items()}
    return _card(reference, fake, entries, left_out, notes)


def check_count(n: int | None) -> None:
    """Raises OptionError for a number of samples that is too small to be judged."""
    if n is not None and n < LEAST:
        raise OptionError(message("n", f"must be at least {LEAST}; got {n}"))


def look_at(subject: Subject, extractor: Extractor, n: int) -> Looked:
    """`n` samples, and the classes they were asked to be."""
    asked: list[np.ndarray] = []

    def drawn() -> Iterator[Any]:
        for examples, labels in subject.draw(n):
            if labels is not None:
                asked.append(labels)
            yield examples

    seen = look(extractor, drawn())
    return replace(seen, asked=np.concatenate(asked)) if asked else seen


def _entry(
    name: str,
    scores: Scores,
    sure: Estimate | None,
    floors: dict[str, float],
    baselines: dict[str, float],
    others: dict[str, float],
    n: int,
) -> Entry:
    result = scores.results[name]
    return Entry(
        value=scores.values[name],
        low=None if sure is None else sure.low,
        high=None if sure is None else sure.high,
        floor=floors.get(name),
        baseline=baselines.get(name),
        others={other: value for other, value in others.items() if math.isfinite(value)},
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


def _told(scores: Scores) -> list[str]:
    """What the measures' results have to say beside their number."""
    told = [(MEASURES[name].tells, result) for name, result in scores.results.items()]
    return [text for tell, result in told if tell is not None and (text := tell(result))]


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
        verdict=verdict(entries, classes, size, extractor.width),
        seen=subject.seen,
    )
