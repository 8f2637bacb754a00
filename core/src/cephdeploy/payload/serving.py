"""The conversation, from the first word to the end of the line."""

import gc
import os
import sys

from ..wire import WireError, bundle, encode, received
from .batches import answers, grouped

OLDEST = (3, 6)


def settle():
    """What commands begin with and files are made with, whatever the login left."""
    os.chdir("/")
    os.umask(0o077)


def serve(nonce, source, sink):
    """Batches until the controller closes its end; each is answered as one bundle, whose last frame says so."""
    while True:
        frames = received(nonce, source)
        if frames is None:
            return
        sink.write(bundle(nonce, [*answers(nonce, grouped(frames)), encode(nonce, [b"done"])]))
        sink.flush()


def main(source):
    nonce = source.readline().strip()
    settle()
    gc.disable()  # nothing here goes in a circle, and what is compiled makes it look for that
    out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # nothing but frames may go up the line
    os.close(null)
    out.write(encode(nonce, [b"hello", b"%d" % os.geteuid(), b"%d.%d" % sys.version_info[:2]]))
    try:
        out.flush()
        if os.geteuid() == 0 and sys.version_info >= OLDEST:
            serve(nonce, source, out)
        os._exit(0)  # python would take down piece by piece what ends anyway
    except (OSError, WireError):
        os._exit(1)  # the line is gone: there is nobody to tell
