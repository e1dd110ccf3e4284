"""Curves as SVG, good on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 180, 40, 48

# The colours of Okabe and Ito, which people of all eyes tell apart; black and yellow left out.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")

_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 14px; font-weight: 600; }
.grid { stroke: #d0d7de; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.grid { stroke: #3d444d; }
}"""

Points = Sequence[tuple[float, float]]


def chart(title: str, x: str, series: Mapping[str, Points]) -> str:
    """Return a chart of lines, both axes by powers of ten.

    Args:
        title: Stands above it, and says what the axis on the left is.
        x: What the axis below is.
        series: The points of each line, all above 0.
    """
    every = [point for points in series.values() for point in points]
    across = _Axis([point[0] for point in every], LEFT, WIDTH - RIGHT)
    up = _Axis([point[1] for point in every], HEIGHT - BOTTOM, TOP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>\n{_STYLE}\n</style>",
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
    ]
    for value in up.ticks:
        at = up.at(value)
        lines.append(
            f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_short(value)}</text>'
        )
    for value in dict.fromkeys(point[0] for point in sorted(every)):
        at = across.at(value)
        lines.append(
            f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{_short(value)}</text>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x)}</text>')
    for index, (name, points) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        places = [(across.at(point[0]), up.at(point[1])) for point in points]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>'
            for left, top in places
        ]
        top = TOP + 16 * index
        lines.append(
            f'<rect x="{WIDTH - RIGHT + 12}" y="{top}" width="10" height="10" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 28}" y="{top + 9}">{escape(name)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


class _Axis:
    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self._first, self._last = first, last
        self._low, self._high = log10(min(values)), log10(max(values))
        # A tick is 1, 2 or 5 times a power of ten; the axis ends at ticks.
        ticks = [
            factor * 10.0**power
            for power in range(floor(self._low) - 1, ceil(self._high) + 1)
            for factor in (1, 2, 5)
        ]
        low, high = min(values), max(values)
        below = max(tick for tick in ticks if tick <= low * 1.000001)
        above = min(tick for tick in [*ticks, 10.0 ** ceil(self._high)] if tick >= high * 0.999999)
        self.ticks = [tick for tick in ticks if below <= tick <= above]
        if first > last:  # upwards
            self._low, self._high = log10(below), log10(above)

    def at(self, value: float) -> float:
        if self._low == self._high:
            return (self._first + self._last) / 2
        part = (log10(value) - self._low) / (self._high - self._low)
        return self._first + part * (self._last - self._first)


def _short(value: float) -> str:
    for unit, name in ((1_000_000, " M"), (1_000, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
