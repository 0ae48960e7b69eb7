"""How odd the rows of a table are, how sure that is, and which of their columns make them so.

Cells are hidden and compared with what the model expects of them: first all of a row at once, then
random halves given the other halves. A number costs its distance from the mean expected, in
standard deviations of its column; a category, or whether a value is there, costs −log p. Costs are
divided by the usual one of their column, so that all columns count alike, and a row's score is the
mean of both looks over its cells. A distance, not −log p of a bin: what is extreme in every column
is predicted well in each given the others, and still lies far out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn

from ganwright.base import seeds
from ganwright.base.errors import OptionError
from ganwright.modalities.tables.codec.fields import CategoryField, NumberField
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.columns.line import flat, raw_numbers
from ganwright.modalities.tables.given import block_size, codec_of, given_codes, rows_of
from ganwright.modalities.tables.hidden import HIDDEN, is_hidden
from ganwright.modalities.tables.read.unread import Unread
from ganwright.model import Model

LOOKS = 4  # pairs of halves
UNSEEN = 30.0  # nats that a value never seen costs
FAR = 1e6  # standard deviations that no number is beyond, and where infinite ones lie
SELDOM = 0.01  # the share of rows below which an infinite number is as odd as that
USUAL_ROWS = 2000  # that say what a column usually costs
SEED = 0  # of halves, and of the model's own rows
BLOCK = 256  # rows that are scored together, at most
MOST_NORMAL = 20_000  # held-out rows that p-values compare with
THINGS, PLACE, REASON = "rows", "row", "columns"
TOP = 3  # columns that are named of each row
COLUMNS = tuple(f"column_{i + 1}" for i in range(TOP))


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A table in the model's columns and types; `unread` are cells of another type, taken as unknown."""

    table: pa.Table
    unread: Unread
    index: Any  # of the frame it came as, or None
    notes: tuple[str, ...] = ()

    @property
    def places(self) -> Sequence[int]:
        """Where each row stands in its file, from 1."""
        return range(1, self.table.num_rows + 1)


