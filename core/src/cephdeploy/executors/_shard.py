"""On a worker of a cluster: the lines of the hosts that are reached from its machine."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..conversation import Said
from ..protocol import Parcel
from . import Executor, Reach
from .process import process

__all__ = ["Shard", "here", "introduced", "sent"]


def introduced(dask_worker: Any) -> tuple[str, str, str]:
    """Which worker this is: one process of its own, its name, and the version of cephdeploy that it has.

    :param dask_worker: the worker that runs this; dask fills it in by the argument's name.
    """
    return dask_worker.id, str(dask_worker.name), __version__


def sent(reach: Reach) -> Reach:
    """A reach for another machine: a path in this user's home is one in the home of the worker's user there."""

    def moved(path: Path | None) -> Path | None:
        home = Path.home()
        return Path("~", path.relative_to(home)) if path and path.is_relative_to(home) else path

    return _with_paths(reach, moved)


def here(reach: Reach) -> Reach:
    """What was sent, for this machine."""
    return replace(_with_paths(reach, lambda path: path and path.expanduser()), bastion=None)


def _with_paths(reach: Reach, change: Callable[[Path | None], Path | None]) -> Reach:
    was = reach.target
    target = replace(was, key=change(was.key), known_hosts=change(was.known_hosts), config=change(was.config))
    return replace(reach, target=target)


class Shard:
    """An actor: it lives as long as the run that made it, and its lines end with it."""

    def __init__(self, reaches: Mapping[str, Reach], transports: Callable[[str], Any]) -> None:
        self._executor = process({name: here(reach) for name, reach in reaches.items()}, transports)
        # where the run died, nobody calls close: dask lets the actor go
        self._end = weakref.finalize(self, _end, self._executor)
        self._end.atexit = False

    async def carry(self, host: str, parcel: Parcel) -> Said:
        """See :meth:`cephdeploy.executors.Executor.carry`."""
        return await asyncio.wrap_future(self._executor.carry(host, parcel))

    async def close(self) -> None:
        """Close every line."""
        if self._end.detach():
            await asyncio.to_thread(self._executor.close)


def _end(executor: Executor) -> None:
    """Close the lines without keeping the worker waiting."""
    threading.Thread(target=executor.close, daemon=True).start()
