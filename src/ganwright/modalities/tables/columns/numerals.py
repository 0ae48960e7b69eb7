"""Numbers as people write them: thousands, money, percent, decimal commas; reading and writing.

A form is a number format as in spreadsheets: ``#,##0.00``, ``$#,##0.00``, ``#.##0,00 €``, ``0.0#%``,
``($#,##0.00)`` for negative ones after a ``;``. Zeros after the decimal mark are mandatory digits,
``#`` optional ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_CODES = (
    "USD|EUR|GBP|JPY|CNY|RMB|CHF|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|INR|BRL|"
    "MXN|ARS|CLP|COP|PEN|ZAR|NGN|KES|EGP|ILS|AED|SAR|QAR|KWD|KRW|TWD|HKD|SGD|THB|IDR|MYR|PHP|VND|PKR"
)
_WORDS = r"US\$|CA?\$|AU?\$|NZ\$|HK\$|S\$|R\$|kr\.?|zł|Kč|Ft|lei|Fr\.|Rs\.?|TL|руб\.?"
_SIGNS = rf"\p{{Sc}}|%|‰|{_WORDS}"
_SPACE = r"[ \x{a0}\x{202f}]"
_BODY = r"\d(?:[\d.,'’ \x{a0}\x{202f}]*\d)?|[.,]\d+"
_SHAPE = (
    r"^(?P<open>\()?(?P<ahead>[-+−]" + _SPACE + r"?)?"
    rf"(?P<before>(?:{_SIGNS}){_SPACE}?|(?:{_CODES}){_SPACE})?(?P<inner>[-+−])?(?P<body>{_BODY})"
    rf"(?P<after>{_SPACE}?(?:{_SIGNS}|{_CODES}))?(?P<behind>-)?(?P<close>\))?$"
)
_GROUPS = (",", ".", "'", "’", " ", "\u00a0", "\u202f")
_MINUS = ("-", "−")
_CORE = re.compile(r"[#0][#0.,'’ \u00a0\u202f]*[#0]|0")
_MOST_DIGITS = 12
_TRIED = 100  # texts, before all are looked at


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a form says.

    `group` stands between thousands, `mark` before the decimals, of which there are `least` to
    `most`. `minus` is how negative numbers are written: "-$5" is "lead", "$-5" "inner", "5-"
    "trail" and "(5)" "paren".
    """

    before: str = ""
    after: str = ""
    group: str = ""
    mark: str = "."
    least: int = 0
    most: int = 0
    minus: str = "lead"
    sign: str = "-"

    @property
    def plain(self) -> bool:
        """Whether the form is just a number of decimals: 12.50."""
        return not (self.before or self.after or self.group) and (self.mark, self.minus) == (
            ".",
            "lead",
        )

    def __str__(self) -> str:
        core = f"#{self.group}##0" if self.group else "0"
        core += self.mark + "0" * self.least + "#" * (self.most - self.least) if self.most else ""
        whole = f"{self.before}{core}{self.after}"
        if self.minus == "lead" and self.sign == "-":
            return whole
        return f"{whole};{self.negative(whole, f'{core}{self.after}')}"

    def negative(self, whole: str, rest: str) -> str:
        if self.minus == "paren":
            return f"({whole})"
        if self.minus == "trail":
            return f"{whole}-"
        return f"{self.before}{self.sign}{rest}" if self.minus == "inner" else f"{self.sign}{whole}"


@cache
def format_of(form: str) -> Format:
    """Parses a form as stored in a model. Raises ValueError for anything else."""
    whole, _, negative = form.partition(";")
    found = _CORE.search(whole)
    if found is None:
        raise ValueError(f"no number format: {form!r}")
    before, core, after = whole[: found.start()], found[0], whole[found.end() :]
    grouped = re.match(r"#(.)##0", core)
    group, rest = (grouped[1], core[5:]) if grouped else ("", core[1:])
    minus, sign = "lead", "-"
    if negative:
        ahead = negative[0]
        minus = "paren" if ahead == "(" else "trail" if negative == f"{whole}-" else "inner"
        if ahead in _MINUS:
            minus = "lead"
        sign = next((c for c in negative if c in _MINUS), "-")
    decimals = rest[1:]
    made = Format(
        before=before, after=after, group=group, mark=rest[:1] or ".", least=decimals.count("0"),
        most=len(decimals), minus=minus, sign=sign,
    )  # fmt: skip
    if str(made) != form:
        raise ValueError(f"no number format: {form!r}")
    return made


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shapes:
    """Texts split into their parts: which are numbers at all, their digits, units and signs."""

    known: np.ndarray
    body: pa.Array
    before: pa.Array
    after: pa.Array
    minus: dict[str, np.ndarray]
    sign: str


