"""Judging counts: zeros, totals, words, and which of them go together."""
