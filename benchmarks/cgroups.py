"""Groups of processes that the kernel counts the processor time of, and that end as one.

By cgroup v2, wherever it is mounted: `cpu.stat` is there without any controller.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Cgroup", "made"]


def _mount() -> Path:
    """Where cgroup v2 is.

    :raises OSError: nowhere.
    """
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, sort, *_ = line.split()
        if sort == "cgroup2":
            return Path(place)
    raise OSError("cgroup v2 is mounted nowhere here, and it counts the processor time; mount it")


class Cgroup:
    """One group; what its members start is in it too."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.procs = place / "cgroup.procs"

    def join(self) -> None:
        """For this process, in between fork and exec."""
        self.procs.write_text("0")

    def seconds(self) -> float:
        """Processor time of all members so far, of those that have ended too."""
        fields = dict(line.split() for line in (self.place / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6

    def members(self) -> list[int]:
        return [int(line) for line in self.procs.read_text().split()]

    def end(self) -> None:
        """Ask the members to end (an ssh master then closes its line), then end them."""
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 15)
        until = time.monotonic() + 2
        while self.members() and time.monotonic() < until:
            time.sleep(0.01)
        (self.place / "cgroup.kill").write_text("1")
        while self.members():
            time.sleep(0.01)


@contextmanager
def made(name: str) -> Iterator[Cgroup]:
    """A group for a while; its members are ended with it."""
    place = _mount() / f"{name}-{os.getpid()}-{time.monotonic_ns()}"
    place.mkdir()
    group = Cgroup(place)
    try:
        yield group
    finally:
        (place / "cgroup.kill").write_text("1")
        while group.members():
            time.sleep(0.005)
        place.rmdir()
