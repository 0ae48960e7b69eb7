"""From a run folder to its report; what is missing is named on the page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ganwright.base.errors import OptionError
from ganwright.base.runs import write_text
from ganwright.report.facts import REPORT, read_run
from ganwright.report.findings import find, modality_of_run
from ganwright.report.look import look_of
from ganwright.report.page import render


def write_report(
    run: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Writes a run's report, one HTML file that needs no other, and returns its path.

    `out` is where (default: ``report.html`` in the run folder); `against` says where the data is
    now, or names other data to judge by. A run without a card that fits its model is evaluated
    first, and keeps the card. Raises RunError when `run` is no run folder, DataError when `against`
    can't be read; anything else that is missing is said on the page.
    """
    facts = read_run(Path(run))
    target = facts.folder.path / REPORT if out is None else Path(out)
    if target.is_dir():
        raise OptionError(
            f"--out: '{target}' is a folder; name a file, {REPORT} in it for instance"
        )
    found = find(facts, against, progress)
    task = found.model.generator.task if found.model else ""
    look = look_of(modality_of_run(facts, found), task)
    own = look.show(facts, found, progress)
    write_text(target, render(facts, found, look, own))
    return target
