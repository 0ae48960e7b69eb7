"""Text as a data set: read once into the cache, split by content.

<cache>/data/<text>/<reading>/texts.bin     all texts, one after the other, in UTF-8
<cache>/data/<text>/<reading>/ends.npy      (n,) int64, where each ends
<cache>/data/<text>/<reading>/symbols.npy   (n, length) int32, mapped from disk
<cache>/data/<text>/<reading>/hashes.npy    (n,) uint64, of their content
<cache>/data/<text>/<reading>/labels.npy    (n,) int64, where there are classes
<cache>/data/<text>/<reading>/codec.json    units, vocabulary, length
<cache>/data/<text>/<reading>/about.json    notes, classes, what was left out
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base.errors import DataError
from ganwright.base.options import tree
from ganwright.base.paths import file_identity
from ganwright.data import cache
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.options import DataOptions
from ganwright.data.packing import DAMAGED, inner
from ganwright.data.source import name_classes
from ganwright.data.split import split
from ganwright.modalities.text import read
from ganwright.modalities.text.codec import TextCodec
from ganwright.modalities.text.options import LONGEST, TextOptions
from ganwright.modalities.text.units import CUT

_VERSION = 1  # of reading: raise it when the cached content would change
MOST_TEXTS = 1_000_000  # that are read
LEAST_WORDS, COVERED = 3, 0.9  # words of the median line, and share that is known: for words
COVERED_CHARACTERS = 0.98  # share of known characters, below which bytes are learned
USUAL = {"words": 64, "characters": 192, "bytes": 256}  # longest text, in units
USUAL_WINDOW = {"words": 32, "characters": 64, "bytes": 96}
BLOCK = 4096  # texts that are cut together


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """Text found but not read; `form` is "file", "table" or "folder"."""

    name: str
    path: Path
    identity: Any
    form: str
    kind: str = "text"
    modality = "text"


def file_source(path: Path) -> TextSource:
    """A .txt, packed or not."""
    name = inner(path).stem
    return TextSource(
        name=name, path=path.resolve(), identity=["file", file_identity(path)], form="file"
    )


def table_source(path: Path) -> TextSource:
    """A table of which one column holds texts."""
    return replace(file_source(path), identity=["table", file_identity(path)], form="table")


def folder_source(path: Path) -> TextSource:
    """A folder of texts. Raises DataError where there are none."""
    if not (every := read.text_files(path)):
        raise DataError(f"'{path}' contains no texts (.txt)")
    identity = ["folder", file_identity(*every)]
    return TextSource(name=path.name, path=path.resolve(), identity=identity, form="folder")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TextDataset(Dataset):
    """Texts; `rows` are their symbols."""

    texts: Texts

    def examples(self, indices: np.ndarray) -> list[str]:
        """The texts at `indices`, as they came."""
        return self.texts[indices]


@dataclass(frozen=True)
class Texts:
    """Texts in a file, mapped from disk."""

    path: Path
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, indices: np.ndarray) -> list[str]:
        found = []
        with self.path.open("rb") as file:
            for i in np.asarray(indices).reshape(-1):
                start = int(self.ends[i - 1]) if i else 0
                file.seek(start)
                found.append(file.read(int(self.ends[i]) - start).decode("utf-8"))
        return found

    def blocks(self, indices: np.ndarray) -> Iterator[list[str]]:
        """The same, block by block."""
        for start in range(0, len(indices), BLOCK):
            yield self[indices[start : start + BLOCK]]


def dataset(source: TextSource, options: DataOptions) -> TextDataset:
    """Text read and split; what `open_data` does once it has a source."""
    key = [_VERSION, source.form, tree(options.of(TextOptions))]
    key += [options.holdout, options.bad, options.labels]
    parent = cache.folder_of(source.kind, source.identity)
    folder = parent / cache.key_of(key)
    with suppress(*cache.DAMAGED):
        return _open(folder, source, options)
    with cache.room_for(parent), cache.making(parent) as aside:
        _write(source, options, aside)
        cache.publish(aside, folder, lambda: _open(folder, source, options))
        return _open(folder, source, options)


# --- reading -----------------------------------------------------------------------------------


@dataclass
class _Read:
    """How a source was read, as it goes."""

    seen: read.Seen
    notes: list[str] = field(default_factory=list)
    windows: bool = False
    units: str = "auto"


def _write(source: TextSource, options: DataOptions, aside: Path) -> None:
    o, how = options.of(TextOptions), _Read(read.Seen([]))
    try:
        found = _texts(source, o, how)
        texts, hashes, names = _kept(found, aside, how)
    except DAMAGED as error:
        raise DataError(f"'{source.path}' can't be read: {error}") from None
    skipped = how.seen.skipped
    if skipped and (options.bad == "refuse" or len(texts) < len(skipped)):
        raise DataError(
            f"'{source.path}': {len(skipped):,} can't be read; the first: {' '.join(skipped[0])}"
        )
    if (distinct := len(np.unique(hashes))) < 2:
        raise DataError(
            f"'{source.path}' contains {distinct or 'no'} text{' only' if distinct else ''}, "
            f"{len(texts):,} {'times' if len(texts) > 1 else 'time'}; at least 2 different ones are needed"
            if distinct
            else f"'{source.path}' contains no text"
        )
    parts = split(hashes, options.holdout, None)
    codec = _codec(texts, parts.train, o, how)
    symbols = np.lib.format.open_memmap(
        aside / "symbols.npy", "w+", np.int32, (len(texts), codec.length)
    )
    for start in range(0, len(texts), BLOCK):
        block = texts[np.arange(start, min(start + BLOCK, len(texts)))]
        symbols[start : start + BLOCK] = codec.stored(block)
    del symbols
    classes: tuple[str, ...] = ()
    if options.labels and any(names):
        labels, classes = name_classes(names)
        np.save(aside / "labels.npy", labels)
    np.save(aside / "hashes.npy", hashes)
    (aside / "codec.json").write_text(json.dumps(codec.to_json()), encoding="utf-8")
    about = {"notes": how.notes, "skipped": skipped, "classes": classes}
    (aside / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _texts(source: TextSource, o: TextOptions, how: _Read) -> Iterator[read.Cut]:
    """All texts of a source with their classes."""
    if source.form == "table":
        assert o.column is not None  # as `find` saw to
        return read.cells(source.path, o.column, o.class_column)
    if source.form == "folder":
        how.notes.append("each file is a text; data.form=counts counts their words instead")
        return read.files(source.path, how.seen)
    why = read.is_running(source.path)
    how.windows = o.split == "windows" or (o.split == "auto" and bool(why))
    if not how.windows:
        return ((text, "") for text in read.lines(source.path, how.seen))
    how.units = _units_of_running(source.path, o)
    length = o.length or USUAL_WINDOW[how.units]
    if o.split == "auto":
        how.notes.append(
            f"running text, as {why}: cut into windows of {length} {how.units}; "
            "data.text.split=lines takes each line for a text"
        )
    cut = read.Cutter(how.units, length)
    pieces = read.stream(source.path, how.seen)
    return ((text, "") for text in read.windows(pieces, cut))


def _units_of_running(path: Path, o: TextOptions) -> str:
    """Of running text: what is asked for, else characters, or bytes."""
    if o.units != "auto":
        return o.units
    sample, size = [], 0
    for piece in read.stream(path, read.Seen([])):
        sample.append(piece)
        if (size := size + len(piece)) > read.SAMPLE:
            break
    counted = Counter(CUT["characters"]("".join(sample)))
    return "characters" if _covered(counted, o) >= COVERED_CHARACTERS else "bytes"


def _kept(
    found: Iterator[read.Cut], aside: Path, how: _Read
) -> tuple[Texts, np.ndarray, list[str]]:
    """Writes texts to disk; where each ends, their hashes and classes."""
    ends: list[int] = []
    hashes: list[bytes] = []
    names: list[str] = []
    at, path = 0, aside / "texts.bin"
    with path.open("wb") as file:
        for text, name in islice(found, MOST_TEXTS):
            raw = text.encode("utf-8", "replace")
            at += file.write(raw)
            ends.append(at)
            hashes.append(hashlib.blake2b(raw, digest_size=8).digest())
            names.append(name)
    if next(found, None) is not None:
        how.notes.append(f"only the first {MOST_TEXTS:,} texts are read")
    if how.seen.cut:
        how.notes.append(f"{how.seen.cut:,} lines have more than 64 KiB and are read up to there")
    np.save(aside / "ends.npy", np.array(ends, np.int64))
    return Texts(path, np.array(ends, np.int64)), np.frombuffer(b"".join(hashes), np.uint64), names


# --- what is learned ---------------------------------------------------------------------------


def _codec(texts: Texts, train: np.ndarray, o: TextOptions, how: _Read) -> TextCodec:
    """The codec of the training texts."""
    units, counted, lengths = _counted(texts, train, o, how)
    known = [unit for unit, times in counted.most_common(o.most_units) if times >= o.least_times]
    if not known:
        known = [unit for unit, _ in counted.most_common(o.most_units)]
    if units == "bytes":
        known = [chr(i) for i in range(256)]
    usual = USUAL_WINDOW if how.windows else USUAL
    length = o.length or min(usual[units], int(lengths.max()))
    covered = sum(counted[unit] for unit in known) / max(1, counted.total())
    how.notes.append(
        f"{len(known):,} different {units} are learned, {covered:.1%} of the text: those that training "
        f"texts have at least {o.least_times} times, {o.most_units:,} at most"
        if units != "bytes"
        else "bytes are learned: there are many different characters"
    )
    if longer := int((lengths > length).sum()):
        how.notes.append(
            f"{longer:,} of {len(lengths):,} texts have more than {length} {units} and are learned up to "
            f"there; data.text.length, {LONGEST:,} at most, changes that"
        )
    return TextCodec(units=units, vocabulary=tuple(known), length=length, windows=how.windows)


def _counted(
    texts: Texts, train: np.ndarray, o: TextOptions, how: _Read
) -> tuple[str, Counter[str], np.ndarray]:
    """Units, how often training texts have each, and how long the texts are in them."""
    asked = how.units if how.windows else o.units
    if asked != "auto":
        return asked, *_count(texts, train, asked)
    counted, lengths = _count(texts, train, "words")
    share = _covered(counted, o)
    if np.median(lengths) >= LEAST_WORDS and share >= COVERED:
        how.notes.append(f"units are words: {share:.1%} of them occur often enough to be learned")
        return "words", counted, lengths
    why = (
        f"the median text has {np.median(lengths):g} words"
        if np.median(lengths) < LEAST_WORDS
        else f"only {share:.1%} of the words occur often enough to be learned"
    )
    counted, lengths = _count(texts, train, "characters")
    if _covered(counted, o) < COVERED_CHARACTERS:
        return "bytes", *_count(texts, train, "bytes")
    how.notes.append(f"units are characters: {why}")
    return "characters", counted, lengths


def _count(texts: Texts, train: np.ndarray, units: str) -> tuple[Counter[str], np.ndarray]:
    counted: Counter[str] = Counter()
    lengths: list[int] = []
    for block in texts.blocks(train):
        for text in block:
            cut = CUT[units](text)
            counted.update(cut)
            lengths.append(len(cut))
    return counted, np.array(lengths)


def _covered(counted: Counter[str], o: TextOptions) -> float:
    """The share of all units that occur often enough to be learned."""
    known = (times for _, times in counted.most_common(o.most_units) if times >= o.least_times)
    return sum(known) / max(1, counted.total())


# --- opening -----------------------------------------------------------------------------------


def _open(folder: Path, source: TextSource, options: DataOptions) -> TextDataset:
    """Raises one of `cache.DAMAGED` when the folder is not there or not whole."""
    codec = TextCodec.from_json(json.loads((folder / "codec.json").read_text(encoding="utf-8")))
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    classes = tuple(about["classes"])
    hashes = np.load(folder / "hashes.npy", allow_pickle=False)
    symbols = np.load(folder / "symbols.npy", mmap_mode="r", allow_pickle=False)
    texts = Texts(folder / "texts.bin", np.load(folder / "ends.npy", allow_pickle=False))
    whole = (folder / "texts.bin").stat().st_size == (int(texts.ends[-1]) if len(texts) else 0)
    if symbols.shape != (len(hashes), codec.length) or len(texts) != len(hashes) or not whole:
        raise ValueError("not what was written")
    labels = np.load(folder / "labels.npy", allow_pickle=False) if classes else None
    parts = split(hashes, options.holdout, None)
    return TextDataset(
        name=source.name, kind=source.kind, source=str(source.path), spec=codec.spec(classes),
        codec=codec, fingerprint=_fingerprint(codec, [hashes, parts.train, parts.heldout, labels]),
        rows=symbols, labels=labels, train=parts.train, heldout=parts.heldout,
        dropped=parts.dropped, hashes=hashes,
        skipped=tuple(Skipped(name, reason) for name, reason in about["skipped"]),
        ignored={}, options=options, notes=tuple(n for n in (*about["notes"], parts.note) if n),
        name_of=lambda index: f"text {index + 1}", texts=texts,
    )  # fmt: skip


def _fingerprint(codec: TextCodec, arrays: Sequence[np.ndarray | None]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps(codec.to_json()).encode())
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
