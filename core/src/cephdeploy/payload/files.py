"""Looking at files, and at where links lead."""

import os

from .accounts import owner_names
from .digests import hasher, sha256
from .words import PayloadError, text

#: A larger file is not brought over: a configuration file is not that large.
LARGEST = 1 << 24


def is_regular(stat):
    return stat.st_mode & 0o170000 == 0o100000


def is_directory(stat):
    return stat.st_mode & 0o170000 == 0o040000


def opened(path):
    """A regular file for reading; never waits for the other end of a fifo."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if is_regular(os.fstat(handle)):
        return open(handle, "rb")
    os.close(handle)
    raise PayloadError("%s is not a file" % path)


def read_file(path):
    with opened(path) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise PayloadError("%s is larger than %d MiB; that is no configuration file" % (path, LARGEST >> 20))
    return data


def digest_of(path):
    made = hasher()
    with opened(path) as file:
        while True:
            data = file.read(1 << 20)
            if not data:
                return made.hexdigest()
            made.update(data)


def chain_of(path):
    """A path and where its links lead, one after another, as far as they go."""
    steps = [path]
    while os.path.islink(path) and len(steps) < 40:
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        steps.append(os.path.normpath(path))
    return steps


def followed(path):
    """What a path's own links lead to; the links stay.

    :raises PayloadError: a link that leads nowhere, or one that is not root's: its owner would choose what root
        writes.
    """
    steps = chain_of(path)
    shown = " -> ".join(steps)
    for step in steps[:-1]:
        uid = os.lstat(step).st_uid
        if uid != 0:
            raise PayloadError("%s is a link of user %d and not of root (%s); remove it" % (step, uid, shown))
    real = os.path.realpath(path)
    if len(steps) > 1 and not os.path.exists(real):
        raise PayloadError("%s is a link that leads nowhere (%s); make what it leads to, or remove it" % (path, shown))
    return real


#: Digests of what was sent in this batch.
TOLD = set()


def told(digest, data, known):
    """A content as it travels, with a sign before it; empty when the other end has it already."""
    if digest in known or digest in TOLD:
        return b""
    TOLD.add(digest)
    return b"=" + data


def do_look(fields):
    path, content, known = text(fields[0]), fields[1] == b"1", fields[2:]
    link = os.fsencode(os.path.realpath(path)) if os.path.islink(path) else b""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return 0, [b"absent", b"0", b"", b"", b"", b"", link]
    owner, group = owner_names(stat)
    digest = data = b""
    sort = b"directory" if is_directory(stat) else b"other"
    if is_regular(stat):
        sort = b"file"
        if content:
            data = read_file(path)
        digest = (sha256(data) if content else digest_of(path)).encode()
        if content:
            data = told(digest, data, known)
    return 0, [sort, b"%d" % (stat.st_mode & 0o7777), os.fsencode(owner), os.fsencode(group), digest, data, link]
