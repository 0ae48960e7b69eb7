"""Feature extractors for sounds, by what can be heard of a wave: a log-mel spectrogram of its own.

Its frames are half as long as those that the nets learn, so that phases that don't fit their magnitudes
show, too: they blur and flutter in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
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
from ganwright.modalities.audio.codec import AudioCodec
from ganwright.modalities.audio.measures import Heard
from ganwright.modalities.audio.spectrogram import Bands, Frames
from ganwright.modalities.audio.waves import WHITE

BANDS, MOST_FRAMES = 64, 64
RULE = (
    "log-mel spectrogram: 64 bands, frames of 2 hops, silence −1, the loudest tenth of a percent of the "
    "training part 1; more than 64 frames are averaged down to it"
)
SHIFT, TILT, LEVEL = 0.08, 3, 0.25  # of the time, bands, and of the range from silence to loud


def heard(codec: AudioCodec) -> tuple[Callable[[np.ndarray], Tensor], tuple[int, int, int]]:
    """What turns stored waves into (n, 1, bands, frames) float32 about [-1, 1], and the shape of one."""
    frames = Frames(codec.length, codec.hop, 2)
    filters = torch.from_numpy(Bands(BANDS, frames.bins, codec.rate).filters()).float()
    high = float(np.max(codec.loud) - np.log(codec.floor))
    count = min(frames.count, MOST_FRAMES)

    def look(waves: np.ndarray) -> Tensor:
        x = torch.as_tensor(np.ascontiguousarray(waves)).float() / WHITE
        level = (filters @ frames.spectrum(x).abs() / codec.floor).log1p()
        seen = (2 * level / high - 1)[:, None]
        if count < frames.count:
            seen = functional.adaptive_avg_pool2d(seen, (BANDS, count))
        return seen

    return look, (1, BANDS, count)


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


def _batches(codec: AudioCodec) -> Callable[[Iterable[Any], int], Iterator[np.ndarray]]:
    def checked(waves: Any) -> np.ndarray:
        found = np.asarray(waves)
        if found.ndim != 2 or found.shape[1] != codec.length or found.dtype != np.int16:
            wanted = f"(n, {codec.length}) int16"
            raise DataError(f"sounds: need {wanted}; got {found.shape} {found.dtype}")
        return found

    return lambda parts, size: in_batches(map(checked, parts), size)


def _heard(data: Dataset, options: FeatureOptions) -> Extractor:
    takes_no_weights("heard", options)
    look, shape = heard(data.codec)
    sight = learned.Sight(
        name="heard", things="sounds", instead="spectra", rule=RULE, shape=shape, look=look,
        moved=_moved, view=lambda x: _moved(x, 1.5), batches=_batches(data.codec),
    )  # fmt: skip
    return _measured(
        learned.learned(data, sight, steps=options.steps, seed=options.seed, device=options.device)
    )


def _spectra(data: Dataset, options: FeatureOptions) -> Extractor:
    takes_no_weights("spectra", options)
    look, _ = heard(data.codec)
    found = components(
        data, name="spectra", things="sounds", rule=RULE,
        flat=lambda waves: functional.avg_pool2d(look(waves), 2).flatten(1).numpy(),
        batches=_batches(data.codec),
    )  # fmt: skip
    return _measured(found)


def _measured(extractor: Extractor) -> Extractor:
    """The same, which also gives what this modality's own measures look at."""
    codec: Any = extractor.codec

    def see(waves: np.ndarray) -> Seen:
        return extractor.see_batch(waves)._replace(cells=Heard.of(waves, codec))

    return replace(extractor, see_batch=see)


EXTRACTORS = {"heard": _heard, "spectra": _spectra}


def usual(data: Dataset) -> str:
    """``heard`` for at least 500 training sounds, else ``spectra``."""
    return "heard" if len(data.train) >= learned.LEAST_TO_LEARN else "spectra"
