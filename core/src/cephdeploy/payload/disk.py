"""What each write ends with: all of it on disk, or why not."""

import os


def sync_directory(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle, data):
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def make_folders(path):
    """What is missing of a path, as root's and open to read."""
    if not os.path.isdir(path):
        old = os.umask(0o022)
        try:
            os.makedirs(path, 0o755)
        finally:
            os.umask(old)


def unwritten(path, folder, error):
    """Why a file could not be written, and what would help."""
    import errno

    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        space = os.statvfs(folder)
        free = space.f_bavail * space.f_frsize
        why = "no space left in %s (%d bytes and %d inodes free); make room" % (folder, free, space.f_favail)
    elif error.errno == errno.EROFS:
        why = "its file system is mounted read-only; look at `findmnt -T %s`, and mount it to be written" % folder
    elif error.errno == errno.EBUSY:
        why = "it is a mount of its own (a container's bind mount), which can't be replaced whole; change its source"
    elif error.errno in (errno.EPERM, errno.EACCES):
        why = "%s; an attribute forbids it: `lsattr -d %s %s` shows an i or an a, `chattr -ia` takes it away" % (
            error.strerror,
            path,
            folder,
        )
    else:
        why = "%s: %s" % (error.filename or folder, error.strerror)
    return "%s is as it was: %s" % (path, why)
