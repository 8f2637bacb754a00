"""What files hold, as it travels: what both ends know does not travel again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from .delta import delta
from .wire import WireError

__all__ = ["Contents", "digest_of", "packed", "unpacked"]

#: How many of a path's contents are remembered: most hosts of a site have the same files.
_REMEMBERED = 4


class Contents:
    """What was seen at the paths of any host, by digest. Safe to use from several threads."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[tuple[str, bytes], ...]] = {}

    def at(self, path: str) -> Mapping[str, bytes]:
        """What was seen at a path lately, by its SHA-256."""
        return dict(self._seen.get(path, ()))

    def saw(self, path: str, digest: str, content: bytes) -> None:
        """Remember a file."""
        others = (one for one in self._seen.get(path, ()) if one[0] != digest)
        self._seen[path] = ((digest, content), *others)[:_REMEMBERED]


@lru_cache(maxsize=64)
def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal digits; equal contents are hashed once."""
    return hashlib.sha256(content).hexdigest()


def packed(content: bytes, old: bytes | None = None) -> bytes:
    """A content with a sign before it: ``=`` as it is, ``d`` as the difference to ``old``."""
    if old is not None:
        change = delta(old, content)
        if len(change) < len(content) // 4:
            return b"d" + change
    return b"=" + content


def unpacked(field: bytes) -> bytes:
    """The content of a field that a host sent.

    :raises WireError: it is none.
    """
    if field[:1] != b"=":
        raise WireError("a file's content is none")
    return field[1:]
