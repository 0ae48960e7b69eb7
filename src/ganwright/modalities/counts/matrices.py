"""Files and objects that hold counts → one CSR matrix of whole numbers, checked.

Every error is one line that names the row and the value that is not a count.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from ganwright.base.errors import DataError, OptionError, message
from ganwright.data.delimited import numbers
from ganwright.data.dialect import delimiter_of, sniff
from ganwright.data.packing import DAMAGED, inner, is_table_name, opened
from ganwright.modalities.counts.options import MOST_WORDS
from ganwright.modalities.counts.sparse import LARGEST

SPARSE_KEYS = {"csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "coo": ("row", "col")}
LEAST_COLUMNS, LEAST_ZEROS = 50, 0.5  # for data to be taken as counts without being told
_SNIFFED_BYTES, _SNIFFED_ROWS = 4 << 20, 200
_WHOLE = re.compile(r'"?\s*\d+(?:\.0*)?\s*"?')


@dataclass(frozen=True)
class Read:
    """Counts as they were read: (n, words) of int64, sorted, zeros left out.

    `words` name the columns, or are () where nothing does; `dtype` is the numbers' original type;
    `frame` says that they came as a table, as samples will.
    """

    matrix: sp.csr_matrix
    words: tuple[str, ...]
    dtype: str
    frame: bool


# --- is it counts? -----------------------------------------------------------------------------


def is_sparse(given: object) -> bool:
    """Whether it is a sparse matrix or array of scipy, which is not imported for it."""
    return type(given).__module__.startswith("scipy.sparse") and hasattr(given, "tocsr")


def looks_like_counts(path: Path) -> bool:
    """Whether the first rows of a CSV are counts: 50 columns or more, all whole and not negative,
    half of them zero, and one above 1."""
    if not is_table_name(path) or inner(path).suffix.lower() not in (".csv", ".tsv", ".tab"):
        return False
    try:
        head = _head(path)
    except (*DAMAGED, DataError, pa.ArrowException, UnicodeDecodeError):
        return False
    lines = head.splitlines()
    lines = lines if len(head) < _SNIFFED_BYTES // 2 else lines[:-1]  # the last may be cut off
    mark = delimiter_of("\n".join(lines[:20])) if lines else ","
    if len(lines) < 2 or lines[0].count(mark) + 1 < LEAST_COLUMNS:
        return False
    rows = [line.split(mark) for line in lines[1 : 1 + _SNIFFED_ROWS] if line.strip()]
    if not all(_WHOLE.fullmatch(cell) for row in rows for cell in row):
        return False
    values = [float(cell.strip(' "')) for row in rows for cell in row]
    return _countlike(np.array(values))


def frame_looks_like_counts(frame: Any) -> bool:
    """The same of a DataFrame or Arrow table: of its columns' types, and its first rows."""
    if type(frame).__name__ == "LazyFrame" or len(names_of(frame)) < LEAST_COLUMNS:
        return False
    head = frame.slice(0, _SNIFFED_ROWS) if hasattr(frame, "slice") else frame.head(_SNIFFED_ROWS)
    with suppress(ValueError, TypeError, NotImplementedError, pa.ArrowException):
        columns = [np.asarray(column) for _, column in _columns(head)]
        if all(column.dtype.kind in "iu" for column in columns):
            return _countlike(np.concatenate(columns))
    return False


def _countlike(values: np.ndarray) -> bool:
    if not len(values) or values.min() < 0:
        return False
    return float((values == 0).mean()) >= LEAST_ZEROS and values.max() > 1


# --- matrices ----------------------------------------------------------------------------------


def checked(given: Any, owner: str) -> sp.csr_matrix:
    """A matrix of scipy, or counts (n, words), as CSR of int64. Raises DataError if it is none."""
    matrix = sp.csr_matrix(given)
    if matrix.data.dtype.kind not in "iufb":
        raise DataError(f"{owner} contains {matrix.data.dtype}; counts are whole numbers")
    if matrix.shape[0] == 0:
        raise DataError(f"{owner} has no rows")
    if not 2 <= matrix.shape[1] <= MOST_WORDS:
        raise DataError(f"{owner} has {matrix.shape[1]:,} columns; allowed are 2 to {MOST_WORDS:,}")
    values = matrix.data
    if values.dtype.kind == "f":
        _refuse(matrix, ~np.isfinite(values), owner, "it is not a number")
        _refuse(matrix, values != np.rint(values), owner, "counts are whole numbers")
    if values.dtype.kind in "if":
        _refuse(matrix, values < 0, owner, "counts can't be negative")
    _refuse(matrix, values > LARGEST, owner, f"{LARGEST:,} is the largest count")
    found = sp.csr_matrix(
        (values.astype(np.int64), matrix.indices, matrix.indptr), shape=matrix.shape
    )
    found.sum_duplicates()
    found.eliminate_zeros()
    if found.nnz and found.data.max() > LARGEST:
        raise DataError(f"{owner}: {LARGEST:,} is the largest count; got {found.data.max():,}")
    if found.nnz and int(np.asarray(found.sum(axis=1)).max()) > LARGEST:
        raise DataError(f"{owner}: a row sums to more than {LARGEST:,}")
    if not found.nnz:
        raise DataError(f"{owner} contains only zeros")
    return found


