"""How a host is reached: each transport starts one command on a host and hands over its streams.

A transport is a stevedore driver of the group ``cephdeploy.transports``: a callable that takes a
:class:`Target` and gives a :class:`Transport`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ..session import Channel

__all__ = ["PAUSES", "TAIL", "AsyncChannel", "AsyncTransport", "Target", "Transport"]

#: What was said on standard error is kept up to this many bytes, from its end.
TAIL: Final = 8192
#: A busy sshd drops connections before its banner (MaxStartups); nothing was sent, so another try harms nothing.
#: Seconds before each further try.
PAUSES: Final = (0.2, 1.0)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where and how one host is reached. Empty or None: as ssh_config or the transport has it.

    :param name: the host's name in the site file.
    :param address: what is dialled: a name or an IP address.
    :param jump: hosts to go through, as OpenSSH's ProxyJump has them (``user@host:port,...``).
    :param timeout: seconds until a connection attempt is given up.
    :param keepalive: seconds between signs of life on an idle line.
    """

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    jump: str | None = None
    sudo: bool | None = None
    timeout: float = 10
    keepalive: int = 15


class Transport(Protocol):
    """One connection to one host."""

    def __init__(self, target: Target) -> None: ...

    @property
    def user(self) -> str:
        """The account that the login is for."""
        ...

    def start(self, command: str) -> Channel:
        """Connect and start ``command``.

        :raises HostError: unreachable, another host key, or a login refused; nothing was sent.
        """
        ...


class AsyncChannel(Protocol):
    """:class:`cephdeploy.session.Channel` for an event loop: the same meaning, the same errors.

    For the loop that it was opened in.
    """

    @property
    def timeout(self) -> float:
        """Seconds that a login may take to start what it was asked to."""
        ...

    async def send(self, data: bytes) -> None:
        """Write all of ``data``.

        :raises OSError: the line is down.
        """
        ...

    async def receive(self, count: int, timeout: float) -> bytes:
        """Up to ``count`` bytes of standard output as soon as there are any; empty at the end.

        :raises TimeoutError: nothing came for ``timeout`` seconds.
        :raises OSError: the line is down, also when the host gives no sign of life on a silent line.
        """
        ...

    async def ending(self) -> tuple[int | None, bytes]:
        """Exit status, if it was told, and the tail of standard error; waits no more than a moment."""
        ...

    async def close(self) -> None:
        """Let go of the streams and of the connection; may be called again."""
        ...


class AsyncTransport(Protocol):
    """A transport that an event loop can drive, without a thread for each host."""

    def __init__(self, target: Target) -> None: ...

    @property
    def user(self) -> str:
        """The account that the login is for."""
        ...

    async def open(self, command: str) -> AsyncChannel:
        """Connect, in the running loop, and start ``command``.

        :raises HostError: unreachable, another host key, or a login refused; nothing was sent.
        """
        ...
