"""Every error that Ganwright raises on purpose.

    GanwrightError                 exit 1
    ├── UsageError                 exit 2   the caller can fix it; nothing was changed
    │   ├── OptionError                     an option has a value that is not allowed
    │   ├── UnknownName                     a name that is in no table (also a KeyError)
    │   ├── DataError                       data that can't be read or used
    │   ├── RunError                        a run folder that exists, is missing or doesn't fit
    │   └── ModelError                      a model file that is damaged or not one of ours
    ├── WorkError                  exit 1   failed while working; nothing is lost
    ├── Diverged                   exit 3   training keeps diverging; the best model is kept
    └── Interrupted                exit 130 stopped by the user; the checkpoint is written

The command line prints ``ganwright: error: <message>`` and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanwrightError(Exception):
    """The root of the tree. Its message is one line that a user can act on."""

    exit_code = 1


class UsageError(GanwrightError):
    """Wrong use or bad input: names what was given, what is allowed and the nearest valid name."""

    exit_code = 2


class OptionError(UsageError):
    """An option has a value that is not allowed."""


class UnknownName(UsageError, KeyError):
    """A name that is in no table."""

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(self.args[0])


class DataError(UsageError):
    """Data that can't be read or used."""


class RunError(UsageError):
    """A run folder that exists already, is missing or doesn't fit the request."""


class ModelError(UsageError):
    """A model file that is damaged or not one of ours."""


class WorkError(GanwrightError):
    """Failed while working (a full disk, say); what was written before is intact."""


class Diverged(GanwrightError):
    """Training keeps diverging despite rollbacks; the last good model is kept."""

    exit_code = 3


class Interrupted(GanwrightError):
    """Stopped by the user; the checkpoint is written."""

    exit_code = 130


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name most like `name`, or None when nothing is close."""
    by_lower = {candidate.lower(): candidate for candidate in allowed}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def message(owner: str, problem: str, *, allowed: Iterable[str] = (), got: object = None) -> str:
    """The one form of message: owner, problem, what is allowed, the nearest valid name.

    >>> message("--recipe", "unknown recipe 'dcgam'", allowed=["dcgan", "mlp"], got="dcgam")
    "--recipe: unknown recipe 'dcgam'; allowed: dcgan, mlp. Did you mean 'dcgan'?"
    """
    names = list(allowed)
    text = f"{owner}: {problem}" if owner else problem
    if names:
        shown = names if len(names) <= 24 else [*names[:24], f"and {len(names) - 24} more"]
        text += f"; allowed: {', '.join(shown)}"
        if (near := nearest(str(got), names)) is not None:
            text += f". Did you mean '{near}'?"
    return text
