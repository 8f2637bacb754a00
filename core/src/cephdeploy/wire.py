"""The frames of the conversation with a host, the same code on both ends.

Sent to the host as text and run there by its own python3 (3.6 and up), so: no imports, no annotations.

A frame is a list of byte strings: ``<nonce> <length>,<length>,...\\n`` and then the strings themselves.
Whatever stands before a nonce (a login script's greeting) is skipped. A reader that meets a frame
larger than its limit, or a header that is none, raises WireError.
"""

HEADER_LIMIT = 1 << 16


class WireError(Exception):
    """The other side does not speak this protocol, or says too much."""


def encode(nonce, fields):
    """The frame of ``fields`` as one byte string."""
    lengths = b",".join(b"%d" % len(field) for field in fields)
    return b"".join([nonce, b" ", lengths, b"\n"] + list(fields))


def lengths_of(header):
    """The lengths in a header's text after its nonce."""
    if not header:
        return []
    words = header.split(b",")
    if not all(0 < len(word) < 12 and word.isdigit() for word in words):
        raise WireError("a frame's header is not one: %r" % header[:40])
    return [int(word) for word in words]


class FrameReader:
    """Frames out of a stream; ``read(n)`` gives up to n bytes and b"" at the end."""

    def __init__(self, nonce, read, limit=1 << 28):
        self.nonce = nonce + b" "
        self.read = read
        self.limit = limit
        self.buffer = bytearray()
        self.noise = bytearray()

    def _more(self):
        data = self.read(1 << 16)
        self.buffer += data
        return bool(data)

    def frame(self):
        """The next frame's fields, or None at the end of the stream."""
        while True:
            start = self.buffer.find(self.nonce)
            if start >= 0:
                break
            # keep what may be the beginning of a nonce
            spare = max(0, len(self.buffer) - len(self.nonce))
            self._skip(spare)
            if not self._more():
                self._skip(len(self.buffer))
                return None
        self._skip(start)
        end = self.buffer.find(b"\n")
        while end < 0:
            if len(self.buffer) > HEADER_LIMIT or not self._more():
                raise WireError("a frame's header does not end")
            end = self.buffer.find(b"\n")
        sizes = lengths_of(bytes(self.buffer[len(self.nonce) : end]))
        total = sum(sizes)
        if total > self.limit:
            raise WireError("a frame of %d bytes is over the limit of %d" % (total, self.limit))
        while len(self.buffer) < end + 1 + total:
            if not self._more():
                raise WireError("the stream ended inside a frame")
        fields = []
        at = end + 1
        for size in sizes:
            fields.append(bytes(self.buffer[at : at + size]))
            at += size
        del self.buffer[:at]
        return fields

    def _skip(self, count):
        if count:
            if len(self.noise) < 4096:
                self.noise += self.buffer[:count]
            del self.buffer[:count]
