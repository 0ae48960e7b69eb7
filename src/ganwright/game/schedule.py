"""Schedules: pure functions of the examples seen."""

from __future__ import annotations

import math


def progress(seen: int, length: int) -> float:
    """The progress along a schedule of `length` examples, from 0 to 1; with length 0 it is at its end."""
    return min(max(seen / length, 0.0), 1.0) if length > 0 else 1.0


def cosine(base: float, final: float, seen: int, length: int) -> float:
    """From `base` to `final` along half a cosine, then constant (Loshchilov and Hutter 2017)."""
    return final + (base - final) * 0.5 * (1 + math.cos(math.pi * progress(seen, length)))


def linear(base: float, final: float, seen: int, length: int) -> float:
    """From `base` to `final` along a straight line, then constant."""
    return base + (final - base) * progress(seen, length)
