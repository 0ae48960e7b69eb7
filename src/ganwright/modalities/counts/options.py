"""The options of counts."""

from __future__ import annotations

from ganwright.base.options import Field, Words, options

MOST_WORDS = 1 << 16  # columns of a matrix of counts


@options
class CountsOptions:
    """How counts are read, and which words of a text are counted."""

    min_documents: int = Field(
        default=2,
        ge=1,
        description="For texts: a word is counted if at least this many training documents have it.",
    )
    largest: int = Field(
        default=20_000,
        ge=2,
        le=MOST_WORDS,
        description="For texts: how many of the most frequent words are counted.",
    )
    leave_out: Words = Field(
        default=(),
        description="Columns of a CSV or frame that are not counts, such as an identifier.",
    )


Options = CountsOptions
