"""One live host: requests out, answers back, over any transport's channel."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from .contents import Contents
from .conversation import BrokenError, Conversation, Receive, Said, bootstrap, failure
from .protocol import Batch, Parcel
from .requests import Answer, Group, Host
from .wire import WireError

if TYPE_CHECKING:
    from .transports import AsyncChannel

__all__ = ["AsyncSession", "Channel", "Session", "bootstrap"]


class Channel(Protocol):
    """A started command's standard streams, as a transport gives them."""

    @property
    def timeout(self) -> float:
        """Seconds that a login may take to start what it was asked to."""
        ...

    def send(self, data: bytes) -> None:
        """Write all of ``data``.

        :raises OSError: the line is down.
        """
        ...

    def receive(self, count: int, timeout: float) -> bytes:
        """Up to ``count`` bytes of standard output as soon as there are any; empty at the end.

        :raises TimeoutError: nothing came for ``timeout`` seconds.
        :raises OSError: the line is down, also when the host gives no sign of life on a silent line.
        """
        ...

    def ending(self) -> tuple[int | None, bytes]:
        """Exit status, if it was told, and the tail of standard error; waits no more than a moment."""
        ...

    def close(self) -> None:
        """Let go of the streams and of the connection; may be called again."""
        ...


class Session(Host):
    """A live host. One batch at a time; not for use by several threads at once.

    :param name: the host's name in the site file, for errors.
    :param channel: a started :func:`bootstrap`; closed by :meth:`close`.
    :param sudo: whether the login is not root and must become it.
    """

    def __init__(self, name: str, channel: Channel, *, sudo: bool) -> None:
        self.name = name
        self._channel = channel
        self._conversation = Conversation(name, timeout=channel.timeout, sudo=sudo)
        self._contents = Contents()

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """Send groups of requests in one round trip; the answers, in the groups' order.

        :raises HostError: the payload does not run there, with what would fix it; or the line is down, or the host
            stopped answering, with what is unknown now.
        """
        batch = Batch(groups, self._contents)
        try:
            return batch.answers(self.carry(batch.parcel))
        except (BrokenError, WireError) as error:
            raise failure(self.name, batch, error) from error

    def carry(self, parcel: Parcel) -> Said:
        """A batch as it travels; see :meth:`cephdeploy.conversation.Conversation.exchange`."""
        talk = self._conversation.exchange(parcel)
        came: Any = None
        failure: Exception | None = None
        try:
            while True:
                wish = talk.throw(failure) if failure else talk.send(came)
                came, failure = None, None
                try:
                    if isinstance(wish, bytes):
                        self._channel.send(wish)
                    elif isinstance(wish, Receive):
                        came = self._channel.receive(wish.count, wish.timeout)
                    else:
                        came = self._channel.ending()
                except (OSError, EOFError) as error:
                    failure = error
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the line; the payload ends with it. One that is down already is no error."""
        with suppress(OSError, EOFError):
            self._channel.close()


class AsyncSession:
    """A :class:`Session`'s lower half in an event loop."""

    def __init__(self, name: str, channel: AsyncChannel, *, sudo: bool) -> None:
        self._channel = channel
        self._conversation = Conversation(name, timeout=channel.timeout, sudo=sudo)

    async def carry(self, parcel: Parcel) -> Said:
        """As :meth:`Session.carry`."""
        talk = self._conversation.exchange(parcel)
        came: Any = None
        failure: Exception | None = None
        try:
            while True:
                wish = talk.throw(failure) if failure else talk.send(came)
                came, failure = None, None
                try:
                    if isinstance(wish, bytes):
                        await self._channel.send(wish)
                    elif isinstance(wish, Receive):
                        came = await self._channel.receive(wish.count, wish.timeout)
                    else:
                        came = await self._channel.ending()
                except (OSError, EOFError) as error:
                    failure = error
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Close the line; the payload ends with it."""
        with suppress(OSError, EOFError):
            await self._channel.close()
