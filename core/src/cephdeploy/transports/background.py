"""One event loop in one thread of its own, for all channels that live in a loop and are used by threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from . import AsyncChannel

__all__ = ["BlockingChannel", "result"]

T = TypeVar("T")
_beginning = threading.Lock()


def result(work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to in the background; it is called off when this is interrupted."""
    future = asyncio.run_coroutine_threadsafe(work, _loop(os.getpid()))
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class BlockingChannel:
    """A channel of the background's loop as a :class:`cephdeploy.session.Channel`."""

    def __init__(self, channel: AsyncChannel) -> None:
        self.timeout = channel.timeout
        self._channel = channel

    def send(self, data: bytes) -> None:
        result(self._channel.send(data))

    def receive(self, count: int, timeout: float) -> bytes:
        return result(self._channel.receive(count, timeout))

    def ending(self) -> tuple[int | None, bytes]:
        return result(self._channel.ending())

    def close(self) -> None:
        result(self._channel.close())


def _loop(process: int) -> asyncio.AbstractEventLoop:
    """The running loop; a forked process gets one of its own."""
    with _beginning:
        return _begun(process)


@cache
def _begun(process: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="cephdeploy-loop").start()
    return loop
