"""From stored waves to the spectrograms that the nets see, and back; saved with every model."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.base.errors import ModelError, WorkError
from ganwright.base.packed import pack, unpack
from ganwright.data.codec import Codec
from ganwright.modalities.audio.spec import AXES, AudioSpec
from ganwright.modalities.audio.spectrogram import Bands, Frames
from ganwright.modalities.audio.waves import DEPTHS, WHITE, data_uri

# Silence is so many dB under the peak of a soft clip, one softer than all but a share of the training part.
BELOW, SOFT = 50.0, 0.05
LOUD = 0.999  # quantile of a band's magnitudes that becomes 1
ITERATIONS = 16  # of Griffin–Lim (docs/benchmarks.md)
BLOCK = 16  # sounds whose phases are found together: their spectra fit a processor's cache
HEARD = 2.0  # times the floor: a magnitude above is sound
_SHOWN, _GAP = 12, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioCodec(Codec):
    """Waves as stored (b, length) int16 ↔ what the nets see (b, channels, bands, frames) in [-1, 1].

    The first channel is the logarithm of each mel band's magnitude: silence is -1, the same for
    all bands, and what is loud in the band itself 1. With `phase` "learned" the second is the
    band's advance of phase from frame to frame, as a share of π (GANSynth's instantaneous frequency, Engel
    et al. 2019). `depth` is how files of samples store a number.
    """

    rate: int
    length: int
    hop: int
    phase: str
    depth: str
    floor: float  # the magnitude that counts as silence
    loud: np.ndarray  # (bands,), the logarithm of what is loud

    kind = "audio"
    spec_type = AudioSpec
    formats = ("wav", "npz")
    default_suffix = ""
    snapshot_suffix = ".png"
    scored_by = ("spectra", "heard")

    @classmethod
    def fit(
        cls, waves: np.ndarray, *, rate: int, hop: int, bands: int, phase: str, depth: str
    ) -> AudioCodec:
        """The codec of training waves (n, length) int16."""
        frames = Frames(waves.shape[1], hop)
        filters = torch.from_numpy(Bands(bands, frames.bins, rate).filters()).float()
        blocks = [waves[i : i + 64] for i in range(0, len(waves), 64)]
        found = [filters @ frames.spectrum(numbers(block)).abs() for block in blocks]
        peaks = torch.cat([block.flatten(1).amax(1) for block in found]).numpy()
        floor = max(float(np.quantile(peaks, SOFT)) * 10 ** (-BELOW / 20), 1 / WHITE / hop)
        every = torch.cat([block.transpose(0, 1).flatten(1) for block in found], 1).double()
        loud = np.log(np.quantile(every.numpy(), LOUD, axis=1) + floor)
        return cls(
            rate=rate, length=waves.shape[1], hop=hop, phase=phase, depth=depth,
            floor=float(f"{floor:.6g}"), loud=np.maximum(loud, math.log(floor) + 1),
        )  # fmt: skip

    # --- what the nets see ---------------------------------------------------------------------

    @property
    def frames(self) -> Frames:
        """How waves are cut."""
        return Frames(self.length, self.hop)

    @property
    def bands(self) -> int:
        """How many mel bands there are."""
        return len(self.loud)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the nets see."""
        return (1 + (self.phase == "learned"), self.bands, self.frames.count)

    @property
    def makes(self) -> str:
        """What the examples are, for people."""
        return f"sounds of {self.length / self.rate:.3g} s at {self.rate:,} Hz"

    @property
    def dtype(self) -> str:
        """Of stored waves."""
        return "int16"

    def spec(self, classes: tuple[str, ...]) -> AudioSpec:
        """What the nets see of a sound."""
        return AudioSpec(axes=AXES, shape=self.shape, classes=classes)

    @cached_property
    def _filters(self) -> Tensor:
        return torch.from_numpy(Bands(self.bands, self.frames.bins, self.rate).filters()).float()

    @cached_property
    def _back(self) -> Tensor:
        """Bands → bins: the least squares solution of least norm."""
        return torch.linalg.pinv(self._filters.double()).float()

    @cached_property
    def _scale(self) -> Tensor:
        """(bands, 1): half the logarithm of loud over silent."""
        return torch.from_numpy((self.loud - math.log(self.floor)) / 2).float()[:, None]

    def encode(self, stored: Any) -> Tensor:
        """Stored (b, length) → float32 (b, channels, bands, frames)."""
        spectrum = self.frames.spectrum(numbers(stored))
        filters = self._filters.to(spectrum.device)
        level = (filters @ spectrum.abs() / self.floor).log1p()
        seen = [(level / self._scale.to(level) - 1).clamp(-1, 1)]
        if self.phase == "learned":
            before = torch.cat([torch.ones_like(spectrum[:, :, :1]), spectrum[:, :, :-1]], 2)
            turn = spectrum * before.conj()
            turn = turn / turn.abs().sqrt().clamp_min(1e-12)
            real, imaginary = (filters @ part for part in (turn.real, turn.imag))
            seen.append(torch.atan2(imaginary, real) / math.pi)
        return torch.stack(seen, 1)

    def decode(
        self, x: Tensor, places: object = None, allowed: object = None, *, start: int = 0
    ) -> np.ndarray:
        """(b, channels, bands, frames) → waves (b, length) int16; after the last sound they are 0.

        Raises WorkError when `x` holds NaN.
        """
        if bool(torch.isnan(x).any()):
            raise WorkError("the samples hold NaN: the model is damaged or its training diverged")
        x = x.detach().float().cpu()
        magnitude = ((x[:, 0].clamp(-1, 1) + 1) * self._scale).expm1() * self.floor
        bins = (self._back @ magnitude).clamp_min(0)
        both = zip(bins.split(BLOCK), self._start(x).split(BLOCK), strict=True)
        waves = torch.cat([self.frames.with_phase(m, p, ITERATIONS) for m, p in both])
        waves = torch.where(self._heard(magnitude), waves, torch.zeros(()))
        stored: np.ndarray = (waves * WHITE).round().clamp(-WHITE, WHITE - 1).numpy()
        return stored.astype(np.int16)

    def _start(self, x: Tensor) -> Tensor:
        """Phases (b, bins, frames) to begin with: by the second channel, or the same for all sounds."""
        if self.phase == "found":
            generator = torch.Generator().manual_seed(0)
            drawn = torch.rand(1, self.frames.bins, self.frames.count, generator=generator)
            return (drawn * 2 * math.pi).expand(len(x), -1, -1)
        turn = torch.polar(torch.ones_like(x[:, 1]), x[:, 1] * math.pi)
        near = self._filters.T / self._filters.sum(0)[:, None].clamp_min(1e-9)
        parts = [near @ part for part in (turn.real, turn.imag)]
        return torch.atan2(parts[1], parts[0]).cumsum(2)

    def _heard(self, magnitude: Tensor) -> Tensor:
        """(b, length) bool: True until the last frame with sound in it."""
        loud = magnitude.amax(1) > HEARD * self.floor
        until = loud.flip(1).int().cummax(1).values.flip(1).bool()
        return until.repeat_interleave(self.hop, 1)[:, : self.length]

    # --- the user's edge -----------------------------------------------------------------------

    def stored(self, examples: Any) -> np.ndarray:
        """(waves, rate) as `join` gives them, or stored waves → stored waves."""
        waves = examples[0] if isinstance(examples, tuple) else examples
        if np.issubdtype(waves.dtype, np.floating):
            waves = np.rint(np.asarray(waves) * WHITE).clip(-WHITE, WHITE - 1)
        return np.asarray(waves, np.int16)

    def join(self, blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
        """(waves (n, length) float32 in [-1, 1], rate)."""
        return np.concatenate(list(blocks)).astype(np.float32) / WHITE, self.rate

    def digests(self, examples: np.ndarray) -> np.ndarray:
        """A hash of each wave, (n, 8) uint8."""
        marks = b"".join(hashlib.blake2b(w.tobytes(), digest_size=8).digest() for w in examples)
        return np.frombuffer(marks, np.uint8).reshape(-1, 8)

    def html(self, samples: Any) -> str:
        """The first samples to listen to, in a notebook."""
        waves = self.stored(samples)[:_SHOWN]
        file = io.BytesIO()
        self.grid(waves, len(waves)).save(file, format="PNG")
        picture = base64.b64encode(file.getvalue()).decode()
        players = "".join(
            f'<audio controls src="{data_uri(self.trimmed(wave), self.rate)}"></audio>'
            for wave in waves
        )
        alt = html.escape(f"spectrograms of {self.makes}")
        return f'<img alt="{alt}" src="data:image/png;base64,{picture}"><div>{players}</div>'

    def trimmed(self, wave: np.ndarray) -> np.ndarray:
        """A stored wave without the zeros after its end; a frame at least."""
        sounding = np.flatnonzero(wave)
        end = max(self.hop, int(sounding[-1]) + 1 if len(sounding) else 0)
        return wave[:end]

    def pictures(self, waves: np.ndarray) -> np.ndarray:
        """Spectrograms (n, bands, frames) uint8, low frequencies at the bottom; black is silence."""
        shares = (self.encode(waves)[:, 0].flip(1) + 1) / 2
        found: np.ndarray = (255 * shares).round().byte().numpy()
        return found

    def grid(self, waves: np.ndarray, columns: int | None = None) -> Image.Image:
        """Spectrograms side by side on white."""
        shown = self.pictures(waves)
        columns = min(columns or math.ceil(math.sqrt(len(shown))), len(shown))
        rows, (height, width) = -(-len(shown) // columns), shown.shape[1:]
        cell = height + _GAP, width + _GAP
        sheet = np.full((rows * cell[0] + _GAP, columns * cell[1] + _GAP), 255, np.uint8)
        for i, picture in enumerate(shown):
            y, x = (i // columns) * cell[0] + _GAP, (i % columns) * cell[1] + _GAP
            sheet[y : y + height, x : x + width] = picture
        return Image.fromarray(sheet)

    def save_snapshot(self, path: Path, samples: np.ndarray, columns: int) -> None:
        """Writes spectrograms to look at."""
        self.grid(samples, columns).save(path, format="PNG")

    # --- saving --------------------------------------------------------------------------------

    def suits(self, other: Codec) -> bool:
        """Whether spectrograms of both are made alike, whatever is loud in them."""
        return isinstance(other, AudioCodec) and (self.rate, self.hop, self.shape) == (
            other.rate, other.hop, other.shape,
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """The rate, the length and the spectrogram."""
        return {
            "data.audio.rate": self.rate,
            "data.audio.seconds": self.length / self.rate,
            "data.audio.bands": self.bands,
            "data.audio.phase": self.phase,
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "rate": self.rate, "length": self.length, "hop": self.hop,
            "phase": self.phase, "depth": self.depth, "floor": self.floor,
            "loud": pack(self.loud),
        }  # fmt: skip

    @classmethod
    def from_json(cls, tree: Any) -> AudioCodec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            codec = cls(
                rate=int(tree["rate"]),
                length=int(tree["length"]),
                hop=int(tree["hop"]),
                phase=str(tree["phase"]),
                depth=str(tree["depth"]),
                floor=float(tree["floor"]),
                loud=unpack(tree["loud"], "loud"),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model.json: 'codec' is not readable ({error!r})") from None
        sized = 1 <= codec.rate <= 2**20 and 2 <= codec.hop <= codec.length <= 2**26
        known = codec.phase in ("found", "learned") and codec.depth in DEPTHS
        scaled = 0 < codec.floor < math.inf and (codec.loud > math.log(codec.floor)).all()
        if not (sized and known and scaled and 8 <= codec.bands <= 512):
            raise ModelError("model.json: impossible codec of sounds")
        return codec


def numbers(stored: Any) -> Tensor:
    """Stored waves as float32 in [-1, 1)."""
    if isinstance(stored, np.ndarray):  # mapped from disk, torch would warn
        stored = torch.from_numpy(np.require(stored, requirements=["C", "W"]))
    return torch.as_tensor(stored).to(torch.float32) / WHITE


CODEC = AudioCodec