def _refuse(matrix: sp.csr_matrix, odd: np.ndarray, owner: str, why: str) -> None:
    if odd.any():
        at = int(np.argmax(odd))
        row = int(np.searchsorted(matrix.indptr, at, side="right"))
        column = int(matrix.indices[at]) + 1
        raise DataError(f"{owner}: row {row}, column {column} is {matrix.data[at]:g}: {why}")


def from_matrix(given: Any) -> Read:
    """A sparse matrix of scipy. Raises DataError."""
    owner = "the matrix"
    return Read(checked(given.tocsr(), owner), (), str(given.dtype), False)


def from_npz(path: Path) -> Read:
    """A sparse matrix in an .npz, as `scipy.sparse.save_npz` writes it; `words` may name columns.

    Read without pickle and checked: a damaged file raises DataError, whatever it contains.
    """
    owner = f"'{path}'"
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    # NumPy parses headers as Python, which may raise anything on foreign bytes.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        if "allow_pickle" in reason:
            raise DataError(f"{owner} contains Python objects, which are never loaded") from None
        raise DataError(f"{owner} can't be read as a matrix: {reason}") from None
    matrix = _assembled(arrays, owner)
    words = arrays.get("words")
    names: tuple[str, ...] = ()
    if words is not None and words.dtype.kind == "U" and words.shape == matrix.shape[1:]:
        names = tuple(words.tolist())
    frame = "frame" in arrays and bool(arrays["frame"].any())
    return Read(checked(matrix, owner), names, str(arrays["data"].dtype), frame)


def _assembled(arrays: dict[str, np.ndarray], owner: str) -> Any:
    kind = arrays["format"].tobytes().rstrip(b"\0").decode("ascii", "replace")
    kind = kind.replace("\0", "")  # where it was written as a str
    if kind not in SPARSE_KEYS:
        problem = f"{owner} is a sparse matrix of format '{kind}'"
        raise DataError(message("", problem, allowed=SPARSE_KEYS, got=kind).removeprefix(": "))
    first, second = SPARSE_KEYS[kind]
    lacking = [name for name in (first, second) if name not in arrays]
    if lacking:
        raise DataError(f"{owner} is damaged: it has no '{lacking[0]}'")
    data, shape = arrays["data"], arrays["shape"]
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or (shape < 0).any():
        raise DataError(f"{owner} is damaged: its shape is {shape.tolist()!r:.60}")
    inner = (arrays[first], arrays[second])
    if data.ndim != 1 or any(a.ndim != 1 or a.dtype.kind not in "iu" for a in inner):
        raise DataError(f"{owner} is damaged: its parts are not lists of whole numbers")
    rows, columns = (int(n) for n in shape)
    if max(rows, columns) > 2**40:
        raise DataError(f"{owner} is damaged: its shape is {rows:,} × {columns:,}")
    if kind == "coo":
        if not (len(data) == len(inner[0]) == len(inner[1])):
            raise DataError(f"{owner} is damaged: its parts are of different lengths")
        _within(inner[0], rows, owner)
        _within(inner[1], columns, owner)
        return sp.coo_matrix((data, inner), shape=(rows, columns)).tocsr()
    lines, width = (rows, columns) if kind == "csr" else (columns, rows)
    indices, indptr = inner
    rising = len(indptr) == lines + 1 and indptr[0] == 0 and (np.diff(indptr) >= 0).all()
    if not rising or indptr[-1] != len(indices) or len(indices) != len(data):
        raise DataError(f"{owner} is damaged: its rows don't begin where they should")
    _within(indices, width, owner)
    make = sp.csr_matrix if kind == "csr" else sp.csc_matrix
    return make((data, indices, indptr), shape=(rows, columns)).tocsr()


def _within(places: np.ndarray, size: int, owner: str) -> None:
    if len(places) and (places.min() < 0 or places.max() >= size):
        raise DataError(f"{owner} is damaged: a count lies outside the matrix")


# --- tables ------------------------------------------------------------------------------------


