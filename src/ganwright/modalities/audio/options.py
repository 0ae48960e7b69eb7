"""The options of opening sounds."""

from __future__ import annotations

from typing import ClassVar, Literal

from ganwright.base.options import Field, options


@options
class AudioOptions:
    """How sounds are opened. What is None is derived from the data (and said in `Dataset.notes`)."""

    in_full: ClassVar = True  # `data.label` is that of images

    label: str | None = Field(
        default=None,
        description="A pattern of file names that holds the class and maybe other fields: "
        "'{label}_{speaker}_{index}'. None: the folder is the class, if there are folders.",
    )
    hold_out: str | None = Field(
        default=None,
        description="A field of the pattern whose values are held out whole: 'speaker' by the share "
        "data.holdout, or 'speaker=theo,lucas' those.",
    )
    rate: int | None = Field(
        default=None,
        ge=1000,
        le=192_000,
        description="Samples a second. None: the commonest rate; other files are resampled.",
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        le=60,
        description="Length of one example. None: that of all but one in a hundred clips, at most 2 s.",
    )
    bands: int = Field(default=64, ge=8, le=512, description="Mel bands of the spectrogram.")
    phase: Literal["found", "learned"] = Field(
        default="found",
        description="found: the nets see magnitudes, and phases are found for them (Griffin-Lim); "
        "learned: they see the instantaneous frequency beside them.",
    )


Options = AudioOptions
