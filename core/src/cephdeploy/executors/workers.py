"""The workers of a cluster, as one executor: which host goes by which, and what is done when one is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import distributed
from distributed.core import send_recv
from distributed.protocol import to_serialize

from .. import __version__
from ..conversation import BrokenError, Said
from ..errors import HostError, UsageError
from ..protocol import Parcel
from . import Reach
from ._private import check_private
from ._shard import Shard, introduced, sent

__all__ = ["Workers"]

T = TypeVar("T")

#: Batches that are under way by one worker: each has a connection of its own to it, beside those to the hosts.
_AT_ONCE = 100
#: Seconds until the hosts have seen that a lost worker's lines ended, and have let go of the lock.
_SETTLED = 1.0
#: Seconds for a worker to import what it needs, or to close its lines.
_PATIENCE = 60.0
#: Seconds between asking a worker for a sign of life, and for which it is waited for: a machine that froze keeps its
#: connections open.
_PULSE = 30.0


class _LostError(Exception):
    """A worker is gone.

    :param sent: whether what was asked of it may have been done.
    """

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


@dataclass(eq=False)
class _Worker:
    """One process of a worker; a worker that was started again is another one.

    :param hosts: how many go by it.
    :param shard: the actor there, once the first host needs it.
    """

    id: str
    name: str
    address: str
    hosts: int = 0
    lost: bool = False
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    shard: asyncio.Task[Any] | None = None
    pulse: asyncio.Task[None] | None = None
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


class Workers:
    """Each host goes by the worker that is its bastion, or by the one that has the fewest hosts.

    :param address: the scheduler's.
    """

    def __init__(self, reaches: Mapping[str, Reach], transports: Callable[[str], Any], address: str) -> None:
        self._reaches = reaches
        self._transports = transports
        self._scheduler = address
        self._there: list[_Worker] = []
        self._places: dict[str, _Worker] = {}
        self._broken: dict[str, str] = {}
        self._placing = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        # what fails is told by the calls that wait for it; beside these dask leaves futures that nobody waits for
        self._loop.set_exception_handler(lambda loop, context: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="cephdeploy", daemon=True)
        self._thread.start()
        try:
            self._do(self._begun()).result()
        except BaseException:
            self._end()
            raise

    def carry(self, host: str, parcel: Parcel) -> Future[Said]:
        """See :class:`cephdeploy.executors.Executor`."""
        return self._do(self._carried(host, parcel))

    def close(self) -> None:
        """Close every line, and let the workers go."""
        self._do(self._closed()).result()
        self._end()

    def _do(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # who is there

    async def _begun(self) -> None:
        try:
            # straight to the workers: what travels by the scheduler, the scheduler sees
            self._client = await distributed.Client(
                self._scheduler, asynchronous=True, direct_to_workers=True, set_as_default=False, name="cephdeploy"
            )
        except (OSError, TypeError, RuntimeError, ValueError) as error:
            raise HostError(
                "dask", f"no scheduler answers at {self._scheduler}: {error}; start it, or see distributed.comm.tls"
            ) from error
        try:
            async with asyncio.timeout(_PATIENCE):
                self._there = await self._introduced()
            if not self._there:
                raise HostError("dask", f"the scheduler at {self._scheduler} has no worker; start one on each bastion")
            for host in self._reaches:
                self._place(host)
        except TimeoutError:
            await self._client.close()
            raise HostError(
                "dask",
                f"a worker of the scheduler at {self._scheduler} does not answer in {_PATIENCE:g} s; end the one that "
                "hangs",
            ) from None
        except BaseException:
            await self._client.close()
            raise

    async def _introduced(self, *, but: str = "") -> list[_Worker]:
        """Every worker that the scheduler knows, but for the one at an address.

        :raises UsageError: one is not fit.
        """
        about = (await self._client.scheduler.identity())["workers"]
        names = {address: one["name"] for address, one in about.items() if address != but}
        told = await self._client.run(introduced, workers=list(names), on_error="return") if names else {}
        found = []
        for address, said in sorted(told.items(), key=lambda one: str(names.get(one[0]))):
            name = names.get(address, address)
            check_private(f"worker '{name}'", address)
            if isinstance(said, Exception):
                raise UsageError(
                    f"the worker '{name}' can't use cephdeploy {__version__}: {said}; install "
                    f"'cephdeploy-core[dask]=={__version__}' there, with the Python that runs the worker"
                )
            if said[2] != __version__:
                raise UsageError(
                    f"the worker '{name}' has cephdeploy {said[2]}, and this is {__version__}; install the same"
                )
            found.append(_Worker(said[0], said[1], address))
        return found

    # which host goes by which

    def _place(self, host: str) -> _Worker:
        """
        :raises HostError: there is no worker for it.
        """
        known = self._places.get(host)
        if known and not known.lost:
            return known
        bastion = self._reaches[host].bastion
        fit = [worker for worker in self._there if bastion in (None, worker.name)]
        if not fit:
            there = ", ".join(worker.name for worker in self._there) or "none"
            wanted = f"its bastion '{bastion}' is not among the workers" if bastion else "no worker is left"
            raise HostError(host, f"{wanted} of the scheduler at {self._scheduler}; there are: {there}")
        self._places[host] = worker = min(fit, key=lambda one: one.hosts)
        worker.hosts += 1
        return worker

    async def _forget(self, worker: _Worker) -> None:
        """A worker was lost: its hosts go by others from now on."""
        async with self._placing:
            if worker.lost:
                return
            worker.lost = True
            for task in (worker.shard, worker.pulse):
                if task:
                    task.cancel()
            await asyncio.sleep(_SETTLED)
            known = {one.id: one for one in self._there if not one.lost}
            with suppress(UsageError, OSError):  # those that are left will do
                async with asyncio.timeout(_PATIENCE):
                    known = {
                        one.id: known.get(one.id, one) for one in await self._introduced(but=worker.address)
                    } | known
            self._there = [one for one in known.values() if one.id != worker.id]

    # what is asked of them

    async def _carried(self, host: str, parcel: Parcel) -> Said:
        if host in self._broken:
            raise HostError(host, f"its line broke before: {self._broken[host]}")
        while True:
            async with self._placing:
                worker = self._place(host)
            try:
                return await self._by(worker, host, parcel)  # type: ignore[no-any-return]
            except BrokenError as error:
                self._broken[host] = error.why
                raise
            except _LostError as error:
                await self._forget(worker)
                if error.sent and not parcel.looks:
                    self._broken[host] = f"the worker '{worker.name}' was lost"
                    raise BrokenError(self._broken[host], {}) from None

    async def _by(self, worker: _Worker, host: str, parcel: Parcel) -> Any:
        if worker.shard is None:
            worker.shard = asyncio.create_task(self._opened(worker))
        try:
            shard = await asyncio.shield(worker.shard)
        except asyncio.CancelledError:
            if worker.lost:
                raise _LostError(sent=False) from None
            raise
        async with worker.turns:
            return await self._asked(worker, shard, "carry", host, parcel)

    async def _opened(self, worker: _Worker) -> Any:
        """The actor, as a future that keeps it there."""
        theirs = {name: sent(reach) for name, reach in self._reaches.items() if reach.bastion in (None, worker.name)}
        shard = self._client.submit(
            Shard, theirs, self._transports, actor=True, pure=False, workers=[worker.address], allow_other_workers=False
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                error = await shard.exception()
        except TimeoutError:
            raise _LostError(sent=False) from None
        if error:
            raise UsageError(f"the worker '{worker.name}' can't reach hosts: {error}") from error
        worker.pulse = asyncio.create_task(self._felt(worker))
        return shard

    async def _felt(self, worker: _Worker) -> None:
        """Until a worker gives no sign of life any more."""
        with suppress(TimeoutError, OSError):
            while True:
                await asyncio.sleep(_PULSE)
                async with asyncio.timeout(_PULSE):
                    await self._client.rpc(worker.address).identity()
        worker.silent.set()

    async def _asked(self, worker: _Worker, shard: Any, method: str, *arguments: object) -> Any:
        """What the actor's own proxy does, but once: that asks again when a worker is lost, so a change could be made
        twice."""
        pool = self._client.rpc
        try:
            comm = await pool.connect(worker.address)
        except OSError:
            raise _LostError(sent=False) from None
        args = [to_serialize(argument) for argument in arguments]
        call = asyncio.ensure_future(send_recv(comm, op="actor_execute", actor=shard.key, function=method, args=args))
        silence = asyncio.ensure_future(worker.silent.wait())
        try:
            await asyncio.wait((call, silence), return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise _LostError(sent=True)
            reply = call.result()
        except OSError:
            raise _LostError(sent=True) from None
        except KeyError:  # another process at that address, which has no such actor
            raise _LostError(sent=False) from None
        finally:
            silence.cancel()
            if call.cancel():
                comm.abort()
            pool.reuse(worker.address, comm)
        if reply["status"] != "OK":
            raise reply["exception"]
        return reply["result"]

    async def _closed(self) -> None:
        shards = [(one, one.shard) for one in self._there if one.shard and one.shard.done() and not one.lost]
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(
                    *(self._asked(worker, shard.result(), "close") for worker, shard in shards), return_exceptions=True
                )
        await self._client.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
