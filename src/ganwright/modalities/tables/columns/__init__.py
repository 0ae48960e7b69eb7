"""Columns: their kind, their axis, and how their values are written."""
