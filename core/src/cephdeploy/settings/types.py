"""What a value of the site file may be: names, addresses and paths that can't be taken for anything else."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema

__all__ = [
    "ROLE",
    "SECTION",
    "Address",
    "Entity",
    "HostName",
    "Jump",
    "LocalPath",
    "Name",
    "PlainText",
    "PoolName",
    "Port",
    "PowerOfTwo",
    "RemotePath",
    "Role",
    "Roles",
    "UserName",
    "address",
    "host_name",
    "power_of_two",
    "string",
]

# Names


def _named(pattern: str, allowed: str, longest: int = 253) -> Callable[[str], str]:
    """A validator for one sort of name; ``allowed`` ends the sentence "must be …"."""

    def check(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"must be {allowed}, and at most {longest} characters")
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"must be {allowed}")
        return value

    return check


def string(pattern: str | None = None, **more: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": f"^{pattern}$"} if pattern else {}), **more})


_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
ROLE = r"[a-z][a-z0-9_-]*"
SECTION = r"[a-z][a-z0-9_]*"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_POOL = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*"
_ENTITY = r"client\.[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REMOTE = r"(?:/[A-Za-z0-9_@+.-]+)+"

host_name = _named(
    _HOST,
    "a host name: letters, digits, '.', '-' and '_', with a letter or a digit at both ends",
)
_user_name = _named(_USER, "a user name: letters, digits, '.', '-' and '_', not beginning with '.' or '-'", 32)

HostName = Annotated[str, AfterValidator(host_name), string(_HOST)]
"""The name of a host, as it stands under ``hosts``."""

Name = Annotated[
    str,
    AfterValidator(_named(_NAME, "letters, digits, '.', '-' and '_', beginning with a letter or digit", 64)),
    string(_NAME),
]
"""A plain name of something that has no type of its own."""

Role = Annotated[
    str,
    AfterValidator(_named(ROLE, "a role: lower-case letters, digits, '-' and '_', beginning with a letter", 64)),
    string(ROLE, format="role"),
]
"""What a host does for OpenStack, such as ``cinder-volume``; which there are, the plugins say."""

UserName = Annotated[str, AfterValidator(_user_name), string(_USER)]
"""A user of a host."""

PoolName = Annotated[
    str,
    AfterValidator(_named(_POOL, "a pool name: letters, digits, '.', '-' and '_', not beginning with '-'", 128)),
    string(_POOL),
]
"""A pool of Ceph."""

Entity = Annotated[
    str,
    AfterValidator(_named(_ENTITY, "a Ceph user: 'client.' and then letters, digits, '.', '-' and '_'", 128)),
    string(_ENTITY),
]
"""A user of Ceph, such as ``client.cinder``."""


# Addresses and paths


def address(value: str) -> str:
    """An IPv4 or IPv6 address or a name: what an SSH client can be given as its destination."""
    if value.startswith("[") and value.endswith("]") and ":" in value:
        raise ValueError("must be an IPv6 address without brackets")
    try:
        if ":" in value:
            scope = value.partition("%")[2]
            if "%" in value and not re.fullmatch(_NAME, scope, re.ASCII):
                raise ValueError
            ipaddress.IPv6Address(value)
        elif value and not value.strip("0123456789."):
            ipaddress.IPv4Address(value)
        else:
            host_name(value)
    except ValueError:
        raise ValueError(
            "must be an IPv4 or IPv6 address or a host name (letters, digits, '.', '-' and '_', "
            "with a letter or a digit at both ends)"
        ) from None
    return value


def _jump(value: str) -> str:
    user, at, where = value.rpartition("@")
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?", where, re.ASCII)
    plain = re.fullmatch(r"([^:\[\]]*)(?::([0-9]{1,5}))?", where, re.ASCII)
    match = bracketed or plain
    try:
        if match is None or (bracketed and ":" not in match[1]):
            raise ValueError
        if at:
            _user_name(user)
        address(match[1])
        if match[2] is not None and not 1 <= int(match[2]) <= 65535:
            raise ValueError
    except ValueError:
        raise ValueError(
            "must be one host to jump over: a name, user@host:port (an IPv6 address in brackets), or none"
        ) from None
    return value


def _remote_path(value: str) -> str:
    if not re.fullmatch(_REMOTE, value, re.ASCII) or ".." in value.split("/") or len(value) > 1024:
        raise ValueError(
            "must be a full path on the host: '/', letters, digits, '_', '-', '.', '@' and '+', and no '..'"
        )
    return value


def _local_path(value: Path, info: ValidationInfo) -> Path:
    text = str(value)
    if _control(text) or text.startswith("-"):
        raise ValueError("must be a path on this machine, without control characters and not beginning with '-'")
    try:
        path = value.expanduser()
    except RuntimeError:
        raise ValueError("names a user with no home directory on this machine") from None
    folder = (info.context or {}).get("folder")
    return folder / path if folder is not None else path


def _control(text: str, but: str = "") -> bool:
    """Whether something in ``text`` is no printed character (bidirectional overrides are none)."""
    return any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in but for c in text)


Address = Annotated[str, AfterValidator(address), string()]
"""An IPv4 or IPv6 address, or a name that resolves."""

Jump = Annotated[str, AfterValidator(_jump), string()]
"""A host to jump over, as OpenSSH's ProxyJump has it, but one only."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

RemotePath = Annotated[str, AfterValidator(_remote_path), string(_REMOTE)]
"""A full path on a host of the site."""

LocalPath = Annotated[Path, AfterValidator(_local_path), WithJsonSchema({"type": "string", "format": "path"})]
"""A path on the operator's machine: ``~`` is expanded; a relative one begins at the site file's folder."""


# Others


def power_of_two(more: str) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value < 1 or value & (value - 1):
            raise ValueError(f"must be a power of two{more}")
        return value

    return check


PowerOfTwo = Annotated[int, AfterValidator(power_of_two(", such as 4 or 8"))]
"""A number such as 1, 2, 4, 8."""


def _plain_text(value: str) -> str:
    if not value.strip() or _control(value, but="\n\t") or len(value) > 65536:
        raise ValueError("must be text of at most 65536 characters, without control characters")
    return value


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"names '{value}' twice")
    return values


Roles = Annotated[tuple[Role, ...], AfterValidator(_once)]
"""Roles, each once."""

PlainText = Annotated[str, AfterValidator(_plain_text), string()]
"""Text of some lines."""
