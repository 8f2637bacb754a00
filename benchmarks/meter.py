"""One run of one contestant, and what it took at both ends."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cgroups, namespaces
from .cgroups import Cgroup
from .distance import Apart
from .farm import Farm
from .wire import Closings

__all__ = ["Measured", "measured"]

#: A reading of memory takes processor time that is nobody's; this many times as long is waited before the next one.
_REST = 10
_SHORTEST_REST = 0.05
#: The soft limit of a login on every distribution.
USUAL_FDS = 1024
#: Seconds until a run counts as hanging.
_PATIENCE = 1800


@dataclass(frozen=True)
class Measured:
    """Seconds, MiB and counts of one run; of a whole run where the name does not say ``per_host``.

    Memory is the proportional set size of the client's process tree at its peak, and bytes are TCP's payload both ways.
    Round trips are those that were waited for one after another, which has a meaning with one host alone.
    """

    wall: float
    client_cpu: float
    server_cpu: float
    memory: float
    threads: int
    fds: int
    processes: int
    connections_per_host: float
    execs_per_host: float
    sftps_per_host: float
    kib_per_host: float
    round_trips: float | None


class _Peaks:
    """The most that the client's processes took together, as far as samples saw it."""

    def __init__(self, group: Cgroup) -> None:
        self._group = group
        self._over = threading.Event()
        self.memory = 0.0
        self.threads = self.fds = self.processes = 0
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            began = time.monotonic()
            self._sample()
            if self._over.wait(max(_SHORTEST_REST, (time.monotonic() - began) * _REST)):
                return

    def _sample(self) -> None:
        memory = threads = fds = processes = 0
        for pid in self._group.members():
            with contextlib.suppress(OSError):  # it has just ended
                place = Path(f"/proc/{pid}")
                rollup, status = (place / "smaps_rollup").read_text(), (place / "status").read_text()
                fds += len(os.listdir(place / "fd"))  # noqa: PTH208
                memory += int(rollup.split("\nPss:", 1)[1].split(None, 1)[0])
                threads += int(status.split("\nThreads:", 1)[1].split(None, 1)[0])
                processes += 1
        self.memory = max(self.memory, memory / 1024)
        self.threads = max(self.threads, threads)
        self.fds = max(self.fds, fds)
        self.processes = max(self.processes, processes)


def measured(
    argv: Sequence[str],
    environment: Mapping[str, str],
    farm: Farm,
    *,
    output: Path,
    network: Apart | None = None,
) -> Measured:
    """Run a client to its end.

    :param output: where what it prints goes.
    :param network: what is between it and the hosts; None: loopback.
    :raises OSError: it failed, or hangs, or left connections behind.
    """
    closings = Closings(farm.network)
    before = [host.traffic() for host in farm.hosts]
    server = farm.group.seconds()
    if network:
        network.round_trips()
    try:
        with cgroups.made("bench-client") as group, output.open("wb") as said:

            def inside() -> None:
                group.join()
                resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                if network:
                    namespaces.enter_network(network.client)

            began = time.monotonic()
            client = subprocess.Popen(
                argv,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=output.parent,
                preexec_fn=inside,
            )
            with _Peaks(group) as peaks:
                try:
                    status = client.wait(_PATIENCE)
                except BaseException:
                    client.kill()
                    client.wait()
                    raise
                wall = time.monotonic() - began
                round_trips = network.round_trips() if network else None
            cpu = group.seconds()
            if status:
                raise OSError(f"{argv[0]} ended with status {status}; what it said is in {output}")
            group.end()  # masters that linger close their lines
        if not farm.settle():
            raise OSError(f"connections are still open after {argv[0]} has ended")
        count = len(farm.hosts)
        traffic = [host.traffic() - had for host, had in zip(farm.hosts, before, strict=True)]
        connections = sum(one.connections for one in traffic)
        return Measured(
            wall=wall,
            client_cpu=cpu,
            server_cpu=farm.group.seconds() - server,
            memory=peaks.memory,
            threads=peaks.threads,
            fds=peaks.fds,
            processes=peaks.processes,
            connections_per_host=connections / count,
            execs_per_host=sum(one.execs for one in traffic) / count,
            sftps_per_host=sum(one.sftps for one in traffic) / count,
            kib_per_host=closings.bytes(farm.hosts[0].port, connections) / 1024 / count,
            round_trips=round_trips,
        )
    finally:
        closings.close()
