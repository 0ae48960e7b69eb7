"""Arrays of numbers as one line of text in JSON, exact and checked when they are read."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ganwright.base.errors import ModelError


def pack(values: np.ndarray) -> str:
    """Numbers (n,) as text, exact: "0 1.5 -3"."""
    return " ".join(
        str(int(v)) if v == int(v) and abs(v) < 2**53 else repr(v) for v in values.tolist()
    )


def unpack(text: Any, what: str, *, whole: bool = False) -> np.ndarray:
    """What `pack` wrote, as float64 or (`whole`) int64. Raises ModelError unless all is finite."""
    if not isinstance(text, str):
        raise ModelError(f"model.json: '{what}' of a column is not a line of numbers")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = np.fromstring(text, np.float64, sep=" ") if text else np.empty(0)
        except (DeprecationWarning, ValueError):
            raise ModelError(f"model.json: '{what}' of a column is not a line of numbers") from None
    if not np.isfinite(values).all():
        raise ModelError(f"model.json: '{what}' of a column is not finite")
    if not whole:
        return values
    if len(values) and (abs(values).max() >= 2**53 or (values != np.rint(values)).any()):
        raise ModelError(f"model.json: '{what}' of a column holds no whole numbers")
    return values.astype(np.int64)
