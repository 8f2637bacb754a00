"""One run at a time."""

import os

from .disk import unwritten
from .words import CHANGED, PayloadError

LOCK = "/run/cephdeploy/lock"
#: The open lock: it is let go when this process ends, however it ends.
HELD = []


def do_hold(fields):
    """The lock is the kernel's and not the file: there is no stale one, and no clock is compared."""
    holder = fields[0]
    if HELD:
        return 0, [b"", b""]
    folder = os.path.dirname(LOCK)
    try:
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
        handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.lockf(handle, os.F_TLOCK, 0)
        except (BlockingIOError, PermissionError):
            said = os.read(handle, 4096)
            os.close(handle)
            return CHANGED, [b"", b"another run holds it: " + (said or b"it has not said who")]
        os.ftruncate(handle, 0)
        os.write(handle, holder)
    except OSError as error:
        raise PayloadError(unwritten(LOCK, folder, error)) from error
    HELD.append(handle)
    return 0, [b"", b""]
