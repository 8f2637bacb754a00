"""OpenSSH's client configuration, and the way to a host that it and the site file describe.

paramiko parses it but for ``Include``, which is put in its place here.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from getpass import getuser
from pathlib import Path

import paramiko

from ..errors import HostError
from . import Target

__all__ = ["Hop", "way"]

_USERS = Path("~/.ssh/config")
_SYSTEMS = Path("/etc/ssh/ssh_config")
_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
#: As deep as OpenSSH follows an ``Include``.
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One sshd on the way to a host; the last one is the host's own.

    :param known_as: the name that its key is looked up by (HostKeyAlias, or the host).
    :param keys: private keys to log in with, before others.
    :param only: offer no other keys than those.
    :param command: a ProxyCommand to reach it by.
    """

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


def way(target: Target) -> list[Hop]:
    """Every sshd to pass, in the order in which they are connected to; what the site file says wins.

    :raises HostError: the configuration can't be read, or a jump host is none.
    """
    try:
        return list(_hops(target, target.address, target.user, target.port, target.jump, frozenset()))
    except (OSError, ValueError, paramiko.SSHException) as error:
        where = target.config or _USERS
        raise HostError(target.name, f"the ssh configuration {where} can't be followed: {error}") from error


def _hops(
    target: Target,
    name: str,
    user: str | None,
    port: int | None,
    jump: str | None,
    seen: frozenset[str],
) -> Iterator[Hop]:
    says = _says(target.config, name, user, port)
    jumps = [_split(hop) for hop in (jump or says.get("proxyjump") or "none").split(",") if hop.strip() != "none"]
    # a ProxyJump under `Host *` holds for the jump host as well, which does not go through itself
    if not any(host in seen | {name} for _, host, _ in jumps):
        for number, (their_user, host, their_port) in enumerate(jumps):
            if number == 0:
                yield from _hops(target, host, their_user, their_port, None, seen | {name})
            else:
                yield _hop(_says(target.config, host, their_user, their_port), target)
    yield _hop(says, target, command=None if jumps else says.get("proxycommand"))


def _hop(says: paramiko.SSHConfigDict, target: Target, *, command: str | None = None) -> Hop:
    host = says["hostname"]
    files = [target.known_hosts] if target.known_hosts else _known_hosts(says, host)
    named = [Path(name).expanduser() for name in says.get("identityfile", []) if name != "none"]
    return Hop(
        host=host,
        port=int(says.get("port", 22)),
        user=says.get("user") or getuser(),
        known_as=says.get("hostkeyalias", host),
        known_hosts=tuple(files),
        keys=((target.key.expanduser(),) if target.key else ()) + tuple(named),
        only=target.key is not None or says.get("identitiesonly", "no").lower() == "yes",
        command=command,
    )


def _known_hosts(says: paramiko.SSHConfigDict, host: str) -> list[Path]:
    words = f"{says.get('userknownhostsfile', _KNOWN_HOSTS)} {says.get('globalknownhostsfile', _GLOBAL_KNOWN_HOSTS)}"
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


def _says(path: Path | None, name: str, user: str | None, port: int | None) -> paramiko.SSHConfigDict:
    """What the configuration says of a host. The first word on an option counts: so ours stand before it."""
    own = _USERS.expanduser()
    path = (path or own).expanduser()
    files = [path, _SYSTEMS] if path == own else [path]
    stamps = tuple((str(file), file.stat().st_mtime_ns) for file in files if file.is_file())
    return _parsed(stamps, user, port).lookup(name)


@lru_cache(maxsize=64)
def _parsed(files: tuple[tuple[str, int], ...], user: str | None, port: int | None) -> paramiko.SSHConfig:
    lines = ["Host *"]
    lines += [f"User {user}"] if user else []
    lines += [f"Port {port}"] if port else []
    for name, _ in files:
        lines += ["Host *", *_with_includes(Path(name), 0)]
    return paramiko.SSHConfig.from_text("\n".join(lines))


def _with_includes(path: Path, depth: int) -> Iterator[str]:
    """A file's lines with those of the files that it includes; after them its own block goes on."""
    if depth > _DEEPEST:
        raise ValueError(f"{path} is included more than {_DEEPEST} deep")
    block = "Host *"
    base = _SYSTEMS.parent if path.is_relative_to(_SYSTEMS.parent) else Path("~/.ssh").expanduser()
    for line in path.read_text(errors="replace").splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() in ("host", "match"):
            block = line
        if word.lower() != "include":
            yield line
            continue
        for one, other in re.findall(r'"([^"]*)"|(\S+)', rest):
            pattern = os.path.join(base, os.path.expanduser(one or other))  # noqa: PTH111, PTH118
            for name in sorted(glob.glob(pattern)):  # noqa: PTH207
                yield from _with_includes(Path(name), depth + 1)
                yield block
