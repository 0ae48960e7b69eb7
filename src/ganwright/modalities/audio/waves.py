"""Waves to .wav, without any library beyond the standard one."""

from __future__ import annotations

import base64
import io
import wave
from typing import BinaryIO

import numpy as np

WHITE = 32768  # of stored waves: int16
DEPTHS = {"8 bit": 1, "16 bit": 2, "24 bit": 3, "32 bit": 4}  # bytes of a number in a file


def write_wav(file: BinaryIO, samples: np.ndarray, rate: int, depth: str = "16 bit") -> None:
    """Writes one wave, (length,) int16, as PCM of that depth."""
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(DEPTHS[depth])
        out.setframerate(rate)
        out.writeframes(_pcm(samples, DEPTHS[depth]))


def _pcm(samples: np.ndarray, width: int) -> bytes:
    """Little-endian numbers of so many bytes; those of one byte have their zero at 128."""
    if width == 1:
        return (np.rint(samples / 256).clip(-128, 127) + 128).astype(np.uint8).tobytes()
    whole = samples.astype("<i4") << (8 * (width - 2))
    return whole.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def data_uri(samples: np.ndarray, rate: int) -> str:
    """A wave (length,) int16 as a URI that holds it."""
    file = io.BytesIO()
    write_wav(file, samples, rate)
    return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()
