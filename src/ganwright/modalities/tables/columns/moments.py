"""Dates and times as people write them: detecting the form of texts, reading and writing it.

A form is written as for strftime: ``%d.%m.%Y``, ``%-m/%-d/%y %-I:%M %p``. Besides its directives there
are ``%^b`` and ``%^B`` (month in capitals), ``%P`` (am, pm), ``%3f`` (three digits of a second) and
``%Z`` (an offset or zone that differs from row to row, as it is written).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SIGN = re.compile(r"%(?:[-^]?[A-Za-z]|\df)")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
# from 1970-01-01
_DAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
_ZONE = r"Z|[A-Z]{2,5}|(?:UTC|GMT)?[+-]\d{2}:?\d{2}|[+-]\d{2}"
_NUMBERS = {"Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}",
            "I": r"\d{1,2}", "M": r"\d{2}", "S": r"\d{2}", "f": r"\d{1,9}"}  # fmt: skip
_NO_DAY = -25_567  # 1900-01-01, the day of a time that has none, as strptime has it
_PIVOT = 69  # two-digit years from here on are in the last century, as in POSIX


_PLAIN = "%Y-%m-%d %H:%M:%S"
ISO = {
    "D": "%Y-%m-%d",
    "s": _PLAIN,
    "ms": f"{_PLAIN}.%3f",
    "us": f"{_PLAIN}.%6f",
    "ns": f"{_PLAIN}.%9f",
}


@dataclass(frozen=True)
class _Part:
    """One sign of a form, or text between signs (`letter` is empty)."""

    letter: str
    flag: str = ""
    text: str = ""


@cache
def _parts(form: str) -> tuple[_Part, ...]:
    found, at = [], 0
    for sign in _SIGN.finditer(form):
        if sign.start() > at:
            found.append(_Part("", text=form[at : sign.start()]))
        found.append(_Part(sign[0][-1], flag=sign[0][1:-1]))
        at = sign.end()
    return (*found, _Part("", text=form[at:])) if at < len(form) else tuple(found)


def unit_of(form: str) -> str:
    """What a form counts: "D", or "s", "ms", "us", "ns" where it has hours."""
    letters = {part.letter: part.flag for part in _parts(form)}
    if not letters.keys() & {"H", "I"}:
        return "D"
    digits = int(letters.get("f", "0"))
    return "s" if not digits else "ms" if digits <= 3 else "us" if digits <= 6 else "ns"


def day_of(form: str) -> str:
    """The form without its time of day: "%d.%m.%Y %H:%M" is "%d.%m.%Y"."""
    ends = [at for at in (form.find(s) for s in ("%H", "%I", "%-H", "%-I")) if at >= 0]
    if not ends or not set("Yy") & {part.letter for part in _parts(form)}:
        return form
    return re.sub(r"(T|, | at |\s)$", "", form[: min(ends)])


def _compact(form: str) -> bool:
    """Whether numbers have no separators, so that each has all of its digits."""
    numbers = [part.letter in _NUMBERS for part in _parts(form)]
    return any(a and b for a, b in pairwise(numbers))


@cache
def _pattern(form: str) -> str:
    """A regular expression with a group for each directive."""
    found = ""
    for at, part in enumerate(_parts(form)):
        if not part.letter:
            found += re.escape(part.text)
            continue
        inside = _NUMBERS.get(part.letter, "")
        if _compact(form) and inside:
            inside = inside.replace("{1,2}", "{2}")
        if part.letter in "bB":
            names = [m[:3] for m in _MONTHS] + ["Sept"] if part.letter == "b" else _MONTHS
            inside = f"(?i:{'|'.join(names)})"
        if part.letter in "aA":
            inside = f"(?i:{'|'.join(d[:3] if part.letter == 'a' else d for d in _DAYS)})"
        if part.letter in "pP":
            inside = "(?i:am|pm)"
        if part.letter == "Z":
            inside = _ZONE
        found += f"(?P<g{at}>{inside})"
    return f"^{found}$"


def read(texts: pa.Array, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts (n,) → int64 in units of the form since 1970, and whether each is of the form."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    found = pc.extract_regex(texts, pattern=_pattern(form))
    known = pc.is_valid(found).to_numpy(zero_copy_only=False)
    groups = {
        part.letter: (part, found.field(f"g{at}"))
        for at, part in enumerate(_parts(form))
        if part.letter
    }
    numbers = {
        letter: _whole(array, known) for letter, (_, array) in groups.items() if letter in _NUMBERS
    }
    days, sound = _days(numbers, groups, known)
    unit = unit_of(form)
    if unit == "D":
        return np.where(sound, days, 0), sound
    seconds, timely = _seconds(numbers, groups, known)
    sound &= timely
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    ticks = (days * 86400 + seconds) * scale
    if "f" in groups:
        array = pc.utf8_slice_codeunits(pc.utf8_rpad(groups["f"][1], 9, "0"), 0, 9)
        ticks += _whole(array, known) // (10**9 // scale)
    return np.where(sound, ticks, 0), sound


def _whole(array: pa.Array, known: np.ndarray) -> np.ndarray:
    filled = pc.if_else(pa.array(known), array, "0")
    return pc.fill_null(filled.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)


def _days(
    numbers: dict[str, np.ndarray], groups: dict[str, tuple[_Part, pa.Array]], known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970, and which there are: no 30th of February."""
    if not groups.keys() & set("YymbBd"):
        return np.full(len(known), _NO_DAY), known.copy()
    year = numbers.get("Y")
    if year is None:
        year = numbers["y"] + np.where(numbers["y"] < _PIVOT, 2000, 1900)
    month = numbers.get("m")
    if month is None:
        names = groups["b" if "b" in groups else "B"][1]
        short = pc.utf8_lower(pc.utf8_slice_codeunits(names, 0, 3))
        place = pc.index_in(short, value_set=pa.array([m[:3].lower() for m in _MONTHS]))
        month = pc.fill_null(place, 0).to_numpy(zero_copy_only=False) + 1
    day = numbers["d"]
    sound = known & (month >= 1) & (month <= 12) & (day >= 1)
    first = np.where(sound, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    found = first.astype("M8[D]") + np.where(sound, day - 1, 0)
    sound &= found.astype("M8[M]") == first
    return found.astype(np.int64), sound


def _seconds(
    numbers: dict[str, np.ndarray], groups: dict[str, tuple[_Part, pa.Array]], known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    zero = np.zeros(len(known), np.int64)
    minute, second = numbers.get("M", zero), numbers.get("S", zero)
    sound = known & (minute < 60) & (second < 60)
    if "I" in numbers:
        hour = numbers["I"]
        sound &= (hour >= 1) & (hour <= 12)
        half = pc.utf8_lower(groups["p" if "p" in groups else "P"][1])
        late = pc.fill_null(pc.equal(half, "pm"), False).to_numpy(zero_copy_only=False)
        hour = hour % 12 + 12 * late
    else:
        hour = numbers["H"]
        sound &= hour < 24
    return hour * 3600 + minute * 60 + second, sound


def write(ticks: np.ndarray, form: str, hidden: np.ndarray | None, zones: Zones | None) -> pa.Array:
    """What `read` read: int64 (n,) → texts, missing where `hidden`."""
    unit = unit_of(form)
    scale = {"D": 1, "s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    whole = ticks // scale
    days, seconds = (whole, whole * 0) if unit == "D" else (whole // 86400, whole % 86400)
    date = days.astype("M8[D]")
    months = date.astype("M8[M]").astype(np.int64)
    hour = seconds // 3600
    values = {
        "Y": months // 12 + 1970, "y": (months // 12 + 1970) % 100, "m": months % 12 + 1,
        "d": (date - date.astype("M8[M]")).astype(np.int64) + 1, "H": hour,
        "I": (hour + 11) % 12 + 1, "M": seconds // 60 % 60, "S": seconds % 60,
    }  # fmt: skip
    pieces: list[pa.Array | str] = []
    for part in _parts(form):
        letter = part.letter
        if not letter:
            pieces.append(part.text)
        elif letter in values:
            width = 1 if part.flag == "-" else 4 if letter == "Y" else 2
            pieces.append(_padded(values[letter], width))
        elif letter == "f":
            digits = int(part.flag)
            pieces.append(_padded((ticks % scale) * 10**digits // scale, digits))
        elif letter == "Z":
            pieces.append((zones or Zones()).of(ticks))
        else:
            pieces.append(_named(letter, part.flag, months % 12, days % 7, hour))
    texts = pc.binary_join_element_wise(*pieces, "")
    if isinstance(texts, pa.Scalar):
        texts = pa.repeat(texts, len(ticks))
    return texts if hidden is None else pc.if_else(pa.array(hidden), None, texts)


def _padded(values: np.ndarray, width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(values).cast(pa.string()), width, "0")


def _named(
    letter: str, flag: str, month: np.ndarray, day: np.ndarray, hour: np.ndarray
) -> pa.Array:
    """Names of months and days, and of the halves of a day."""
    names, place = {
        "b": ([m[:3] for m in _MONTHS], month), "B": (_MONTHS, month),
        "a": ([d[:3] for d in _DAYS], day), "A": (_DAYS, day),
        "p": (["AM", "PM"], hour // 12), "P": (["am", "pm"], hour // 12),
    }[letter]  # fmt: skip
    chosen = [name.upper() for name in names] if flag == "^" else names
    return pa.array(chosen).take(pa.array(place))


# --- zones that differ from row to row ---------------------------------------------------------

_KEPT = 512  # moments whose zone is remembered


@dataclass(frozen=True)
class Zones:
    """Which zone was written at which moment; a new one has that of the nearest."""

    at: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()

    @classmethod
    def learn(cls, texts: pa.Array, form: str) -> Zones:
        """From texts of a form with ``%Z``: where the zone changes, or some of all moments."""
        ticks, known = read(texts, form)
        at = next(i for i, part in enumerate(_parts(form)) if part.letter == "Z")
        zones = pc.extract_regex(texts, pattern=_pattern(form)).field(f"g{at}")
        order = np.flatnonzero(known)[np.argsort(ticks[known], kind="stable")]
        if len(order) > _KEPT:
            order = order[np.linspace(0, len(order) - 1, _KEPT).astype(np.int64)]
        words = zones.take(pa.array(order)).to_pylist()
        return cls(tuple(ticks[order].tolist()), tuple(words))

    def of(self, ticks: np.ndarray) -> pa.Array:
        if not self.at:
            return pa.array(["Z"] * len(ticks), pa.string())
        at = np.array(self.at)
        right = np.searchsorted(at, ticks).clip(0, len(at) - 1)
        left = (right - 1).clip(0)
        near = np.where(np.abs(ticks - at[left]) < np.abs(at[right] - ticks), left, right)
        return pa.array(self.texts, pa.string()).take(pa.array(near))


# --- finding the form --------------------------------------------------------------------------

_MONTH = "|".join([*_MONTHS, "Sept", *(m[:3] for m in _MONTHS)])
_DAY_NAME = "|".join([*_DAYS, *(d[:3] for d in _DAYS)])
_DATE = re.compile(
    rf"(?P<weekday>(?:{_DAY_NAME})\b)?(?P<after>(?(weekday),?\s))"
    r"(?:(?P<n1>\d{1,4})(?P<s1>[-/.])(?P<n2>\d{1,2})(?P=s1)(?P<n3>\d{4}|\d{1,2})"
    rf"|(?P<d1>\d{{1,2}})(?P<s2>[-/. ]|\. )(?P<m1>{_MONTH})(?P<s3>[-/. ]|, )(?P<y1>\d{{4}}|\d{{2}})"
    rf"|(?P<m2>{_MONTH})(?P<s4>[-/. ]|\. )(?P<d2>\d{{1,2}})(?P<s5>, ?|[-/ ])(?P<y2>\d{{4}}|\d{{2}}))",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:(?P<mark>[.,])(?P<part>\d{1,9}))?)?"
    r"(?:(?P<gap>\s?)(?P<half>[AaPp][Mm]))?"
    rf"(?:(?P<space>\s?)(?P<zone>{_ZONE}))?"
)
_JOINS = re.compile(r"T|, | at |\s")
_SAMPLED, _TRIED = 200, 20


def forms_of(texts: pa.Array) -> list[str]:
    """The form that most of the texts (n,) have, the likeliest first.

    Of several that fit equally well (is 3/6/97 in March or in June?) all are given.
    """
    step = max(1, len(texts) // _SAMPLED)
    sample = texts.take(pa.array(np.arange(0, len(texts), step))).to_pylist()
    votes: dict[str, int] = {}
    for text in sample:
        for form in _candidates(text):
            votes[form] = votes.get(form, 0) + 1
    best: list[tuple[str, int]] = []
    for form in sorted(votes, key=lambda form: -votes[form])[:_TRIED]:
        count = int(read(texts, form)[1].sum())
        if count:
            best.append((form, count))
    # Of equals, what keeps all digits of a second.
    best.sort(key=lambda one: (-one[1], -_digits(one[0])))
    first = best[0] if best else ("", 0)
    same = [form for form, count in best if count == first[1]]
    several = {_meaning(form): form for form in reversed(same)}
    ordered = [form for form in same if several[_meaning(form)] == form]
    return [_as_padded(texts, form) for form in ordered]


def _digits(form: str) -> int:
    """How many digits of a second a form has."""
    return next((int(part.flag) for part in _parts(form) if part.letter == "f"), 0)


def _meaning(form: str) -> str:
    """The order in which a form has the parts of a date, on which its reading depends."""
    return "".join(part.letter for part in _parts(form) if part.letter in tuple("YymdbB")).lower()


def _candidates(text: str) -> list[str]:
    """The forms that one text may have."""
    if re.fullmatch(r"\d{8}", text):
        return ["%Y%m%d"]
    found = _DATE.match(text)
    if found is None:
        return _times(text)
    days = _date_forms(found)
    rest = text[found.end() :]
    if not rest:
        return days
    join = _JOINS.match(rest)
    if join is None:
        return []
    times = _times(rest[join.end() :])
    return [f"{day}{join[0]}{time}" for day, time in product(days, times)]


def _date_forms(found: re.Match[str]) -> list[str]:
    ahead = ""
    if found["weekday"]:
        ahead = ("%A" if found["weekday"].capitalize() in _DAYS else "%a") + found["after"]
    if found["n1"]:
        first, mark, last = found["n1"], found["s1"], found["n3"]
        orders = ["mdy", "dmy"] if mark == "/" else ["dmy", "mdy"]
        if len(first) == 4:
            orders = ["Ymd"]
        elif len(last) == 4:
            orders = [order[:2] + "Y" for order in orders]
        elif len(first) <= 2:
            orders = [*orders, "ymd"]
        if len(first) == 3 or (len(first) == 4 and len(last) == 4):
            return []
        return [ahead + mark.join(f"%{sign}" for sign in order) for order in orders]
    side = "1" if found["m1"] else "2"
    name, year = found[f"m{side}"], found[f"y{side}"]
    words = ["B"] if len(name) > 4 else ["b", "B"] if name.lower() == "may" else ["b"]
    words = ["B"] if name.lower() in ("june", "july") else words
    years = "%Y" if len(year) == 4 else "%y"
    made = []
    for word in words:
        month = f"%^{word}" if name.isupper() else f"%{word}"
        if side == "1":
            made.append(f"{ahead}%d{found['s2']}{month}{found['s3']}{years}")
        else:
            made.append(f"{ahead}{month}{found['s4']}%d{found['s5']}{years}")
    return made


def _times(text: str) -> list[str]:
    found = _TIME.fullmatch(text)
    if found is None:
        return []
    form = "%I:%M" if found["half"] else "%H:%M"
    form += ":%S" if found["second"] else ""
    form += f"{found['mark']}%{len(found['part'])}f" if found["part"] else ""
    if found["half"]:
        form += found["gap"] + ("%p" if found["half"].isupper() else "%P")
    if not found["zone"]:
        return [form]
    # one zone for all is a part of the form
    return [f"{form}{found['space']}{found['zone']}", f"{form}{found['space']}%Z"]


def _as_padded(texts: pa.Array, form: str) -> str:
    """The form with ``%-d`` for numbers that are written without zeros in front.

    Where a number never shows it, as the months of autumn, it follows the others.
    """
    if _compact(form):
        return form
    found = pc.extract_regex(texts, pattern=_pattern(form))
    excess = {
        at: _unpadded(found.field(f"g{at}"))
        for at, part in enumerate(_parts(form))
        if part.letter in tuple("mdHI")
    }
    overall = sum(excess.values())
    made = ""
    for at, part in enumerate(_parts(form)):
        bare = at in excess and (excess[at] or overall) > 0
        sign = f"%{'-' if bare else part.flag}{part.letter}"
        made += sign if part.letter else part.text
    return made


def _unpadded(digits: pa.Array) -> int:
    """How many more numbers have one digit than start with a zero."""
    short = pc.equal(pc.utf8_length(digits), 1)
    zeros = pc.and_(pc.starts_with(digits, "0"), pc.invert(short))
    return (pc.sum(short).as_py() or 0) - (pc.sum(zeros).as_py() or 0)
