"""The measures of sounds: silence, constant tones, loudness and the average spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ganwright.evaluate.card import Entry
from ganwright.evaluate.estimates import of_blocks
from ganwright.evaluate.evidence import FAKE_ROWS, REAL_ROWS
from ganwright.evaluate.measures import Measure
from ganwright.modalities.audio.codec import AudioCodec, numbers
from ganwright.modalities.audio.spectrogram import Frames

UNFIT: frozenset[str] = frozenset()
SILENT_DB = -70.0  # of full scale, root mean square of the loudest frame
TONE = 0.9  # of the power within 3 neighbouring bins of the whole: a constant tone
BINS, BANDS = 256, 32
QUIETEST_DB = -100.0


@dataclass(frozen=True, eq=False)
class Heard:
    """What is measured of each sound: the level of its loudest frame in dB of full scale (n,), the share of
    its power in one tone (n,), and the power in 32 bands of equal width in dB (n, 32).
    """

    levels: np.ndarray
    tones: np.ndarray
    spectra: np.ndarray

    @classmethod
    def of(cls, waves: np.ndarray, codec: AudioCodec) -> Heard:
        """Waves as stored (n, length)."""
        x = numbers(waves).double()
        frames = Frames(codec.length, 2 * BINS // 4)
        power = frames.spectrum(x).abs().square()[:, 1:]  # without the offset
        loudest = power.sum(1).amax(1) / 2
        whole = power.sum(2)
        three = torch.nn.functional.avg_pool1d(whole[:, None], 3, 1, 1)[:, 0] * 3
        tones = three.amax(1) / whole.sum(1).clamp_min(1e-12)
        bands = whole.unflatten(1, (BANDS, -1)).mean(2) / frames.count
        return cls(*(one.numpy() for one in (_db(loudest), tones, _db(bands))))

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, rows: slice | np.ndarray) -> Heard:
        return Heard(self.levels[rows], self.tones[rows], self.spectra[rows])

    @staticmethod
    def joined(parts: list[Heard]) -> Heard:
        """All sounds of all parts."""
        fields = ("levels", "tones", "spectra")
        return Heard(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))


def _db(power: torch.Tensor) -> torch.Tensor:
    return 10 * power.clamp_min(10 ** (QUIETEST_DB / 10)).log10()


@dataclass(frozen=True, kw_only=True)
class Audible:
    """`silent` and `tonal` are shares of the samples, `loudness` is how far the distributions of levels are
    apart (Kolmogorov and Smirnov), `bands` the mean distance of the average spectra in dB.
    """

    silent: float
    tonal: float
    loudness: float
    bands: float


def audible(real: Heard, fake: Heard) -> Audible:
    """All four."""
    import scipy.stats

    silent = fake.levels < SILENT_DB
    difference = real.spectra.mean(0) - fake.spectra.mean(0)
    return Audible(
        silent=float(silent.mean()),
        tonal=float(((fake.tones > TONE) & ~silent).mean()),
        loudness=float(scipy.stats.ks_2samp(real.levels, fake.levels).statistic),
        bands=float(np.abs(difference).mean()),
    )


def _alarm(what: str, entry: Entry) -> str:
    usual = entry.floor or 0.0
    if entry.low is None or entry.low <= 2 * usual:
        return ""
    return f"{entry.value:.0%} of the samples are {what}, and {usual:.0%} of real sounds."


def _silent(entry: Entry) -> str:
    return _alarm("silent", entry)


def _tonal(entry: Entry) -> str:
    return _alarm("one constant tone", entry)


_INTERVALS = of_blocks(audible, {n: n for n in ("silent", "tonal", "loudness", "bands")})


def _row(name: str, title: str, says: str, **more: object) -> Measure:
    return Measure(
        title=title, says=says, function=audible, interval=_INTERVALS[name], part=name,
        needs=(REAL_ROWS, FAKE_ROWS), least=lambda d: 1, grade="one side", **more,  # type: ignore[arg-type]
    )  # fmt: skip


MEASURES = {
    "silent": _row(
        "silent", "Silent", "The share of sounds in which nothing can be heard.",
        high=1.0, quick=True, verdict=_silent,
    ),
    "tonal": _row(
        "tonal", "Constant tones", "The share of sounds that are one tone from beginning to end.",
        high=1.0, quick=True, verdict=_tonal,
    ),
    "loudness": _row(
        "loudness", "Loudness apart",
        "Kolmogorov–Smirnov distance of the levels of the loudest moments; 0 is the same.",
        high=1.0, quick=True,
    ),
    "bands": _row(
        "bands", "Spectrum apart", "Mean difference of the average spectra, in dB.",
    ),
}  # fmt: skip
