"""Lines of transports that live in an event loop: one thread for all hosts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from ..conversation import BrokenError, Said, bootstrap
from ..protocol import Parcel
from ..session import AsyncSession
from . import WINDOW, Reach
from ._lines import Lines

__all__ = ["Loop"]


class Loop:
    """For transports that live in an event loop: one thread for all hosts."""

    def __init__(self, reaches: Mapping[str, Reach], drivers: Mapping[str, Any], held: int) -> None:
        self._reaches = reaches
        self._drivers = drivers
        self._lines: Lines[AsyncSession] = Lines(held)
        self._at_work = asyncio.Semaphore(held)
        self._logging_in = asyncio.Semaphore(WINDOW)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cephdeploy", daemon=True)
        self._thread.start()

    def carry(self, host: str, parcel: Parcel) -> Future[Said]:
        """See :class:`cephdeploy.executors.Executor`."""
        return asyncio.run_coroutine_threadsafe(self._carried(host, parcel), self._loop)

    async def _carried(self, host: str, parcel: Parcel) -> Said:
        async with self._at_work:
            line = self._lines.taken(host)
            if line is None:
                try:
                    for one in self._lines.surplus():
                        await one.close()
                    async with self._logging_in:
                        line = await self._connected(self._reaches[host])
                except BaseException:
                    self._lines.refused(host)
                    raise
                self._lines.opened(host, line)
            try:
                said = await line.carry(parcel)
            except BaseException as error:
                self._lines.lost(host, error.why if isinstance(error, BrokenError) else "")
                await line.close()
                raise
            self._lines.freed(host, keep=parcel.keep)
            return said

    async def _connected(self, reach: Reach) -> AsyncSession:
        transport = self._drivers[reach.transport](reach.target)
        sudo = transport.user != "root" if reach.sudo is None else reach.sudo
        return AsyncSession(reach.target.name, await transport.open(bootstrap(sudo=sudo)), sudo=sudo)

    def close(self) -> None:
        """Close every line, and end the loop."""
        asyncio.run_coroutine_threadsafe(self._closed(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _closed(self) -> None:
        ours = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not ours]
        for task in tasks:
            task.cancel()
        for line in self._lines.all():
            await line.close()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task
