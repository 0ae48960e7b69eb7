"""Rows to codes, and back."""
