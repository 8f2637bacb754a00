"""OpenSSH's known_hosts: which keys a host may prove, by sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

Read once a run and asked for one host at a time: paramiko reads and decodes the whole file for each
connection, and knows neither patterns, nor ``@revoked``, nor a key that is noted without its port.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path

__all__ = ["HostKey", "allowed"]


@dataclass(frozen=True)
class HostKey:
    """One key that a file has for a host: its type by name, and its bytes."""

    type: str
    blob: bytes


@dataclass(frozen=True)
class _Line:
    hosts: tuple[str, ...]
    key: HostKey
    revoked: bool

    def matches(self, name: str) -> bool:
        if len(self.hosts) == 1 and self.hosts[0].startswith("|1|"):
            return _is_hash_of(self.hosts[0], name)
        found = False
        for pattern in self.hosts:
            if _fits(name, pattern.removeprefix("!")):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


class _File:
    """A file's lines, found by a host's name without a look at each: a big site asks for every host once."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self._plain: dict[str, list[tuple[int, _Line]]] = {}
        self._others: list[tuple[int, _Line]] = []
        for place in enumerate(lines):
            hosts = place[1].hosts
            if any(letter in host for host in hosts for letter in "|*?!"):
                self._others.append(place)
            else:
                for host in dict.fromkeys(hosts):
                    self._plain.setdefault(host, []).append(place)

    def about(self, name: str) -> list[_Line]:
        """The lines for a name, in their order."""
        matching = [place for place in self._others if place[1].matches(name)]
        return [line for _, line in sorted([*self._plain.get(name, ()), *matching], key=lambda place: place[0])]


def allowed(files: Iterable[Path], host: str, port: int) -> tuple[list[HostKey], frozenset[bytes]]:
    """The keys that ``host`` may prove by ``files``, in their order, and the keys that it must not.

    A key that is noted without a port counts for any port of its host, unless that port has keys of its
    own: so does OpenSSH. ``@cert-authority`` lines are left out: paramiko can't check a certificate.

    :raises OSError: a file that is there can't be read.
    """
    read = [_read(path) for path in files if path.is_file()]
    host = host.lower()
    names = [host] if port == 22 else [f"[{host}]:{port}", host]
    found = [[line for file in read for line in file.about(name)] for name in names]
    revoked = frozenset(line.key.blob for lines in found for line in lines if line.revoked)
    for lines in found:
        keys = [line.key for line in lines if not line.revoked]
        if keys:
            return [key for key in dict.fromkeys(keys) if key.blob not in revoked], revoked
    return [], revoked


def _read(path: Path) -> _File:
    stat = path.stat()
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _parsed(path: Path, changed: int, size: int) -> _File:
    found = []
    for text in path.read_text(errors="replace").splitlines():
        words = text.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        hosts = tuple(words[0].split(",")) if words[0].startswith("|") else tuple(words[0].lower().split(","))
        found.append(_Line(hosts, HostKey(words[1], blob), revoked=bool(marker)))
    return _File(found)


def _fits(name: str, pattern: str) -> bool:
    if "*" in pattern or "?" in pattern:
        # brackets are no pattern here: they stand around a host that has a port
        return fnmatchcase(name, pattern.replace("[", "[[]"))
    return name == pattern


@cache
def _salted(entry: str) -> tuple[bytes, bytes]:
    salt, _, digest = entry.removeprefix("|1|").partition("|")
    try:
        return base64.b64decode(salt), base64.b64decode(digest)
    except binascii.Error:
        return b"", b""


def _is_hash_of(entry: str, name: str) -> bool:
    salt, digest = _salted(entry)
    return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)
