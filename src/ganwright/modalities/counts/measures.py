"""The measures of counts: zeros, totals, words, and words that go together."""

from __future__ import annotations

from ganwright.evaluate.estimates import of_blocks
from ganwright.evaluate.evidence import FAKE_ROWS, REAL_ROWS
from ganwright.evaluate.measures import RECORDS, Measure
from ganwright.modalities.counts.quality import LEAST, company, count_quality

# No features know classes here, and for rows `nearer` replaces C_T.
UNFIT = frozenset({"inception_score", "class_kl", "obeyed", "closer", "ct"})

_QUALITY = of_blocks(count_quality, {name: name for name in ("zeros", "totals", "words")})
_COMPANY = of_blocks(company, {"together": "together"})

MEASURES = {
    **{name: RECORDS[name] for name in ("nearer", "unique_copies")},
    "zeros": Measure(
        title="Zero share error",
        says="The absolute difference between the share of zeros and the real one.",
        function=count_quality,
        interval=_QUALITY["zeros"],
        part="zeros",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        least=lambda d: 1,
        grade="one side",
    ),
    "totals": Measure(
        title="Totals apart",
        says="Kolmogorov–Smirnov distance of the rows' sums; 0 is the same.",
        function=count_quality,
        interval=_QUALITY["totals"],
        part="totals",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        least=lambda d: 1,
        quick=True,
        grade="one side",
    ),
    "words": Measure(
        title="Words alike",
        says="The overlap of the words' shares with the real ones; 1 is the same.",
        function=count_quality,
        interval=_QUALITY["words"],
        part="words",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="higher",
        least=lambda d: 1,
        quick=True,
        grade="one side",
    ),
    "together": Measure(
        title="Words together",
        says="Correlation of the lifts of frequent word pairs with those in real rows; 1 is the same.",
        function=company,
        interval=_COMPANY["together"],
        part="together",
        needs=(REAL_ROWS, FAKE_ROWS),
        low=-1.0,
        high=1.0,
        better="higher",
        least=lambda d: LEAST,
        quick=True,
        tells=lambda found: f"{found.pairs:,} pairs of frequent words are compared",
        grade="one side",
    ),
}
