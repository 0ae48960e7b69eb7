"""A run folder → one self-contained page.

It has no script, no font and no address: images are data URIs, charts inline SVG, and its content policy
forbids anything else. What can't be had (the data has moved, the model is damaged, the run was cut off)
is said in its place. The same run gives the same page.
"""

from ganwright.report.make import write_report

__all__ = ["write_report"]
