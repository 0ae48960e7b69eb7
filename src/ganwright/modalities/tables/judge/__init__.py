"""Judging rows: column by column, pair by pair, by what can be learned from them."""
