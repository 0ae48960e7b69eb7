"""Texts ↔ what the nets see: a number for each unit."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganwright.base.errors import ModelError
from ganwright.data.codec import Codec
from ganwright.modalities.text.options import LONGEST, MOST_SYMBOLS
from ganwright.modalities.text.spec import AXES, TextSpec
from ganwright.modalities.text.units import CUT, JOIN
from ganwright.modalities.text.where import Wanted, wanted

if TYPE_CHECKING:
    import torch

END, UNKNOWN, FIRST = 0, 1, 2  # symbols; those of units begin at FIRST


@dataclass(frozen=True, kw_only=True, eq=False)
class TextCodec(Codec):
    """Texts (a list of str) ↔ symbols (b, length) int64: units, then END to the end.

    `units` says what they are, `vocabulary` lists those that are known, the most frequent first.
    Texts longer than `length` are seen up to there. `windows`: texts are pieces of running text.
    """

    units: str
    vocabulary: tuple[str, ...]
    length: int
    windows: bool = False

    kind = "text"
    spec_type = TextSpec
    formats = ("txt", "csv", "parquet")
    default_suffix = snapshot_suffix = ".txt"
    scored_by = ("ngrams", "ngrams")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def symbols(self) -> int:
        """How many symbols there are."""
        return len(self.vocabulary) + FIRST

    @property
    def dtype(self) -> str:
        """Of stored examples."""
        return "int32"

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The symbol of each unit."""
        return {unit: i + FIRST for i, unit in enumerate(self.vocabulary)}

    def spec(self, classes: tuple[str, ...]) -> TextSpec:
        """What the nets see of a text."""
        return TextSpec(
            axes=AXES, shape=self.shape, classes=classes,
            symbols=self.symbols, windows=int(self.windows),
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"TextCodec({len(self.vocabulary):,} {self.units}, {self.length} at most)"

    def cut(self, text: str) -> list[str]:
        """The units of a text."""
        return CUT[self.units](text)

    def symbols_of(self, units: Sequence[str]) -> list[int]:
        """Their numbers."""
        return [self.numbers.get(unit, UNKNOWN) for unit in units]

    def stored(self, examples: Sequence[str]) -> np.ndarray:
        """Texts as training takes them from a data set: (n, length) int32."""
        found = np.full((len(examples), self.length), END, np.int32)
        for row, text in zip(found, examples, strict=True):
            known = self.symbols_of(self.cut(text)[: self.length])
            row[: len(known)] = known
        return found

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """Symbols (b, length), int64."""
        return stored.long()

    def decode(
        self, x: torch.Tensor, places: Any = None, allowed: Any = None, *, start: int = 0
    ) -> list[str]:
        """Symbols (b, length) → texts; unknown units are left out."""
        return [self.text(row) for row in x.detach().cpu().long().tolist()]

    def text(self, symbols: Sequence[int]) -> str:
        """The text of some symbols, up to the first END."""
        end = symbols.index(END) if END in symbols else len(symbols)
        units = (self.vocabulary[i - FIRST] for i in symbols[:end] if i >= FIRST)
        return JOIN[self.units](units)

    def digests(self, examples: Sequence[str]) -> np.ndarray:
        """A hash of each text, (n, 8) uint8."""
        marks = b"".join(
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            for text in examples
        )
        return np.frombuffer(marks, np.uint8).reshape(-1, 8)

    # --- the user's edge -----------------------------------------------------------------------

    @property
    def makes(self) -> str:
        """What the examples are, for people."""
        return f"texts of up to {self.length} {self.units}"

    def allowed(self, where: Any) -> Wanted:
        """What conditions ask of texts. Raises OptionError."""
        return wanted(where, self)

    def join(self, blocks: Iterable[Sequence[str]]) -> list[str]:
        """Blocks of texts as one list."""
        return list(chain.from_iterable(blocks))

    def settings(self) -> dict[str, Any]:
        """Options by which data is opened in the form that it makes."""
        split = "windows" if self.windows else "lines"
        return {
            "data.text.units": self.units,
            "data.text.length": self.length,
            "data.text.split": split,
        }

    def html(self, samples: Sequence[str]) -> str:
        """Texts as a list, in a notebook."""
        items = "".join(f"<li>{html.escape(text)}</li>" for text in samples)
        return f'<ul class="texts" style="white-space:pre-wrap">{items}</ul>'

    def save_snapshot(self, path: Path, samples: Sequence[str], columns: int) -> None:
        """Writes texts, one a line."""
        path.write_text("".join(self.line(text) for text in samples), encoding="utf-8")

    def line(self, text: str) -> str:
        """A text as a line of a file; line breaks only occur in running text, and are escaped there."""
        return (folded(text) if self.windows else text) + "\n"

    # --- saving --------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "units": self.units,
            "vocabulary": list(self.vocabulary),
            "length": self.length,
            "windows": self.windows,
        }

    @classmethod
    def from_json(cls, tree: Any) -> TextCodec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            codec = cls(
                units=str(tree["units"]),
                vocabulary=tuple(str(unit) for unit in tree["vocabulary"]),
                length=int(tree["length"]),
                windows=bool(tree["windows"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model.json: 'codec' is not readable ({error!r:.200})") from None
        if (
            codec.units not in CUT
            or not 1 <= codec.length <= LONGEST
            or not 1 <= len(codec.vocabulary) <= MOST_SYMBOLS - FIRST
            or len(codec.numbers) != len(codec.vocabulary)
        ):
            raise ModelError("model.json: impossible codec of texts")
        return codec


def folded(text: str) -> str:
    r"""A text on one line: a line break as \n, a backslash as \\; `unfolded` undoes it."""
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")


def unfolded(text: str) -> str:
    """What `folded` was given."""
    signs = {"n": "\n", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: signs.get(found[1], found[1]), text)


CODEC = TextCodec
