"""How odd texts are: what each unit costs the language model that was trained beside the game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganwright.base import seeds
from ganwright.base.errors import OptionError
from ganwright.modalities.text.codec import END, UNKNOWN, TextCodec
from ganwright.modalities.text.given import Texts, texts_of
from ganwright.model import Model

THINGS, PLACE, REASON = "texts", "text", "units"
TOP = 3  # units that are named of each text
COLUMNS = tuple(f"unit_{i + 1}" for i in range(TOP))
UNSEEN = 15.0  # nats that a unit costs that was never seen
BLOCK, MOST_NORMAL, OWN = 256, 20_000, 2000


@dataclass(frozen=True)
class Oddness:
    """`score` (n,): nats a unit, with the end; and of each unit (n, length), −1 behind the end."""

    score: np.ndarray
    units: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A model, and sorted scores of normal texts."""

    model: Model
    normal: np.ndarray
    calibrated_by: str

    def look(self, texts: Sequence[str]) -> Oddness:
        """The oddness of texts."""
        codec: Any = self.model.codec
        found = np.full((len(texts), codec.length), -1.0)
        for start in range(0, len(texts), BLOCK):
            stored = torch.from_numpy(codec.stored(texts[start : start + BLOCK]))
            found[start : start + BLOCK] = self._costs(stored.to(self.model.device))
        there = found >= 0
        return Oddness(np.where(there, found, 0).sum(1) / there.sum(1).clip(min=1), found)

    @torch.inference_mode()
    def _costs(self, stored: torch.Tensor) -> np.ndarray:
        generator = self.model.generator
        if not self.model.spec.classes:
            each = [generator.lm_costs(generator.condition(stored, None))]
        else:  # of the class that the text fits best
            labels = (torch.full((len(stored),), i) for i in range(len(self.model.spec.classes)))
            each = [generator.lm_costs(generator.condition(stored, one)) for one in labels]
        costs = torch.stack(each)
        best = costs.sum(2).argmin(0)
        chosen = costs[best, torch.arange(len(best))].cpu().numpy().astype(np.float64)
        symbols = stored.cpu().numpy()
        behind = np.cumsum(symbols == END, 1) - (symbols == END) > 0
        return np.where(behind, -1.0, np.where(symbols == UNKNOWN, UNSEEN, chosen))


def check(model: Model, heatmaps: Path | None) -> None:
    """Raises OptionError for heat maps, which texts don't have."""
    if heatmaps is not None:
        raise OptionError("heatmaps: are of images; texts name the units instead")


def read(model: Model, given: Any) -> Texts:
    """Texts of a file or a list. Raises DataError."""
    return texts_of(model, given)


def detector(model: Model, data: Any, normal: Texts | None) -> Detector:
    """By texts that the run held out, by `normal` ones, or by texts that the language model writes."""
    plain = Detector(model=model, normal=np.empty(0), calibrated_by="")
    if normal is not None:
        texts, said = normal.texts, "normal texts"
    elif data is not None and len(unseen := data.heldout_halves[1][:MOST_NORMAL]):
        texts, said = data.examples(unseen), "held-out texts"
    else:
        own = seeds.derive(0, "detect")
        texts, said = model.sample(OWN, seed=own, by="lm"), "texts that the model made"
    scores = np.sort(plain.look(texts).score)
    return Detector(model=model, normal=scores, calibrated_by=said)


def look(detector: Detector, texts: Texts) -> Oddness:
    """How odd texts are."""
    return detector.look(texts.texts)


def reasons(
    detector: Detector, texts: Texts, found: Oddness, *, most: int, heatmaps: Path | None
) -> list[tuple[str, ...]]:
    """Of each text the units that cost most."""
    codec: TextCodec = detector.model.codec  # type: ignore[assignment]
    told = []
    for text, costs in zip(texts.texts, found.units, strict=True):
        units = [*codec.cut(text)[: codec.length], "(end)"]
        order = np.argsort(-costs[: len(units)], kind="stable")[:most]
        told.append(tuple(units[i].strip() or "(space)" for i in order if costs[i] > 0))
    return told
