"""Whose samples are judged, and against which real examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.base.modality import modality
from ganwright.base.runs import RunFolder
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.plain import Maker, Plain
from ganwright.model import Model

BLOCK = 500  # examples read together
LEAST_HELD = 10  # held-out examples to judge a model by; a few unseen beat many seen
LEAST_FINAL = 50  # and samples in files, whose model may have seen anything
FINAL, HELDOUT, ALL = "final half of the held-out part", "held-out part", "all of the data"
Given = str | os.PathLike[str]
Drawn = tuple[Any, np.ndarray | None]  # examples, and the classes asked for
Draw = Callable[[int], Iterator[Drawn]]  # n → samples, block by block


class JudgePart(Protocol):
    """What is asked of a modality's part `judge`; `OTHERS` are further references beside the baseline."""

    OTHERS: Mapping[str, Maker]

    def baseline(self, data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[Any]:
        """`n` examples by the simplest model there is, made from the training part."""

    def plain(self, path: Given, data: Dataset) -> Plain:
        """Samples given as files, in the data's own form."""

    def fits(self, owner: str, codec: Any, data: Dataset) -> None:
        """Raises DataError when a model's codec makes other things than the data holds."""


def judge_of(name: str) -> JudgePart:
    """The part of a modality that judges its examples."""
    return cast(JudgePart, modality(name).part("judge"))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Samples, and the data they are compared with.

    `warnings` are what a reader must know before trusting the numbers, `notes` the rules that were
    applied. `selection` are held-out rows that are not in the reference, `beside` the other ways of making
    samples that a model brings along.
    """

    name: str
    data: Dataset
    draw: Draw
    most: int | None  # samples there are; None: without end
    reference: np.ndarray  # rows of data
    part: str  # which part of the data that is
    selection: np.ndarray
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seen: int | None = None  # by the model, of training examples
    model: Model | None = None  # that made them, where it is known
    beside: Mapping[str, Draw] = field(default_factory=dict)

    @property
    def unseen(self) -> bool:
        """Whether the reference was held out of training."""
        return self.part != ALL


def rows(data: Dataset, indices: np.ndarray) -> Iterator[Any]:
    """Examples of a dataset, block by block."""
    for start in range(0, len(indices), BLOCK):
        yield data.examples(indices[start : start + BLOCK])


def subject_of(samples: Model | Given, against: Given | None, seed: int) -> Subject:
    """What `samples` and `against` mean. Raises DataError with what is missing."""
    if isinstance(samples, Model):
        if against is None:
            raise DataError(
                "against: a model doesn't contain its data; name the data to judge it by"
            )
        return _of_model(samples, "the model", against, None, seed)
    path = Path(samples)
    if RunFolder(path).recipe.is_file():
        return _of_run(path, against, seed)
    if (path / "model.json").is_file():
        if against is None:
            raise DataError(f"'{path}' doesn't contain its data: name the data with --against")
        return _of_model(Model.load(path), str(path), against, None, seed)
    if against is None:
        what = "is not a run: name the data to judge by with --against"
        raise DataError(f"'{path}' {what if path.exists() else 'does not exist'}")
    return _of_files(samples, against, seed)


def _of_run(path: Path, against: Given | None, seed: int) -> Subject:
    events = RunFolder(path).events()
    source = next((e.get("source") for e in events if e["event"] == "start"), None)
    model = Model.load(path)
    if against is not None:
        return _of_model(model, str(path), against, source, seed)
    if source is None:
        raise DataError(f"'{path}' doesn't say what it was trained on; name it with --against")
    try:
        return _of_model(model, str(path), source, source, seed)
    except DataError as error:
        raise DataError(f"{error}; --against says where the data is now") from None


def _of_model(model: Model, name: str, against: Given, source: str | None, seed: int) -> Subject:
    options = model.data_options
    data = open_data(against, options=options)
    judge_of(data.codec.kind).fits(f"the model '{name}' makes", model.codec, data)
    reference, part = _reference(data, LEAST_HELD, LEAST_HELD)
    found: tuple[str, ...] = ()
    if data.fingerprint != model.data.get("fingerprint"):
        found = _of_other_data(data, reference, options, source)
    elif part == ALL:
        found = (
            "too little is held out: all of the data is the reference, training examples "
            "included, so the numbers measure memory, not quality",
        )

    def draw(n: int, by: str | None = None) -> Iterator[Drawn]:
        drawn = model.stream(n, seed=seeds.derive(seed, "evaluate"), by=by)
        return ((block.examples, block.labels) for block in drawn)

    return Subject(
        name=name, data=data, draw=draw, most=None, reference=reference, part=part,
        selection=_rest(data, reference), warnings=found, seen=model.seen,
        notes=_guarantee(model.data.get("privacy")),
        beside={name: partial(draw, by=name) for name in model.generator.beside},
        model=model,
    )  # fmt: skip


def _guarantee(privacy: Any) -> tuple[str, ...]:
    """What a model states about its differential privacy, and what that doesn't cover."""
    if not isinstance(privacy, Mapping):
        return ()
    epsilon, delta = (privacy.get(name) for name in ("epsilon", "delta"))
    if not all(isinstance(value, int | float) for value in (epsilon, delta)):
        return ()
    return (
        f"trained with differential privacy, as the model itself states: ε = {epsilon:.3g} at "
        f"δ = {delta:.2g} for each training row; not covered are column ranges, bins, category sets, "
        "the shares of single columns, and what this card says about the data",
    )


def _reference(data: Dataset, least_final: int, least_held: int) -> tuple[np.ndarray, str]:
    """The rows to judge by: those that neither training nor selection saw, if there are enough."""
    final = data.heldout_halves[1]
    if len(final) >= least_final:
        return final, FINAL
    if len(data.heldout) >= least_held:
        return data.heldout, HELDOUT
    return np.arange(len(data)), ALL


def _rest(data: Dataset, reference: np.ndarray) -> np.ndarray:
    return np.setdiff1d(data.heldout, reference)


def _of_other_data(
    data: Dataset, reference: np.ndarray, options: DataOptions, source: str | None
) -> tuple[str, ...]:
    """Judged by other data than the model was trained on: does it contain any of that?"""
    try:
        trained = open_data(source or "", options=options)
    except DataError:  # judged on a machine that never trained
        return (
            "this is not the data the model was trained on; if it holds some of it, the numbers "
            "measure memory, not quality",
        )
    shared = float(np.isin(data.hashes[reference], trained.hashes[trained.train]).mean())
    if shared == 0:
        return ()
    return (
        f"{shared:.0%} of the reference was in the training data: the numbers measure memory, "
        "not quality",
    )


# --- samples as files ----------------------------------------------------------------------------


def _of_files(path: Given, against: Given, seed: int) -> Subject:
    data = open_data(against)
    own = judge_of(data.codec.kind).plain(path, data)
    notes = list(own.notes)
    reference, part = _reference(data, LEAST_FINAL, LEAST_FINAL)
    if part == ALL:
        notes.append(
            "too little of the data is held out: all of it is the reference, and there is no floor"
        )
    else:
        notes.append(
            "the model behind these samples is assumed to have seen only the training part of the data; "
            "if it saw the held-out part, copies of that go unnoticed"
        )

    def draw(n: int) -> Iterator[Drawn]:
        order = np.random.default_rng(seeds.derive(seed, "evaluate", "files")).permutation(own.n)
        chosen = np.sort(order[:n])
        for start in range(0, len(chosen), BLOCK):
            some = chosen[start : start + BLOCK]
            yield own.examples(some), None if own.asked is None else own.asked[some]

    return Subject(
        name=str(path), data=data, draw=draw, most=own.n, reference=reference, part=part,
        selection=_rest(data, reference), warnings=(*own.doubts, *_overlap(own, reference)),
        notes=tuple(notes),
    )  # fmt: skip


def _overlap(own: Plain, reference: np.ndarray) -> Iterator[str]:
    overlap = own.overlap(reference)
    if overlap > 0:
        yield f"{overlap:.0%} of the samples are in the reference itself: they flatter every number"
