"""The run folder: its paths, atomic writes, and the log."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ganwright.base.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path aside to write to; renames it to `path` when the block ends well.

    Works for a file and for a folder. Readers of `path` see the old content or the new one, never half
    of it; after an error the old content stays and the temporary one is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove(aside)
    try:
        yield aside
        _flush(aside)
        if aside.is_dir() and path.exists():  # a folder can't be renamed onto a full one
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            _remove(old)
            path.rename(old)
            try:
                aside.rename(path)
            except BaseException:
                old.rename(path)
                raise
            _remove(old)
        else:
            aside.replace(path)
    finally:
        _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


def _is_content(path: Path) -> bool:
    return not path.is_dir() and not (path.name.startswith(".") and path.suffix == ".tmp")


def _flush(path: Path) -> None:
    """Asks the system to put the written files on the disk before the rename shows them."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, tree: Any) -> None:
    """Writes a readable JSON file, whole or not at all."""
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def _ends_line(handle: IO[bytes]) -> bool:
    handle.seek(-1, os.SEEK_END)
    return handle.read(1) == b"\n"


def this_process() -> str:
    """Number and machine, for other processes to name."""
    return f"{os.getpid()} on {platform.node()}"


class RunFolder:
    """The paths of one run and its log. Makes nothing until `create`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.log = self.path / "log.jsonl"
        self.checkpoint = self.path / "checkpoint"
        self.model = self.path / "model"
        self.best = self.path / "best"
        self.card = self.path / "card.json"
        self.samples = self.path / "samples"

    def must_be_free(self) -> None:
        """Raises RunError when something is there already, or the folder can't be made there."""
        try:
            there = self.path.exists()
            folder = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
            # A run that was killed while it was made leaves folders, or a file that is half-written.
            taken = there and folder.is_dir() and any(map(_is_content, folder.rglob("*")))
        except OSError as error:  # no permission, a name too long
            raise RunError(f"run folder '{self.path}' can't be made: {error.strerror}") from None
        if taken:
            raise RunError(
                f"run folder '{self.path}' exists: continue it with --resume, "
                "or name another with --out"
            )
        if not folder.is_dir():
            raise RunError(
                f"run folder '{self.path}' can't be made: '{folder}' is a file; name another with --out"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise RunError(f"run folder '{self.path}' can't be made: '{folder}' is not writable")

    def create(self) -> None:
        """Makes the folder. Raises RunError when it holds anything, or can't be made."""
        self.must_be_free()
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"run folder '{self.path}' can't be made: {error.strerror}") from None

    def must_exist(self) -> None:
        """Raises RunError unless the folder holds a run."""
        if not self.recipe.is_file():
            raise RunError(f"'{self.path}' is not a run folder: it has no recipe.toml")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from training in the folder until the block or this process ends.

        Raises RunError that names the process which holds it. The system drops the lock of a process that
        dies. Where a file system knows no locks there is none.
        """
        with self._locking() as held:
            if held is False:
                raise RunError(
                    f"run folder '{self.path}' is in use: {self._last_process()} trains in it; "
                    "wait for it, or name another folder with --out"
                )
            yield

    def owner(self) -> str | None:
        """The process that trains in the folder right now, None where there is none."""
        with self._locking() as held:
            return self._last_process() if held is False else None

    @contextmanager
    def _locking(self) -> Iterator[bool | None]:
        """Whether this process now has the folder to itself; None where there are no locks."""
        if fcntl is None:
            yield None
            return
        handle = os.open(self.path, os.O_RDONLY)
        held: bool | None = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = False
        except OSError:
            held = None
        try:
            yield held
        finally:
            os.close(handle)

    def _last_process(self) -> str:
        told = [str(e["process"]) for e in self.events() if "process" in e]
        return f"process {told[-1]}" if told else "another process"

    def clear_aside(self) -> None:
        """Removes what a killed process left half-written, and puts back what it was replacing."""
        for left in self.path.rglob(".*.tmp"):
            _remove(left)
        for old in self.path.rglob(".*.old"):
            path = old.with_name(old.name.removeprefix(".").rsplit(".", 2)[0])
            if path.exists():
                _remove(old)
            else:
                old.rename(path)

    def append(self, **event: Any) -> None:
        """Adds one line to the log."""
        with self.log.open("ab+") as handle:
            if handle.tell() and not _ends_line(handle):  # a power cut left half a line
                handle.write(b"\n")
            handle.write(json.dumps(event).encode() + b"\n")

    def rewind(self, seen: int) -> None:
        """Makes the log that of a run which has just written its checkpoint at `seen`.

        What a killed run logged after it is dropped: the resumed run will log it again.
        """
        events = self.events()
        saved = [i for i, e in enumerate(events) if (e["event"], e["seen"]) == ("checkpoint", seen)]
        if not saved:  # it was killed between the checkpoint and its line
            last = events[-1] if events else {"seconds": 0.0}
            told = {"seen": seen, "kimg": seen / 1000, "seconds": last["seconds"]}
            self.append(**told, event="checkpoint")
            return
        kept = [
            e
            for i, e in enumerate(events)
            if i <= saved[-1] or e["event"] in ("interrupted", "resume")
        ]
        if len(kept) < len(events):
            write_text(self.log, "".join(json.dumps(e) + "\n" for e in kept))

    def events(self) -> list[dict[str, Any]]:
        """The log as a list; a half-written line (after a power cut) is left out."""
        if not self.log.is_file():
            return []
        found = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(json.JSONDecodeError):
                event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    found.append(event)
        return found
