"""The options of text."""

from __future__ import annotations

from typing import Annotated, Literal

from ganwright.base.options import Field, options

MOST_SYMBOLS = 1 << 16  # units that can be told apart
LONGEST = 1024  # units of a text


@options
class TextOptions:
    """How text is read, and what its units are."""

    units: Literal["auto", "words", "characters", "bytes"] = Field(
        default="auto",
        description="What a text is made of. auto: words where lines have several and few are rare, "
        "bytes where there are very many different characters, else characters.",
    )
    split: Literal["auto", "lines", "windows"] = Field(
        default="auto",
        description="lines: each is a text. windows: the whole is running text, cut into pieces. auto: "
        "windows where a tenth of the lines is empty, most are very long, or there are fewer than two.",
    )
    length: Annotated[int, Field(ge=2, le=LONGEST)] | None = Field(
        default=None,
        description="Units of the longest text, and of a window. None: the longest of the data, up to 64 "
        "words or 192 characters; windows of 32 words or 64 characters.",
    )
    column: str | None = Field(
        default=None, description="The column of a table (.csv, .parquet) that holds the texts."
    )
    class_column: str | None = Field(
        default=None, description="The column of a table that holds the class of each text."
    )
    least_times: int = Field(
        default=2, ge=1, description="A unit is learned if the training texts have it this often."
    )
    most_units: int = Field(
        default=20_000, ge=2, le=MOST_SYMBOLS - 2, description="How many units are learned at most."
    )


Options = TextOptions
