"""Frames out of what a host says, which may be anything: noise before and between them, too much, or half of one.

Whatever stands before a nonce (a login script's greeting) is skipped. The nonce is random, so no noise can be taken
for the beginning of a frame. The form of a frame is told in ``wire.py``.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable

from .wire import WireError

__all__ = ["CHUNK", "HEADER_LIMIT", "NOISE_LIMIT", "FrameReader", "lengths_of"]

#: A header without an end in this many bytes is none.
HEADER_LIMIT = 1 << 16
#: How much of the noise before a frame is kept, from its end: what a login said instead of starting us.
NOISE_LIMIT = 1 << 12
CHUNK = 1 << 16
#: At most 11 digits: no number is worth a long conversion.
_LENGTHS = re.compile(rb"\d{1,11}(,\d{1,11})*")


def lengths_of(header: bytes) -> list[int]:
    """The lengths in a header's text after its nonce.

    :raises WireError: something else stands there.
    """
    if not header:
        return []
    if not _LENGTHS.fullmatch(header):
        raise WireError(f"a frame's header is none: {header[:40]!r}")
    return list(map(int, header.split(b",")))


class FrameReader:
    """Frames out of a stream of bytes that may have noise before and between them.

    :param nonce: what every frame begins with.
    :param read: gives up to n bytes when called with n, and ``b""`` at the end of the stream.
    :param limit: the largest frame, and the most that a bundle may hold; a larger frame is refused by its header,
        before any memory is taken for it.
    """

    def __init__(self, nonce: bytes, read: Callable[[int], bytes], limit: int = 1 << 28) -> None:
        self.nonce = nonce + b" "
        self.read = read
        self.limit = limit
        self.buffer = bytearray()
        self.noise = bytearray()
        #: What is left of the bundle that came last.
        self.bundle: deque[list[bytes]] = deque()

    def frame(self) -> list[bytes] | None:
        """The next frame's fields, or None at the end of the stream.

        What is there is taken off the stream only when all of a frame is: where ``read`` raises, ask again.

        :raises WireError: a header that is none, a frame or a bundle over the limit, or an end inside one.
        """
        while not self.bundle:
            if not self._at_nonce():
                return None
            begin = len(self.nonce)
            end = self._end_of_header(begin)
            bundled = self.buffer[begin : begin + 1] == b"z"
            fields = self._fields(lengths_of(bytes(self.buffer[begin + bundled : end])), end + 1)
            if not bundled:
                return fields
            self.bundle.extend(self._unbundled(b"".join(fields)))
        return self.bundle.popleft()

    def _end_of_header(self, begin: int) -> int:
        end = self.buffer.find(b"\n", begin, HEADER_LIMIT)
        while end < 0:
            if len(self.buffer) >= HEADER_LIMIT or not self._more():
                raise WireError("a frame's header does not end")
            end = self.buffer.find(b"\n", begin, HEADER_LIMIT)
        return end

    def _fields(self, sizes: list[int], at: int) -> list[bytes]:
        """What stands at a place of the buffer, and all up to its end is taken off."""
        total = sum(sizes)
        if total > self.limit:
            raise WireError(f"a frame of {total} bytes is over the limit of {self.limit}")
        while len(self.buffer) < at + total:
            if not self._more():
                raise WireError("the stream ended inside a frame")
        fields = []
        with memoryview(self.buffer) as view:
            for size in sizes:
                fields.append(bytes(view[at : at + size]))
                at += size
        del self.buffer[:at]
        return fields

    def _unbundled(self, data: bytes) -> list[list[bytes]]:
        """The frames of a bundle: one behind the other, and nothing between them."""
        maker = zlib.decompressobj()
        try:
            inside = maker.decompress(data, self.limit)
        except zlib.error:
            raise WireError("a bundle of frames is none") from None
        if not maker.eof:
            raise WireError(f"a bundle of frames is cut off, or over the limit of {self.limit} bytes")
        frames, at = [], 0
        while at < len(inside):
            end = inside.find(b"\n", at, at + HEADER_LIMIT)
            if end < 0 or not inside.startswith(self.nonce, at):
                raise WireError("there is something else than frames in a bundle")
            sizes, at, fields = lengths_of(inside[at + len(self.nonce) : end]), end + 1, []
            for size in sizes:
                fields.append(inside[at : at + size])
                at += size
            frames.append(fields)
        if at > len(inside):
            raise WireError("a bundle of frames ends inside one")
        return frames

    def _at_nonce(self) -> bool:
        """Skip noise until the buffer begins with a nonce; False at the end of the stream."""
        while True:
            start = self.buffer.find(self.nonce)
            if start >= 0:
                self._skip(start)
                return True
            # the last bytes may be the beginning of a nonce
            self._skip(max(0, len(self.buffer) - len(self.nonce) + 1))
            if not self._more():
                self._skip(len(self.buffer))
                return False

    def _more(self) -> bool:
        data = self.read(CHUNK)
        self.buffer += data
        return bool(data)

    def _skip(self, count: int) -> None:
        if count:
            self.noise += self.buffer[:count]
            del self.noise[:-NOISE_LIMIT]
            del self.buffer[:count]
