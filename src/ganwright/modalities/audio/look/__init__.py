"""What reports show of sounds: spectrograms, each with a player."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.evaluate import FeatureMatrix
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.audio.codec import AudioCodec
from ganwright.modalities.audio.waves import data_uri
from ganwright.model import Model
from ganwright.report.facts import Facts, spaced
from ganwright.report.inline import Inline, inline, read
from ganwright.report.look import Findings, Look, Say, Shown, SideBySide
from ganwright.report.templates import template

COLUMNS, SIDE = 4, 12  # sounds in a row, and of each kind side by side
PAIRS, CLASSES, SNAPSHOTS = 6, 20, 4
COMPARED = 2000  # samples, and unseen examples
KB = 1000


@dataclass(frozen=True, kw_only=True)
class Player:
    """One sound: its spectrogram, the wave as a URI, and what it is."""

    picture: Inline
    uri: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A sample beside its nearest training example."""

    sample: Player
    training: Player
    distance: float


@dataclass(kw_only=True)
class _Sounds:
    """What the templates show; empty where it could not be made."""

    samples: list[Player] = field(default_factory=list)
    real: list[Player] = field(default_factory=list)
    unseen: bool = False
    snapshots: list[tuple[float, Inline]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    typical: float | None = (
        None  # median distance of unseen examples to the nearest training example
    )
    compared: int = 0
    classes: list[tuple[str, list[Player]]] = field(default_factory=list)


class AudioLook(Look):
    """Sounds in a report."""

    sections = (("memory", "Memory"), ("classes", "Classes"))
    simplest = "a multivariate Gaussian fitted to the training spectrograms"
    others: Mapping[str, str] = {"noisy": "noisy copies"}
    failures: Mapping[str, str] = {
        "close": "the nearest neighbours of the samples could not be found",
        "classes": "samples by class could not be made",
    }

    def one(self, model: Model) -> str:
        """Its length, rate and spectrogram."""
        codec: Any = model.codec
        return f"{codec.makes}, as {codec.bands} mel bands × {codec.frames.count} frames"

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Players side by side, pairs and classes."""
        sounds = _listened_to(facts, found, say)
        render = partial(_render, sounds=sounds, found=found)
        classes = found.model.spec.classes if found.model else ()
        return Shown(
            samples=render("samples.html"),
            over_time=render("over_time.html"),
            sections=render("look.html", more_classes=max(0, len(classes) - CLASSES)),
        )

    def side_by_side(self, model: Model, data: Dataset) -> SideBySide:
        """Players of samples and of real sounds."""
        made, real, unseen = side_by_side(model, data)
        players = partial(_render, "players.html")
        return SideBySide(players(sounds=made), players(sounds=real) if real else None, unseen)


def _render(name: str, **shown: object) -> Markup:
    return Markup(template(name, __name__).render(**shown))


def _listened_to(facts: Facts, found: Findings, say: Say) -> _Sounds:
    sounds, model = _Sounds(), found.model
    marks = [facts.snapshots[i] for i in spaced(len(facts.snapshots), SNAPSHOTS)]
    pictures = [(kimg, read(path)) for kimg, path in marks]
    sounds.snapshots = [
        (kimg, inline(picture, f"Spectrograms after {kimg:g} thousand examples", most=200 * KB))
        for kimg, picture in pictures
        if picture is not None
    ]
    if model is None:
        return sounds
    say("drawing samples")
    both = found.attempt("samples", lambda: side_by_side(model, found.data))
    if both is None:  # a damaged model: none of its samples can be shown
        return sounds
    sounds.samples, sounds.real, sounds.unseen = both
    if (data := found.data) is not None and found.own:
        say("finding the samples' nearest neighbours")
        name = None if found.card is None else str(found.card.features.get("name"))
        extractor = found.attempt("features", lambda: choose_extractor(name, data))
        if extractor is not None:
            found.attempt("close", lambda: _close(sounds, model, data, extractor))
    sounds.classes = found.attempt("classes", lambda: _by_class(model)) or []
    return sounds


def player(codec: AudioCodec, wave: np.ndarray, caption: str) -> Player:
    """One stored wave (length,)."""
    picture = inline(codec.grid(wave[None], 1), f"spectrogram: {caption}", most=20 * KB)
    return Player(picture=picture, uri=data_uri(codec.trimmed(wave), codec.rate), caption=caption)


def side_by_side(model: Model, data: Dataset | None) -> tuple[list[Player], list[Player], bool]:
    """Samples and real sounds, unseen in training where the last is true; of the same classes."""
    codec: Any = model.codec
    if data is None:
        return _players(codec, *_drawn(model, SIDE, None)), [], False
    unseen = len(data.heldout) > 0
    pool = data.heldout if unseen else data.train
    rng = np.random.default_rng(seeds.derive(0, "report", "real"))
    chosen = np.sort(rng.permutation(pool)[:SIDE])
    labels = None
    if data.labels is not None and model.spec.classes == data.spec.classes:
        chosen = chosen[np.argsort(data.labels[chosen], kind="stable")]
        labels = data.labels[chosen]
    names = _names(labels, data.spec.classes, len(chosen))
    made, _ = _drawn(model, len(chosen), labels)
    return _players(codec, made, names), _players(data.codec, data.rows[chosen], names), unseen


def _drawn(model: Model, n: int, labels: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
    blocks = list(model.stream(n, seed=0, label=labels))
    given = None if blocks[0].labels is None else np.concatenate([b.labels for b in blocks])
    waves = np.concatenate([block.examples for block in blocks])
    return waves, _names(given, model.spec.classes, n)


def _names(labels: np.ndarray | None, classes: tuple[str, ...], n: int) -> list[str]:
    return [""] * n if labels is None else [classes[label] for label in labels]


def _players(codec: AudioCodec, waves: np.ndarray, names: list[str]) -> list[Player]:
    return [player(codec, wave, name) for wave, name in zip(waves, names, strict=True)]


def _by_class(model: Model) -> list[tuple[str, list[Player]]]:
    codec: Any = model.codec
    found = []
    for name in model.spec.classes[:CLASSES]:
        waves, _ = _drawn(model, COLUMNS, np.full(COLUMNS, model.spec.classes.index(name)))
        found.append((name, _players(codec, waves, [""] * COLUMNS)))
    return found


def _close(sounds: _Sounds, model: Model, data: Dataset, extractor: Extractor) -> None:
    """The samples that are nearest to a training example, and how near unseen ones are."""
    blocks = model.stream(COMPARED, seed=seeds.derive(0, "evaluate"))
    made = np.concatenate([block.examples for block in blocks])
    trained = FeatureMatrix(extractor.features(data.rows[data.train]))
    near = nearest(trained, FeatureMatrix(extractor.features(made)))
    distances, whose = near.distances[:, 0].numpy(), near.indices[:, 0].numpy()
    sounds.compared = len(made)
    if len(data.heldout):
        unseen = FeatureMatrix(extractor.features(data.rows[data.heldout[:COMPARED]]))
        sounds.typical = float(np.median(nearest(trained, unseen).distances[:, 0].numpy()))
    codec: Any = model.codec
    for i in np.argsort(distances, kind="stable")[:PAIRS]:
        other = data.rows[data.train[whose[i]]]
        sounds.pairs.append(
            Pair(
                sample=player(codec, made[i], "sample"),
                training=player(data.codec, other, "training"),
                distance=float(distances[i]),
            )
        )


LOOK = AudioLook()
