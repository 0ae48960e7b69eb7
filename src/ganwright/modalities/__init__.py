"""Kinds of data: one folder each, which nothing below imports."""
