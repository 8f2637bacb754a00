"""Lines held in this process: by some threads, or by one event loop where the transport lives in one."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SettingsError
from . import Executor, Reach
from ._lines import least, most

__all__ = ["process"]

#: File descriptors of a line whose transport does not say how many: a process with three pipes.
_PIPES = 3
#: A blocking transport's line may be a thread, so no more of them are held, whatever the limit of files is.
_THREADS = 1024


def process(reaches: Mapping[str, Reach], transports: Callable[[str], Any]) -> Executor:
    """The entry point ``process`` of ``cephdeploy.executors``: the default.

    :param transports: gives the driver of a transport's name.
    :raises SettingsError: a host is to be reached from elsewhere.
    """
    if away := next((name for name, reach in reaches.items() if reach.bastion), None):
        raise SettingsError(
            f"{away}: it has a bastion, and the executor 'process' reaches hosts from this machine; "
            "set executor: dask, or jump in place of bastion"
        )
    drivers = {name: transports(name) for name in {reach.transport for reach in reaches.values()}}
    each = max(getattr(driver, "descriptors", _PIPES) for driver in drivers.values())
    loops = all(hasattr(driver, "open") for driver in drivers.values())
    wanted = len(reaches) if loops else min(len(reaches), _THREADS)
    # a process is dearer than another login: of these no more than the limit lets as it is
    files = _files(least(wanted, each) if each < _PIPES else 0)
    held = min(most(files, each), wanted)
    if loops:
        from .loop import Loop

        return Loop(reaches, drivers, held)
    from .threads import Threads

    return Threads(reaches, drivers, held)


def _files(wanted: int) -> int:
    """How many files this process may have open: what is wanted, as far as the administrator's limit lets us.

    The soft limit is low only for programs that use select(2), which knows no file above 1,024; nothing here does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
