"""The way to a host: every sshd to pass, by what the site file says and what an ssh configuration adds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

from ..errors import HostError
from . import Target

__all__ = ["Hop", "Says", "hops"]

_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"

#: What an ssh configuration says of a name, with a user and a port that stand before it: options by their names in
#: small letters, as ``ssh -G`` has them.
Says = Callable[[str, str | None, int | None], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One sshd on the way to a host; the last one is the host's own.

    :param name: what ssh_config knows it by.
    :param known_as: the name that its key is looked up by (HostKeyAlias, or the host).
    :param keys: private keys to log in with, before others.
    :param only: offer no other keys than those.
    :param command: a ProxyCommand to reach it by.
    """

    name: str
    host: str
    port: int
    user: str
    known_as: str
    known_hosts: tuple[Path, ...]
    keys: tuple[Path, ...] = ()
    only: bool = False
    command: str | None = None

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


def hops(target: Target, says: Says) -> list[Hop]:
    """Every sshd to pass, in the order in which they are connected to; what the site file says wins.

    :raises ValueError: a jump host is none.
    """
    return list(_hops(target, says, target.address, target.user, target.port, target.jump, frozenset()))


def _hops(
    target: Target,
    says: Says,
    name: str,
    user: str | None,
    port: int | None,
    jump: str | None,
    seen: frozenset[str],
) -> Iterator[Hop]:
    said = says(name, user, port)
    jumps = [_split(hop) for hop in (jump or said.get("proxyjump") or "none").split(",") if hop.strip() != "none"]
    # a ProxyJump under `Host *` holds for the jump host as well, which does not go through itself
    if not any(host in seen | {name} for _, host, _ in jumps):
        for number, (their_user, host, their_port) in enumerate(jumps):
            if number == 0:
                yield from _hops(target, says, host, their_user, their_port, None, seen | {name})
            else:
                yield _hop(host, says(host, their_user, their_port), target)
    yield _hop(name, said, target, command=None if jumps else said.get("proxycommand"))


def _hop(name: str, said: Mapping[str, Any], target: Target, *, command: str | None = None) -> Hop:
    host = said["hostname"]
    files = [target.known_hosts] if target.known_hosts else _known_hosts(said, host)
    named = [Path(name).expanduser() for name in said.get("identityfile", []) if name != "none"]
    return Hop(
        name=name,
        host=host,
        port=int(said.get("port", 22)),
        user=said.get("user") or _own_name(target.name),
        known_as=said.get("hostkeyalias", host),
        known_hosts=tuple(files),
        keys=tuple(dict.fromkeys([*([target.key.expanduser()] if target.key else []), *named])),
        only=target.key is not None or said.get("identitiesonly", "no").lower() == "yes",
        command=command,
    )


def _own_name(host: str) -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container's user that has no name
        raise HostError(
            host,
            f"nobody is named to log in as, and your own id {os.getuid()} has no name here; add ssh: {{user: ...}}",
        ) from None


def _known_hosts(said: Mapping[str, Any], host: str) -> list[Path]:
    words = f"{said.get('userknownhostsfile', _KNOWN_HOSTS)} {said.get('globalknownhostsfile', _GLOBAL_KNOWN_HOSTS)}"
    quoted = re.findall(r'"([^"]*)"|(\S+)', words)
    names = [(one or other).replace("%d", str(Path.home())).replace("%h", host) for one, other in quoted]
    return [Path(name).expanduser() for name in names if name != "none"]


def _split(hop: str) -> tuple[str | None, str, int | None]:
    """``[ssh://][user@]host[:port]``; an IPv6 address with a port stands in brackets."""
    user, _, place = hop.strip().removeprefix("ssh://").rstrip("/").rpartition("@")
    found = re.fullmatch(
        r"\[(?P<six>[^]]+)\](?::(?P<a>\d+))?|(?P<host>[^][:]+)(?::(?P<b>\d+))?|(?P<bare>[^][]*:[^][]*:[^][]*)", place
    )
    if not found:
        raise ValueError(f"'{hop}' is no jump host; write user@host:port")
    port = found["a"] or found["b"]
    return user or None, found["six"] or found["host"] or found["bare"], int(port) if port else None
