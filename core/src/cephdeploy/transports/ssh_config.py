"""OpenSSH's client configuration, and the way to a host that it and the site file describe.

paramiko parses it but for ``Include``, which is put in its place here.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import paramiko

from ..errors import HostError
from . import Target
from .hops import Hop, hops
from .refusals import not_followed

__all__ = ["way"]

_USERS = Path("~/.ssh/config")
_SYSTEMS = Path("/etc/ssh/ssh_config")
#: As deep as OpenSSH follows an ``Include``.
_DEEPEST = 16


def way(target: Target) -> list[Hop]:
    """Every sshd to pass, in the order in which they are connected to; what the site file says wins.

    :raises HostError: the configuration can't be read, or a jump host is none.
    """
    try:
        return hops(target, partial(_says, target.config))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise HostError(target.name, not_followed(target.config or _USERS, error)) from error


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
