"""A command as it is asked for: what it is fed, and which of its words go back."""

from .digests import sha256
from .files import LARGEST
from .keeping import keep_bytes, kept, nothing_kept
from .processes import run
from .words import KILLED, PayloadError, text, texts

#: Whether the request under way changes nothing.
NOW = {"asks": False}


def picked(document, path, key, values):
    """The elements of a JSON list that were asked for, as JSON."""
    import json

    found = json.loads(document.decode())
    for step in path:
        found = found[step]
    return json.dumps([item for item in found if item.get(key) in values]).encode()


def do_run(fields):
    timeout, user, keep, until, stdin, path, key, values, argv, save, by, feed_by, feed = fields
    if feed:
        found = kept(text(feed_by), text(feed))
        if not found:
            return 1, nothing_kept(feed_by, feed)
        stdin = found[4]
    words = [text(word) for word in argv.split(b"\0")]
    # what is parsed here is not cut: a cluster's whole list of users is some megabytes
    limit = LARGEST * 4 if key else 1 << 20
    status, out, err = run(words, stdin, float(timeout), text(user), limit, asks=NOW["asks"])
    if status == KILLED:
        err += ("\nit was still running after %g seconds, and was ended" % float(timeout)).encode()
    if key and status == 0:
        try:
            out = picked(out, texts(path), key.decode(), [value.decode() for value in values.split(b"\0")])
        except (ValueError, LookupError, TypeError, AttributeError):
            # what was said stays here: it may hold somebody else's keys
            raise PayloadError("'%s' did not answer with the JSON that is expected of it" % " ".join(words)) from None
    elif key:
        out = b""
    if save and status == 0:
        keep_bytes(text(by), text(save), b"0600:root:root:\n" + out.strip())
    if keep == b"digest" and until:
        secret, mark, rest = out.partition(until)
        out = (sha256(secret.strip()).encode() if secret.strip() else b"") + mark + rest
    elif keep == b"digest":
        out = sha256(out.strip()).encode() if status == 0 else b""
    elif keep == b"nothing":
        out = b""
    return status, [out, err[-8192:]]
