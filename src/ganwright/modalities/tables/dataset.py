"""A table as a data set: read once into the cache, split by content, encoded in blocks.

    <cache>/data/<table>/<reading>/table.arrow    the canonical table, mapped from disk
    <cache>/data/<table>/<reading>/about.json     its columns, notes, and rows that were left out
    <cache>/data/<table>/<reading>/hashes.npy     (n,) uint64, of a row's learned columns
    <cache>/data/<table>/<codes>/codes.npy        (n, C) the codes of all rows
    <cache>/data/<table>/<codes>/codec.json       what they mean
    <cache>/data/<frames>/<content>.arrow         a frame that was given in memory

A frame is written there first, so that a run can name a file that it learned from.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.options import tree
from ganwright.base.paths import file_identity
from ganwright.base.seeds import derive
from ganwright.data import cache
from ganwright.data.arrow import kept
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.options import DataOptions
from ganwright.data.split import Split, split
from ganwright.modalities.tables.codec.constraints import broken_rows, told
from ganwright.modalities.tables.codec.hashing import numbered, row_hashes
from ganwright.modalities.tables.codec.rules import OWNER, said_numbers
from ganwright.modalities.tables.columns.column import Column, Kind
from ganwright.modalities.tables.columns.kinds import TARGET_NAMES
from ganwright.modalities.tables.columns.schema import infer_columns, parse_kinds
from ganwright.modalities.tables.options import TableOptions
from ganwright.modalities.tables.read.tables import mapped, stem_of, write_canonical

if TYPE_CHECKING:
    from ganwright.modalities.tables.codec.table import TableCodec

_VERSION = 4  # of reading and encoding: raise it when the cached content would change
_BLOCK_ROWS = 1 << 16
_FEW_VALUES = 50
_LOOKED_AT, _DIGITS = 1000, 0.4  # values of a column, and the share of digits in dates and numbers


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """A table found but not read: the file, and plain JSON that changes when it does.

    `label` names it in errors.
    """

    name: str
    label: str
    path: Path
    identity: Any
    notes: tuple[str, ...] = ()
    kind: str = "table"
    modality = "table"


def take(table: pa.Table, indices: np.ndarray) -> pa.Table:
    """Rows by number, in any order, from a table on disk; only these come into memory."""
    wanted = np.asarray(indices, np.int64)
    order = np.argsort(wanted, kind="stable")
    sorted_rows = wanted[order]
    found, start = [], 0
    for batch in table.to_batches():
        low, high = np.searchsorted(sorted_rows, [start, start + batch.num_rows])
        if high > low:
            found.append(batch.take(pa.array(sorted_rows[low:high] - start)))
        start += batch.num_rows
    if len(wanted) and (sorted_rows[0] < 0 or sorted_rows[-1] >= start):
        raise IndexError(f"rows {sorted_rows[0]} … {sorted_rows[-1]} of {start}")
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    picked = pa.Table.from_batches(found, table.schema).combine_chunks()
    return picked.take(pa.array(back))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TableDataset(Dataset):
    """Rows of a table: `rows` (n, C) are codes, −1 for a missing value in a column that had none in training.

    `table` is what they were made from, mapped from disk.
    """

    table: pa.Table

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {len(self):,} rows of {len(self.codec.columns)} columns, "
            f"{len(self.codec.choices)} learned, {len(self.heldout):,} held out)"
        )

    def examples(self, indices: np.ndarray) -> pa.Table:
        """The rows at `indices` as they were read."""
        return take(self.table, np.asarray(indices))


@dataclass(frozen=True, kw_only=True)
class Canonical:
    """A table as it was read: `table` is mapped from disk, `skipped_rows` counts all left out."""

    table: pa.Table
    columns: tuple[Column, ...]
    hashes: np.ndarray
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    skipped_rows: int


def file_source(path: Path) -> TableSource:
    """The table in a file."""
    return TableSource(
        name=stem_of(path), label=f"'{path}'", path=path.resolve(), identity=file_identity(path)
    )


def frame_source(frame: Any, options: DataOptions) -> TableSource:
    """The table in a frame, written into the cache under its content. Raises DataError."""
    notes: list[str] = []
    path, digest = kept(frame, notes, options.of(TableOptions).leave_out)
    return TableSource(
        name="table",
        label="the table",
        path=path,
        identity=["frame", digest],
        notes=tuple(notes),
    )


def canonical(source: TableSource, options: DataOptions) -> Canonical:
    """The table as read now, or by an earlier call. Raises DataError, OptionError."""
    chosen = options.of(TableOptions)
    key = [
        _VERSION,
        sorted(chosen.kinds),
        sorted(chosen.leave_out),
        options.bad,
        chosen.decimal,
        sorted(chosen.constraints),
    ]
    parent = cache.folder_of(source.kind, source.identity)
    folder = parent / cache.key_of(key)
    with suppress(*cache.DAMAGED):
        return _open(folder)
    with cache.room_for(parent), cache.making(parent) as aside:
        _read(source, options, aside)
        return _open(cache.publish(aside, folder, lambda: _open(folder)))


def _read(source: TableSource, options: DataOptions, aside: Path) -> None:
    chosen, target = options.of(TableOptions), aside / "table.arrow"
    written = write_canonical(
        source.path,
        target,
        kinds=chosen.kinds,
        leave_out=chosen.leave_out,
        bad=options.bad,
        owner=source.label,
        decimal=chosen.decimal,
    )
    with mapped(target) as table:
        columns = _columns(table, chosen)
        modelled = [c.name for c in columns if c.modelled]
        if not modelled:
            kinds = ", ".join(f"{c.name} ({c.kind})" for c in columns[:8])
            raise DataError(f"{source.label} has no column to learn: {kinds}")
        np.save(aside / "hashes.npy", numbered(row_hashes(table, modelled)))
    about = {
        "rows": written.rows,
        "columns": [column.to_json() for column in columns],
        "notes": written.notes,
        "skipped": written.skipped,
        "skipped_rows": written.skipped_rows,
    }
    (aside / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _columns(table: pa.Table, chosen: TableOptions) -> tuple[Column, ...]:
    """The columns, as numbers where a constraint adds or compares them."""
    kinds = parse_kinds(chosen.kinds, table.column_names)
    columns = infer_columns(table, kinds)
    found: dict[str, Kind] = {}
    for name in said_numbers(chosen.constraints, columns):
        whole = pa.types.is_integer(table.schema.field(name).type)
        found[name] = "integer" if whole else "number"
    return infer_columns(table, found | kinds) if found else columns


def _open(folder: Path) -> Canonical:
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    hashes = np.load(folder / "hashes.npy", allow_pickle=False)
    table = pa.ipc.open_file(pa.memory_map(str(folder / "table.arrow"))).read_all()
    columns = tuple(Column.from_json(column) for column in about["columns"])
    whole = len(hashes) == table.num_rows == about["rows"]
    if not whole or [c.name for c in columns] != table.column_names:
        raise ValueError("not what was written")
    return Canonical(
        table=table,
        columns=columns,
        hashes=hashes,
        notes=tuple(about["notes"]),
        skipped=tuple(Skipped(name, reason) for name, reason in about["skipped"]),
        skipped_rows=int(about["skipped_rows"]),
    )


# --- from a table to a data set ----------------------------------------------------------------


def frame_dataset(frame: Any, options: DataOptions, *, whole: bool = False) -> TableDataset:
    """A frame split and encoded in memory: nothing of it stays on disk.

    With `whole` the codec knows the values of held-out rows, too: for early stopping without judging.
    Rows are held out by number, not by content: equal rows are on both sides, as among future rows.
    Raises DataError, OptionError.
    """
    chosen = options.of(TableOptions)
    with tempfile.TemporaryDirectory(prefix="ganwright-") as folder:
        target = Path(folder, "table.arrow")
        written = write_canonical(
            frame,
            target,
            kinds=chosen.kinds,
            leave_out=chosen.leave_out,
            bad=options.bad,
            decimal=chosen.decimal,
        )
        with pa.OSFile(str(target)) as file:
            table = pa.ipc.open_file(file).read_all()
    columns = _columns(table, chosen)
    modelled = [c.name for c in columns if c.modelled]
    if not modelled:
        kinds = ", ".join(f"{c.name} ({c.kind})" for c in columns[:8])
        raise DataError(f"the table has no column to learn: {kinds}")
    # A seed of its own: the one the user may have drawn the rows with would split them by value.
    chance = np.random.default_rng(derive(0, "rows", "held out"))
    found = Canonical(
        table=table,
        columns=columns,
        hashes=chance.integers(2**64, size=len(table), dtype=np.uint64),
        notes=written.notes,
        skipped=(),
        skipped_rows=written.skipped_rows,
    )
    parts = _parts(found, options)
    from ganwright.modalities.tables.codec.table import TableCodec

    learned = np.sort(np.concatenate([parts.train, parts.heldout]))
    seen = table.take(pa.array(learned if whole else parts.train))
    codec = TableCodec.fit(seen, columns, chosen)
    codes = codec.codes(table, unseen="nearest")
    nowhere = TableSource(name="table", label="the table", path=Path(), identity=None)
    data = _dataset(nowhere, found, parts, options, codec, codes)
    # Nothing is judged here, so which column judging would predict needs no note.
    return replace(data, notes=data.notes[1:]) if chosen.target is None else data


def dataset(source: TableSource, options: DataOptions) -> TableDataset:
    """A table read, split and encoded; what `open_data` does once it has a source."""
    found = canonical(source, options)
    parts = _parts(found, options)
    codec, codes = _encoded(source, found, parts.train, options)
    return _dataset(source, found, parts, options, codec, codes)


def _parts(found: Canonical, options: DataOptions) -> Split:
    """Which rows are trained on and which held out; those that break a constraint are neither."""
    parts = split(found.hashes, options.holdout, None)
    if not (rules := options.of(TableOptions).constraints):
        return parts
    broken = broken_rows(found.table, found.columns, rules)
    wrong, notes = told(broken, refuse=options.bad == "refuse")
    train, heldout = (rows[~wrong[rows]] for rows in (parts.train, parts.heldout))
    if not len(train):
        raise DataError(f"{OWNER}: every training row breaks one of them")
    return replace(
        parts,
        train=train,
        heldout=heldout,
        dropped=np.union1d(parts.dropped, np.flatnonzero(wrong)),
        note="; ".join(note for note in (parts.note, *notes) if note),
    )


def _dataset(
    source: TableSource,
    found: Canonical,
    parts: Split,
    options: DataOptions,
    codec: TableCodec,
    codes: np.ndarray,
) -> TableDataset:
    asked = options.of(TableOptions)
    target, rule = _target(found.columns, asked.target)
    chosen = options.having(replace(asked, target=target))
    left = (*_unread(found.table, found.columns), *_left_out(found.columns))
    notes = (rule, *source.notes, *found.notes, *left, parts.note)
    return TableDataset(
        name=source.name,
        kind=source.kind,
        source=str(source.path),
        # The column to predict is drawn last, given the rest of the row, as it is used for prediction.
        spec=replace(codec.spec(), last=codec.names.index(target) if target in codec.names else -1),
        codec=codec,
        fingerprint=_fingerprint(found, parts.train, parts.heldout),
        rows=codes,
        labels=None,
        train=parts.train,
        heldout=parts.heldout,
        dropped=parts.dropped,
        hashes=found.hashes,
        skipped=found.skipped,
        ignored={},
        options=chosen,
        notes=tuple(note for note in notes if note),
        name_of=lambda index: f"row {index + 1}",
        table=found.table,
    )


def _fingerprint(found: Canonical, *parts: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([[c.name, c.kind, c.type] for c in found.columns]).encode())
    for array in (found.hashes, *parts):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _target(columns: tuple[Column, ...], wish: str | None) -> tuple[str, str]:
    """(the column to predict, the rule that says so). Raises OptionError."""
    able = {c.name: c for c in columns if c.modelled}
    if wish is not None:
        if wish not in able:
            owner, problem = "data.table.target", f"no column '{wish}' that is learned"
            raise OptionError(message(owner, problem, allowed=able, got=wish))
        return wish, ""
    named = {name.lower(): name for name in reversed(able)}
    for word in TARGET_NAMES:
        if word in named:
            return named[word], f"'{named[word]}' is the column to predict, by its name"
    last = list(able.values())[-1]
    if last.kind in ("category", "boolean", "integer") and last.distinct <= _FEW_VALUES:
        return last.name, f"'{last.name}' is the column to predict: the last one, of few values"
    for kinds, words in ((("number", "integer"), " of numbers"), (("category", "boolean"), "")):
        names = [c.name for c in able.values() if c.kind in kinds]
        if names:
            return names[-1], f"'{names[-1]}' is the column to predict: the last one{words}"
    return last.name, f"'{last.name}' is the column to predict: the last one"


def _left_out(columns: tuple[Column, ...]) -> Iterator[str]:
    """What happens to the columns that are not learned, one line per kind."""
    said = {
        "identifier": "identifiers, not learned but generated anew",
        "text": "free text, not learned and returned empty",
        "constant": "constant, returned as it is",
        "empty": "all missing, returned as such",
    }
    for kind, words in said.items():
        names = [f"'{c.name}'" for c in columns if c.kind == kind]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        if names:
            yield f"{words}: {shown}"


def _unread(table: pa.Table, columns: tuple[Column, ...]) -> Iterator[str]:
    """A warning for each column that will be empty though it seems to contain dates or numbers."""
    for column in columns:
        if column.kind == "text" and _mostly_digits(
            some := table[column.name].drop_null()[:_LOOKED_AT]
        ):
            yield (
                f"warning: '{column.name}' will be empty in samples: '{some[0]}' is not recognised as a date "
                "or number, only as free text"
            )


def _mostly_digits(texts: pa.ChunkedArray) -> bool:
    """Whether texts look like dates or numbers: about half of their characters are digits."""
    digits = pc.utf8_length(pc.replace_substring_regex(texts, r"\D", ""))
    return (pc.sum(digits).as_py() or 0) > _DIGITS * (pc.sum(pc.utf8_length(texts)).as_py() or 0)


# --- encoding ----------------------------------------------------------------------------------


def _encoded(
    source: TableSource, found: Canonical, train: np.ndarray, options: DataOptions
) -> tuple[TableCodec, np.ndarray]:
    """The codec, fitted on the rows of `train`, and the codes of all rows, mapped."""
    chosen = {k: v for k, v in tree(options.of(TableOptions)).items() if k != "target"}
    key = [_VERSION, chosen, options.bad, options.holdout]
    parent = cache.folder_of(source.kind, source.identity)
    folder = parent / cache.key_of(key)
    with suppress(*cache.DAMAGED):
        return _open_codes(folder, found)
    with cache.room_for(parent), cache.making(parent) as aside:
        _encode(found, train, options, aside)
        cache.publish(aside, folder, lambda: _open_codes(folder, found))
        return _open_codes(folder, found)


def _encode(found: Canonical, train: np.ndarray, options: DataOptions, aside: Path) -> None:
    from ganwright.modalities.tables.codec.table import TableCodec

    training = np.zeros(found.table.num_rows, bool)
    training[train] = True
    codec = TableCodec.fit(
        found.table.filter(pa.array(training)), found.columns, options.of(TableOptions)
    )
    rows, width = found.table.num_rows, len(codec.choices)
    dtype = np.int16 if max(codec.choices) <= 2**15 else np.int32
    codes = np.lib.format.open_memmap(aside / "codes.npy", "w+", dtype, (rows, width))
    for start in range(0, rows, _BLOCK_ROWS):
        block = found.table.slice(start, _BLOCK_ROWS)
        codes[start : start + len(block)] = codec.codes(block, unseen="nearest")
    codes.flush()
    del codes
    (aside / "codec.json").write_text(json.dumps(codec.to_json()), encoding="utf-8")


def _open_codes(folder: Path, found: Canonical) -> tuple[TableCodec, np.ndarray]:
    from ganwright.modalities.tables.codec.table import TableCodec

    codec = TableCodec.from_json(json.loads((folder / "codec.json").read_text(encoding="utf-8")))
    codes = np.load(folder / "codes.npy", mmap_mode="r", allow_pickle=False)
    if codes.shape != (found.table.num_rows, len(codec.choices)):
        raise ValueError("not what was encoded")
    return codec, codes.view(np.ndarray)
