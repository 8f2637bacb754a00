"""Where the time of a run goes: in what on the hosts, on the way to them, and in this process."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Timings"]


@dataclass
class Timings:
    """A clock that every line tells what its batches took. Safe to use from several threads.

    :param on_hosts: seconds by what a host was busy with, summed up over hosts that may work side by side.
    :param on_the_way: seconds of batches that no request took: waiting for a turn, logging in, travelling.
    """

    on_hosts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    on_the_way: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, spent: Mapping[str, float], wall: float) -> None:
        """A batch that came back.

        :param spent: seconds by what they went into; requests that ran side by side count each.
        :param wall: seconds from asking to the answer.
        """
        with self._lock:
            for what, seconds in spent.items():
                self.on_hosts[what] += seconds
            self.on_the_way += max(0.0, wall - sum(spent.values()))

    @property
    def wall(self) -> float:
        """Seconds since the clock was made."""
        return time.monotonic() - self._began

    @property
    def ours(self) -> float:
        """Seconds of CPU of this process since then."""
        return time.process_time() - self._cpu