def _shapes(texts: pa.Array) -> _Shapes:
    found = pc.extract_regex(texts, pattern=_SHAPE)
    part = {name: found.field(i) for i, name in enumerate(f.name for f in found.type)}
    known = _true(pc.is_valid(found))
    opened, closed = _there(part["open"], known), _there(part["close"], known)
    signs = {
        "paren": opened,
        "lead": _true(pc.match_substring_regex(part["ahead"], "[-−]")) & known,
        "inner": _true(pc.match_substring_regex(part["inner"], "[-−]")) & known,
        "trail": _there(part["behind"], known),
    }
    several = np.sum([*signs.values()], axis=0) + _true(pc.equal(part["ahead"], "+"))
    sane = (opened == closed) & (several <= 1)
    curly = pc.any(pc.match_substring(texts, "−")).as_py()
    return _Shapes(
        known & sane, part["body"], part["before"], part["after"], signs, "−" if curly else "-"
    )


def _true(array: pa.Array) -> np.ndarray:
    return pc.fill_null(array, False).to_numpy(zero_copy_only=False)


def _there(array: pa.Array, known: np.ndarray) -> np.ndarray:
    return _true(pc.greater(pc.binary_length(array), 0)) & known


def read(texts: pa.Array, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts (n,) → (numbers float64, which are numbers of this form): 1,234.5 stays readable.

    The unit must be that of the form, or left out.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    style, shapes = format_of(form), _shapes(texts)
    known = (
        shapes.known & _unit_is(shapes.before, style.before) & _unit_is(shapes.after, style.after)
    )
    known &= _true(pc.match_substring_regex(shapes.body, _grammar(style.group, style.mark)))
    plain = shapes.body
    for group in (style.group, " ", "\u00a0", "\u202f"):
        plain = pc.replace_substring(plain, group, "") if group else plain
    plain = pc.replace_substring(plain, style.mark, ".") if style.mark != "." else plain
    filled = pc.if_else(pa.array(known), plain, "0")
    values = pc.fill_null(filled, "0").cast(pa.float64()).to_numpy(zero_copy_only=False)
    negative = np.any([*shapes.minus.values()], axis=0)
    return np.where(negative & known, -values, values), known


def _unit_is(found: pa.Array, unit: str) -> np.ndarray:
    bare = pc.utf8_trim_whitespace(pc.fill_null(found, ""))
    return _true(pc.is_in(bare, value_set=pa.array([unit.strip(), ""])))


def _grammar(group: str, mark: str) -> str:
    """A regular expression of digits with these marks."""
    tail = rf"(?:{re.escape(mark)}\d*)?"
    whole = r"\d+"
    if group:
        sign = _SPACE if group in _GROUPS[4:] else re.escape(group)
        whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{sign}\d{{3}})+)"
    return rf"^(?:{whole}{tail}|{re.escape(mark)}\d+)$"


# --- writing -----------------------------------------------------------------------------------


def write(values: np.ndarray, form: str, hidden: np.ndarray | None = None) -> pa.Array:
    """Numbers (n,) as texts of a form, missing where `hidden`."""
    style = format_of(form)
    scaled = np.rint(np.abs(values) * 10.0**style.most)
    if style.plain and style.least == style.most and scaled.max(initial=0) < 2**53:
        return _plainly(values, scaled.astype(np.int64), style.most, hidden)
    texts = [_written(value, style) for value in values.tolist()]
    return pa.array(texts, pa.string(), mask=hidden)


