"""Sound files: found in a folder or zip, with the classes that folders or names give, and read in parts."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.paths import file_identity, open_regular, readable
from ganwright.data.folders import (
    Arranged,
    Sorted,
    arranged,
    member,
    sorted_out,
    walk,
    words_of_folders,
)
from ganwright.data.source import Unreadable
from ganwright.modalities.audio.options import AudioOptions

SUFFIXES = frozenset(
    [
        ".wav",
        ".wave",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".w64",
        ".caf",
    ]
)
Open = Callable[[int], BinaryIO]


class Head(NamedTuple):
    """What a file says of itself. `bits` is 8, 16, 24 or 32."""

    rate: int
    length: int
    channels: int
    bits: int


@dataclass(frozen=True, kw_only=True)
class AudioSource:
    """Sounds found but not decoded.

    `labels` (n,) are numbers into `classes`, `official` (n,) is True for what is held out by the data
    itself or by `hold_out`.
    """

    name: str
    kind: str
    path: str
    identity: Any
    names: Sequence[str]
    opened: Callable[[], AbstractContextManager[Open]]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    official: np.ndarray | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    modality = "audio"

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.names)


def soundfile() -> ModuleType:
    """The library that decodes sound. Raises DataError where it isn't installed."""
    try:
        import soundfile as found
    except (ImportError, OSError):  # or its own library is missing
        raise DataError(
            "reading sounds takes the package soundfile: pip install 'ganwright[audio]'"
        ) from None
    module: ModuleType = found
    return module


# --- found ---------------------------------------------------------------------------------------


def folder_source(path: Path, options: AudioOptions, holdout: float) -> AudioSource:
    """The sounds under a folder."""
    stats = dict(walk(path))
    raw = dict(zip(readable(list(stats)), stats, strict=True))
    (root,) = readable([str(path.resolve())])

    @contextmanager
    def opened() -> Iterator[Open]:
        yield lambda index: open_regular(path / raw[found.names[index]])

    found = _arranged(
        list(raw), options, holdout, name=root.rpartition("/")[2] or "sounds", kind="folder",
        path=root, identity=[root, sorted((n, *stats[raw[n]]) for n in raw)], opened=opened,
    )  # fmt: skip
    return found


def zip_source(path: Path, options: AudioOptions, holdout: float) -> AudioSource:
    """The sounds in a zip, read in place. Raises DataError for a damaged zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' can't be read as a zip: {error}") from None
    raw = dict(zip(readable([name.replace("\\", "/") for name in names]), names, strict=True))

    @contextmanager
    def opened() -> Iterator[Open]:
        with zipfile.ZipFile(path) as archive:
            yield lambda index: member(archive, raw[found.names[index]])

    found = _arranged(
        list(raw), options, holdout, name=path.stem, kind="zip", path=str(path.resolve()),
        identity=file_identity(path), opened=opened,
    )  # fmt: skip
    return found


def file_source(path: Path) -> AudioSource:
    """One recording."""

    @contextmanager
    def opened() -> Iterator[Open]:
        yield lambda index: open_regular(path)

    return AudioSource(
        name=path.stem, kind="recording", path=str(path.resolve()), identity=file_identity(path),
        names=[path.name], opened=opened,
    )  # fmt: skip


def sounds_in(paths: Sequence[str]) -> tuple[int, int]:
    """How many of the paths are sounds, and how many other files there are."""
    found = sorted_out(paths, SUFFIXES)
    return len(found.files), sum(found.ignored.values())


def _arranged(
    paths: Sequence[str], options: AudioOptions, holdout: float, *, identity: Any, **about: Any
) -> AudioSource:
    if options.label is not None:
        found = _by_name(sorted_out(paths, SUFFIXES), options.label, options.hold_out, holdout)
    elif options.hold_out is not None:
        problem = "names a field of data.audio.label, which isn't given"
        raise OptionError(f"data.audio.hold_out: {problem}")
    else:
        files, inner, official, ignored = sorted_out(paths, SUFFIXES)
        test = np.zeros(len(files), bool) if official is None else official
        words, notes = words_of_folders(inner, test, things="sounds")
        found = arranged(files, words, official, ignored, notes)
    return AudioSource(
        names=found.paths,
        labels=found.labels,
        classes=found.classes,
        official=found.official,
        ignored=found.ignored,
        notes=found.notes,
        identity=[identity, found.paths],  # by whose numbers the cache knows files
        **about,
    )


def _by_name(files: Sorted, pattern: str, hold_out: str | None, holdout: float) -> Arranged:
    """Classes and what is held out by the names of files; those that don't match are left out."""
    fields = dict(zip(files.files, _fields(files.files, pattern), strict=True))
    known = {name: one for name, one in fields.items() if one is not None}
    official, notes = None, []
    if hold_out is not None:
        official, note = _held(list(known.values()), hold_out, holdout)
        notes.append(note)
    if lost := [name for name in fields if name not in known]:
        notes.append(f"{len(lost):,} names don't match '{pattern}': left out; the first: {lost[0]}")
    words: list[str | None] = [one.get("label") for one in known.values()]
    found = arranged(list(known), None if None in words else words, None, files.ignored, notes)
    return replace(found, official=official)


