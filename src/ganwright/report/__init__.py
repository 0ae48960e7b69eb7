"""A run folder → one self-contained page."""

from ganwright.report.make import write_report

__all__ = ["write_report"]
