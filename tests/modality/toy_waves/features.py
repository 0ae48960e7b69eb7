"""A wave's own numbers are its features."""

from __future__ import annotations

from typing import Any

from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.fingerprint import fingerprint

from .codec import LENGTH


def _samples(data: Dataset, options: Any) -> Extractor:
    return Extractor(
        name="samples", hash=fingerprint(["samples"]), width=LENGTH, codec=data.codec,
        batches=iter, see_batch=lambda waves: Seen(waves, None),
    )  # fmt: skip


EXTRACTORS = {"samples": _samples}


def usual(data: Dataset) -> str:
    return "samples"