def _fields(files: Sequence[str], pattern: str) -> list[dict[str, str] | None]:
    """What the pattern finds in each name, without its suffix; None where it doesn't match."""
    parts = re.split(r"\{(\w+)\}", pattern)
    names = parts[1::2]
    if not names or len(set(names)) < len(names):
        raise OptionError(
            f"data.audio.label: a pattern has fields, each once: '{{label}}_{{speaker}}'; got {pattern!r}"
        )
    regex = "".join(f"(.+{'?' if i < 2 * len(names) - 1 else ''})" if i % 2 else re.escape(part)
                    for i, part in enumerate(parts))  # fmt: skip
    found = [re.fullmatch(regex, PurePosixPath(name).stem) for name in files]
    if files and not any(found):
        raise OptionError(
            f"data.audio.label: no name matches {pattern!r}; the first is '{PurePosixPath(files[0]).stem}'"
        )
    return [dict(zip(names, one.groups(), strict=True)) if one else None for one in found]


def _held(fields: Sequence[Mapping[str, str]], asked: str, share: float) -> tuple[np.ndarray, str]:
    """Which files are held out (n,) bool, by values of a field or by a share of them, and the note."""
    name, equals, given = asked.partition("=")
    name = name.strip()
    known = list(fields[0])
    if name not in known:
        problem = f"unknown field {name!r}"
        raise OptionError(message("data.audio.hold_out", problem, allowed=known, got=name))
    values = sorted({one[name] for one in fields})
    held = [value.strip() for value in given.split(",")] if equals else _share_of(values, share)
    for value in held:
        if value not in values:
            problem = f"no {name} {value!r}"
            raise OptionError(message("data.audio.hold_out", problem, allowed=values, got=value))
    if len(held) == len(values):
        raise OptionError(f"data.audio.hold_out: {asked!r} leaves nothing to train on")
    chosen = np.array([one[name] in held for one in fields])
    return chosen, f"held out: {name} {', '.join(held)}"


def _share_of(values: Sequence[str], share: float) -> list[str]:
    """That share of the values, at least one, by their hashes."""
    order = sorted(values, key=lambda value: hashlib.blake2b(value.encode()).digest())
    return sorted(order[: max(1, round(share * len(values)))])


# --- read ----------------------------------------------------------------------------------------


class Reader:
    """Reads sounds by number. Both raise Unreadable."""

    def __init__(self, open_file: Open) -> None:
        self._open, self._library = open_file, soundfile()

    def head(self, index: int) -> Head:
        """What the file says of itself, checked against what is in it."""
        with self._file(index) as file:
            if "(should be" in file.extra_info and _cut_off(file.extra_info):
                raise Unreadable("is cut off: its header promises more than is there")
            bits = next((n for n in (8, 16, 24, 32) if str(n) in file.subtype), 16)
            bits = 32 if file.subtype in ("FLOAT", "DOUBLE") else bits
            return Head(file.samplerate, file.frames, file.channels, bits)

    @contextmanager
    def parts(self, index: int) -> Iterator[Callable[[int, int], np.ndarray]]:
        """Gives a function of (start, count): so many samples from there, (count,) float32 in [-1, 1].

        Channels are averaged; what lies before or after the file is 0.
        """
        with self._file(index) as file:

            def part(start: int, count: int) -> np.ndarray:
                before = max(0, -start)
                try:
                    file.seek(min(max(0, start), file.frames))
                    read = file.read(max(0, count - before), dtype="float32", always_2d=True)
                except self._library.SoundFileError as error:
                    raise Unreadable(f"is damaged: {_reason(error)}") from None
                if not np.isfinite(read).all():
                    raise Unreadable("contains NaN or infinity")
                made = np.zeros(count, np.float32)
                made[before : before + len(read)] = read.mean(1)
                return made

            yield part

    @contextmanager
    def _file(self, index: int) -> Iterator[Any]:
        try:
            raw = self._open(index)
        except (
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
            zlib.error,
            zipfile.BadZipFile,
        ) as error:
            raise Unreadable(f"can't be opened: {_reason(error)}") from None
        with raw:
            if raw.seek(0, io.SEEK_END) == 0:
                raise Unreadable("is empty")
            raw.seek(0)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    file = self._library.SoundFile(raw)
            except (self._library.SoundFileError, TypeError, ValueError) as error:
                raise Unreadable(f"is no sound that can be read: {_reason(error)}") from None
            with file:
                if not (0 < file.frames < 2**40):
                    raise Unreadable("holds no samples")
                yield file


def _cut_off(log: str) -> bool:
    """Whether the library's log of a file says that its data are shorter than promised."""
    found = re.search(r"data\s*:\s*(\d+)\s*\(should be (\d+)\)", log)
    return found is not None and int(found[1]) > int(found[2])


def _reason(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or getattr(error, "error_string", None) or error)
    return text.rstrip(".") or type(error).__name__
