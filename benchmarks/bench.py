"""Every contestant on fresh hosts, one after another and again: the first run, and one that has nothing to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import farm as farms
from .contestants import Contestant, Start
from .distance import Apart
from .judge import faults
from .meter import measured

__all__ = ["PHASES", "Plan", "Sample", "Wrong", "run"]

PHASES = ("first", "noop")


class Wrong(Exception):
    """A contestant did not do the job: what its figures would be worth."""


@dataclass(frozen=True)
class Plan:
    """One farm of hosts for each contestant: how many, and how far away.

    :param rtt: milliseconds of round-trip time; 0: loopback.
    """

    hosts: int
    rtt: float
    contestants: tuple[Contestant, ...]


@dataclass(frozen=True)
class Sample:
    """A measured run, and what it is of."""

    contestant: str
    hosts: int
    rtt: float
    phase: str
    figures: dict[str, Any]


def run(plan: Plan, say: Callable[[str], None], network: Apart | None = None) -> Iterator[Sample]:
    """One repetition: each contestant's two runs.

    :param network: where client and hosts are; None: on loopback.
    :raises Wrong: a host is not as it must be after a run.
    :raises OSError: a contestant failed.
    """
    for contestant in plan.contestants:
        folder = Path(tempfile.mkdtemp(prefix=f"bench-{contestant.name}-"))
        try:
            with farms.running(
                plan.hosts, network=network and network.hosts, prefix="10.77" if network else "127.77"
            ) as farm:
                start = contestant.prepare(farm, folder)
                if isinstance(start, str):
                    say(f"{contestant.name} takes no part: {start}")
                else:
                    yield from _runs(contestant.name, start, plan, farm, folder, say, network)
        except (OSError, Wrong):
            raise  # what it said stays there to be read
        except BaseException:
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)


def _runs(
    name: str,
    start: Start,
    plan: Plan,
    farm: farms.Farm,
    folder: Path,
    say: Callable[[str], None],
    network: Apart | None,
) -> Iterator[Sample]:
    """The first run, and the one with nothing to do."""
    (folder / "home").mkdir()
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        **start.environment,
    }
    for phase in PHASES:
        output = folder / f"{phase}.log"
        took = measured(start.argv, environment, farm, output=output, network=network)
        bad = [f"{host.name}: {fault}" for host in farm.hosts for fault in faults(host, restarts=1)]
        if bad:
            raise Wrong(
                f"{name} left {len(bad)} faults after its {phase} run, such as {bad[0]}; what it said is in {output}"
            )
        say(f"{name:15} {plan.hosts:4} hosts {plan.rtt:3g} ms {phase:5} {took.wall:8.2f} s")
        yield Sample(name, plan.hosts, plan.rtt, phase, asdict(took))
