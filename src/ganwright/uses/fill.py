"""Fills the missing cells of a table from each row's known cells; the rest is left untouched.

how="mean"   the one best guess: of numbers the mean given the known cells, which has the least
             squared error, of categories the most probable
how="draw"   a draw from their joint distribution given the known cells: several of them
             (multiple imputation, Rubin 1987) say how sure one can be
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch

from ganwright.base import seeds
from ganwright.base.errors import OptionError, message
from ganwright.base.frames import is_frame
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.columns.line import missing_of
from ganwright.modalities.tables.columns.spelling import spelled
from ganwright.modalities.tables.given import (
    block_size,
    codec_of,
    given_codes,
    probabilities,
    rows_of,
    texts_in,
    unread_notes,
    without_missing,
)
from ganwright.modalities.tables.patch import patched
from ganwright.modalities.tables.read.unread import Unread
from ganwright.model import Model

How = Literal["mean", "draw"]
HOWS = ("mean", "draw")
MOST_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Filling:
    """The values for a table's missing cells: for each column, by name, the rows and their values.

    `draws` has one mapping a completed table. `notes` say what was left missing, and why.
    """

    rows: dict[str, np.ndarray]
    draws: tuple[dict[str, pa.Array], ...]
    notes: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many cells are filled."""
        return sum(len(rows) for rows in self.rows.values())


def fill(
    model: Model, table: Any, *, how: How | None = None, draws: int | None = None, seed: int = 0
) -> Any:
    """The table with its missing cells filled; all others as they are.

    `table` is a DataFrame of pandas or polars or a pyarrow Table, and the same kind comes back; a
    file comes back as a pandas DataFrame. `how` is "mean", the best guess, or "draw". With `draws`
    a list of so many tables comes back, each a draw of its own. Raises OptionError, DataError.
    """
    codec, unread = codec_of(model, "fill"), Unread()
    canonical = rows_of(codec, table, unread=unread)
    filling = find(model, canonical, how=how, draws=draws, seed=seed, unread=unread)
    base = table if is_frame(table) else codec.join([canonical])
    texts = [column for column in codec.columns if column.name in texts_in(base)]
    done = []
    for values in filling.draws:
        written = {c.name: spelled(values[c.name], c) for c in texts if c.name in values}
        done.append(patched(base, filling.rows, values | written))
    return done[0] if draws is None else done


def find(
    model: Model,
    table: pa.Table,
    *,
    how: How | None = None,
    draws: int | None = None,
    seed: int = 0,
    exact: bool = False,
    unread: Unread | None = None,
) -> Filling:
    """The values for the missing cells of a table in the model's own columns and types.

    `unread` cells don't count as missing. With `exact` means of numbers are not rounded to the
    column's digits, and come as float64.
    """
    codec = codec_of(model, "fill")
    how = how or ("mean" if draws is None else "draw")
    _check(how, draws)
    unread = unread or {}
    holes = {name: _holes(table, name, unread) for name in codec.learned}
    rows = {name: np.flatnonzero(hole) for name, hole in holes.items() if hole.any()}
    # A column that constraints make from others has no field of its own.
    empty = {one.name for one in codec.fields if one.missing == 0}
    fillable = {n: r for n, r in rows.items() if n not in empty}
    known, odd = given_codes(codec, table)
    constants = _constants(codec, table, unread)
    left = (rows.keys() - fillable.keys(), constants.keys())
    notes = [*_left(codec, table, *left), *_unseen(codec, odd), *unread_notes(codec, unread)]
    affected = np.unique(np.concatenate([*fillable.values(), np.empty(0, np.int64)]))
    place = np.zeros(table.num_rows, np.int64)
    place[affected] = np.arange(len(affected))
    given = table.take(pa.array(affected))
    found = []
    for number in range(1 if draws is None else draws):
        own = seeds.derive(seed, number)
        parts = list(_parts(model, codec, given, known[affected], how, own, exact))
        values = {}
        for name, where in fillable.items():
            whole = pa.chunked_array([part[name] for part in parts])
            values[name] = whole.take(pa.array(place[where])).combine_chunks()
        for name, where in constants.items():
            values[name] = codec.remade[name].make(0, len(where))
        found.append(values)
    return Filling(rows=fillable | constants, draws=tuple(found), notes=tuple(notes))


