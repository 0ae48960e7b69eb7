"""Judges a model with a task: how near its results are to the truth, and how real they look.

Held-out examples are damaged, or given in another form, always the same way. Their results are compared
with the examples themselves, one by one (distortion), and as a set by FID (perception). No method is best
at both (Blau and Michaeli 2018): what has the least error looks blurred, and sharp detail is partly made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import numpy as np

from ganwright.base.modality import modality
from ganwright.evaluate.card import Card, Entry, short, title
from ganwright.evaluate.distances import fid
from ganwright.evaluate.estimates import of_fid
from ganwright.evaluate.evidence import FAKE, REAL
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.intervals import Estimate, normal
from ganwright.evaluate.measures import MEASURES
from ganwright.evaluate.subject import Subject

MOST = 2000
GIVEN = "as given"


class TasksPart(Protocol):
    """What is asked of a modality's part `tasks`."""

    def measures(self, codec: Any, made: Any, truth: Any) -> Mapping[str, np.ndarray]:
        """Of each result, how near it is to the truth, by the measure's name (n,)."""

    def baselines(self, codec: Any, task: str, condition: Any) -> Mapping[str, Any]:
        """What methods without learning make of the same examples, by name."""


def judge_task(subject: Subject, extractor: Extractor, seed: int, n: int | None) -> Card:
    """The card of a model with a task."""
    model, data = subject.model, subject.data
    assert model is not None
    part = cast(TasksPart, modality(model.codec.kind).part("tasks"))
    task, paired = model.generator.task, model.generator.paired
    indices = subject.reference[: min(MOST, n or MOST)]
    results: dict[str, list[Any]] = {}
    stored, _ = data.batch(indices)
    for condition, given, made in model.redone(stored, seed):
        others = part.baselines(model.codec, task, condition)
        for name, block in {"": made, GIVEN: given, **others}.items():
            results.setdefault(name, []).append(block)
    truth = data.examples(indices)
    real = extractor.features(truth)
    found = {
        name: _scores(part, model.codec, extractor, model.codec.join(blocks), truth, real, paired)
        for name, blocks in results.items()
    }
    own = found.pop("")
    others = {name: scores for name, scores in found.items() if name != GIVEN}
    entries = {
        name: Entry(
            value=one.value, low=one.low, high=one.high, floor=FLOORS.get(name),
            baseline=found[GIVEN][name].value, better=MEASURES[name].better, n=len(indices),
            method=one.method,
            others={other: scores[name].value for other, scores in others.items()},
        )
        for name, one in own.items()
    }  # fmt: skip
    return Card(
        samples=subject.name,
        n=len(indices),
        against={"n": len(indices), "fingerprint": data.fingerprint, "part": subject.part},
        features={"name": extractor.name, "hash": extractor.hash, "about": dict(extractor.about)},
        measures=entries,
        notes=(*subject.notes, f"task {task}: {model.generator.tested}", *NOTES),
        warnings=subject.warnings,
        verdict=_verdict(task, entries),
        seen=subject.seen,
    )


FLOORS = {"fid": 0.0, "ssim": 1.0}  # of the truth itself
NOTES = (
    f"baseline: the examples {GIVEN}, nothing done; real: the truth itself",
    "detail that is gone can't be known: where the model adds some, it is plausible, not true",
)


def _scores(
    part: TasksPart,
    codec: Any,
    extractor: Extractor,
    made: Any,
    truth: Any,
    real: np.ndarray,
    paired: bool,
) -> dict[str, Estimate]:
    features = extractor.features(made)
    distance = fid(real, features)
    sure = of_fid(distance, {REAL: real, FAKE: features}, {})
    found = {}
    nearness = part.measures(codec, made, truth) if paired else {}
    for name, each in nearness.items():
        error = float(each.std(ddof=1) / len(each) ** 0.5) if len(each) > 1 else 0.0
        found[name] = normal(float(each.mean()), error, "mean over examples")
    return found | {"fid": sure or Estimate(distance, distance, distance, 0.0, "")}


def _verdict(task: str, entries: dict[str, Entry]) -> str:
    """What was gained, in words."""
    parts = []
    for name, entry in entries.items():
        best = max if entry.better == "higher" else min
        text = f"{title(name)} {short(entry.value)}, {GIVEN} {short(entry.baseline)}"
        if entry.others:
            other = best(entry.others, key=lambda o: entry.others[o])
            text += f", {other} {short(entry.others[other])}"
        parts.append(text)
    every = all(_ahead(entry) for entry in entries.values())
    none = not any(_ahead(entry) for entry in entries.values())
    ahead = "all" if every else "none" if none else "some"
    simple = any(entry.others for entry in entries.values())
    rivals = "both doing nothing and the simple methods" if simple else "doing nothing"
    return (
        f"Trained to {task}; better than {rivals} by {ahead} of these measures: {'; '.join(parts)}."
    )


def _ahead(entry: Entry) -> bool:
    """Whether it is better than the baseline and all other methods."""
    known = [entry.baseline, *entry.others.values()]
    better: Callable[[float, float], bool] = (
        (lambda a, b: a > b) if entry.better == "higher" else (lambda a, b: a < b)
    )
    return all(better(entry.value, other) for other in known if other is not None)
