"""How a run was made: its data, its training, and the software."""

from __future__ import annotations

import math
from typing import Any

from ganwright.report.facts import Facts, number
from ganwright.report.look import Findings, Look

CLASSES = 20  # that are named


def trained_on(facts: Facts, found: Findings, look: Look) -> list[tuple[str, str]]:
    """What is known of the data."""
    model, data, start = found.model, found.data, facts.start
    lines = [("Data", str(start.get("data", "unknown")))]
    if facts.source and facts.source != start.get("data"):
        lines.append(("Path", facts.source))
    if "n" in start:
        lines.append(("Training examples", _count(start["n"])))
    if data is not None and found.own:
        lines.append(
            ("Held out", f"{len(data.heldout):,}: half to choose a model, half to judge it")
        )
    if model is not None:
        lines.append(("One example", look.one(model)))
        if model.spec.classes or "classes" in dict(look.sections):
            lines.append(("Classes", _classes(model.spec.classes, model.data.get("class_counts"))))
    lines.append(("Fingerprint", str(start.get("fingerprint", "unknown"))))
    if data is not None and found.own:
        lines += [("Rule", note) for note in data.notes]
    return lines


def _classes(classes: tuple[str, ...], counts: Any) -> str:
    if not classes:
        return "none"
    if not isinstance(counts, list) or len(counts) != len(classes):
        counts = [None] * len(classes)
    each = [
        name if n is None else f"{name} ({n:,})" for name, n in zip(classes, counts, strict=True)
    ]
    more = f", and {len(each) - CLASSES} more" if len(each) > CLASSES else ""
    return f"{len(each)}: {', '.join(each[:CLASSES])}{more}"


def training(facts: Facts, found: Findings) -> list[tuple[str, str]]:
    """How long it trained, on what, and how fast."""
    start = facts.start
    seconds, speed = facts.last("seconds"), facts.last("images_per_s")
    scores = facts.series("score", "fid")
    lines = [
        ("Recipe", str(start.get("recipe", "unknown"))),
        (
            "Examples seen",
            f"{facts.last('kimg'):,.1f} thousand (kimg)" if facts.events else "unknown",
        ),
        ("Time", "unknown" if math.isnan(seconds) else _time(seconds)),
        ("Device", f"{start.get('device', 'unknown')}, threads: {start.get('threads', 'unknown')}"),
        ("Speed", "unknown" if math.isnan(speed) else f"{speed:,.0f} examples/s"),
    ]
    if "generator_parameters" in start:
        sizes = _count(start["generator_parameters"]), _count(start.get("discriminator_parameters"))
        lines.append(("Weights", f"{sizes[0]} in the generator, {sizes[1]} in the discriminator"))
    if found.model is not None:
        best = (
            " (the best score)" if scores and (facts.folder.best / "model.json").is_file() else ""
        )
        lines.append(("Model shown", f"after {found.model.seen / 1000:,.1f} kimg{best}"))
    versions = [
        f"{name} {start[name]}" for name in ("ganwright", "torch", "python") if name in start
    ]
    return [*lines, ("Versions", ", ".join(versions) or "unknown")]


def _count(value: Any) -> str:
    found = number(value)
    return "unknown" if math.isnan(found) else f"{found:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def in_bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return ""