def _check(how: str, draws: int | None) -> None:
    if how not in HOWS:
        raise OptionError(message("how", f"can't be '{how}'", allowed=HOWS, got=how))
    if draws is not None and not 1 <= draws <= MOST_DRAWS:
        raise OptionError(f"draws: must lie between 1 and {MOST_DRAWS}; got {draws}")
    if draws is not None and how == "mean":
        raise OptionError("draws: of means there is one; leave out how='mean', or draws")


def _parts(
    model: Model,
    codec: TableCodec,
    given: pa.Table,
    known: np.ndarray,
    how: str,
    seed: int,
    exact: bool,
) -> Iterator[dict[str, pa.Array]]:
    """Every cell of the rows `given`, in codes `known` (n, C), as it would be filled, in blocks."""
    size = block_size(codec, model.generator.block)
    for start in range(0, len(known), size):
        here = given.slice(start, size)
        full = np.resize(known[start : start + size], (size, known.shape[1]))
        if how == "draw":
            made = drawn(model, codec, full, seed, start).slice(0, here.num_rows)
            which = seeds.derive(seed, "fill", "combination")
            places = seeds.uniforms(which, start, here.num_rows, codec.uniforms)
            made = codec.agree(here, made, places)
        else:
            shares = probabilities(model, full)[: here.num_rows]
            made = codec.agree(here, codec.expect(shares))
            if exact:
                made = _unrounded(codec, made, codec.means(shares))
        yield {name: _flat(made.column(name)) for name in codec.learned}


def _flat(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _unrounded(codec: TableCodec, made: pa.Table, means: np.ndarray) -> pa.Table:
    bound = codec.constraints.bound if codec.constraints else ()
    for c, name in enumerate(codec.names):
        if name not in bound and not np.isnan(means[:, c]).any():
            at = made.column_names.index(name)
            made = made.set_column(at, name, pa.array(means[:, c]))
    return made


@torch.inference_mode()
def drawn(
    model: Model, codec: TableCodec, known: np.ndarray, seed: int, start: int = 0
) -> pa.Table:
    """Rows (b, C) whose hidden cells are drawn, never missing; row i is number ``start + i``."""
    count, fields = known.shape
    latents = model.net.latent.draw(seeds.derive(seed, "fill", "latent"), start, count)
    uniforms = seeds.uniforms(seeds.derive(seed, "fill", "choice"), start, count, fields)
    device = model.device
    codes = model.generator.sample(
        latents.to(device),
        torch.from_numpy(known.astype(np.int64)).to(device),
        torch.from_numpy(uniforms.astype(np.float32)).to(device),
        torch.from_numpy(without_missing(codec)).to(device),
    )
    places = seeds.uniforms(seeds.derive(seed, "fill", "place"), start, count, codec.uniforms)
    return codec.table(codes.cpu().numpy(), places, plain=True)


def _holes(table: pa.Table, name: str, unread: Unread) -> np.ndarray:
    missing = missing_of(table.column(name))
    return missing & ~unread[name] if name in unread else missing


def _constants(codec: TableCodec, table: pa.Table, unread: Unread) -> dict[str, np.ndarray]:
    """The missing cells of constant columns."""
    holes = {
        name: np.flatnonzero(_holes(table, name, unread))
        for name, one in codec.remade.items()
        if one.column.kind == "constant" and one.value is not None
    }
    return {name: where for name, where in holes.items() if len(where)}


def _left(codec: TableCodec, table: pa.Table, nothing_known: Any, filled: Any) -> Iterator[str]:
    """What stays missing."""
    for column in codec.columns:
        count = table.column(column.name).null_count
        if column.name in nothing_known or column.kind == "empty":
            yield f"'{column.name}' was missing in every training row: left as it is"
        elif count and column.name not in codec.learned and column.name not in filled:
            yield f"'{column.name}' ({column.kind}) is not learned: {count:,} cells stay missing"


def _unseen(codec: TableCodec, odd: np.ndarray) -> Iterator[str]:
    for c in np.flatnonzero(odd.any(0)):
        what = (
            "treated as the nearest known one"
            if codec.fields[c].family == "number"
            else "treated as unknown"
        )
        count = int(odd[:, c].sum())
        values = "value" if count == 1 else "values"
        yield f"'{codec.names[c]}': {count:,} {values} unseen in training, {what}"
