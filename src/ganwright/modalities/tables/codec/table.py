"""Tables ↔ choices: every modelled column is one choice among K codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.errors import DataError, ModelError, OptionError, WorkError, message
from ganwright.base.spec import MOST_CHOICES
from ganwright.data.codec import Codec
from ganwright.modalities.tables.codec.constraints import Constraints, broken_rows
from ganwright.modalities.tables.codec.decode import Numbers
from ganwright.modalities.tables.codec.fields import (
    CategoryField,
    Field,
    NumberField,
    field_from_json,
)
from ganwright.modalities.tables.codec.fit import fit_fields
from ganwright.modalities.tables.codec.hashing import row_hashes
from ganwright.modalities.tables.codec.remade import Remade, remade_from_json, remade_of
from ganwright.modalities.tables.codec.rules import Fixed
from ganwright.modalities.tables.codec.where import Allowed, allowed
from ganwright.modalities.tables.columns.axis import type_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.spelling import spelled_table, spelled_type
from ganwright.modalities.tables.spec import TableSpec

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from ganwright.modalities.tables.options import TableOptions

_ROWS = 1 << 13  # that are coded or decoded at a time: what stays in the processor's cache
_PREVIEWED = 20
_MANY = 1 << 16  # choices from which on the size of the model's JSON is checked
_LARGEST_JSON = 28 << 20  # bytes, of the 32 MiB that a model may have


_HEAD = 8  # rows in a notebook


@dataclass(frozen=True, kw_only=True, eq=False)
class TableCodec(Codec):
    """Rows of a table ↔ codes (b, C) ↔ what the nets see: one-hots (b, ΣK).

    `columns` are all of the user's, in their order. `fields` are those that are modelled, and `remade`
    says how the others are filled. With `constraints` some fields are not columns, but what columns are
    computed from; `learned` are the columns. Field c has ``choices[c]``
    codes, which lie at ``offsets[c] … offsets[c + 1]`` of a one-hot.
    """

    columns: tuple[Column, ...]
    fields: tuple[Field, ...]
    remade: Mapping[str, Remade] = field(default_factory=dict)
    constraints: Constraints | None = None

    kind = "table"
    spec_type = TableSpec
    formats = ("csv", "parquet")
    default_suffix = snapshot_suffix = ".csv"
    scored_by = ("columns", "columns")  # features of scores in training: of short and long runs

    @classmethod
    def fit(cls, table: pa.Table, columns: Sequence[Column], options: TableOptions) -> TableCodec:
        """The codec of training rows: `table` has `columns`, in the canonical types.

        Takes bounded memory where the table is memory-mapped. Raises DataError for values that
        can't be modelled, or when no column can be learned from.
        """
        if not table.num_rows:
            raise DataError("the table has no rows to learn from")
        modelled = [c for c in columns if _is_field(c)]
        if not modelled:
            kinds = ", ".join(f"{c.name} ({c.kind})" for c in columns[:8])
            raise DataError(f"the table has no column to learn from: {kinds}")
        constraints, inner = None, table
        if options.constraints:
            table, constraints = _constrained(table, columns, options.constraints)
            inner, modelled = constraints.inward(table), list(constraints.inner)
        fields = tuple(fit_fields(inner, modelled, options))
        codes = sum(one.choices for one in fields)
        if codes > MOST_CHOICES:
            raise DataError(
                f"the table makes {codes:,} choices, but at most {MOST_CHOICES:,} are allowed; lower "
                "data.table.bins or data.table.largest, or leave columns out"
            )
        remade = {c.name: remade_of(c, table[c.name]) for c in columns if not _is_field(c)}
        codec = cls(columns=tuple(columns), fields=fields, remade=remade, constraints=constraints)
        if codes > _MANY and len(json.dumps(codec.to_json())) > _LARGEST_JSON:
            raise DataError(
                f"the values of {len(fields):,} columns would not fit in a model; lower "
                "data.table.bins, or leave columns out"
            )
        return codec

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(one.name for one in self.fields)

    @cached_property
    def learned(self) -> tuple[str, ...]:
        """The names of the user's columns that are learned, as fields or computed from them."""
        return tuple(c.name for c in self.columns if c.name not in self.remade)

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """How many codes each field has, with the one for missing."""
        return tuple(one.choices for one in self.fields)

    @cached_property
    def _starts(self) -> dict[Any, Any]:
        """The offsets of fields on the devices that they were copied to."""
        return {}

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where the codes of each field begin in a one-hot; (C + 1,) int64, the last is ΣK."""
        return np.cumsum([0, *self.choices])

    @property
    def width(self) -> int:
        """ΣK, the length of a one-hot."""
        return int(self.offsets[-1])

    def place(self, name: str) -> int:
        """Which field a column is. Raises OptionError, naming the nearest, if it is none."""
        if name in self.names:
            return self.names.index(name)
        problem = f"no column '{name}' was learned"
        raise OptionError(message("", problem, allowed=self.names, got=name))

    def weights(self) -> np.ndarray:
        """The share of training rows that each code has, (ΣK,) float64; each field sums to 1."""
        return np.concatenate([one.counts / one.counts.sum() for one in self.fields])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the nets see."""
        return (self.width,)

    @property
    def makes(self) -> str:
        """What the examples are, for people."""
        return f"rows of {len(self.columns)} columns"

    def html(self, samples: pd.DataFrame) -> str:
        """The first samples as a table in a notebook."""
        return str(samples.head(_HEAD).to_html(index=False))

    @property
    def uniforms(self) -> int:
        """How many uniforms decoding a row takes: a place in its bin for each field."""
        return len(self.fields)

    def spec(self) -> TableSpec:
        """What the nets see of a row."""
        positions = np.concatenate([one.positions for one in self.fields])
        return TableSpec(
            axes=("choice",),
            shape=self.shape,
            choices=self.choices,
            positions=tuple(np.round(positions, 6).tolist()),
            shares=tuple(float(f"{share:.6g}") for share in self.weights()),
        )

    def stored(self, examples: pa.Table) -> np.ndarray:
        """Rows as training stores them: their codes (n, C) int32."""
        return self.codes(examples, unseen="nearest")

    def __repr__(self) -> str:
        return (
            f"TableCodec({len(self.columns)} columns, {len(self.fields)} learned, "
            f"{self.width:,} choices)"
        )

    # --- tables to codes ---------------------------------------------------------------------

    def codes(
        self, table: pa.Table, *, unseen: Literal["error", "nearest", "hidden"] = "error"
    ) -> np.ndarray:
        """The code of every cell, (n, C) int32.

            A missing value in a field that has no code for it is -1. A value not seen in training is a
            DataError, or gets the nearest code (for categories the rarest),
        or -1 ("hidden").
        """
        table = self.inward(table)
        codes = self._find(table, unseen)
        for c, one in enumerate(self.fields):
            if one.missing is not None:
                column = table.column(one.name)
                if column.null_count or pa.types.is_floating(column.type):
                    codes[_missing(column), c] = one.missing
        return codes

    def known(
        self, table: pa.Table, *, unseen: Literal["error", "nearest", "hidden"] = "nearest"
    ) -> np.ndarray:
        """The code of every cell that has a value, (n, C) int32; -1 where it is missing."""
        return self._find(self.inward(table, whole=True), unseen)

    def inward(self, table: pa.Table, *, whole: bool = False) -> pa.Table:
        """The columns of the fields, from the user's. Raises DataError if one is lacking.

        With `whole`, cells that a constraint could fill are missing (see `Constraints.inward`).
        """
        self._check_columns(table)
        if self.constraints is None:
            return table
        return self.constraints.inward(table, whole=whole)

    def _find(self, table: pa.Table, unseen: str) -> np.ndarray:
        codes = np.empty((table.num_rows, len(self.fields)), np.int32)
        for start in range(0, table.num_rows, _ROWS):
            block = table.slice(start, _ROWS)
            for c, one in enumerate(self.fields):
                array = block.column(one.name).combine_chunks()
                found, odd = one.find(array)
                if unseen != "nearest" and odd.any():
                    if unseen == "error":
                        at = int(np.argmax(odd))
                        why = one.explain(array, at)
                        raise DataError(f"column '{one.name}', row {start + at + 1}: {why}")
                    found[odd] = -1
                codes[start : start + len(found), c] = found
        return codes

    def _check_columns(self, table: pa.Table) -> None:
        allowed = table.column_names
        known = set(allowed)
        for name in self.learned:
            if name not in known:
                raise DataError(
                    message("the table", f"has no column '{name}'", allowed=allowed, got=name)
                )

    def digests(self, examples: pa.Table) -> np.ndarray:
        """A hash of each row's content, (n, 8) uint8; identifiers and constants don't count."""
        names = [c.name for c in self.columns if c.modelled or c.kind == "text"]
        schema = pa.schema([self.schema.field(name) for name in names])
        return row_hashes(examples.select(names).cast(schema)).view(np.uint8).reshape(-1, 8)

    # --- what the nets see -------------------------------------------------------------------

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """Codes (b, C) → one-hots (b, ΣK) float32; a hidden cell (negative) is all zeros."""
        import torch

        codes = stored.to(torch.int64)
        if codes.device not in self._starts:
            self._starts[codes.device] = torch.as_tensor(self.offsets[:-1], device=codes.device)
        offsets = self._starts[codes.device]
        hot = torch.zeros(len(codes), self.width, device=codes.device)
        return hot.scatter_(1, codes.clamp(min=0) + offsets, (codes >= 0).to(torch.float32))

    def best(self, x: torch.Tensor) -> np.ndarray:
        """The code with the largest value in each field: (b, ΣK) → (b, C) int32.

        Raises WorkError when `x` holds NaN.
        """
        import torch

        if bool(torch.isnan(x).any()):
            raise WorkError("the samples hold NaN: the model is damaged or its training diverged")
        parts = torch.split(x.detach(), list(self.choices), dim=1)
        found = torch.stack([part.argmax(dim=1) for part in parts], dim=1)
        return found.to(torch.int32).cpu().numpy()

    def decode(
        self,
        x: torch.Tensor,
        places: np.ndarray,
        allowed: Allowed | None = None,
        *,
        start: int = 0,
    ) -> pa.Table:
        """Codes (b, C), or one-hots, logits or probabilities (b, ΣK) → rows; see `table`."""
        codes = self.best(x) if x.is_floating_point() else x.cpu().numpy()
        return self.table(codes, places, allowed, start=start)

    # --- codes to tables ---------------------------------------------------------------------

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers.of([one for one in self.fields if isinstance(one, NumberField)])

    @cached_property
    def _of_numbers(self) -> np.ndarray:
        found = [c for c, one in enumerate(self.fields) if isinstance(one, NumberField)]
        return np.array(found, np.int64)

    def table(
        self,
        codes: np.ndarray,
        places: np.ndarray,
        allowed: Allowed | None = None,
        *,
        start: int = 0,
        plain: bool = False,
    ) -> pa.Table:
        """Codes (b, C) → rows with all the user's columns.

        `places` (b, C) in [0, 1) say where in its bin (or among the members of a tail code) a
        value lies. `allowed`, a condition that the codes already fulfil, keeps values within its
        ranges. Row i is number ``start + i``, from which identifiers are made. Text comes as a
        dictionary, which is fast to make; `plain` gives the column's own type.
        """
        codes, places = np.asarray(codes), np.asarray(places)
        blocks = [
            self._table(codes[at : at + _ROWS], places[at : at + _ROWS], allowed, start + at, plain)
            for at in range(0, max(1, len(codes)), _ROWS)
        ]
        return pa.concat_tables(blocks)

    def _table(
        self,
        codes: np.ndarray,
        places: np.ndarray,
        allowed: Allowed | None,
        start: int,
        plain: bool,
    ) -> pa.Table:
        places = np.clip(places, 0, np.nextafter(1.0, 0))
        pieces = {} if allowed is None else allowed.pieces
        made: dict[str, pa.Array] = {}
        numbers = self._of_numbers
        positions = self._numbers.positions(codes[:, numbers], places[:, numbers])
        for row, c in enumerate(numbers):
            one = self.fields[c]
            assert isinstance(one, NumberField)
            column = codes[:, c]
            if c in pieces:
                grid = one.line.grid
                pieces[c].positions(column, places[:, c], positions[row], grid=grid)
            hidden = None if one.missing is None else column == one.missing
            made[one.name] = one.with_apart(one.line.values(positions[row], hidden), column)
        for c, one in enumerate(self.fields):
            if isinstance(one, CategoryField):
                at = one.places(codes[:, c], places[:, c], pieces.get(c))
                hidden = None if one.missing is None else codes[:, c] == one.missing
                made[one.name] = one.array(at, hidden, plain=plain)
        settled = frozenset(() if allowed is None else (self.names[c] for c in allowed.fields))
        return self._assemble(made, start, len(codes), plain=plain, settled=settled)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """The fields by their names."""
        return dict(zip(self.names, self.fields, strict=True))

    def _assemble(
        self,
        made: Mapping[str, pa.Array],
        start: int,
        count: int,
        *,
        plain: bool = True,
        settled: frozenset[str] = frozenset(),
    ) -> pa.Table:
        if self.constraints is not None:
            made = self.constraints.outward(made, self.by_name, plain=plain, settled=settled)
        arrays = [
            made[c.name] if c.name in made else self.remade[c.name].make(start, count)
            for c in self.columns
        ]
        return pa.Table.from_arrays(arrays, names=[c.name for c in self.columns])

    @cached_property
    def schema(self) -> pa.Schema:
        """The canonical types of all columns."""
        return pa.schema([(c.name, type_of(c.type)) for c in self.columns])

    def plain(self, table: pa.Table) -> pa.Table:
        """The same rows in the canonical types, without dictionaries."""
        return table.cast(self.schema)

    def fill(self, table: pa.Table, codes: np.ndarray, places: np.ndarray) -> pa.Table:
        """The table with its missing cells replaced by `codes` (n, C); all others untouched.

        Columns that are not fields, and additional ones, stay as they are.
        """
        made = self.agree(table, self.table(codes, places, plain=True), places)
        for name in self.learned:
            old = table.column(name)
            if old.null_count or pa.types.is_floating(old.type):
                at = table.column_names.index(name)
                new = pc.if_else(pa.array(_missing(old)), made.column(name).cast(old.type), old)
                table = table.set_column(at, table.schema.field(at), new)
        return table

    def agree(self, known: pa.Table, made: pa.Table, places: np.ndarray | None = None) -> pa.Table:
        """Rows `made`, adjusted where constraints tie them to `known` cells.

        Both have n rows. `places` (n, C) draw combinations; without, the most frequent are taken.
        A constraint is kept wherever the known cells allow it.
        """
        if self.constraints is None:
            return made
        own = {name: made.column(name).combine_chunks() for name in self.learned}
        uniforms = None if places is None else dict(zip(self.names, places.T, strict=True))
        found = self.constraints.agree(known, own, self.by_name, uniforms)
        for name, array in found.items():
            made = made.set_column(made.column_names.index(name), name, array)
        return made

    # --- expectations ------------------------------------------------------------------------

    def means(self, probabilities: np.ndarray | torch.Tensor) -> np.ndarray:
        """Expected values of numbers given that they aren't missing: (b, ΣK) → (b, C) float64.

        Dates and times as whole units of their type; NaN for categories.
        """
        shares = np.asarray(probabilities, dtype=np.float64)
        found = np.full((len(shares), len(self.fields)), np.nan)
        for c, one in enumerate(self.fields):
            if isinstance(one, NumberField):
                found[:, c] = one.line.number(self._mean_position(c, one, shares))
        return found

    def _mean_position(self, c: int, one: NumberField, shares: np.ndarray) -> np.ndarray:
        start = self.offsets[c]
        part = shares[:, start : start + len(one.bins)]
        total = np.maximum(part.sum(axis=1), np.finfo(float).tiny)
        # Not `part @ means`, which rounds differently for different numbers of rows.
        mean = (part * one.bins.means).sum(axis=1) / total
        found: np.ndarray = mean.clip(one.line.low, one.line.high)
        return found

    def _likeliest_apart(self, c: int, one: NumberField, shares: np.ndarray) -> np.ndarray:
        """The code of a value apart (b,) that is more likely than the whole line, else 0."""
        start, bins = self.offsets[c], len(one.bins)
        part = shares[:, start + bins : start + bins + len(one.tallies)]
        if not part.shape[1]:
            return np.zeros(len(shares), np.int64)
        likely = part.max(axis=1) > shares[:, start : start + bins].sum(axis=1)
        return np.where(likely, bins + part.argmax(axis=1), 0)

    def expect(self, probabilities: np.ndarray | torch.Tensor) -> pa.Table:
        """The best guess for every cell: (b, ΣK) → rows, missing only if unavoidable.

        Numbers are means (rounded to the column's digits), categories the most probable value.
        """
        shares = np.asarray(probabilities, dtype=np.float64)
        made: dict[str, pa.Array] = {}
        for c, one in enumerate(self.fields):
            if isinstance(one, NumberField):
                found = self._mean_position(c, one, shares)
                values = one.line.values(np.rint(found) if one.line.grid else found)
                made[one.name] = one.with_apart(values, self._likeliest_apart(c, one, shares))
            elif one.seen:
                start = self.offsets[c]
                several = one.own + len(one.tails) - 1
                best = shares[:, start : start + several].argmax(axis=1)
                # of a tail code the most frequent member: the first
                at = np.append(np.arange(one.own), one.tails[:-1])[best].astype(np.int32)
                made[one.name] = one.array(at, None, plain=True)
            else:
                made[one.name] = pa.nulls(len(shares), one.values.type)
        return self._assemble(made, 0, len(shares))

    # --- conditions --------------------------------------------------------------------------

    def allowed(self, where: str | Mapping[str, Any]) -> Allowed:
        """Parses a condition on rows: ``"age=40..60, sex=Female"`` or a mapping.

        See `ganwright.modalities.tables.codec.where`. Raises OptionError in one line when it can't be
        parsed or no row could satisfy it.
        """
        return allowed(self, where)

    # --- the user's edge ---------------------------------------------------------------------

    def join(self, blocks: Iterable[pa.Table], like: str = "pandas") -> pd.DataFrame | Any:
        """Blocks of rows as the user's kind of frame, with its columns, their order and types."""
        from ganwright.modalities.tables.read.tables import to_user

        parts = [self.plain(block) for block in blocks]
        joined = pa.concat_tables(parts) if parts else self.schema.empty_table()
        frame = to_user(joined, self.columns, like)
        if like == "pandas":
            import pandas as pd

            for name, (levels, ordered) in self.sets.items():
                kind = pd.CategoricalDtype(levels, ordered=ordered)
                frame[name] = frame[name].astype(kind)
        return frame

    @cached_property
    def sets(self) -> dict[str, tuple[Sequence[Any], bool]]:
        """The user's own category sets, and whether they have an order."""
        found: dict[str, tuple[Sequence[Any], bool]] = {
            one.name: (one.level_values.to_pylist(), one.ordered)
            for one in self.fields
            if isinstance(one, CategoryField) and one.levels is not None
        }
        return found if self.constraints is None else found | dict(self.constraints.sets)

    def levels(self, name: str) -> pa.Array:
        """The values of a category, in the order of the user's set if there is one."""
        field = self.by_name.get(name)
        if isinstance(field, CategoryField):
            return field.level_values
        if name in self.sets:
            return pa.array(self.sets[name][0], self.schema.field(name).type)
        assert self.constraints is not None
        rule = self.constraints.made[name]
        assert isinstance(rule, Fixed)
        return self.constraints.joint(rule, self.by_name).alone(name).values

    def user_schema(self) -> pa.Schema:
        """The canonical types, with the user's categories as such, and metadata for pandas."""
        schema = self.schema
        if not any(column.user for column in self.columns):
            return schema
        for i, column in enumerate(self.columns):
            if column.user.startswith("category") and pa.types.is_string(schema.field(i).type):
                ordered = self.sets.get(column.name, ((), False))[1]
                kind = pa.dictionary(pa.int32(), pa.string(), ordered=ordered)
                schema = schema.set(i, pa.field(column.name, kind))
        about = pa.Schema.from_pandas(self.join([]), preserve_index=False).metadata
        return schema.with_metadata({b"pandas": about[b"pandas"]})

    def written_schema(self) -> pa.Schema:
        """The types in a file of text: moments that are all of whole seconds without a fraction, and
        text for what is written in a form."""
        schema = self.schema
        lines = {one.name: one.line for one in self.fields if isinstance(one, NumberField)}
        for name, line in (
            lines | dict(self.constraints.lines if self.constraints else {})
        ).items():
            at = schema.get_field_index(name)
            if at >= 0 and line.whole_seconds:
                zone = schema.field(at).type.tz
                schema = schema.set(at, pa.field(name, pa.timestamp("s", zone)))
        for at, column in enumerate(self.columns):
            if column.written:
                field = self.by_name.get(column.name)
                finite = isinstance(field, NumberField) and field.apart is None
                kind = spelled_type(column) if finite else pa.string()
                schema = schema.set(at, pa.field(column.name, kind))
        return schema

    def save_snapshot(self, path: Path, table: pa.Table, columns: int) -> None:
        """Writes rows as a small CSV to look at."""
        from pyarrow import csv

        csv.write_csv(spelled_table(self.plain(table), self.columns), path)

    def preview(self, table: pa.Table) -> str:
        """The first rows as readable text."""
        frame = spelled_table(self.plain(table.slice(0, _PREVIEWED)), self.columns).to_pandas()
        text: str = frame.to_string(index=False, max_colwidth=24, na_rep="")
        return text

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "columns": [column.to_json() for column in self.columns],
            "fields": [one.to_json() for one in self.fields],
            "remade": {name: one.to_json() for name, one in self.remade.items()},
        } | ({} if self.constraints is None else {"constraints": self.constraints.to_json()})

    @classmethod
    def from_json(cls, tree: Any) -> TableCodec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            columns = tuple(Column.from_json(one) for one in tree["columns"])
            by_name = {column.name: column for column in columns}
            for column in columns:
                type_of(column.type)
            constraints, inner = None, by_name
            if "constraints" in tree:
                constraints = Constraints.from_json(tree["constraints"], columns)
                inner = {column.name: column for column in constraints.inner}
            fields = tuple(field_from_json(one, inner) for one in tree["fields"])
            remade = {
                str(name): remade_from_json(one, by_name[name])
                for name, one in tree["remade"].items()
            }
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            problem = " ".join(repr(error).split())[:200]
            raise ModelError(f"model.json: 'codec' is not readable ({problem})") from None
        codec = cls(columns=columns, fields=fields, remade=remade, constraints=constraints)
        split = sorted([*codec.names, *remade])
        if constraints is not None and sorted(codec.names) == sorted(inner):
            constraints.check(codec.by_name)
            split = sorted([*codec.learned, *remade])
        if split != sorted(by_name) or len(by_name) != len(columns) or not fields:
            raise ModelError("model.json: the columns and fields of 'codec' don't match")
        if codec.width > MOST_CHOICES:
            raise ModelError(f"model.json: impossible codec with {codec.width:,} choices")
        return codec


def _is_field(column: Column) -> bool:
    """Modelled columns, and constants that are sometimes missing: a choice of two."""
    return column.modelled or (column.kind == "constant" and column.missing > 0)


def _constrained(
    table: pa.Table, columns: Sequence[Column], texts: Sequence[str]
) -> tuple[pa.Table, Constraints]:
    """The rows that keep all constraints, and the constraints."""
    broken = np.zeros(table.num_rows, bool)
    for rows in broken_rows(table, columns, texts).values():
        broken |= rows
    if broken.any():
        table = table.filter(pa.array(~broken))
    if not table.num_rows:
        raise DataError("data.table.constraints: every row breaks one of them")
    return table, Constraints.fit(table, columns, texts)


def _missing(column: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = pc.is_null(column, nan_is_null=True).to_numpy()
    return found
