"""Counts as a data set: read once into the cache, split by content.

<cache>/data/<counts>/<reading>/{data,indices,indptr}.npy   all rows, mapped from disk
<cache>/data/<counts>/<reading>/hashes.npy                  (n,) uint64, of their content
<cache>/data/<counts>/<reading>/codec.json                  words, totals, … of training rows
<cache>/data/<counts>/<reading>/about.json                  notes, names of documents left out
<cache>/data/<matrices>/<content>.npz                       counts that were given in memory
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ganwright.base.errors import DataError
from ganwright.base.options import tree
from ganwright.base.paths import file_identity
from ganwright.data import cache
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.options import DataOptions
from ganwright.data.split import Split, split
from ganwright.modalities.counts import matrices as read
from ganwright.modalities.counts import texts
from ganwright.modalities.counts.codec import CountsCodec
from ganwright.modalities.counts.options import CountsOptions
from ganwright.modalities.counts.sparse import Counts, StoredCounts, digests

_VERSION = 1  # of reading: raise it when the cached content would change


@dataclass(frozen=True, kw_only=True)
class CountsSource:
    """Counts found but not read: a file or folder, and plain JSON that changes when it does."""

    name: str
    path: Path
    identity: Any
    form: str  # "npz", "csv" or "text"
    notes: tuple[str, ...] = ()
    kind: str = "counts"
    modality = "counts"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CountsDataset(Dataset):
    """Rows of counts."""

    rows: StoredCounts

    def examples(self, indices: np.ndarray) -> Counts:
        """The rows at `indices`, still sparse."""
        return self.rows.pick(np.asarray(indices))


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What was read: all rows, and what their columns are called."""

    read: read.Read
    hashes: np.ndarray
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def npz_counts(path: Path) -> CountsSource:
    """A sparse matrix in an .npz."""
    return _source(path, "npz", f"'{path.name}' contains a sparse matrix: read as counts")


def csv_counts(path: Path, note: str = "") -> CountsSource:
    """A CSV of counts."""
    return _source(path, "csv", note)


def text_counts(path: Path) -> CountsSource:
    """A folder of texts, or one with a document a line."""
    return CountsSource(
        name=path.stem,
        path=path.resolve(),
        identity=["text", texts.identity(path)],
        form="text",
        notes=("words are counted; data.form=text learns the texts themselves",),
    )


def _source(path: Path, form: str, note: str) -> CountsSource:
    notes = (note,) if note else ()
    identity = [form, file_identity(path)]
    return CountsSource(
        name=path.stem, path=path.resolve(), identity=identity, form=form, notes=notes
    )


def memory_counts(given: Any, options: DataOptions) -> CountsSource:
    """A sparse matrix or a frame, written into the cache under its content. Raises DataError.

    So that a run can name the file it was trained on.
    """
    if read.is_sparse(given):
        found = read.from_matrix(given)
    else:
        found = read.from_frame(given, options.of(CountsOptions).leave_out)
    matrix = found.matrix
    arrays: dict[str, Any] = {
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape),
        "data": matrix.data.astype(found.dtype),
        "frame": np.array([found.frame]),
        **({"words": np.array(found.words, np.str_)} if found.words else {}),
    }
    digest = hashlib.blake2b(digest_size=12)
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    folder = cache.folder_of("matrices", "")
    path = folder / f"{digest.hexdigest()}.npz"
    with cache.room_for(folder), cache.making(folder) as aside:
        target = aside / "counts.npz"
        np.savez(target, **arrays)
        target.replace(path)
    return CountsSource(
        name="counts", path=path, identity=["memory", digest.hexdigest()], form="npz"
    )


def dataset(source: CountsSource, options: DataOptions) -> CountsDataset:
    """Counts read and split; what `open_data` does once it has a source."""
    key = [_VERSION, source.form, tree(options.of(CountsOptions)), options.holdout, options.bad]
    parent = cache.folder_of(source.kind, source.identity)
    folder = parent / cache.key_of(key)
    with suppress(*cache.DAMAGED):
        return _open(folder, source, options)
    with cache.room_for(parent), cache.making(parent) as aside:
        _write(source, options, aside)
        cache.publish(aside, folder, lambda: _open(folder, source, options))
        return _open(folder, source, options)


