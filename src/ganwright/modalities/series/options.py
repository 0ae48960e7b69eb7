"""The options of series."""

from __future__ import annotations

from typing import Annotated

from ganwright.base.options import Field, Words, options

LONGEST = 4096  # steps of a window


@options
class SeriesOptions:
    """How a table is read as series, and cut into windows."""

    time: str | None = Field(
        default=None,
        description="The column of times; a table where it is named is read as series. None: derived.",
    )
    id: str | None = Field(
        default=None,
        description="The column that tells several series apart. None: derived, where times repeat.",
    )
    classes: str | None = Field(
        default=None, description="The column of classes, one for each window. None: no classes."
    )
    leave_out: Words = Field(
        default=(), description="Columns that are neither learned nor generated."
    )
    length: Annotated[int, Field(ge=2, le=LONGEST)] | None = Field(
        default=None,
        description="Steps of a window. None: whole series where all have one length, else 24 or, of "
        "short ones, a quarter.",
    )
    stride: int = Field(default=1, ge=1, description="Steps from one window to the next.")


Options = SeriesOptions
