"""Waves ↔ spectrograms on a mel scale, and phases for spectrograms that have none.

A frame is 4 hops long (Hann window), so frames overlap by three quarters. Frames are centred on the
middle of their hop: `frames · hop` samples have `frames` frames, and the ends are covered like the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

OVERLAP = 4  # hops in a frame
MOMENTUM = 0.99  # of the fast Griffin–Lim algorithm (Perraudin et al. 2013)


@dataclass(frozen=True)
class Frames:
    """How waves of one length are cut."""

    length: int  # samples
    hop: int
    overlap: int = OVERLAP

    @property
    def size(self) -> int:
        """Samples in a frame."""
        return self.overlap * self.hop

    @property
    def count(self) -> int:
        """Frames of one wave."""
        return -(-self.length // self.hop)

    @property
    def bins(self) -> int:
        """Frequencies, from 0 to half the rate."""
        return self.size // 2 + 1

    def spectrum(self, waves: Tensor) -> Tensor:
        """Waves (b, length) → complex (b, bins, frames); a sine of amplitude 1 gives about 1."""
        before, after = self._edges()
        x = functional.pad(waves, (before, after)).unfold(1, self.size, self.hop)
        window = _hann(self.size, waves)
        return torch.fft.rfft(x * window, dim=2).transpose(1, 2) * (2 / window.sum())

    def waves(self, spectrum: Tensor) -> Tensor:
        """The waves (b, length) whose spectrum is nearest, by overlap and add."""
        before, _ = self._edges()
        window = _hann(self.size, spectrum.real)
        parts = torch.fft.irfft(spectrum.transpose(1, 2) * (window.sum() / 2), n=self.size, dim=2)
        weight = window.square().expand(1, self.count, -1)
        made, over = (self._added(part.transpose(1, 2)) for part in (parts * window, weight))
        return (made / over.clamp_min(1e-8))[:, before : before + self.length]

    def _added(self, parts: Tensor) -> Tensor:
        """(b, size, frames) laid one over the other."""
        whole = (self.count - 1) * self.hop + self.size
        made = functional.fold(parts, (1, whole), (1, self.size), stride=(1, self.hop))
        return made[:, 0, 0]

    def _edges(self) -> tuple[int, int]:
        """Samples of silence before and after a wave, for all of it to lie in frames."""
        before = (self.size - self.hop) // 2
        return before, self.size - self.hop - before + self.count * self.hop - self.length

    def with_phase(self, magnitude: Tensor, start: Tensor, iterations: int) -> Tensor:
        """Waves whose magnitudes are nearly those given (b, bins, frames), from phases to start with.

        Fast Griffin–Lim (Perraudin et al. 2013, algorithm 2).
        """
        spectrum = torch.polar(magnitude, start)
        before = torch.zeros_like(spectrum)
        for _ in range(iterations):
            found = self.spectrum(self.waves(spectrum))
            moved = found + MOMENTUM * (found - before)
            before = found
            spectrum = magnitude * moved / moved.abs().clamp_min(1e-9)
        return self.waves(spectrum)


def _hann(size: int, like: Tensor) -> Tensor:
    return torch.hann_window(size, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class Bands:
    """Mel bands up to half the rate: triangles that overlap by half (O'Shaughnessy's 2595·log₁₀ scale)."""

    count: int
    bins: int
    rate: int

    def filters(self) -> np.ndarray:
        """(bands, bins) float64; each band is a mean of bins, at least of the nearest one."""
        top = _mel(np.array(self.rate / 2))
        edges = _hertz(np.linspace(0, top, self.count + 2)) * 2 * (self.bins - 1) / self.rate
        bins = np.arange(self.bins)
        low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
        # Never narrower than two bins, so that no band is empty.
        left, right = np.maximum(middle - low, 1), np.maximum(high - middle, 1)
        weights = np.minimum((bins - middle) / left + 1, (middle - bins) / right + 1).clip(0)
        return weights / weights.sum(1, keepdims=True)


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
