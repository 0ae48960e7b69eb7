"""What the nets see of a sound."""

from __future__ import annotations

from ganwright.base.spec import Spec

AXES = ("channel", "frequency", "time")


class AudioSpec(Spec):
    """Of a sound: its spectrogram, the lowest frequency first."""

    things = "sounds"
