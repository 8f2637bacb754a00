"""What we want to be, as ratios within one run of the benchmark, and whether we are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from . import report
from .meter import USUAL_FDS
from .report import TITLES, Row

__all__ = ["Goal", "judged"]

#: Processor time of both ends, ours by the floor's: at most.
CPU = {10: 1.5, 50: 1.25, 200: 1.25}
#: Wall, theirs by ours: at least.
WALL = {
    (10, "first"): {"ansible": 25, "mitogen": 9, "pyinfra": 3, "fabric": 2},
    (50, "first"): {"ansible": 35, "mitogen": 13, "pyinfra": 4, "fabric": 3},
    (10, "noop"): {"ansible": 30, "mitogen": 12, "pyinfra": 2.5, "fabric": 2},
}
ROUND_TRIPS = 2
KIB = 25
#: Hosts that must be done under the usual soft limit of file descriptors.
MANY = 1000


@dataclass(frozen=True)
class Goal:
    """``met`` is None where this run can't tell."""

    what: str
    seen: str
    met: bool | None

    def line(self) -> str:
        mark = {True: "[green]met[/]    ", False: "[red]not met[/]", None: "[dim]not seen[/]"}[self.met]
        return f"{mark} {self.what}: {self.seen}"


def judged(results: dict[str, Any]) -> Iterator[Goal]:
    """Every goal, in an order."""

    def rows(hosts: int, phase: str, rtt: float = 0) -> dict[str, Row]:
        return report.rows(results, hosts, rtt, phase)

    for hosts, limit in CPU.items():
        for phase in TITLES:
            found = rows(hosts, phase)
            what = f"CPU a host at most {limit:g} times the floor's, {hosts} hosts, {TITLES[phase]}"
            yield _at_most(what, limit, _cpu(found, "ours"), _cpu(found, "floor"))
    for (hosts, phase), wanted in WALL.items():
        found = rows(hosts, phase)
        for name, least in wanted.items():
            what = f"wall at least {least:g} times below {name}'s, {hosts} hosts, {TITLES[phase]}"
            if name in found and "ours" in found:
                ratio = found[name].wall / found["ours"].wall
                yield Goal(what, f"{ratio:.1f} times", ratio >= least)
            else:
                yield Goal(what, "not measured", None)
    yield from _line(results)
    yield from _big(rows)


def _cpu(found: dict[str, Row], name: str) -> float | None:
    return found[name].cpu_per_host if name in found else None


def _at_most(what: str, limit: float, ours: float | None, other: float | None) -> Goal:
    if not ours or not other:
        return Goal(what, "not measured", None)
    return Goal(what, f"{ours / other:.2f} times", ours / other <= limit)


def _line(results: dict[str, Any]) -> Iterator[Goal]:
    """What goes over the line."""
    ours = [sample for sample in results["samples"] if sample["contestant"] == "ours"]
    seen = {(one["figures"]["connections_per_host"], one["figures"]["execs_per_host"]) for one in ours}
    yield Goal(
        "one connection and one exec a host",
        ", ".join(f"{connections:g} and {execs:g}" for connections, execs in sorted(seen)) or "not measured",
        seen == {(1.0, 1.0)} if ours else None,
    )
    # of hosts with the same nova.conf one tells it, so a single host costs the most
    for phase, single in product(TITLES, (True, False)):
        kib = [
            one["figures"]["kib_per_host"] for one in ours if one["phase"] == phase and (one["hosts"] == 1) == single
        ]
        most = max(kib, default=None)
        what = f"under {KIB} KiB a host, {'1 host' if single else 'several hosts'}, {TITLES[phase]}"
        yield Goal(what, f"{most:.0f} KiB" if most else "not measured", most < KIB if most else None)
    for phase in TITLES:
        what = f"at most {ROUND_TRIPS} round trips more than the floor, {TITLES[phase]}"
        trips = {name: round_trips(results, name, phase) for name in ("ours", "floor")}
        if trips["ours"] is None or trips["floor"] is None:
            yield Goal(what, "not measured", None)
            continue
        more = trips["ours"] - trips["floor"]
        yield Goal(what, f"{trips['ours']:g} and {trips['floor']:g}", more <= ROUND_TRIPS)


def round_trips(results: dict[str, Any], name: str, phase: str) -> float | None:
    """How many one after another, on one host that is far away: the fewest that were seen."""
    seen = [
        sample["figures"]["round_trips"]
        for sample in results["samples"]
        if (sample["contestant"], sample["phase"], sample["hosts"]) == (name, phase, 1) and sample["rtt"]
    ]
    return min(seen, default=None)


def _big(rows: Any) -> Iterator[Goal]:
    """Large sites."""
    found = rows(200, "first")
    measures = (("memory", "MiB"), ("threads", "threads"))
    for (name, by), (what, unit) in product((("ours", ""), ("ours-asyncssh", ", by asyncssh")), measures):
        title = f"{what} at 200 hosts below pyinfra's{by}"
        if name not in found or "pyinfra" not in found:
            yield Goal(title, "not measured", None)
            continue
        ours, theirs = getattr(found[name], what), getattr(found["pyinfra"], what)
        yield Goal(title, f"{ours:.0f} and {theirs:.0f} {unit}", ours < theirs)
    many = rows(MANY, "first").get("ours")
    seen = f"done, with {many.fds} open at the most" if many else "not measured"
    yield Goal(f"{MANY} hosts where 'ulimit -n' is {USUAL_FDS}", seen, True if many else None)
