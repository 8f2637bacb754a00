"""What was there before a change, kept for a rollback: for root alone, and for a while."""

import os
import time

from .accounts import owner_names
from .digests import sha256
from .disk import sync_directory, unwritten, write_all
from .files import read_file, told
from .words import NOTHING_KEPT, PayloadError, text

#: What runs kept for a rollback, one folder a run, for root alone.
KEPT = "/var/lib/cephdeploy/kept"
#: Days after which what was kept is let go.
KEEP_DAYS = 90


def kept_path(by, name):
    return os.path.join(KEPT, by.replace("/", "_"), name.replace("%", "%25").replace("/", "%2F"))


def keep_file(by, name, path, written):
    """What stands at a path now, with its owner and mode and the digest of what comes instead.

    A line of these comes first, with colons between: nobody's name has one.

    :param name: the path as it was asked for, whose links lead to ``path``.
    """
    if os.path.lexists(path):
        stat = os.stat(path)
        owner, group = owner_names(stat)
        header = "%04o:%s:%s:%s\n" % (stat.st_mode & 0o7777, owner, group, written)
        keep_bytes(by, name, os.fsencode(header) + read_file(path))
    else:
        keep_bytes(by, name, b"absent:::%b\n" % written.encode())


def keep_bytes(by, name, data):
    """Once a run and name: what a run that goes on finds kept is what was there before all of it."""
    place = kept_path(by, name)
    folder = os.path.dirname(place)
    beside = "%s.%d.new" % (place, os.getpid())
    try:
        if not os.path.isdir(folder):
            prune()
            os.makedirs(folder, 0o700, exist_ok=True)  # a group beside this one makes it just now
        if os.path.exists(place):
            return
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            write_all(handle, data)
            os.fsync(handle)
        except BaseException:
            os.unlink(beside)
            raise
        finally:
            os.close(handle)
        os.rename(beside, place)
        sync_directory(folder)
    except OSError as error:
        raise PayloadError(unwritten(name, folder, error)) from error


def prune():
    """Let go of what was kept long ago."""
    try:
        runs = os.listdir(KEPT)
    except OSError:
        return
    for name in runs:
        folder = os.path.join(KEPT, name)
        try:
            if time.time() - os.stat(folder).st_mtime > KEEP_DAYS * 86400:
                for kept in os.listdir(folder):
                    os.unlink(os.path.join(folder, kept))
                os.rmdir(folder)
        except OSError:
            pass  # a group beside this one lets it go too, or it is none of ours


def kept(by, name):
    """What a run kept: (mode or None, owner, group, digest of what it wrote, bytes); None where it kept nothing."""
    place = kept_path(by, name)
    try:
        data = read_file(place)
    except FileNotFoundError:
        return None
    header, _, rest = data.partition(b"\n")
    # an earlier version's; if a name in it has spaces, it is the group's, such as 'domain users'
    if b":" not in header:
        header = b":".join(header.replace(b" ", b":", 2).rsplit(b" ", 1))
    mode, owner, group, written = header.split(b":")
    return None if mode == b"absent" else int(mode, 8), owner, group, written, rest


def nothing_kept(by, name):
    """An answer: there is nothing to put back."""
    return [b"", b"run %b kept nothing of %b here, or it was let go after %d days" % (by, name, KEEP_DAYS)]


def do_kept(fields):
    found = kept(text(fields[0]), text(fields[1]))
    if not found:
        return NOTHING_KEPT, nothing_kept(*fields[:2])
    mode, owner, group, written, data = found
    sort = b"absent" if mode is None else b"file"
    digest = b"" if mode is None else sha256(data).encode()
    content = told(digest, data, ()) if digest and fields[2] == b"1" else b""
    return 0, [sort, b"%d" % (mode or 0), owner, group, digest, content, b"", written]
