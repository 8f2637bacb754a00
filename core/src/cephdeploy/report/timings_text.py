"""Where the time went, as a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .words import count

if TYPE_CHECKING:
    from ..timings import Timings
    from .paper import Line, Paper

__all__ = ["timings_text"]


def timings_text(timings: Timings, hosts: int, paper: Paper) -> list[Line]:
    """The largest first; what hosts did side by side is added up."""
    wall, ours = timings.wall, timings.ours
    rows = [(seconds, what) for what, seconds in timings.on_hosts.items() if seconds >= 0.005]
    rows.append((timings.on_the_way, "waiting for a turn, login, travel"))
    lines = [f"where {wall:.1f} s went (seconds of {count(hosts, 'host')}, which work side by side):"]
    lines += [f"  {seconds:8.2f}  {what}" for seconds, what in sorted(rows, reverse=True)]
    lines.append(f"  {ours:8.2f}  cephdeploy itself on this machine (CPU, {ours / max(wall, 1e-9):.0%} of the time)")
    return [paper.line(line) for line in lines]
