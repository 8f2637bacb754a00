"""OpenSSH's client configuration, and the way to a host that it and the site file describe.

paramiko parses it but for ``Include``, which is put in its place here. It is imported only when there is something to
parse: what a distribution brings says nothing of the way to a host, and not every transport is paramiko's.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..errors import HostError
from . import Target
from .hops import Hop, hops
from .refusals import not_followed

__all__ = ["way"]

_USERS = Path("~/.ssh/config")
_SYSTEMS = Path("/etc/ssh/ssh_config")
#: As deep as OpenSSH follows an ``Include``.
_DEEPEST = 16
#: A line that says nothing of the way to a host, and that paramiko has no complaint about.
_IDLE = re.compile(
    r"""\s*(?:\#.*|
    (?!(?:Match|HostName|User|Port|HostKeyAlias|UserKnownHostsFile|GlobalKnownHostsFile|IdentityFile|IdentitiesOnly|
        ProxyJump|ProxyCommand|Canonical\w+)\b)
    \w+(?:\s*=\s*|\s+)[^\s"'][^"']*)?""",
    re.VERBOSE | re.IGNORECASE,
)


def way(target: Target) -> list[Hop]:
    """Every sshd to pass, in the order in which they are connected to; what the site file says wins.

    :raises HostError: the configuration can't be read, or a jump host is none.
    """
    try:
        return hops(target, partial(_says, target.config))
    except (OSError, ValueError) as error:
        raise HostError(target.name, not_followed(target.config or _USERS, error)) from error


def _says(path: Path | None, name: str, user: str | None, port: int | None) -> Mapping[str, Any]:
    """What the configuration says of a host. The first word on an option counts: so ours stand before it."""
    own = _USERS.expanduser()
    path = (path or own).expanduser()
    files = [path, _SYSTEMS] if path == own else [path]
    stamps = tuple((str(file), file.stat().st_mtime_ns) for file in files if file.is_file())
    return _parsed(stamps, user, port)(name)


@lru_cache(maxsize=64)
def _parsed(
    files: tuple[tuple[str, int], ...], user: str | None, port: int | None
) -> Callable[[str], Mapping[str, Any]]:
    """What looks a name up.

    :raises ValueError: a file can't be parsed. Looking up raises it too.
    """
    lines = [line for name, _ in files for line in ("Host *", *_with_includes(Path(name), 0))]
    ours = {key: str(value) for key, value in (("user", user), ("port", port)) if value}
    if all(_IDLE.fullmatch(line) for line in lines):
        return lambda name: {**ours, "hostname": name}
    return _by_paramiko(["Host *", *(f"{key} {value}" for key, value in ours.items()), *lines])


def _by_paramiko(lines: Sequence[str]) -> Callable[[str], Mapping[str, Any]]:
    from . import _invoke  # noqa: F401, I001
    import paramiko

    try:
        config = paramiko.SSHConfig.from_text("\n".join(lines))
    except paramiko.SSHException as error:
        raise ValueError(str(error)) from error

    def look_up(name: str) -> Mapping[str, Any]:
        try:
            return config.lookup(name)
        except paramiko.SSHException as error:
            raise ValueError(str(error)) from error

    return look_up


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
