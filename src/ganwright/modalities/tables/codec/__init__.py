"""Rows to codes and back."""

from ganwright.modalities.tables.codec.table import TableCodec

CODEC = TableCodec

__all__ = ["CODEC", "TableCodec"]
