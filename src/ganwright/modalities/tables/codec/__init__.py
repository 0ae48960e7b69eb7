"""Rows to codes, and back."""

from ganwright.modalities.tables.codec.codec import TableCodec

CODEC = TableCodec

__all__ = ["CODEC", "TableCodec"]
