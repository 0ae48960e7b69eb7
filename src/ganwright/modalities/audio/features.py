"""Feature extractors for sounds, by what can be heard of a wave: a log-mel spectrogram of its own.

Its frames are half as long as those that the nets learn, so that phases that don't fit their magnitudes
show, too: they blur and flutter in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate import learned
from ganwright.evaluate.components import components
from ganwright.evaluate.extractor import Extractor, Seen, in_batches
from ganwright.evaluate.features import FeatureOptions, takes_no_weights
from ganwright.modalities.audio.codec import AudioCodec, numbers
from ganwright.modalities.audio.measures import Heard
from ganwright.modalities.audio.spectrogram import Bands, Frames

BANDS, MOST_FRAMES = 40, 32
RULE = (
    "log-mel spectrogram: 40 bands, frames of 2 hops, silence −1, the loudest tenth of a percent of the "
    "training part 1; more than 32 frames are averaged down to it"
)
SHIFT, TILT, LEVEL = 0.08, 2, 0.25  # of the time, bands, and of the range from silence to loud


@dataclass(frozen=True)
class Sounds(learned.Sight):
    """Waves as a network sees them."""

    codec: AudioCodec

    name, rule, things, instead = "heard", RULE, "sounds", "spectra"
    sharpest = 0.0  # clips of one speaker are so alike that no error bounds it

    @cached_property
    def frames(self) -> Frames:
        """How waves are cut here."""
        return Frames(self.codec.length, self.codec.hop, 2)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (1, BANDS, min(self.frames.count, MOST_FRAMES))

    @cached_property
    def _filters(self) -> Tensor:
        return torch.from_numpy(Bands(BANDS, self.frames.bins, self.codec.rate).filters()).float()

    def look(self, stored: np.ndarray) -> Tensor:
        spectrum = self.frames.spectrum(numbers(stored))
        level = (self._filters @ spectrum.abs() / self.codec.floor).log1p()
        high = float(np.max(self.codec.loud) - np.log(self.codec.floor))
        seen = (2 * level / high - 1)[:, None]
        if self.shape[2] < self.frames.count:
            seen = functional.adaptive_avg_pool2d(seen, self.shape[1:])
        return seen

    def moved(self, x: Tensor) -> Tensor:
        return _moved(x)

    def view(self, x: Tensor) -> Tensor:
        return _moved(x, 1.5)

    def batches(self, parts: Iterable[Any], size: int) -> Iterator[np.ndarray]:
        return in_batches(map(self._checked, parts), size)

    def _checked(self, waves: Any) -> np.ndarray:
        found, length = np.asarray(waves), self.codec.length
        if found.ndim != 2 or found.shape[1] != length or found.dtype != np.int16:
            got = f"{found.shape} {found.dtype}"
            raise DataError(f"sounds: need (n, {length}) int16; got {got}")
        return found

    def flat(self, stored: np.ndarray) -> np.ndarray:
        """The same as rows of numbers."""
        return self.look(stored).flatten(1).numpy()


def _moved(x: Tensor, strength: float = 1.0) -> Tensor:
    """Each sound shifted in time and a little in pitch, and louder or softer, by chance."""
    n, _, bands, frames = x.shape
    most = max(1, round(strength * SHIFT * frames))
    places = torch.arange(frames) - torch.randint(-most, most + 1, (n, 1))
    x = functional.pad(x, (1, 1), value=-1.0)
    x = x.gather(3, (places.clamp(-1, frames) + 1)[:, None, None].expand(-1, -1, bands, -1))
    rows = torch.arange(bands) - torch.randint(-TILT, TILT + 1, (n, 1))
    x = x.gather(2, rows.clamp(0, bands - 1)[:, None, :, None].expand(-1, -1, -1, frames))
    level = torch.empty(n, 1, 1, 1).uniform_(-1, 1) * strength * LEVEL
    return (x + level * (x > -1)).clamp_min(-1)


def _heard(data: Dataset, options: FeatureOptions) -> Extractor:
    takes_no_weights("heard", options)
    sight = Sounds(data.codec)
    return _measured(
        learned.learned(data, sight, steps=options.steps, seed=options.seed, device=options.device)
    )


def _spectra(data: Dataset, options: FeatureOptions) -> Extractor:
    takes_no_weights("spectra", options)
    sight = Sounds(data.codec)
    return _measured(
        components(
            data, name="spectra", things="sounds", rule=RULE, flat=sight.flat,
            batches=sight.batches,
        )
    )  # fmt: skip


def _measured(extractor: Extractor) -> Extractor:
    """The same, which also gives what this modality's own measures look at."""
    return replace(extractor, see_batch=_See(extractor))


@dataclass(frozen=True, eq=False)
class _See:
    extractor: Extractor

    def __call__(self, waves: np.ndarray) -> Seen:
        codec: Any = self.extractor.codec
        return self.extractor.see_batch(waves)._replace(cells=Heard.of(waves, codec))


EXTRACTORS = {"heard": _heard, "spectra": _spectra}


def usual(data: Dataset) -> str:
    """``heard`` for at least 500 training sounds, else ``spectra``."""
    return "heard" if len(data.train) >= learned.LEAST_TO_LEARN else "spectra"