@dataclass(frozen=True)
class Oddness:
    """`score` (n,) of rows, about 1 where a row is like the others, and of each cell (n, learned)."""

    score: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """A model of normal rows, what their columns usually cost, and scores of normal rows.

    `normal` are sorted scores that p-values compare with; `calibrated_by` says whose they are.
    """

    codec: TableCodec
    network: nn.Module
    latent: int
    usual: np.ndarray
    normal: np.ndarray
    calibrated_by: str

    @classmethod
    def build(
        cls,
        model: Model,
        usual: pa.Table | None = None,
        normal: pa.Table | None = None,
        calibrated_by: str = "held-out rows",
    ) -> Detector:
        """From tables in the model's own columns and types, or from rows that the model makes.

        `usual` are rows that training may have seen, `normal` rows that it has not. Raises
        OptionError for a model that can't take any columns as given.
        """
        codec = codec_of(model, "detect")
        device = model.device if model.device.type == "cuda" else torch.device("cpu")
        # In float64, as scores are compared with each other to the last bit.
        network = copy.deepcopy(model.generator).to(device).double()
        plain = cls(
            codec=codec,
            network=network,
            latent=model.net.latent.dim,
            usual=np.ones(len(codec.fields)),
            normal=np.empty(0),
            calibrated_by="",
        )
        if usual is None or normal is None:
            own = seeds.derive(SEED, "detect")
            blocks = [codec.plain(b.examples) for b in model.stream(2 * USUAL_ROWS, seed=own)]
            made = pa.concat_tables(blocks)
            usual = made.slice(0, USUAL_ROWS) if usual is None else usual
            if normal is None:
                normal, calibrated_by = made.slice(USUAL_ROWS), "rows that the model made"
        costs = plain._costs(usual)
        told = np.where(costs < FAR / 2, costs, np.nan)  # what lies so far says nothing of the rest
        found = np.maximum(np.nan_to_num(_means(told)), 1e-3)
        scaled = cls(**{**vars(plain), "usual": found, "calibrated_by": calibrated_by})
        scores = np.sort(scaled.look(normal).score)
        return cls(**{**vars(scaled), "normal": scores})

    def look(self, table: pa.Table, unread: Unread | None = None) -> Oddness:
        """The oddness of rows in the model's own columns and types; `unread` cells were never seen."""
        cells = self._of_columns(table, self._costs(table) / self.usual)
        for name, rows in (unread or {}).items():
            if name in self.codec.learned:
                cells[rows, self.codec.learned.index(name)] = UNSEEN
        return Oddness(score=cells.mean(axis=1), cells=cells)

    def _of_columns(self, table: pa.Table, found: np.ndarray) -> np.ndarray:
        """From what is learned (n, C) to the columns that it makes: each has the oddest of its own.

        A column has `UNSEEN` where it breaks the constraint that makes it.
        """
        rules = self.codec.constraints
        if rules is None:
            return found
        cells = np.zeros((table.num_rows, len(self.codec.learned)))
        at = {name: c for c, name in enumerate(self.codec.learned)}
        for c, name in enumerate(self.codec.names):
            owners = [name]
            if name in rules.labels:
                owners = [
                    made for made, rule in rules.made.items() if rule is rules.labels[name][1]
                ]
            for owner in owners:
                np.maximum(cells[:, at[owner]], found[:, c], out=cells[:, at[owner]])
        broken = rules.broken(table)
        for name, rule in (*rules.made.items(), *((one.made, one) for one in rules.implied)):
            cells[broken[rule.text], at[name]] = UNSEEN
        return cells

    def columns(self, cells: np.ndarray, most: int = 3) -> list[tuple[str, ...]]:
        """Of each row the columns that make it odd, the oddest first; only those above the usual."""
        order = np.argsort(-cells, axis=1, kind="stable")[:, :most]
        names = self.codec.learned
        return [
            tuple(names[c] for c in row if cells[i, c] > 1) for i, row in enumerate(order.tolist())
        ]

    # --- what a cell costs -----------------------------------------------------------------

    def _costs(self, table: pa.Table) -> np.ndarray:
        """(n, C) float64: the mean of what the cells cost with all hidden and with half hidden."""
        parts, size = [], block_size(self.codec, BLOCK)
        for start in range(0, table.num_rows, size):
            block = table.slice(start, size)
            filled = block.take(np.resize(np.arange(block.num_rows), size))
            parts.append(self._block(filled)[: block.num_rows])
        return np.concatenate(parts) if parts else np.empty((0, len(self.codec.fields)))

    def _block(self, table: pa.Table) -> np.ndarray:
        codes, odd = given_codes(self.codec, table, missing=True)
        inner = self.codec.inward(table)
        values = np.stack([_values(one, inner) for one in self.codec.fields], axis=1)
        alone = self._cost(codes, values, np.full_like(codes, HIDDEN))
        rng = np.random.default_rng(seeds.derive(SEED, "detect", "halves"))
        given, count = np.zeros_like(alone), codes.shape[1]
        for _ in range(LOOKS):
            half = rng.permutation(count) < count // 2
            for hidden in (half, ~half):
                cost = self._cost(codes, values, np.where(hidden, -1, codes))
                given += cost * hidden
        costs = (alone + given / LOOKS) / 2
        words = np.array([isinstance(one, CategoryField) for one in self.codec.fields])
        costs[odd & words] = UNSEEN
        for c, one in enumerate(self.codec.fields):
            if isinstance(one, NumberField):
                _cost_off_line(one, flat(inner.column(one.name)), costs[:, c])
        return costs

    def _cost(self, codes: np.ndarray, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        shares = self._shares(known)
        places = np.maximum(codes, 0) + self.codec.offsets[:-1]
        cost = -np.log(np.maximum(np.take_along_axis(shares, places, axis=1), 1e-13))
        cost[is_hidden(codes)] = 0.0
        means = self.codec.means(shares)
        for c, one in enumerate(self.codec.fields):
            if isinstance(one, NumberField):
                there = ~np.isnan(values[:, c])
                far = np.minimum(np.abs(values[:, c] - means[:, c]) / deviation(one), FAR)
                cost[:, c] = np.where(there, far, cost[:, c])
        return cost

    @torch.inference_mode()
    def _shares(self, known: np.ndarray) -> np.ndarray:
        network: Any = self.network
        device = next(network.parameters()).device
        codes = torch.from_numpy(known.astype(np.int64)).to(device)
        z = torch.zeros(len(codes), self.latent, dtype=torch.float64, device=device)
        found: np.ndarray = network.fields.probabilities(network.predict(z, codes)).cpu().numpy()
        return found


def _means(costs: np.ndarray) -> np.ndarray:
    """Means of columns (C,) without NaN; NaN where there is nothing else."""
    there = ~np.isnan(costs)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = np.where(there, costs, 0).sum(axis=0) / there.sum(axis=0)
    return found


def _cost_off_line(field: NumberField, array: pa.Array, cost: np.ndarray) -> None:
    """Raises what a value costs (n,) that lies off the line: one never seen, or an infinite one.

    An infinite number costs no less than the farthest number of training, and one that was hardly
    ever seen no less than any.
    """
    off = field.off_line(array)
    if not off.any():
        return
    places = field.places_apart(array)
    share = np.append(field.tallies, 0) / field.counts.sum()
    cost[off & (places < 0)] = UNSEEN
    if pa.types.is_floating(array.type):
        endless = pc.fill_null(pc.is_inf(array), False).to_numpy(zero_copy_only=False)
        least = np.where(share[places] < SELDOM, FAR, _farthest(field))
        cost[endless] = np.maximum(cost, least)[endless]


def _farthest(field: NumberField) -> float:
    """How far the farthest number of training is from the mean, in standard deviations."""
    share = field.bins.counts / field.bins.counts.sum()
    ends = np.array([field.line.low, field.line.high, share @ field.bins.means])
    low, high, mean = field.line.number(ends)
    return float(max(mean - low, high - mean) / deviation(field))


def _values(field: Any, table: pa.Table) -> np.ndarray:
    """The numbers of a column (n,), NaN where missing or where it has none."""
    if not isinstance(field, NumberField):
        return np.full(table.num_rows, np.nan)
    # Not by way of positions: on a grid all values beyond its ends have the same.
    values, missing = raw_numbers(field.line.column, table.column(field.name))
    return np.where(missing, np.nan, values.astype(np.float64))


def deviation(field: NumberField) -> float:
    """The standard deviation of a column in training, on its axis; of a constant 1 step or 1."""
    bins, share = field.bins, field.bins.counts / field.bins.counts.sum()
    ends = field.line.number(np.array([0.0, 1.0]))
    step = float(ends[1] - ends[0])
    width = np.add.reduceat((bins.last - bins.first) ** 2 / 12, bins.starts[:-1])
    width = width / np.diff(bins.starts)
    middle = float(share @ bins.means)
    spread = float(np.sqrt(share @ ((bins.means - middle) ** 2 + width)))
    return (spread or 1.0) * step


# --- the part -----------------------------------------------------------------------------------


def read(model: Model, given: Any) -> Rows:
    """The rows of a file or frame as the model knows them. Raises OptionError, DataError."""
    unread = Unread()
    table = rows_of(codec_of(model, "detect"), given, unread=unread)
    index = given.index if type(given).__module__.startswith("pandas") else None
    return Rows(table=table, unread=unread, index=index)


def check(model: Model, heatmaps: Path | None) -> None:
    """Raises OptionError for a model that can't be asked, and for heat maps, which rows don't have."""
    codec_of(model, "detect")
    if heatmaps is not None:
        raise OptionError("heatmaps: are of images; rows of a table name the columns instead")


def detector(model: Model, data: Any, normal: Rows | None) -> Detector:
    """By rows that the run kept out of its training, by `normal` ones, or by rows that the model makes."""
    if normal is not None:
        return Detector.build(model, normal=normal.table, calibrated_by="normal rows")
    if data is None or not len(data.heldout_halves[1]):
        return Detector.build(model)
    usual, unseen = data.train[:USUAL_ROWS], data.heldout_halves[1][:MOST_NORMAL]
    return Detector.build(model, data.examples(usual), data.examples(unseen))


def look(detector: Detector, rows: Rows) -> Oddness:
    """How odd rows are."""
    return detector.look(rows.table, rows.unread)


def reasons(
    detector: Detector, rows: Rows, found: Oddness, *, most: int, heatmaps: Path | None
) -> list[tuple[str, ...]]:
    """Of each row the names of at most so many columns that make it odd."""
    return detector.columns(found.cells, most)
