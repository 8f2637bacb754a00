"""What was measured, as tables for a terminal and for a page: pure functions of the kept results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

__all__ = ["LEGEND", "Row", "Shown", "groups", "rows", "tables"]

TITLES = {"first": "first run", "noop": "run with nothing to do"}
COLUMNS = (
    "contestant",
    "runs",
    "wall s (min)",
    "by ours",
    "client s",
    "server s",
    "ms a host",
    "by floor",
    "MiB",
    "threads",
    "lines",
    "execs",
    "KiB",
)
LEGEND = """wall: seconds, the median and the least; by ours: wall divided by ours
client s, server s: processor time of all processes at either end; ms a host: both together, for each host
by floor: that divided by the floor's; MiB, threads: the client's at their peak
lines, execs, KiB: SSH connections, commands and TCP's payload both ways, for each host"""


@dataclass(frozen=True)
class Row:
    """One contestant in one setting: medians over the repetitions."""

    contestant: str
    runs: int
    wall: float
    fastest: float
    client_cpu: float
    server_cpu: float
    cpu_per_host: float
    memory: float
    threads: int
    fds: int
    connections: float
    execs: float
    sftps: float
    kib: float


def groups(results: dict[str, Any]) -> list[tuple[int, float, str]]:
    """The settings that there are samples of: hosts, round-trip time, phase."""
    found = {(sample["rtt"], sample["hosts"], sample["phase"]) for sample in results["samples"]}
    return [(hosts, rtt, phase) for rtt, hosts, phase in sorted(found)]


def rows(results: dict[str, Any], hosts: int, rtt: float, phase: str) -> dict[str, Row]:
    """The contestants of one setting, the fastest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for sample in results["samples"]:
        if (sample["hosts"], sample["rtt"], sample["phase"]) == (hosts, rtt, phase):
            found.setdefault(sample["contestant"], []).append(sample["figures"])
    made = [_row(name, hosts, figures) for name, figures in found.items()]
    return {row.contestant: row for row in sorted(made, key=lambda row: row.wall)}


def _row(name: str, hosts: int, figures: list[dict[str, Any]]) -> Row:
    def middle(what: str) -> float:
        return median(one[what] for one in figures)

    return Row(
        contestant=name,
        runs=len(figures),
        wall=middle("wall"),
        fastest=min(one["wall"] for one in figures),
        client_cpu=middle("client_cpu"),
        server_cpu=middle("server_cpu"),
        cpu_per_host=median((one["client_cpu"] + one["server_cpu"]) * 1000 / hosts for one in figures),
        memory=max(one["memory"] for one in figures),
        threads=max(one["threads"] for one in figures),
        fds=max(one["fds"] for one in figures),
        connections=middle("connections_per_host"),
        execs=middle("execs_per_host"),
        sftps=middle("sftps_per_host"),
        kib=middle("kib_per_host"),
    )


@dataclass(frozen=True)
class Shown:
    """A table of texts."""

    title: str
    lines: list[tuple[str, ...]]

    def rich(self) -> Table:
        table = Table(title=self.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, column in enumerate(COLUMNS):
            table.add_column(column, justify="right" if number else "left", no_wrap=True)
        for line in self.lines:
            table.add_row(*line)
        return table

    def markdown(self) -> str:
        head = [COLUMNS, ("---", *["--:"] * (len(COLUMNS) - 1))]
        return "\n".join("| " + " | ".join(line) + " |" for line in (*head, *self.lines))


def tables(results: dict[str, Any]) -> Iterator[Shown]:
    """One for each setting."""
    for hosts, rtt, phase in groups(results):
        found = rows(results, hosts, rtt, phase)
        away = f"{rtt:g} ms away" if rtt else "loopback"
        title = f"{hosts} host{'s' if hosts > 1 else ''}, {away}, {TITLES[phase]}"
        yield Shown(title, [_line(row, found) for row in found.values()])


def _line(row: Row, found: dict[str, Row]) -> tuple[str, ...]:
    ours, floor = found.get("ours"), found.get("floor")
    return (
        row.contestant,
        str(row.runs),
        f"{row.wall:.2f} ({row.fastest:.2f})",
        f"{row.wall / ours.wall:.1f}" if ours else "",
        f"{row.client_cpu:.2f}",
        f"{row.server_cpu:.2f}",
        f"{row.cpu_per_host:.0f}",
        f"{row.cpu_per_host / floor.cpu_per_host:.2f}" if floor else "",
        f"{row.memory:.0f}",
        str(row.threads),
        f"{row.connections:g}",
        f"{row.execs:g}" + (f" + {row.sftps:g} sftp" if row.sftps else ""),
        f"{row.kib:.0f}",
    )