def _write(source: CountsSource, options: DataOptions, aside: Path) -> None:
    found, chosen = READERS[source.form](source, options), options.of(CountsOptions)
    matrix, words = found.read.matrix, found.read.words
    if matrix.shape[0] < 2:
        raise DataError(f"'{source.path}' has {matrix.shape[0]} row; at least 2 are needed")
    parts = split(found.hashes, options.holdout, None)
    notes = list(found.notes)
    if source.form == "text":
        kept = texts.vocabulary(
            matrix[parts.train],
            min_documents=chosen.min_documents,
            largest=chosen.largest,
            owner=f"'{source.path}'",
        )
        notes.append(_kept_words(matrix, words, kept, chosen))
        matrix, words = matrix[:, kept], tuple(words[i] for i in kept)
        matrix.sort_indices()
    try:
        codec = CountsCodec.fit(
            matrix[parts.train], words, dtype=found.read.dtype, frame=found.read.frame
        )
    except DataError as error:
        raise DataError(f"'{source.path}': {error}") from None
    StoredCounts.save(matrix, aside)
    np.save(aside / "hashes.npy", found.hashes)
    (aside / "codec.json").write_text(json.dumps(codec.to_json()), encoding="utf-8")
    about = {"notes": notes, "skipped": found.skipped}
    (aside / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _kept_words(
    matrix: sp.csr_matrix, words: tuple[str, ...], kept: np.ndarray, chosen: CountsOptions
) -> str:
    share = matrix[:, kept].sum() / max(1, matrix.sum())
    return (
        f"{len(kept):,} of {len(words):,} words are counted ({share:.1%} of the text): those in at least "
        f"{chosen.min_documents} training documents, {chosen.largest:,} at most"
    )


def _open(folder: Path, source: CountsSource, options: DataOptions) -> CountsDataset:
    """Raises one of `cache.DAMAGED` when the folder is not there or not whole."""
    codec = CountsCodec.from_json(json.loads((folder / "codec.json").read_text(encoding="utf-8")))
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    hashes = np.load(folder / "hashes.npy", allow_pickle=False)
    rows = StoredCounts.open(folder, codec.width)
    if len(rows) != len(hashes):
        raise ValueError("not what was written")
    parts = split(hashes, options.holdout, None)
    filled = float(len(rows.matrix.data)) / (len(rows) * codec.width)
    shape = f"counts of {codec.width:,} words in {len(rows):,} rows, {1 - filled:.1%} of them zero"
    notes = (*source.notes, *about["notes"], shape, parts.note)
    return CountsDataset(
        name=source.name,
        kind=source.kind,
        source=str(source.path),
        spec=codec.spec(),
        codec=codec,
        fingerprint=_fingerprint(codec, hashes, parts),
        rows=rows,
        labels=None,
        train=parts.train,
        heldout=parts.heldout,
        dropped=parts.dropped,
        hashes=hashes,
        skipped=tuple(Skipped(name, reason) for name, reason in about["skipped"]),
        ignored={},
        options=options,
        notes=tuple(note for note in notes if note),
        name_of=lambda index: f"row {index + 1}",
    )


def _fingerprint(codec: CountsCodec, hashes: np.ndarray, parts: Split) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([codec.width, codec.words]).encode())
    for array in (hashes, parts.train, parts.heldout):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


# --- reading -----------------------------------------------------------------------------------


def _read_npz(source: CountsSource, options: DataOptions) -> _Found:
    return _hashed(read.from_npz(source.path))


def _read_csv(source: CountsSource, options: DataOptions) -> _Found:
    return _hashed(read.from_csv(source.path, options.of(CountsOptions).leave_out))


def _hashed(found: read.Read) -> _Found:
    return _Found(read=found, hashes=digests(found.matrix).view(np.uint64).reshape(-1))


def _read_text(source: CountsSource, options: DataOptions) -> _Found:
    marks: list[bytes] = []
    skipped: list[tuple[str, str]] = []

    def known() -> Any:
        try:
            for name, text in texts.documents(source.path):
                if text is None:
                    skipped.append((name, "is not UTF-8"))
                    continue
                counted = " ".join(sorted(texts.words(text)))
                marks.append(hashlib.blake2b(counted.encode(), digest_size=8).digest())
                yield text
        except (OSError, EOFError) as error:
            raise DataError(f"'{source.path}' can't be read: {error}") from None

    matrix, words = texts.count_words(known())
    if skipped and (options.bad == "refuse" or not marks):
        name, reason = skipped[0]
        raise DataError(
            f"'{source.path}': {len(skipped):,} can't be read; the first: {name} {reason}"
        )
    if not words:
        raise DataError(f"'{source.path}' contains no words")
    found = read.Read(matrix, words, "int64", False)
    hashes = np.frombuffer(b"".join(marks), np.uint64)
    return _Found(read=found, hashes=hashes, skipped=tuple(skipped))


READERS: dict[str, Callable[[CountsSource, DataOptions], _Found]] = {
    "npz": _read_npz,
    "csv": _read_csv,
    "text": _read_text,
}
