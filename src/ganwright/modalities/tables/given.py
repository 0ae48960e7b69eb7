"""What uses of tables share: models that condition on any cells, and tables in their types."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ganwright.base.errors import DataError, OptionError
from ganwright.base.frames import is_frame
from ganwright.modalities.tables.codec.fields import CategoryField
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.hidden import HIDDEN, is_hidden
from ganwright.modalities.tables.read.tables import conform, read_table, write_canonical
from ganwright.modalities.tables.read.unread import Unread
from ganwright.model import Model

_NUMBERS = 1 << 22  # in one block of probabilities


def codec_of(model: Model, use: str, *, fills: bool = True) -> TableCodec:
    """The codec of a model of rows. Raises OptionError, naming the use, for any other."""
    if not isinstance(model.codec, TableCodec):
        kind = model.codec.kind
        raise OptionError(f"{use}: needs a model of a table; this model's kind is '{kind}'")
    if fills and not model.generator.fills:
        raise OptionError(
            f"{use}: needs a model that can fill in any columns; this one only generates whole rows"
        )
    return model.codec


def rows_of(
    codec: TableCodec, given: Any, owner: str = "the table", unread: Unread | None = None
) -> pa.Table:
    """A file or frame in the columns and types that the model was trained on. Raises DataError.

    With `unread`, single cells of a frame with another type are set to missing, and named there.
    """
    if isinstance(given, str | os.PathLike):
        path = Path(given).expanduser()
        if not path.is_file():
            raise DataError(f"no file '{path}'")
        return read_table(path, codec.columns)
    if not is_frame(given):
        raise DataError(f"{owner} can't be a {type(given).__name__}; give a file or a DataFrame")
    if unread is not None:
        given = _unmixed(given)
    with tempfile.TemporaryDirectory(prefix="ganwright-") as folder:
        target = Path(folder, "table.arrow")
        write_canonical(given, target, owner=owner, known=codec.columns)
        with pa.OSFile(str(target)) as file:
            table = pa.ipc.open_file(file).read_all()
    return conform(table, codec.columns, owner, unread)


def _unmixed(frame: Any) -> Any:
    """The frame with mixed-type columns as text, to be read cell by cell."""
    if type(frame).__module__.partition(".")[0] != "pandas":
        return frame  # the columns of others have one type
    from pandas.api.types import infer_dtype

    mixed = {
        at: frame.iloc[:, at].map(str, na_action="ignore")
        for at, kind in enumerate(frame.dtypes)
        if str(kind) == "object" and infer_dtype(frame.iloc[:, at]) in ("mixed", "mixed-integer")
    }
    frame = frame.copy(deep=False)
    for at, column in mixed.items():
        frame.isetitem(at, column)
    return frame


def unread_notes(codec: TableCodec, unread: Unread) -> list[str]:
    """How many cells of which columns were of another type than in training."""
    kinds = {column.name: column.kind for column in codec.columns}
    return [
        f"'{name}': {int(rows.sum()):,} {'cell' if rows.sum() == 1 else 'cells'} can't be read as "
        f"{kinds[name]}: treated as unknown"
        for name, rows in unread.items()
    ]


def texts_in(frame: Any) -> set[str]:
    """The columns of a frame that are text, which stays in the form that it is written in."""
    room = type(frame).__module__.partition(".")[0]
    if room == "pandas":
        return {
            str(n) for n, kind in frame.dtypes.items() if str(kind) in ("object", "str", "string")
        }
    if room == "polars":
        schema = frame.lazy().collect_schema()
        return {name for name, kind in schema.items() if str(kind) == "String"}
    return {f.name for f in frame.schema if "string" in str(f.type)}


def given_codes(
    codec: TableCodec, table: pa.Table, *, missing: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The codes of known cells (n, C) int32, −1 elsewhere; and which values were never seen.

    A number outside the observed range counts as the nearest; a category that was never seen is
    unknown. With `missing`, a missing cell has the code for that, where there is one.
    """
    find = codec.codes if missing else codec.known
    near, seen = find(table, unseen="nearest"), find(table, unseen="hidden")
    odd = ~is_hidden(near) & is_hidden(seen)
    words = np.array([isinstance(one, CategoryField) for one in codec.fields])
    return np.where(words & odd, HIDDEN, near), odd


def block_size(codec: TableCodec, most: int) -> int:
    """How many rows go through a model together: up to `most`, as far as memory allows.

    All blocks have that many rows, the last one padded: matrix products round differently for other
    numbers of rows, and a row's result must depend on that row alone.
    """
    return int(np.clip(_NUMBERS // codec.width, 16, most))


def calm(model: Model, count: int) -> Tensor:
    """The latent's mean for each of `count` rows, as the result should not be random."""
    return torch.zeros(count, model.net.latent.dim, device=model.device)


@torch.inference_mode()
def probabilities(model: Model, known: np.ndarray) -> np.ndarray:
    """Probabilities (b, ΣK) of the values of cells, given rows `known` (b, C) with −1 for hidden cells."""
    codes = torch.from_numpy(known.astype(np.int64)).to(model.device)
    logits = model.generator.predict(calm(model, len(codes)), codes)
    found: np.ndarray = model.generator.fields.probabilities(logits).cpu().numpy()
    return found


def without_missing(codec: TableCodec) -> np.ndarray:
    """Which codes (ΣK,) are not "missing"; in columns without other codes, all."""
    allowed = np.ones(codec.width, bool)
    for start, one in zip(codec.offsets, codec.fields, strict=False):
        if one.missing:
            allowed[start + one.missing] = False
    return allowed
