"""Is it sounds? By suffixes and what lies in a folder or zip; nothing is decoded."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.data.options import DataOptions

if TYPE_CHECKING:
    from ganwright.modalities.audio.files import AudioSource

NAMES: tuple[str, ...] = ()
UNDERSTOOD = "a folder or zip of sounds (.wav, .flac, .ogg, .mp3; flat, or a folder per class)"
LEAST_SHARE = 1 / 3  # of files that are sounds: transcripts may lie beside them


def find(given: object, options: DataOptions) -> AudioSource | None:
    """The sounds at a path, or None."""
    from ganwright.modalities.audio import files
    from ganwright.modalities.audio.options import AudioOptions

    if not isinstance(given, Path):
        return None
    asked, suffix = options.of(AudioOptions), given.suffix.lower()
    if given.is_dir():
        from ganwright.data.folders import walk

        names, read = [name for name, _ in walk(given)], files.folder_source
    elif suffix == ".zip":
        names, read = _members(given), files.zip_source
    elif suffix in files.SUFFIXES:
        return files.file_source(given)
    elif suffix == ".npz":
        from ganwright.modalities.audio.arrays import holds_waves, npz_source

        return npz_source(given) if holds_waves(given) else None
    else:
        return None
    sounds, others = files.sounds_in(names)
    if sounds == 0 or (options.form != "audio" and sounds < LEAST_SHARE * (sounds + others)):
        return None
    return read(given, asked, options.holdout)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [one.filename for one in archive.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeDecodeError):
        return []  # others say what is wrong with it
