"""Inspects sounds, and what training would do with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganwright.data.classes import class_counts, class_doubts
from ganwright.data.dataset import Dataset
from ganwright.data.duplicates import Equals, equals
from ganwright.data.inspect import Inspection, general
from ganwright.data.options import DataOptions
from ganwright.modalities.audio.dataset import dataset, survey
from ganwright.modalities.audio.files import AudioSource
from ganwright.modalities.audio.waves import WHITE

FEW, MANY = 500, 0.05
CLIPPED = 3  # samples in a row at full scale
BLOCK = 1000


@dataclass(frozen=True, kw_only=True)
class AudioInspection(Inspection):
    """What `inspect_data` found in sounds. `seconds` are the least, median and largest length of files."""

    found: int
    ignored: dict[str, int]
    rates: dict[str, int]
    bits: dict[str, int]
    channels: dict[str, int]
    seconds: tuple[float, float, float]
    total_s: float
    classes: dict[str, int]
    trained: dict[str, int]
    duplicates: Equals
    clipped: int
    silence: float
    training: dict[str, Any]

    def lines(self) -> list[tuple[str, str]]:
        t, (least, median, largest) = self.training, self.seconds
        classes = f"{len(self.classes)} ({_counts(self.classes)})" if self.classes else "none"
        return [
            ("files", f"{self.found - len(self.skipped):,} usable of {self.found:,}"),
            *self.skipped_named(len(self.skipped)),
            ("ignored", _counts(self.ignored)),
            ("rate", _counts(self.rates)),
            ("depth", _counts(self.bits)),
            ("channels", _counts(self.channels)),
            ("length", f"{least:.3g} … {median:.3g} … {largest:,.3g} s; {self.total_s / 60:,.1f} min in all"),
            ("examples", f"{self.usable:,} of {t['seconds']:.3g} s"),
            ("classes", classes),
            ("to train on", _counts(self.trained)),
            ("duplicates", f"{self.duplicates.extra:,} exact, in {self.duplicates.groups:,} groups"),
            ("silence", f"{self.silence:.0%} of an example on average, padding included"),
            ("clipping", f"{self.clipped:,} examples" if self.clipped else "none"),
            (
                "training",
                f"{t['rate']:,} Hz, {t['bands']} mel bands × {t['frames']} frames of {t['hop']} samples, "
                f"phases {t['phase']}",
            ),
        ]  # fmt: skip


def _counts(counts: dict[str, int], most: int = 12) -> str:
    shown = [f"{name}: {n:,}" for name, n in list(counts.items())[:most]]
    return ", ".join([*shown, f"and {len(counts) - most} more"] if len(counts) > most else shown)


def inspect(found: AudioSource, options: DataOptions) -> AudioInspection:
    """Looks through sounds as `open_data` would open them."""
    data, heads = dataset(found, options), survey(found)
    good = heads.usable
    seconds = heads.lengths[good] / heads.rates[good]
    clipped, silence = _content(data)
    every = np.append(data.train, data.heldout)
    parts: dict[str, Any] = {
        "classes": class_counts(data.labels, data.spec.classes, every),
        "duplicates": equals(data, data.hashes),
        "clipped": clipped,
    }
    codec = data.codec
    return AudioInspection(
        **general(data),
        found=found.count,
        ignored=dict(data.ignored),
        rates=_tally(heads.rates[good], "Hz"),
        bits=_tally(heads.bits[good], "bit"),
        channels=_tally(heads.channels[good], ""),
        seconds=(float(seconds.min()), float(np.median(seconds)), float(seconds.max())),
        total_s=float(seconds.sum()),
        trained=class_counts(data.labels, data.spec.classes, data.train),
        silence=silence,
        training={
            "rate": codec.rate,
            "seconds": codec.length / codec.rate,
            "bands": codec.bands,
            "frames": codec.frames.count,
            "hop": codec.hop,
            "phase": codec.phase,
        },
        warnings=_warnings(data, found.count, **parts),
        **parts,
    )


def _tally(values: np.ndarray, unit: str) -> dict[str, int]:
    counts = Counter(values.tolist()).most_common()
    return {f"{value:,} {unit}".strip(): count for value, count in counts}


def _content(data: Dataset) -> tuple[int, float]:
    """How many examples are clipped, and the mean share of silence."""
    clipped, silent = 0, 0.0
    for start in range(0, len(data), BLOCK):
        waves = data.rows[start : start + BLOCK]
        full = (waves == waves.max(1, keepdims=True)) | (waves == waves.min(1, keepdims=True))
        full &= np.abs(waves.astype(np.int32)) >= WHITE // 2
        row = full[:, :-2] & full[:, 1:-1] & full[:, 2:]
        clipped += int(row.any(1).sum())
        silent += float((waves == 0).mean(1).sum())
    return clipped, silent / len(data)


def _warnings(
    data: Dataset, found: int, *, classes: dict[str, int], duplicates: Equals, clipped: int
) -> tuple[str, ...]:
    told = [
        (
            len(data.train) < FEW,
            f"few examples: {len(data.train):,} to train on, which may be memorised",
        ),
        *((True, doubt) for doubt in class_doubts(classes)),
        (
            duplicates.extra > MANY * len(data),
            f"{duplicates.extra / len(data):.0%} are exact duplicates",
        ),
        (len(data.skipped) > 0, f"{len(data.skipped):,} of {found:,} files can't be used"),
        (
            clipped > MANY * len(data),
            f"{clipped / len(data):.0%} are clipped: {CLIPPED} samples in a row at their loudest",
        ),
        (not len(data.heldout), "nothing is held out: scores will be too optimistic"),
    ]
    return tuple(text for true, text in told if true)
