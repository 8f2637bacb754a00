"""Digests, without hashlib where it can be avoided."""

#: What makes a sha256; looking for one that is not there costs more than most files.
HASHER = []


def hasher():
    if not HASHER:
        try:
            from _sha2 import sha256  # Python 3.12 and up; hashlib costs 15 ms more
        except ImportError:
            try:
                from _sha256 import sha256
            except ImportError:
                from hashlib import sha256
        HASHER.append(sha256)
    return HASHER[0]()


def sha256(data):
    made = hasher()
    made.update(data)
    return made.hexdigest()
