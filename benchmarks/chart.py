"""A chart of walls, as SVG by hand: bars for ten hosts, and lines over the number of hosts. Both axes of time are
logarithmic, as the contestants are two orders of magnitude apart."""

from __future__ import annotations

import math
from typing import Any

from . import report

__all__ = ["drawn"]

WIDTH, BAR, GAP = 760, 13, 12
LEFT, RIGHT = 170, 60
COLOURS = {
    "ours": "#0b6e4f",
    "ours-asyncssh": "#3fa34d",
    "ours-openssh": "#8cc084",
    "floor": "#888888",
    "fabric": "#c77f1a",
    "pyinfra": "#b5484b",
    "mitogen": "#6b5ca5",
    "ansible": "#2d5d9f",
}
NAMES = {
    "ours": "cephdeploy",
    "ours-asyncssh": "cephdeploy, asyncssh",
    "ours-openssh": "cephdeploy, openssh",
    "floor": "floor (by hand)",
    "fabric": "fabric, naive",
    "mitogen": "ansible + mitogen",
}
HOSTS = 10


def drawn(results: dict[str, Any]) -> str:
    """The whole chart."""
    bars, height = _bars(results)
    lines, more = _lines(results, height + 40)
    total = height + 40 + more
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#222222">\n'
        f'<rect width="{WIDTH}" height="{total}" fill="#ffffff"/>\n' + "\n".join(bars + lines) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{text}</text>'


def _scale(low: float, high: float, start: float, end: float) -> Any:
    a, b = math.log(low), math.log(high)
    return lambda value: start + (math.log(value) - a) / (b - a) * (end - start)


def _bars(results: dict[str, Any]) -> tuple[list[str], int]:
    """Seconds for ten hosts: the first run, and lighter the one with nothing to do."""
    first, noop = (report.rows(results, HOSTS, 0, phase) for phase in ("first", "noop"))
    if not first:
        return [], 0
    walls = [row.wall for row in (*first.values(), *noop.values())]
    place = _scale(min(walls) / 1.6, max(walls), LEFT, WIDTH - RIGHT)
    made = [_text(12, 24, f"Seconds for {HOSTS} hosts", more=' font-size="15" font-weight="600"')]
    made.append(_text(12, 42, "dark: first run; light: nothing to do; logarithmic", more=' fill="#666666"'))
    y = 58
    for name, row in first.items():
        made.append(_text(LEFT - 10, y + BAR + 4, NAMES.get(name, name), "end"))
        for number, (wall, light) in enumerate(((row.wall, 1.0), (noop[name].wall, 0.45))):
            top = y + number * BAR
            made.append(
                f'<rect x="{LEFT}" y="{top}" width="{place(wall) - LEFT:.1f}" height="{BAR - 1}" '
                f'fill="{COLOURS[name]}" fill-opacity="{light}"/>'
            )
            made.append(_text(place(wall) + 5, top + BAR - 3, f"{wall:.1f}", more=' font-size="11"'))
        y += 2 * BAR + GAP
    return made, y


def _lines(results: dict[str, Any], top: int) -> tuple[list[str], int]:
    """Seconds of the first run by the number of hosts."""
    tall = 260
    series: dict[str, list[tuple[int, float]]] = {}
    for hosts, rtt, phase in report.groups(results):
        if not rtt and phase == "first":
            for name, row in report.rows(results, hosts, rtt, phase).items():
                series.setdefault(name, []).append((hosts, row.wall))
    sizes = sorted({hosts for points in series.values() for hosts, _ in points})
    if len(sizes) < 2:
        return [], 0
    walls = [wall for points in series.values() for _, wall in points]
    across = _scale(sizes[0], sizes[-1], 60, WIDTH - LEFT)
    bottom = top + 40 + tall
    up = _scale(min(walls) / 1.3, max(walls) * 1.3, bottom, top + 40)
    made = [_text(12, top + 8, "First run, by the number of hosts", more=' font-size="15" font-weight="600"')]
    made.append(_text(12, top + 26, "seconds; both axes logarithmic", more=' fill="#666666"'))
    for hosts in sizes:
        made.append(f'<path d="M{across(hosts):.1f} {top + 40}V{bottom}" stroke="#e5e5e5"/>')
        made.append(_text(across(hosts), bottom + 17, str(hosts), "middle", ' fill="#666666"'))
    for power in range(math.ceil(math.log10(min(walls) / 1.3)), math.floor(math.log10(max(walls) * 1.3)) + 1):
        y = up(10.0**power)
        made.append(f'<path d="M60 {y:.1f}H{WIDTH - LEFT}" stroke="#e5e5e5"/>')
        made.append(_text(52, y + 4, f"{10.0**power:g}", "end", ' fill="#666666"'))
    taken: dict[int, list[float]] = {}
    for name, points in sorted(series.items(), key=lambda one: -up(one[1][-1][1])):
        path = " ".join(f"{across(hosts):.1f},{up(wall):.1f}" for hosts, wall in points)
        made.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        made += [
            f'<circle cx="{across(hosts):.1f}" cy="{up(wall):.1f}" r="3" fill="{COLOURS[name]}"/>'
            for hosts, wall in points
        ]
        hosts, wall = points[-1]
        y = up(wall)
        others = taken.setdefault(hosts, [])
        if any(abs(y - other) < 13 for other in others):
            y = min(other for other in others if abs(y - other) < 26) - 13
        others.append(y)
        made.append(_text(across(hosts) + 8, y + 4, NAMES.get(name, name), more=f' fill="{COLOURS[name]}"'))
    return made, bottom + 30 - top
