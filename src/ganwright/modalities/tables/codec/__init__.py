"""Rows to codes, and back.

Every learned column becomes one choice among K codes: a category's values, a number's bins, and one
code more for missing. So one net, one loss and one way of drawing serve mixed types, missing cells and
conditions. A bin keeps its inner quantiles, from which numbers get their digits back. Columns that
can't be learned (identifiers, free text, constants) are no choices: the codec makes them (`remade`).
"""

from ganwright.modalities.tables.codec.table import TableCodec

CODEC = TableCodec

__all__ = ["CODEC", "TableCodec"]
