"""The options of tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ganwright.base.options import Field, Words, options


def _read_rules(value: Any) -> Any:
    """ "a <= b, fixed(c, d)" as two rules; anything else goes through unread."""
    if not isinstance(value, str):
        return value
    from ganwright.modalities.tables.codec.rules import split_rules

    return split_rules(value)


Rules = Annotated[tuple[str, ...], BeforeValidator(_read_rules)]


@options
class TableOptions:
    """How a table is read and made into choices."""

    target: str | None = Field(
        default=None,
        description="The column to predict when samples are judged. None: derived from the names "
        "and kinds of the columns.",
    )
    kinds: Words = Field(
        default=(),
        description="Kinds of columns, to override the detected ones: zip=category, code=text.",
    )
    leave_out: Words = Field(
        default=(), description="Columns that are neither learned nor generated."
    )
    decimal: Literal["auto", "point", "comma"] = Field(
        default="auto",
        description="The decimal mark of numbers in text: 8,047 alone could mean eight thousand or "
        "eight. auto: by all values of the column and by the file.",
    )
    bins: Annotated[int, Field(ge=2, le=4096)] | None = Field(
        default=None,
        description="How many bins a column of numbers has. None: one per 32 rows, 16 to 64.",
    )
    numbers: Literal["quantile", "modes"] = Field(
        default="quantile",
        description="How numbers are binned: quantile into bins of equally many rows, modes by "
        "the components of a Gaussian mixture.",
    )
    largest: int = Field(
        default=256,
        ge=2,
        le=65536,
        description="How many values of a category get their own code; rarer ones share codes.",
    )
    constraints: Rules = Field(
        default=(),
        description="What every row satisfies: a <= b, a < b, total = a + b, fixed(city, country).",
    )


Options = TableOptions
