"""What files hold, as it travels: what both ends know does not travel again, and what does is made small."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from functools import lru_cache

from .delta import delta
from .wire import WireError

__all__ = ["Contents", "digest_of", "packed", "unpacked"]

#: How many of a path's contents are remembered: most hosts of a site have the same files.
_REMEMBERED = 4
#: Shorter ones are not worth the work.
_SHORT = 512
#: What no host may make us unpack: its own limit for a file.
_LARGEST = 1 << 26


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
    """A content with a letter before it: ``=`` as it is, ``z`` by zlib, ``d`` as the difference to ``old``."""
    if old is not None:
        change = delta(old, content)
        if len(change) < len(content) // 4:
            return b"d" + change
    small = zlib.compress(content, 6) if len(content) > _SHORT else content
    return b"z" + small if len(small) < len(content) else b"=" + content


def unpacked(field: bytes) -> bytes:
    """The content of a field that a host sent.

    :raises WireError: it is none.
    """
    if field[:1] == b"=":
        return field[1:]
    if field[:1] != b"z":
        raise WireError("a file's content is none")
    maker = zlib.decompressobj()
    try:
        content = maker.decompress(field[1:], _LARGEST)
    except zlib.error as error:
        raise WireError("a file's content is none") from error
    if not maker.eof:
        raise WireError("a file's content is too long")
    return content
