"""A fault of our own: a report file with what finding it takes, and none of the user's data."""

from __future__ import annotations

import platform
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ganwright._version import __version__

PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "pillow", "safetensors", "scikit-learn")


def report(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Writes the report to the folder for temporary files; None where even that is impossible.

    It holds versions, the command and the traceback: names of files and options, but no data.
    """
    lines = [
        f"ganwright {__version__}, Python {platform.python_version()}, {platform.platform()}",
        *(f"{name} {_version(name)}" for name in PACKAGES),
        f"command: ganwright {' '.join(arguments)}",
        "",
        *traceback.format_exception(error),
    ]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix=f"ganwright-{stamp}-", suffix=".txt", delete=False, encoding="utf-8",
            errors="backslashreplace",
        ) as file:  # fmt: skip
            file.write("\n".join(lines))
            return Path(file.name)
    except OSError:
        return None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
