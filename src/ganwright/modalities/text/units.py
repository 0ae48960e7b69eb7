"""Texts ↔ units. Joining the units of a text gives back the text, whatever the language.

Words carry the space before them, so that nothing is lost: "a red bus." is " a", " red", " bus", ".".
Scripts that put no spaces between words (Chinese, Japanese, Thai …) have a unit for each character.
Characters are those that a reader sees: a letter with its marks, an emoji with its skin tone, a flag
(extended grapheme clusters, after Unicode's annex 29 but for a few rare scripts).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana and bopomofo, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_JOINED = "\u1160-\u11ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"  # Hangul, skin tones, tags


@cache
def _marks() -> str:
    """All combining marks, as the inside of a character class."""
    found = (chr(i) for i in range(0x300, min(0xE01F0, sys.maxunicode)) if _is_mark(i))
    return "".join(found) + _JOINED


def _is_mark(number: int) -> bool:
    # Between the last of plane 1 and the variation selectors there are none.
    return not 0x1FFFF < number < 0xE0100 and unicodedata.category(chr(number))[0] == "M"


@cache
def _graphemes() -> re.Pattern[str]:
    flags, marks = "[\U0001f1e6-\U0001f1ff]", _marks()
    return re.compile(f"\r\n|{flags}{{2}}|.(?:[{marks}]|\u200d.)*", re.DOTALL)


@cache
def _words() -> re.Pattern[str]:
    letter, marks = f"(?![{_UNSPACED}])[^\\W_]", _marks()
    word = f"{letter}(?:{letter}|[{marks}\u200c\u200d])*"
    return re.compile(f" ?(?:{word}(?:['’]{word})*|\\S(?:[{marks}]|\u200d\\S)*)|\\s")


def words(text: str) -> list[str]:
    """Words with the space before them, marks, and single characters of scripts without spaces.

    The text is read as if it began with a space, so that its first word is like any other.

    >>> words("It's red, 2nd.")
    [" It's", ' red', ',', ' 2nd', '.']
    """
    return _words().findall(" " + text)


def characters(text: str) -> list[str]:
    """What a reader sees as single characters."""
    return _graphemes().findall(text)


def in_bytes(text: str) -> list[str]:
    """The bytes of its UTF-8, each as the character of that number."""
    return list(text.encode().decode("latin-1"))


def _from_bytes(units: Iterable[str]) -> str:
    return "".join(units).encode("latin-1").decode("utf-8", "replace")


CUT: dict[str, Callable[[str], list[str]]] = {
    "words": words,
    "characters": characters,
    "bytes": in_bytes,
}
JOIN: dict[str, Callable[[Iterable[str]], str]] = {
    "words": lambda units: "".join(units).removeprefix(" "),
    "characters": "".join,
    "bytes": _from_bytes,
}
