"""Labels that lie beside images: StyleGAN's `dataset.json`, Hugging Face's `metadata.csv` or `.jsonl`.

Such a file counts for more than folders do, and folders are no classes if they are numbered like the
shards of an archive (`folders`). What was decided becomes a note, and so does every doubt.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ganwright.base.errors import DataError, message
from ganwright.data.dialect import delimiter_of

LABEL = ("label", "labels", "class", "category")  # columns that hold labels, by their usual names
NAMES = ("dataset.json", "metadata.csv", "metadata.jsonl")
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Sidecar:
    """What such files say: the label of each picture by its path, and which files they were.

    `shards` says that folders hold pictures by number, as beside a `dataset.json`; `notes` name
    the files that give no labels.
    """

    labels: dict[str, str]
    files: tuple[str, ...]
    shards: bool
    notes: tuple[str, ...]


def label_column(names: Sequence[str], asked: str | None, owner: str) -> str | None:
    """The column that holds labels: `asked`, or one with a usual name. Raises DataError."""
    if asked is not None:
        if asked not in names:
            problem = f"no column '{asked}' (data.label)"
            raise DataError(message(owner, problem, allowed=names, got=asked))
        return asked
    usual = {name.strip().lower(): name for name in reversed(names)}
    return next((usual[name] for name in LABEL if name in usual), None)


def read_sidecar(paths: Sequence[str], read: Read, asked: str | None) -> Sidecar | None:
    """The labels in files of these names among `paths`; None where there are no such files.

    `read` gives a file's bytes. Raises DataError for one that can't be read.
    """
    files = [path for path in paths if PurePosixPath(path).name.lower() in NAMES]
    labels: dict[str, str] = {}
    shards, used, notes = False, list[str](), list[str]()
    for file in files:
        folder, name = PurePosixPath(file).parent, PurePosixPath(file).name.lower()
        try:
            found = list(_PARSERS[name](_text(read(file)), asked, f"'{file}'"))
        except (ValueError, TypeError, KeyError, AttributeError, csv.Error) as error:
            raise DataError(f"'{file}' can't be read: {error}") from None
        shards = shards or name == "dataset.json"
        used += [file] if found else []
        notes += [] if found else [f"{file} gives no labels{_LOOKED_FOR.get(name, '')}"]
        labels |= {(folder / path.replace("\\", "/")).as_posix(): label for path, label in found}
    return Sidecar(labels, tuple(used), shards, tuple(notes)) if files else None


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "backslashreplace")


def _stylegan(text: str, asked: str | None, owner: str) -> Iterator[tuple[str, str]]:
    """`{"labels": [["00000/img00000000.png", 3], …]}`, or by name; null where there are none."""
    tree = json.loads(text)
    pairs = (tree.get("labels") if isinstance(tree, dict) else None) or ()
    for path, label in pairs.items() if isinstance(pairs, dict) else pairs:
        yield str(path), str(_number(label))


def _number(label: Any) -> Any:
    """The class that a vector of one 1 and zeros stands for; anything else stays."""
    if isinstance(label, list) and sorted(label) == [0] * (len(label) - 1) + [1]:
        return label.index(1)
    return label


def _metadata_csv(text: str, asked: str | None, owner: str) -> Iterator[tuple[str, str]]:
    delimiter = delimiter_of(text.partition("\n")[0])
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    return _metadata(rows, rows.fieldnames or (), asked, owner)


def _metadata_jsonl(text: str, asked: str | None, owner: str) -> Iterator[tuple[str, str]]:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return _metadata(rows, list(rows[0]) if rows else (), asked, owner)


def _metadata(
    rows: Any, names: Sequence[str], asked: str | None, owner: str
) -> Iterator[tuple[str, str]]:
    column = label_column(names, asked, owner)
    if column is None or "file_name" not in names:
        return
    for row in rows:
        if row.get(column) not in (None, ""):
            yield str(row["file_name"]), str(row[column]).strip()


_COLUMNS = f" (it takes file_name and one of {', '.join(LABEL)}, or what data.label names)"
_LOOKED_FOR = {"metadata.csv": _COLUMNS, "metadata.jsonl": _COLUMNS}
_PARSERS: dict[str, Callable[[str, str | None, str], Iterator[tuple[str, str]]]] = {
    "dataset.json": _stylegan,
    "metadata.csv": _metadata_csv,
    "metadata.jsonl": _metadata_jsonl,
}