def _plainly(
    values: np.ndarray, scaled: np.ndarray, decimals: int, hidden: np.ndarray | None
) -> pa.Array:
    """The same for 12.50, which are many: all at once."""
    sign = pa.array(["", "-"]).take(pa.array(((values < 0) & (scaled > 0)).astype(np.int8)))
    whole = pa.array(scaled // 10**decimals).cast(pa.string())
    rest = pc.utf8_lpad(pa.array(scaled % 10**decimals).cast(pa.string()), decimals, "0")
    texts = pc.binary_join_element_wise(sign, whole, "." if decimals else "", rest, "")
    return texts if hidden is None else pc.if_else(pa.array(hidden), None, texts)


def fixed_form(texts: pa.Array) -> str:
    """The form of plain numbers that all have equally many decimals, zeros at the end kept, or ""."""
    first = texts[0].as_py().partition(".")[2] if len(texts) else ""
    if not 1 <= len(first) <= _MOST_DIGITS:
        return ""
    fixed = pc.all(pc.match_substring_regex(texts, rf"^-?\d+\.\d{{{len(first)}}}$")).as_py()
    zeros = fixed and pc.any(pc.ends_with(texts, "0")).as_py()
    return f"0.{'0' * len(first)}" if zeros else ""


def _written(value: float, style: Format) -> str:
    if not math.isfinite(value):
        return str(value)
    text = f"{abs(value):{',' if style.group else ''}.{style.most}f}"
    whole, _, decimals = text.partition(".")
    while len(decimals) > style.least and decimals.endswith("0"):
        decimals = decimals[:-1]
    digits = whole.replace(",", style.group) + (style.mark + decimals if decimals else "")
    shown = f"{style.before}{digits}{style.after}"
    negative = value < 0 and any(c in "123456789" for c in digits)
    return style.negative(shown, f"{digits}{style.after}") if negative else shown


# --- finding the form --------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """The form of texts, whether they are whole numbers, and with `doubt` the other reading."""

    form: str
    whole: bool
    doubt: str = ""


def form_of(texts: pa.Array, *, decimal: str = "", semicolons: bool = False) -> Found | None:
    """The form that all of the texts (n,) have, or None where they are not such numbers.

    `decimal` is the decimal mark where it is known. Groups of three digits behind each comma are
    thousands; in a file with `semicolons` between cells they may be decimals, too.
    """
    if not len(texts) or not _shapes(texts.slice(0, _TRIED)).known.all():
        return None
    shapes = _shapes(texts)
    if not shapes.known.all():
        return None
    before, after = _only(shapes.before), _only(shapes.after)
    if before is None or after is None:
        return None
    fitting = _fitting(shapes.body)
    unit = (before + after).strip()
    if unit and unit not in "%‰":  # money has two decimals, not three
        fitting = _as_money(shapes.body, fitting)
    elif not unit and not _lengths_vary(shapes.body):  # 555 123 456 is a phone number
        fitting = [pair for pair in fitting if pair[0] in ("", ",")]
    if decimal:
        fitting = [(group, mark) for group, mark in fitting if mark == decimal and group != mark]
    if not fitting:
        return None
    group, mark = fitting[0]
    doubt = ""
    if not decimal and semicolons and (group, mark) == (",", ".") and ("", ",") in fitting:
        doubt = ","  # both readings are common there
    minus = max(shapes.minus, key=lambda name: int(shapes.minus[name].sum()))
    minus = minus if shapes.minus[minus].any() else "lead"
    least, most = _decimals(shapes.body, mark)
    if most > _MOST_DIGITS:
        return None
    style = Format(
        before=before, after=after, group=group, mark=mark, least=least, most=most, minus=minus,
        sign=shapes.sign,
    )  # fmt: skip
    return Found(str(style), most == 0, doubt)


def best_of(texts: pa.Array, decimal: str = "") -> np.ndarray | None:
    """Which texts (n,) are numbers with the unit that most of those have, or None for none."""
    if not len(texts) or not _shapes(texts.slice(0, _TRIED)).known.any():
        return None
    shapes = _shapes(texts)
    bare = (pc.utf8_trim_whitespace(pc.fill_null(u, "")) for u in (shapes.before, shapes.after))
    units = pc.binary_join_element_wise(*bare, "\t")
    counted = pc.value_counts(units.filter(pa.array(shapes.known)))
    most = counted.field("values")[int(np.argmax(counted.field("counts").to_numpy()))]
    good = shapes.known & _true(pc.equal(units, most))
    return good if form_of(texts.filter(pa.array(good)), decimal=decimal) else None


def _only(units: pa.Array) -> str | None:
    """The one unit that all have ("" for none), or None where they differ."""
    several = pc.unique(pc.fill_null(units, "")).to_pylist()
    if len({unit.strip() for unit in several}) > 1:
        return None
    return str(several[0])


def _fitting(body: pa.Array) -> list[tuple[str, str]]:
    """The pairs (between thousands, decimal mark) that all digits allow, the likeliest first."""
    pairs = [("", "."), (",", "."), ("", ","), (".", ",")]
    pairs += [(group, mark) for group in _GROUPS[2:] for mark in (".", ",")]
    return [
        pair for pair in pairs if pc.all(pc.match_substring_regex(body, _grammar(*pair))).as_py()
    ]


def may_be_grouped(texts: pa.Array) -> bool:
    """Whether plain numbers may have points between thousands: 8.047, but not 0.5 or 12.25."""
    return bool(pc.all(pc.match_substring_regex(texts, _grammar(".", ","))).as_py())


def _as_money(body: pa.Array, fitting: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without the readings in which every mark is followed by exactly three decimals."""
    left = [pair for pair in fitting if _places(body, pair[1]) != {3}]
    return left or fitting


def _lengths_vary(body: pa.Array) -> bool:
    digits = pc.replace_substring_regex(body, r"\D", "")
    return len(pc.unique(pc.utf8_length(digits))) > 1


def _places(body: pa.Array, mark: str) -> set[int]:
    """How many digits follow the mark, where there is one."""
    tails = pc.extract_regex(body, pattern=rf"{re.escape(mark)}(?P<digits>\d*)$").field(0)
    return set(pc.unique(pc.utf8_length(tails)).to_pylist()) - {0, None}


def _decimals(body: pa.Array, mark: str) -> tuple[int, int]:
    """The fewest and the most digits after the decimal mark."""
    found = pc.extract_regex(body, pattern=rf"{re.escape(mark)}(?P<digits>\d*)$").field(0)
    lengths = pc.fill_null(pc.utf8_length(found), 0).to_numpy(zero_copy_only=False)
    return (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)
