"""What is said with the controller: texts that any byte survives in, facts, statuses, and errors as sentences."""

import os

NOTHING_KEPT, KILLED, CHANGED, SKIPPED, MISSING = 2, 124, 75, 125, 127


class PayloadError(Exception):
    """What is wrong, as a sentence for a person."""


def text(value):
    """A path or an argument; any byte survives, whatever the locale."""
    return os.fsdecode(value)


def texts(value):
    return [text(word) for word in value.split(b"\0") if word]


def facts(pairs):
    return "".join(["%s=%s\n" % pair for pair in sorted(pairs.items())]).encode(errors="replace")


def explained(error):
    """An error as a sentence, with the path that it is about."""
    if isinstance(error, OSError) and error.filename:
        return "%s: %s" % (error.filename, error.strerror)
    if isinstance(error, (PayloadError, OSError)):
        return str(error)
    return "%s: %s" % (type(error).__name__, error)
