"""Charts as inline SVG: small, without scripts, coloured by the page's own style.

Every chart is an image to a screen reader, with its title and what it shows in words. Colours are
classes (`c0`, `c1`, …) that the page's style defines for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ganwright.report.facts import Series

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 26
MOST = 240  # points of a line; more are averaged
COLOURS = 12
LABEL = 16  # letters of a name beside its bars


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    points: Series
    colour: int
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """A drawn chart with its title, caption and legend."""

    title: str
    svg: Markup
    legend: tuple[tuple[int, str, bool], ...]  # colour, name, dashed
    says: str


@dataclass(frozen=True)
class _Scale:
    """Maps values to positions on the page."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        at = math.log(max(value, self.low)) if self.log else value
        return self.start + (at - low) / (high - low) * (self.stop - self.start)

    def ticks(self, count: int) -> list[float]:
        if self.log:
            steps = [m * 10.0**e for e in range(-12, 13) for m in (1, 2, 5)]
            within = [s for s in steps if self.low <= s <= self.high]
            return within if len(within) <= 2 * count else within[::3]
        raw = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def line_chart(
    title: str,
    says: str,
    lines: Sequence[Line],
    *,
    limits: tuple[float, float] | None = None,
    by_factors: bool = False,
    band: Sequence[tuple[float, float, float]] = (),
    best: tuple[float, float] | None = None,
    unit: str = "kimg",
) -> Chart | None:
    """Lines over kimg, or another `unit`; None where there is nothing to draw.

    `limits` are of the vertical axis, wider where values need it. With `by_factors`, positive values
    that differ by more than 12 times are drawn on a logarithmic scale. `band` is (kimg, low, high),
    an interval around the first line; `best` marks a point.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    x, y = _across(lines), _up(lines, limits, by_factors)
    parts = [_axes(x, y, unit)]
    if len(band) > 1:
        edge = [(a, high) for a, _, high in band] + [(a, low) for a, low, _ in reversed(band)]
        parts.append(f'<path class="band c{lines[0].colour}" d="{_path(edge, x, y)}Z"/>')
    for line in lines:
        points = thinned(line.points)
        look = f"c{line.colour}{' dashed' if line.dashed else ''}"
        if len(points) == 1:
            (a, b), *_ = points
            parts.append(f'<circle class="dot {look}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>')
        else:
            parts.append(f'<path class="line {look}" d="{_path(points, x, y)}"/>')
    if best is not None:
        a, b = x(best[0]), y(best[1])
        side = ("end", -7) if a > WIDTH * 0.6 else ("start", 7)
        parts.append(f'<circle class="best" cx="{a:.1f}" cy="{b:.1f}" r="4.5"/>')
        parts.append(
            f'<text class="strong" x="{a + side[1]:.1f}" y="{max(b - 7, TOP + 8):.1f}" '
            f'text-anchor="{side[0]}">best {shown(best[1])}</text>'
        )
    legend = tuple((line.colour, line.name, line.dashed) for line in lines)
    return Chart(title, _svg(title, says, parts), legend, says)


def stacked_chart(
    title: str, says: str, names: Sequence[str], table: Sequence[tuple[float, Sequence[float]]]
) -> Chart | None:
    """Shares that sum to 1 over kimg, one band per name; beyond a limit the smallest share one band."""
    if not table or not names:
        return None
    kept = sorted(range(len(names)), key=lambda i: -sum(row[i] for _, row in table))
    kept = sorted(kept[:COLOURS] if len(names) <= COLOURS else kept[: COLOURS - 1])
    shares = [(k, [row[i] for i in kept]) for k, row in table]
    labels = [names[i] for i in kept]
    if len(kept) < len(names):
        shares = [(k, [*row, max(0.0, 1 - sum(row))]) for k, row in shares]
        labels.append(f"{len(names) - len(kept)} others")
    if len(shares) == 1:  # a band needs some width, even with a single point
        shares = [(shares[0][0] - 0.5, shares[0][1]), (shares[0][0] + 0.5, shares[0][1])]
    x = _Scale(shares[0][0], shares[-1][0], LEFT, WIDTH - RIGHT)
    y = _Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    parts = []
    for i in range(len(labels)):
        upper = [(k, min(1.0, sum(row[: i + 1]))) for k, row in shares]
        lower = [(k, sum(row[:i])) for k, row in reversed(shares)]
        parts.append(f'<path class="area c{i}" d="{_path(upper + lower, x, y)}Z"/>')
    parts.append(_axes(x, y))
    return Chart(
        title, _svg(title, says, parts), tuple((i, n, False) for i, n in enumerate(labels)), says
    )


def bars(
    title: str,
    says: str,
    names: Sequence[str],
    shares: Sequence[tuple[str, Sequence[float]]],
    form: str = "{:.1%}",
) -> Chart:
    """A row of bars for each name, one of each of `shares` (what it is, and its values)."""
    labels = [name if len(name) <= LABEL else name[: LABEL - 1] + "…" for name in names]
    left = 16 + 6 * max(map(len, labels))
    row, top = 26 if len(shares) > 1 else 20, max(max(values) for _, values in shares) or 1.0
    x = _Scale(0.0, top, left, WIDTH - 38)
    thick = (row - 6) / len(shares)
    parts = []
    for i, label in enumerate(labels):
        at = 4 + i * row
        parts.append(
            f'<text x="{left - 7}" y="{at + row / 2:.1f}" dy="1.5" text-anchor="end">'
            f"{Markup.escape(label)}</text>"
        )
        for j, (_, values) in enumerate(shares):
            y, end = at + j * thick, x(values[i])
            parts.append(
                f'<rect class="bar c{j}" x="{left}" y="{y:.1f}" width="{end - left:.1f}" '
                f'height="{thick - 1:.1f}"/>'
                f'<text class="small" x="{end + 4:.1f}" y="{y + thick / 2:.1f}" dy="2.5">'
                f"{form.format(values[i])}</text>"
            )
    legend = tuple((j, what, False) for j, (what, _) in enumerate(shares) if what)
    return Chart(title, _svg(title, says, parts, row * len(names) + 6), legend, says)


def histogram(
    title: str,
    says: str,
    edges: Sequence[float],
    shares: Sequence[tuple[str, Sequence[float]]],
    label: Callable[[float], str] | None = None,
) -> Chart:
    """Steps over bins, one line for each of `shares`; the first is filled.

    `edges` (bins + 1) may be of any width: heights are shares. `label` writes a place on the axis.
    """
    x = _Scale(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    top = max(max(values) for _, values in shares) or 1.0
    y = _Scale(0.0, top * 1.06, HEIGHT - BOTTOM, TOP)
    parts = [_grid(y)]
    for j, (_, values) in enumerate(shares):
        steps = [(edges[0], 0.0)]
        for i, value in enumerate(values):
            steps += [(edges[i], value), (edges[i + 1], value)]
        path = _path([*steps, (edges[-1], 0.0)], x, y)
        if j == 0:
            parts.append(f'<path class="filled c{j}" d="{path}Z"/>')
        parts.append(f'<path class="line c{j}" d="{path}"/>')
    ticks = x.ticks(3)
    for tick in ticks:
        at, text = x(tick), shown(tick) if label is None else label(tick)
        anchor = "end" if at > WIDTH - 40 else "start" if at < LEFT + 12 else "middle"
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">{Markup.escape(text)}</text>'
        )
    legend = tuple((j, what, False) for j, (what, _) in enumerate(shares))
    return Chart(title, _svg(title, says, parts), legend, says)


def heat_map(
    title: str, says: str, names: Sequence[str], values: Sequence[Sequence[float]]
) -> Chart:
    """A square of numbers from −1 to 1: the stronger, the deeper; above and below 0 by colour."""
    count = len(names)
    labels = [name if len(name) <= LABEL else name[: LABEL - 1] + "…" for name in names]
    size = 8.5 if count <= 20 else 7
    left = 8 + 0.56 * size * max(map(len, labels))
    side = (WIDTH - left - 4) / count
    parts = []
    for i in range(count):
        y = 4 + i * side
        parts.append(
            f'<text x="{left - 5:.1f}" y="{y + side / 2:.1f}" dy="{size / 3:.1f}" text-anchor="end" '
            f'style="font-size:{size}px">{Markup.escape(labels[i])}</text>'
        )
        for j in range(count):
            value = values[i][j]
            if math.isnan(value) or abs(value) < 0.02:
                continue
            parts.append(
                f'<rect class="cell c{1 if value > 0 else 0}" x="{left + j * side:.1f}" y="{y:.1f}" '
                f'width="{side - 0.8:.1f}" height="{side - 0.8:.1f}" '
                f'fill-opacity="{min(1.0, abs(value)):.2f}"/>'
            )
    parts.append(
        f'<rect class="frame" x="{left:.1f}" y="4" width="{count * side:.1f}" '
        f'height="{count * side:.1f}"/>'
    )
    return Chart(title, _svg(title, says, parts, round(count * side) + 8), (), says)


def standing(place: float, low: float, high: float, tone: str, says: str) -> Markup:
    """A bar from real data (0) to the simplest model (1), with a value and its interval on it."""

    def x(value: float) -> float:
        return 14 + min(1.08, max(-0.08, value)) * 112

    parts = [
        '<line class="track" x1="14" x2="126" y1="10" y2="10"/>',
        '<line class="end" x1="14" x2="14" y1="4" y2="16"/>',
        '<line class="end" x1="126" x2="126" y1="4" y2="16"/>',
    ]
    if not math.isnan(low + high):
        parts.append(
            f'<line class="range {tone}" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="10" y2="10"/>'
        )
    parts.append(f'<circle class="value {tone}" cx="{x(place):.1f}" cy="10" r="5"/>')
    return Markup(
        f'<svg class="standing" viewBox="0 0 140 20" role="img" aria-label="{Markup.escape(says)}">'
        f"{''.join(parts)}</svg>"
    )


def thinned(points: Series) -> Series:
    """At most MOST points: neighbours are averaged."""
    if len(points) <= MOST:
        return points
    size = -(-len(points) // MOST)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def shown(value: float) -> str:
    """A number to three significant digits."""
    if value == 0 or 0.001 <= abs(value) < 1e5:
        text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
        return text.replace("-", "−")
    return f"{value:.1e}".replace("-", "−")


# --- the parts of a drawing ----------------------------------------------------------------------


def _svg(title: str, says: str, parts: Sequence[str], height: int = HEIGHT) -> Markup:
    label = Markup.escape(f"{title}: {says}")
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _across(lines: Sequence[Line]) -> _Scale:
    found = [x for line in lines for x, _ in line.points]
    low, high = min(0.0, *found), max(found)
    return _Scale(low, high if high > low else low + 1, LEFT, WIDTH - RIGHT)


def _up(lines: Sequence[Line], limits: tuple[float, float] | None, by_factors: bool) -> _Scale:
    found = [y for line in lines for _, y in line.points]
    low, high = min(found), max(found)
    if limits is not None:
        low, high = min(low, limits[0]), max(high, limits[1])
    elif by_factors and low > 0 and high / low > 12:
        return _Scale(low * 0.85, high * 1.15, HEIGHT - BOTTOM, TOP, log=True)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    if limits is None:
        low, high = low - room, high + room
    return _Scale(low, high, HEIGHT - BOTTOM, TOP)


def _axes(x: _Scale, y: _Scale, unit: str = "kimg") -> str:
    parts = [_grid(y)]
    ticks = x.ticks(4)
    for i, tick in enumerate(ticks):
        last = f" {unit}" if i == len(ticks) - 1 else ""
        anchor = "end" if x(tick) > WIDTH - 40 else "middle"
        at = WIDTH - RIGHT if anchor == "end" else x(tick)
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">{shown(tick)}{last}</text>'
        )
    return "".join(parts)


def _grid(y: _Scale) -> str:
    parts = []
    for tick in y.ticks(4):
        at = f"{y(tick):.1f}"
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(
            f'<text x="{LEFT - 5}" y="{at}" dy="3.5" text-anchor="end">{shown(tick)}</text>'
        )
    return "".join(parts)


def _path(points: Series, x: _Scale, y: _Scale) -> str:
    return "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
