"""Whose samples are judged, and by which real examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.base.options import build
from ganwright.base.runs import RunFolder
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.model import Model

BLOCK = 500  # pictures read together
LEAST_HELD = 10  # held-out examples that judge a model; better few unseen than many seen
LEAST_FINAL = 50  # and plain pictures, of which nobody knows what was seen
FINAL, HELDOUT, ALL = "final half of the held-out part", "held-out part", "all of the data"
Source = str | os.PathLike[str]
Drawn = tuple[np.ndarray, np.ndarray | None]  # pictures as stored, and the classes asked for


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Samples, and the data they are held against.

    `warnings` are what a reader must know to believe the numbers, `notes` the rules that were
    applied. `selection` are held-out rows that are not in the reference.
    """

    name: str
    data: Dataset
    draw: Callable[[int], Iterator[Drawn]]  # n → samples, block by block
    most: int | None  # samples there are; None: without end
    reference: np.ndarray  # rows of data
    part: str  # which part of the data that is
    selection: np.ndarray
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seen: int | None = None  # by the model, of training examples

    @property
    def unseen(self) -> bool:
        """Whether the reference was held out of training."""
        return self.part != ALL


def rows(data: Dataset, indices: np.ndarray) -> Iterator[np.ndarray]:
    """Pictures of a dataset, block by block."""
    for start in range(0, len(indices), BLOCK):
        yield np.asarray(data.rows[indices[start : start + BLOCK]])


def subject_of(samples: Model | Source, against: Source | None, seed: int) -> Subject:
    """What `samples` and `against` mean. Raises DataError with what is missing."""
    if isinstance(samples, Model):
        if against is None:
            raise DataError("against: a model doesn't hold its data; name the data to judge by")
        return _of_model(samples, "the model", against, None, seed)
    path = Path(samples)
    if RunFolder(path).recipe.is_file():
        return _of_run(path, against, seed)
    if (path / "model.json").is_file():
        if against is None:
            raise DataError(f"'{path}' doesn't hold its data: name it with --against")
        return _of_model(Model.load(path), str(path), against, None, seed)
    if against is None:
        what = "is not a run: name the data to judge by with --against"
        raise DataError(f"'{path}' {what if path.exists() else 'does not exist'}")
    return _of_files(samples, against, seed)


def _of_run(path: Path, against: Source | None, seed: int) -> Subject:
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


def _of_model(model: Model, name: str, against: Source, source: str | None, seed: int) -> Subject:
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    data = open_data(against, options=options)
    _same_type(f"the model '{name}' makes", model.codec.dtype, data)
    reference, part = _reference(data, LEAST_HELD, LEAST_HELD)
    found: tuple[str, ...] = ()
    if data.fingerprint != model.data.get("fingerprint"):
        found = _of_other_data(data, reference, options, source)
    elif part == ALL:
        found = (
            "too little is held out: all of the data is the reference, training examples "
            "included, so the numbers measure memory, not quality",
        )

    def draw(n: int) -> Iterator[Drawn]:
        drawn = model.stream(n, seed=seeds.derive(seed, "evaluate"))
        return ((block.examples, block.labels) for block in drawn)

    return Subject(
        name=name, data=data, draw=draw, most=None, reference=reference, part=part,
        selection=_rest(data, reference), warnings=found, seen=model.seen,
    )  # fmt: skip


def _reference(data: Dataset, least_final: int, least_held: int) -> tuple[np.ndarray, str]:
    """The rows to judge by: what neither training nor selecting saw, while that is enough."""
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
    """Judged by other data than the model was trained on: does that hold any of it?"""
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


def _same_type(owner: str, dtype: str, data: Dataset) -> None:
    if dtype != data.codec.dtype:
        raise DataError(
            f"{owner} {dtype} pictures, and '{data.source}' holds {data.codec.dtype}: "
            "bring them to one type"
        )


# --- plain pictures ------------------------------------------------------------------------------


def _of_files(path: Source, against: Source, seed: int) -> Subject:
    data = open_data(against)
    own, notes = _like(path, data)
    reference, part = _reference(data, LEAST_FINAL, LEAST_FINAL)
    if part == ALL:
        notes.append(
            "too little of the data is held out: all of it is the reference, without floor"
        )
    else:
        notes.append(
            "what made the samples is taken to have seen the training part of the data alone; "
            "if it saw the held-out part, copies of that go unnoticed"
        )
    asked = _classes_of(own, data)

    def draw(n: int) -> Iterator[Drawn]:
        order = np.random.default_rng(seeds.derive(seed, "evaluate", "files")).permutation(len(own))
        chosen, start = np.sort(order[:n]), 0
        for block in rows(own, chosen):
            stop = start + len(block)
            yield block, None if asked is None else asked[chosen[start:stop]]
            start = stop

    return Subject(
        name=str(path), data=data, draw=draw, most=len(own), reference=reference, part=part,
        selection=_rest(data, reference), warnings=tuple(_doubts(own, data, reference)),
        notes=tuple(notes),
    )  # fmt: skip


def _like(path: Source, data: Dataset) -> tuple[Dataset, list[str]]:
    """The samples in the data's own form, and by which rule they came to it."""
    own = open_data(path)
    if own.spec.shape == data.spec.shape:
        _same_type(f"'{path}' holds", own.codec.dtype, data)
        return own, []
    before = f"{own.codec.height}×{own.codec.width}×{own.codec.channels}"
    codec, fit = data.codec, data.options.fit
    own = open_data(path, options=replace(data.options, holdout=0.0))
    _same_type(f"'{path}' holds", own.codec.dtype, data)
    after = f"{codec.height}×{codec.width}×{codec.channels}"
    rule = f"the samples are {before}: brought to the data's {after} (fit: {fit}), as the data is"
    return own, [rule]


def _classes_of(own: Dataset, data: Dataset) -> np.ndarray | None:
    """The samples' labels as numbers of the data's classes, where all are of those."""
    if own.labels is None or not set(own.spec.classes) <= set(data.spec.classes):
        return None
    numbers = np.array([data.spec.classes.index(name) for name in own.spec.classes])
    return numbers[own.labels]


def _doubts(own: Dataset, data: Dataset, reference: np.ndarray) -> Iterator[str]:
    if own.skipped:
        first = own.skipped[0]
        total = len(own) + len(own.skipped)
        yield (
            f"{len(own.skipped):,} of {total:,} samples can't be used and are left out; the first: "
            f"{first.name} {first.reason}"
        )
    overlap = float(np.isin(own.hashes, data.hashes[reference]).mean())
    if overlap > 0:
        yield f"{overlap:.0%} of the samples are in the reference itself: they flatter every number"
    if own.codec.dtype == "float32":
        low, high = data.codec.low, data.codec.high
        room = 0.05 * (high - low)
        if own.codec.low < low - room or own.codec.high > high + room:
            yield (
                f"the samples lie in {own.codec.low:g} … {own.codec.high:g}, the data in "
                f"{low:g} … {high:g}: what is beyond is cut off"
            )
