"""Units: whatever the language, the units of a text put together are the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganwright.modalities.text.codec import TextCodec, folded, unfolded
from ganwright.modalities.text.units import CUT, JOIN

TEXTS = (
    "a red bus, it's 2nd.",
    "  two  spaces\tand a tab\n",
    "नमस्ते दुनिया",
    "我喜欢红色的公共汽车。",
    "これはペンです",
    "สวัสดีชาวโลก",
    "e\u0301tude na\u00efve",
    "👩‍👩‍👧‍👦 👍🏽 🇫🇷🇩🇪",
    "한국어 문장",
    "مرحبا بالعالم",
    "",
)


@pytest.mark.parametrize("units", CUT)
@pytest.mark.parametrize("text", TEXTS)
def test_units_put_together_are_the_text(units: str, text: str) -> None:
    assert JOIN[units](CUT[units](text)) == text


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_of_any_text(text: str) -> None:
    for units in ("words", "characters"):
        assert JOIN[units](CUT[units](text)) == text
    assert unfolded(folded(text)) == text and "\n" not in folded(text)


def test_what_units_are() -> None:
    assert CUT["words"]("It's a red bus, 2nd.") == [" It's", " a", " red", " bus", ",", " 2nd", "."]
    assert CUT["words"]("नमस्ते दुनिया") == [" नमस्ते", " दुनिया"]
    assert CUT["words"]("我喜欢 bus") == [" 我", "喜", "欢", " bus"]
    assert CUT["characters"]("👩‍👩‍👧‍👦👍🏽🇫🇷🇩🇪") == ["👩‍👩‍👧‍👦", "👍🏽", "🇫🇷", "🇩🇪"]
    assert CUT["characters"]("e\u0301a\r\n") == ["e\u0301", "a", "\r\n"]
    assert CUT["characters"]("한국") == ["한", "국"]
    assert len(CUT["bytes"]("é")) == 2


def test_a_codec_gives_texts_of_known_units_back() -> None:
    words = (" a", " red", " bus", ".", ",")
    codec = TextCodec(units="words", vocabulary=words, length=6)
    for text in ("a red bus.", "red, red bus", "a a a a a a"):
        assert codec.text(codec.stored([text])[0].tolist()) == text
    assert codec.stored(["a blue bus"])[0].tolist() == [2, 1, 4, 0, 0, 0]
    assert codec.from_json(codec.to_json()).numbers == codec.numbers
