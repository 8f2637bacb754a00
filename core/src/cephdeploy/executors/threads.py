"""Lines of transports that block: a thread for each host that is worked on now."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..conversation import BrokenError, Said, bootstrap
from ..protocol import Parcel
from ..session import Session
from . import WINDOW, Reach
from ._lines import Lines

__all__ = ["Threads", "connected"]


def connected(reach: Reach, driver: Any) -> Session:
    """A session with one host.

    :param driver: the transport's.
    :raises HostError: unreachable, another host key, a login refused; nothing was sent.
    """
    transport = driver(reach.target)
    sudo = transport.user != "root" if reach.sudo is None else reach.sudo
    return Session(reach.target.name, transport.start(bootstrap(sudo=sudo)), sudo=sudo)


class Threads:
    """For transports that block: a thread for each host that is worked on now.

    :param held: lines that may be open at once.
    """

    def __init__(self, reaches: Mapping[str, Reach], drivers: Mapping[str, Any], held: int) -> None:
        self._reaches = reaches
        self._drivers = drivers
        self._pool = ThreadPoolExecutor(min(WINDOW, held, len(reaches)), thread_name_prefix="cephdeploy")
        self._lines: Lines[Session] = Lines(held)
        self._lock = threading.Lock()

    def carry(self, host: str, parcel: Parcel) -> Future[Said]:
        """See :class:`cephdeploy.executors.Executor`."""
        return self._pool.submit(self._carried, host, parcel)

    def _carried(self, host: str, parcel: Parcel) -> Said:
        with self._lock:
            line = self._lines.taken(host)
            surplus = [] if line else self._lines.surplus()
        if line is None:
            try:
                for one in surplus:
                    one.close()
                line = connected(self._reaches[host], self._drivers[self._reaches[host].transport])
            except BaseException:
                with self._lock:
                    self._lines.refused(host)
                raise
            with self._lock:
                self._lines.opened(host, line)
        try:
            said = line.carry(parcel)
        except BaseException as error:
            with self._lock:
                self._lines.lost(host, error.why if isinstance(error, BrokenError) else "")
            line.close()
            raise
        with self._lock:
            self._lines.freed(host, keep=parcel.keep)
        return said

    def close(self) -> None:
        """Close every line; a thread that waits on one ends with it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            lines = self._lines.all()
        for line in lines:
            line.close()
        self._pool.shutdown()
