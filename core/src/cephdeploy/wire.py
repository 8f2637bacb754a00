"""The frames of the conversation with a host, as they are said; sent to the host as a part of its program.

It runs there on its own python3 (3.6 and up): no import that costs anything, and no annotation that 3.6 could not
evaluate.

A frame is a list of byte strings: ``<nonce> <length>,<length>,...\\n`` and then the strings themselves. Several
travel together as a bundle: ``<nonce> z<length>\\n`` and then the frames, made small by zlib. The nonce is random, and
its holder never says it followed by a space except to begin a frame: ``frames.py`` finds what a host says in its noise.
"""

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO


class WireError(Exception):
    """The other side does not speak this protocol, or says too much, or stopped in the middle."""


def encode(nonce: bytes, fields: "Iterable[bytes]") -> bytes:
    """The frame of ``fields`` as one byte string."""
    parts = list(fields)
    lengths = b",".join([b"%d" % len(part) for part in parts])
    return b"".join([nonce, b" ", lengths, b"\n", *parts])


def bundle(nonce: bytes, frames: "Iterable[bytes]") -> bytes:
    """Frames, each by :func:`encode`, as one byte string of a third of their size."""
    data = zlib.compress(b"".join(frames))
    return b"%b z%d\n%b" % (nonce, len(data), data)


def received(nonce: bytes, source: "BinaryIO") -> "list[list[bytes]] | None":
    """What the controller sent as one bundle, or None when it has closed its end.

    Only it writes there, and it is obeyed: so there is no noise to skip and no limit to guard.

    :raises WireError: it stopped in the middle.
    """
    header = source.readline()
    if not header:
        return None
    try:
        data = zlib.decompress(source.read(int(header[len(nonce) + 2 :])))
    except (ValueError, zlib.error):
        raise WireError("the line was cut inside a bundle") from None
    frames, at = [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        sizes, at, fields = data[at + len(nonce) + 1 : end].split(b","), end + 1, []
        for size in filter(None, sizes):
            fields.append(data[at : at + int(size)])
            at += int(size)
        frames.append(fields)
    return frames
