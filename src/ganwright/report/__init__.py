"""A run folder → one page that stands alone."""

from ganwright.report.make import write_report

__all__ = ["write_report"]
