"""Columns joined into one category of the combinations that were seen: texts of JSON lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import ModelError
from ganwright.modalities.tables.codec.fields import CategoryField, plain_values, values_of
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.line import flat, missing_of


def join_columns(
    table: pa.Table, columns: Sequence[Column], *, whole: bool = False
) -> pa.StringArray:
    """Each row's combination; missing where all are missing, or (`whole`) any of them is."""
    names, places = [], []
    for column in columns:
        array = flat(table.column(column.name)).cast(type_of(column.type))
        coded = pc.if_else(pa.array(missing_of(array)), None, array).dictionary_encode()
        names.append([*plain_values(coded.dictionary), None])
        at = coded.indices.fill_null(len(coded.dictionary))
        places.append(at.to_numpy(zero_copy_only=False).astype(np.int64))
    if not table.num_rows:
        return pa.array([], pa.string())
    number = _numbered(places)
    _, first, back = np.unique(number, return_index=True, return_inverse=True)
    combined = [[own[at[row]] for own, at in zip(names, places, strict=True)] for row in first]
    lost = any if whole else all
    texts = [
        None if lost(v is None for v in values) else json.dumps(values, ensure_ascii=False)
        for values in combined
    ]
    return pa.array(texts, pa.string()).take(pa.array(back.reshape(-1)))


def _numbered(places: Sequence[np.ndarray]) -> np.ndarray:
    """Equal rows of the columns `places` (n,) get equal whole numbers (n,)."""
    number = np.zeros(len(places[0]), np.int64)
    for at in places:
        _, number = np.unique(number * (int(at.max()) + 2) + at + 1, return_inverse=True)
        number = number.reshape(-1)
    return number


@dataclass(frozen=True, eq=False)
class Joint:
    """A field of combinations (V,), split into its columns.

    `parts` are, by column, its different values, and which of them each combination has, −1 for
    missing (V,).
    """

    field: CategoryField
    columns: tuple[Column, ...]
    parts: Mapping[str, tuple[pa.Array, np.ndarray]]

    @classmethod
    def of(cls, field: CategoryField, columns: Sequence[Column]) -> Joint:
        """Raises ModelError when the field's values aren't combinations of these columns."""
        try:
            rows = [json.loads(text) for text in field.values.to_pylist()]
            if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
                raise ValueError("not a list of one value per column")
            parts = {}
            for i, column in enumerate(columns):
                array = values_of([row[i] for row in rows], type_of(column.type))
                coded = array.dictionary_encode()
                at = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
                parts[column.name] = (coded.dictionary, at.astype(np.int64))
        except (ValueError, TypeError, RecursionError, pa.ArrowException) as error:
            problem = " ".join(str(error).split())[:200]
            raise ModelError(
                f"model.json: '{field.name}' contains no combinations ({problem})"
            ) from None
        return cls(field, tuple(columns), parts)

    def arrays(self, joined: pa.Array, *, plain: bool) -> dict[str, pa.Array]:
        """The columns of which `joined` (n,) are the combinations."""
        places, missing = self.field.index(joined)
        missing = missing | (places < 0)
        found = {}
        for name, (values, at) in self.parts.items():
            own = np.where(missing, -1, at[places] if len(at) else -1)
            index = pa.array(np.maximum(own, 0).astype(np.int32), mask=own < 0)
            if pa.types.is_string(values.type) and not plain:
                found[name] = pa.DictionaryArray.from_arrays(index, values)
            else:
                found[name] = values.take(index) if len(values) else pa.nulls(len(own), values.type)
        return found

    def alone(self, name: str) -> CategoryField:
        """One of the columns as a field of its own: a code for each of its values."""
        column = next(one for one in self.columns if one.name == name)
        values, at = self.parts[name]
        tallies = np.bincount(at[at >= 0], self.field.tallies[at >= 0], len(values))
        return CategoryField(
            column=column,
            values=values,
            tallies=np.maximum(tallies.astype(np.int64), 1),
            tails=np.array([len(values)]),
            absent=int((at < 0).any() or self.field.absent > 0),
        )

    def complete(
        self, known: pa.Table, made: Mapping[str, pa.Array], uniforms: np.ndarray | None
    ) -> dict[str, pa.Array]:
        """`made`, with combinations that contain the `known` cells, where there are any.

        They are drawn by `uniforms` (n,) with their training shares, or else the most frequent one.
        """
        count = known.num_rows
        seen = self.field.seen
        weights = self.field.tallies[:seen].astype(np.float64)
        sure = {name: ~missing_of(known.column(name)) for name in self.parts}
        holed = np.any([missing_of(flat(made[name])) for name in self.parts], axis=0)
        pattern = sum(sure[name].astype(np.int64) << i for i, name in enumerate(self.parts))
        picked = np.full(count, -1)
        for mask in np.unique(pattern):
            given = [name for i, name in enumerate(self.parts) if mask >> i & 1]
            # where nothing is known, the generated combination stays, unless it is partly missing
            rows = np.flatnonzero((pattern == mask) & (holed | bool(given)))
            if len(given) == len(self.parts) or not len(rows):
                continue
            sides = [np.zeros(seen + len(rows), np.int64)]
            for name in given:
                values, at = self.parts[name]
                array = flat(known.column(name)).take(pa.array(rows)).cast(values.type)
                own = pc.index_in(array, value_set=values).fill_null(-2)
                sides.append(np.append(at[:seen], own.to_numpy(zero_copy_only=False)))
            free = [self.parts[name][1][:seen] >= 0 for name in self.parts if name not in given]
            key = _numbered([side + 2 for side in sides])
            fit = weights * np.all(free, axis=0)
            picked[rows] = _pick(
                key[:seen], fit, key[seen:], None if uniforms is None else uniforms[rows]
            )
        chosen = picked >= 0
        found = dict(made)
        for name, (values, at) in self.parts.items():
            index = np.where(chosen, at[picked], -1)
            taken = values.take(pa.array(np.maximum(index, 0), mask=index < 0))
            old = flat(found[name])
            found[name] = pc.if_else(pa.array(chosen), taken.cast(old.type), old)
        return found


def _pick(
    keys: np.ndarray, weights: np.ndarray, wanted: np.ndarray, uniforms: np.ndarray | None
) -> np.ndarray:
    """For each of `wanted` one of the places where `keys` is equal, by weight; −1 if there is none."""
    order = np.lexsort((-weights, keys))
    keys, weights = keys[order], weights[order]
    start, end = (np.searchsorted(keys, wanted, side=side) for side in ("left", "right"))
    before = np.append(0.0, np.cumsum(weights))
    total = before[end] - before[start]
    if uniforms is None:
        at = start  # the heaviest comes first
    else:
        at = np.searchsorted(before, before[start] + uniforms * total, side="right") - 1
    at = np.clip(at, start, np.maximum(end - 1, start))
    return np.where(total > 0, order[np.minimum(at, len(order) - 1)], -1)
