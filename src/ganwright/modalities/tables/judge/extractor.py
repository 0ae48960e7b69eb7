"""Columns brought to one scale: the features of rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.modalities.images.features.weights import fingerprint
from ganwright.modalities.tables.judge.cells import CATEGORIES, NUMBERS, Layout
from ganwright.modalities.tables.judge.features import RULE, ColumnFeatures
from ganwright.modalities.tables.options import TableOptions

VERSION = 1
FITTED_MOST = 100_000
_BATCH = 4096


def columns(data: Dataset) -> Extractor:
    """Normal scores of numbers and one-hots of categories, each column of variance 1.

    Fitted to the training rows (at most 100,000, evenly spread). Identifiers, free text and what is
    constant or empty are not looked at. The hash is of the data and the rule. Raises DataError when
    no column is left.
    """
    codec: Any = data.codec
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    training: Any = data.examples(chosen)
    layout = Layout.fit(training, codec.columns, data.options.of(TableOptions).target)
    see_cells = ColumnFeatures(layout.cells(training))

    def see(rows: pa.Table) -> Seen:
        cells = layout.cells(rows)
        return Seen(see_cells(cells), None, cells)

    settings = ["columns", VERSION, RULE, FITTED_MOST, layout.target]
    return Extractor(
        name="columns",
        hash=fingerprint([*settings, data.fingerprint, codec.to_json()]),
        width=see_cells.width,
        codec=codec,
        see_batch=see,
        batch=_BATCH,
        cut=_tables,
        about={
            "rule": RULE,
            "data": data.fingerprint,
            "fitted_on": len(chosen),
            "columns": list(layout.shown),
            "left_out": [c.name for c in codec.columns if c.kind not in NUMBERS | CATEGORIES],
            "target": layout.target,
            "before_projection": see_cells.full,
        },
    )


def _tables(parts: Iterable[Any]) -> Iterator[pa.Table]:
    """Rows in portions; each row is seen by itself, so portions don't matter."""
    for part in parts:
        if not isinstance(part, pa.Table):
            raise DataError(f"rows: need a table; got {type(part).__name__}")
        for start in range(0, part.num_rows, _BATCH):
            yield part.slice(start, _BATCH)
