"""Texts to counts: documents, their words, and which words are counted."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import scipy.sparse as sp

from ganwright.base.errors import DataError
from ganwright.base.paths import file_identity
from ganwright.data.packing import inner, opened
from ganwright.data.source import natural

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
LARGEST_LINE = 1 << 26  # bytes


def is_text_name(path: Path) -> bool:
    """Whether a file is plain text by its suffix, looking through compression: a.txt.gz."""
    return inner(path).suffix.lower() == ".txt"


def text_files(folder: Path) -> list[Path]:
    """The texts in a folder and those within it, in natural order; hidden ones are passed over."""
    found = [p for p in folder.rglob("*") if is_text_name(p) and p.is_file()]
    shown = [
        p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)
    ]
    return sorted(shown, key=lambda p: natural(str(p.relative_to(folder))))


def identity(path: Path) -> list[object]:
    """Plain JSON that changes when the text or a file of the folder does."""
    return file_identity(*(text_files(path) if path.is_dir() else [path]))


def words(text: str) -> list[str]:
    """The words of a text, in lower case: runs of letters and digits, apostrophes within.

    >>> words("It's 2 dogs -- DOGS!")
    ["it's", '2', 'dogs', 'dogs']
    """
    return _WORD.findall(text.lower())


def documents(path: Path) -> Iterator[tuple[str, str | None]]:
    """(name, text) of every document: the files of a folder, or the lines of a file.

    The text is None where it is not UTF-8. Empty lines are no documents.
    """
    if path.is_dir():
        for file in text_files(path):
            yield str(file.relative_to(path)), _decoded(_read(file))
        return
    with opened(path) as raw, io.BufferedReader(cast("io.RawIOBase", raw)) as lines:
        number = 0
        while line := lines.readline(LARGEST_LINE):
            number += 1
            text = _decoded(line)
            if text is None or text.strip():
                yield f"line {number}", text


def _read(path: Path) -> bytes:
    with opened(path) as file:
        return bytes(file.read())


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def count_words(texts: Iterator[str]) -> tuple[sp.csr_matrix, tuple[str, ...]]:
    """All words of all texts: (documents, words) int64 counts, and the words in alphabetical order."""
    places: dict[str, int] = {}
    indices: list[int] = []
    data: list[int] = []
    indptr = [0]
    for text in texts:
        for word, count in Counter(words(text)).items():
            indices.append(places.setdefault(word, len(places)))
            data.append(count)
        indptr.append(len(indices))
    names = sorted(places)
    order = np.empty(len(names), np.int64)
    order[[places[name] for name in names]] = np.arange(len(names))
    columns = order[np.array(indices, np.int64)] if names else np.empty(0, np.int64)
    matrix = sp.csr_matrix(
        (np.array(data, np.int64), columns, np.array(indptr)),
        shape=(len(indptr) - 1, max(1, len(names))),
    )
    matrix.sort_indices()
    return matrix, tuple(names)


def vocabulary(
    training: sp.csr_matrix, *, min_documents: int, largest: int, owner: str
) -> np.ndarray:
    """Which columns are counted, in their order: the most frequent of those in enough documents.

    Raises DataError when none is left.
    """
    having = np.bincount(training.indices, minlength=training.shape[1])
    enough = np.flatnonzero(having >= min_documents)
    if len(enough) < 2:
        raise DataError(
            f"{owner}: {len(enough)} words are in at least {min_documents} documents, but 2 are "
            "needed; lower data.counts.min_documents"
        )
    totals = np.asarray(training.sum(axis=0)).reshape(-1)[enough]
    kept = np.argsort(-totals, kind="stable")[:largest]
    return np.sort(enough[kept])
