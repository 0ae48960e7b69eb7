"""How odd examples are, and how sure that is.

p-values are conformal (Vovk et al. 2005): the share of examples known to be normal, and not trained
on, that are at least as odd. Of normal examples at most a share α has p ≤ α, whatever the scores are.
What oddness is, and what explains it, is a modality's part `detect`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from ganwright.base.errors import DataError, OptionError
from ganwright.base.modality import modality
from ganwright.base.options import build
from ganwright.base.runs import RunFolder
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.evaluate.conformal import p_values
from ganwright.model import Model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Given = str | os.PathLike[str] | Any
Reason = str | tuple[str, ...]


class Examples(Protocol):
    """What was given, in the model's form."""

    places: Sequence[int | str]  # where each stands in what was given: its row, its file
    index: Any  # of a DataFrame of them; None counts from 0
    notes: Sequence[str]  # what was left out


class Detector(Protocol):
    """What scores are made by; `normal` are sorted scores that p-values compare with."""

    normal: np.ndarray
    calibrated_by: str  # whose scores those are, in words


class Oddness(Protocol):
    """What is said of examples."""

    score: np.ndarray  # (n,), higher is odder


class DetectPart(Protocol):
    """What is asked of a modality's part `detect`."""

    THINGS: str  # what examples are called
    PLACE: str  # the column of their places
    REASON: str  # what explains the score of one
    COLUMNS: tuple[str, ...]  # of the reason, in a file

    def check(self, model: Model, heatmaps: Path | None) -> None:
        """Raises UsageError for a model or a folder of heat maps that is of no use, before any work."""

    def read(self, model: Model, given: Given) -> Examples:
        """Examples in the model's form. Raises DataError."""

    def detector(self, model: Model, data: Dataset | None, normal: Any) -> Detector:
        """By the data the model was trained on, if it is there, and `normal` examples, if given."""

    def look(self, detector: Any, examples: Any) -> Oddness:
        """How odd examples are."""

    def reasons(
        self, detector: Any, examples: Any, found: Any, *, most: int, heatmaps: Path | None
    ) -> Sequence[Reason]:
        """What explains each score: names, at most so many, or the path of a heat map."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Scores (n,), p-values (n,) and reasons of examples, and whom p-values compare them with."""

    part: DetectPart
    examples: Examples
    score: np.ndarray
    p_value: np.ndarray
    reasons: Sequence[Reason]
    calibrated_by: str
    calibrated_n: int
    notes: Sequence[str]

    def table(self) -> pa.Table:
        """A row for each example, in the order given, as it is written to a file."""
        import pyarrow as pa

        spread = [(r,) if isinstance(r, str) else r for r in self.reasons]
        columns = {
            name: pa.array([r[i] if i < len(r) else None for r in spread], pa.string())
            for i, name in enumerate(self.part.COLUMNS)
        }
        places = pa.array(self.examples.places)
        scores = {"score": pa.array(self.score), "p_value": pa.array(self.p_value)}
        return pa.table({self.part.PLACE: places, **scores, **columns})

    def frame(self) -> pd.DataFrame:
        """The same as a DataFrame, with the index that the examples came with."""
        import pandas as pd

        reasons = [r if isinstance(r, str) else ", ".join(r) for r in self.reasons]
        columns = {"score": self.score, "p_value": self.p_value, self.part.REASON: reasons}
        return pd.DataFrame(columns, index=self.examples.index)


def detect(
    model: Model,
    given: Given,
    *,
    run: str | os.PathLike[str] | None = None,
    normal: Given | None = None,
    most: int = 3,
    heatmaps: Path | None = None,
) -> Found:
    """How odd each example in `given` is, and why.

    `run` is where the model comes from, and knows what it was trained on; `normal` are normal examples
    that the model was not trained on. Raises OptionError, DataError.
    """
    part = part_of(model)
    part.check(model, heatmaps)
    examples = part.read(model, given)
    known = None if normal is None else part.read(model, normal)
    detector = part.detector(model, None if run is None else own_data(run, model), known)
    found = part.look(detector, examples)
    return Found(
        part=part,
        examples=examples,
        score=found.score,
        p_value=p_values(detector.normal, found.score),
        reasons=part.reasons(detector, examples, found, most=most, heatmaps=heatmaps),
        calibrated_by=detector.calibrated_by,
        calibrated_n=len(detector.normal),
        notes=(*examples.notes, *(() if known is None else known.notes)),
    )


def part_of(model: Model) -> DetectPart:
    """How a model's modality detects. Raises OptionError where it doesn't."""
    kind = modality(model.codec.kind)
    if not kind.has("detect"):
        raise OptionError(f"detect: knows no odd examples of kind '{kind.name}'")
    return cast(DetectPart, kind.part("detect"))


def own_data(path: str | os.PathLike[str], model: Model) -> Dataset | None:
    """What a run was trained on; None where it is not where it was, or not what it was."""
    folder = RunFolder(path)
    if not folder.recipe.is_file():
        return None
    source = next((e.get("source") for e in folder.events() if e["event"] == "start"), None)
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    try:
        data = open_data(source or "", options=options)
    except DataError:
        return None
    return data if data.fingerprint == model.data.get("fingerprint") else None


def ranks(values: np.ndarray) -> np.ndarray:
    """Places of the examples by falling oddness, the first of equals first; (n,) int64."""
    return np.argsort(-values, kind="stable")
