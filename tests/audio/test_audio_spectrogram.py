"""Spectrograms are what SciPy says they are, and waves come back."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from ganwright.modalities.audio.codec import AudioCodec
from ganwright.modalities.audio.spectrogram import Bands, Frames

from .conftest import RATE, tone


@pytest.mark.parametrize(("length", "hop"), [(2048, 32), (2000, 32), (1001, 20)])
def test_frames_are_scipys_and_waves_come_back(length: int, hop: int) -> None:
    frames, rng = Frames(length, hop), np.random.default_rng(0)
    wave = rng.standard_normal((2, length))
    spectrum = frames.spectrum(torch.from_numpy(wave))
    assert spectrum.shape == (2, frames.bins, frames.count)
    window = scipy.signal.get_window("hann", frames.size)
    before = (frames.size - hop) // 2
    for k in (0, frames.count // 2, frames.count - 1):
        padded = np.pad(wave, ((0, 0), (before, frames.size + hop)))
        part = padded[:, k * hop : k * hop + frames.size]
        expected = np.fft.rfft(part * window) * 2 / window.sum()
        assert np.allclose(spectrum[:, :, k].numpy(), expected, atol=1e-12)
    assert np.allclose(frames.waves(spectrum).numpy(), wave, atol=1e-9)


def test_a_sine_of_amplitude_1_has_magnitude_1() -> None:
    t = torch.arange(4096, dtype=torch.float64) / RATE
    magnitude = Frames(4096, 64).spectrum(torch.sin(2 * np.pi * 1000 * t)[None]).abs()
    assert magnitude[0, :, 20].max() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("count", "rate"), [(64, 8000), (80, 16_000), (128, 44_100), (8, 8000)])
def test_bands_are_means_of_bins_at_mel_spaced_places(count: int, rate: int) -> None:
    bins = Frames(1 << 14, rate // 64).bins
    filters = Bands(count, bins, rate).filters()
    assert np.allclose(filters.sum(1), 1) and (filters >= 0).all()
    mel = 2595 * np.log10(1 + np.linspace(0, rate / 2, bins) / 700)
    centres = filters @ mel
    wide = slice(count // 2, None)  # low bands are narrower than a bin, and sit on the nearest
    assert np.allclose(np.diff(centres[wide]), mel[-1] / (count + 1), rtol=0.15)


def test_phases_are_found_for_magnitudes() -> None:
    frames = Frames(2048, 32)
    wave = torch.from_numpy(np.stack([tone(True, i, 2048) for i in range(4)]) / 32768).float()
    magnitude = frames.spectrum(wave).abs()
    start = torch.zeros_like(magnitude)

    def error(iterations: int) -> float:
        made = frames.spectrum(frames.with_phase(magnitude, start, iterations)).abs()
        return float((made - magnitude).norm() / magnitude.norm())

    assert error(32) < 0.15 and error(32) < error(8) < error(0)


@pytest.mark.parametrize("phase", ["found", "learned"])
def test_real_sounds_come_back_from_what_the_nets_see(phase: str) -> None:
    waves = np.stack([tone(i % 2 == 0, i, 2048) for i in range(16)])
    codec = AudioCodec.fit(waves, rate=RATE, hop=32, bands=64, phase=phase, depth="16 bit")
    x = codec.encode(torch.from_numpy(waves))
    assert x.shape == (16, *codec.shape) and x.abs().max() <= 1
    again = codec.encode(torch.from_numpy(codec.decode(x)))
    assert (again - x)[:, 0].square().mean().sqrt() < 0.1
    assert AudioCodec.from_json(codec.to_json()).to_json() == codec.to_json()


def test_silence_stays_silence() -> None:
    waves = np.stack([np.pad(tone(True, i, 1000), (0, 1048)) for i in range(8)])
    codec = AudioCodec.fit(waves, rate=RATE, hop=32, bands=64, phase="found", depth="16 bit")
    x = codec.encode(torch.from_numpy(waves))
    made = codec.decode(x)
    assert not made[:, 1200:].any() and made[:, :900].any(1).all()
    assert not codec.decode(torch.full_like(x, -1)).any()
    assert len(codec.trimmed(made[0])) < 1200