def from_csv(path: Path, leave_out: Sequence[str] = ()) -> Read:
    """A CSV whose columns are words and whose rows are counts. Raises DataError, OptionError."""
    owner = f"'{path}'"
    dialect = sniff(path)
    kept = _kept(dialect.names, leave_out, owner)
    places = tuple(
        i for i, name in zip(dialect.places, dialect.names, strict=True) if name in set(kept)
    )
    chosen = replace(dialect, names=tuple(kept), places=places)
    try:
        blocks = [_block(batch, owner) for batch in numbers(path, chosen)]
    except DataError as error:
        raise DataError(_said(owner, str(error))) from None
    return Read(checked(sp.vstack(blocks, format="csr"), owner), tuple(kept), "int64", True)


def from_frame(frame: Any, leave_out: Sequence[str] = ()) -> Read:
    """A DataFrame of pandas or polars, or an Arrow table. Raises DataError, OptionError."""
    owner = "the table"
    kept = set(_kept(names_of(frame), leave_out, owner))
    blocks, kinds = [], []
    for name, column in _columns(frame):
        if name in kept:
            values = np.asarray(column)
            if values.dtype.kind not in "iufb":
                raise DataError(_no_count(owner, name, values))
            kinds.append(values.dtype)
            _refuse_missing(values, name, 0, owner)
            blocks.append(sp.csc_matrix(values[:, None]))
    if not blocks or not blocks[0].shape[0]:
        raise DataError(f"{owner} has no rows")
    dtype = np.result_type(*kinds)
    words = tuple(name for name in names_of(frame) if name in kept)
    return Read(checked(sp.hstack(blocks, format="csr"), owner), words, str(dtype), True)


def names_of(frame: Any) -> list[str]:
    """The names of a frame's columns."""
    named = frame.column_names if hasattr(frame, "column_names") else frame.columns
    return [str(name) for name in named]


def _columns(frame: Any) -> Iterator[tuple[str, Any]]:
    names = names_of(frame)
    if hasattr(frame, "itercolumns"):  # of pyarrow
        yield from zip(names, frame.itercolumns(), strict=True)
    elif hasattr(frame, "iter_columns"):  # of polars
        yield from zip(names, frame.iter_columns(), strict=True)
    else:
        for at, name in enumerate(names):
            yield name, frame.iloc[:, at]


def _no_count(owner: str, name: str, values: np.ndarray) -> str:
    shown = next((repr(v) for v in values.tolist() if not isinstance(v, int | float)), values.dtype)
    return (
        f"{owner}: column '{name}' contains {shown}, but counts are whole numbers; "
        f"data.counts.leave_out='{name}' leaves it out"
    )


def _kept(names: Sequence[str], leave_out: Sequence[str], owner: str) -> list[str]:
    for name in leave_out:
        if name not in names:
            raise OptionError(
                message("data.counts.leave_out", f"no column '{name}'", allowed=names, got=name)
            )
    if len(set(names)) < len(names):
        raise DataError(f"{owner} has two columns '{Counter(names).most_common(1)[0][0]}'")
    return [name for name in names if name not in set(leave_out)]


def _block(batch: pa.RecordBatch, owner: str) -> sp.csr_matrix:
    dense = np.empty((batch.num_rows, batch.num_columns), order="F")  # filled by columns
    for at, column in enumerate(batch.columns):
        values = column.to_numpy(zero_copy_only=False)
        _refuse_missing(values, batch.schema.names[at], 0, owner)
        dense[:, at] = values
    return checked_block(dense, batch.schema.names, owner)


def checked_block(dense: np.ndarray, names: Sequence[str], owner: str) -> sp.csr_matrix:
    """Dense values as CSR; errors name the column of a value that is not a count."""
    wrong = (
        (dense < 0, "counts can't be negative"),
        (dense != np.rint(dense), "counts are whole numbers"),
    )
    for odd, why in wrong:
        if odd.any():
            row, column = (int(found[0]) for found in np.nonzero(odd))
            value = dense[row, column]
            raise DataError(
                f"{owner}: column '{names[column]}' contains {value:g}: {why}; "
                "data.form=table reads it as a table"
            )
    return sp.csr_matrix(dense)


def _refuse_missing(values: np.ndarray, name: str, start: int, owner: str) -> None:
    if values.dtype.kind == "f" and np.isnan(values).any():
        row = start + int(np.argmax(np.isnan(values))) + 1
        raise DataError(f"{owner}: column '{name}', row {row} is missing; counts can't be missing")


def _said(owner: str, text: str) -> str:
    """What is wrong with a cell, and what to do about it; other texts as they are."""
    found = re.search(r"CSV conversion error to double: invalid value '(.*?)'", text)
    if found is None:
        return text
    return (
        f"{owner}: '{found[1]:.40}' is not a count; data.counts.leave_out leaves a column out, "
        "data.form=table reads it as a table"
    )


def _head(path: Path) -> str:
    """The first of a file, up to four million bytes."""
    with opened(path) as file:
        raw = bytes(file.read(_SNIFFED_BYTES))
    return codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
