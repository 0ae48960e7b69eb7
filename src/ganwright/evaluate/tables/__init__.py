"""Judges rows of tables: column by column, pair by pair, by what can be learned, by who is exposed."""
