"""How a host is reached: each transport starts one command on a host and hands over its streams.

A transport is a stevedore driver of the group ``cephdeploy.transports``: a callable that takes a
:class:`Target` and gives a :class:`Connected`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..session import Channel

__all__ = ["Target", "Transport"]


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
