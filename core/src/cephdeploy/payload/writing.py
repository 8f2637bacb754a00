"""Files and directories put in place, put back and taken away."""

import os

from .accounts import group_id, owner_id
from .digests import sha256
from .disk import make_folders, sync_directory, unwritten, write_all
from .files import digest_of, followed, is_regular, read_file
from .found import once
from .keeping import keep_file, kept, nothing_kept
from .words import CHANGED, NOTHING_KEPT, PayloadError, text


def unpacked(field, path, expect):
    """The content of a field that was sent, or None where it differs from a file that is not there any more."""
    sign, rest = field[:1], field[1:]
    if sign == b"=":
        return rest
    old = read_file(path) if os.path.lexists(path) else b""
    if sha256(old) != expect.decode():
        return None
    return patched(old, rest)


def patched(old, change):
    """What a difference was made of: one line of ranges of the old text and of counts, and then the counted bytes."""
    header, _, more = change.partition(b"\n")
    parts = []
    for part in header.decode().split(",") if header else []:
        begin, colon, end = part.partition(":")
        if colon:
            parts.append(old[int(begin) : int(end)])
        else:
            parts.append(more[: int(begin)])
            more = more[int(begin) :]
    return b"".join(parts)


def sweep(folder, base):
    """Remove what a run that was killed left beside a file; what a live one holds locked stays."""
    for name in os.listdir(folder):
        if not (name.startswith(".%s." % base) and name.endswith(".cephdeploy")):
            continue
        left = os.path.join(folder, name)
        try:
            handle = os.open(left, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                os.lockf(handle, os.F_TLOCK, 0)
                os.unlink(left)
            finally:
                os.close(handle)
        except OSError:
            pass  # its writer lives


ACL = "system.posix_acl_access"


def fitted(acl, mode):
    """An ACL with what ``mode`` says for the owner, the mask and the others: setting it opens nothing more.

    Its form is that of acl(5)'s extended attribute: four bytes of version, then eight an entry (tag, rights, id).
    """
    made = bytearray(acl)
    for at in range(4, len(made), 8):
        shift = {0x01: 6, 0x10: 3, 0x20: 0}.get(made[at])
        if shift is not None:
            made[at + 2] = mode >> shift & 7
    return bytes(made)


def copy_attributes(source, handle, mode):
    """What ACLs, ``security.selinux`` and the like say of the old file holds for the new one."""
    try:
        names = os.listxattr(source)
        if ACL in os.listxattr(handle) and ACL not in names:
            # a default ACL of the directory must not let in more than the old file did
            os.removexattr(handle, ACL)
    except OSError:
        return  # a file system without them
    for name in names:
        try:
            value = os.getxattr(source, name)
            os.setxattr(handle, name, fitted(value, mode) if name == ACL else value)
        except OSError:
            pass  # the kernel's own (security.evm)


def do_write(fields):
    """A file whose content is packed."""
    path, mode, owner, group, expect, field, by = fields
    content = unpacked(field, followed(text(path)), expect)
    if content is None:
        return CHANGED, [b"", b"the file is not what the plan saw"]
    return put([path, mode, owner, group, expect, content, by])


def put(fields):
    """Beside its place with its final owner and mode, synced, compared with what was expected, renamed."""
    path, mode, owner, group, expect, content, by = fields
    name = text(path)
    path = followed(name)
    uid, gid = once(owner_id, text(owner)), once(group_id, text(group))
    folder, base = os.path.split(path)
    make_folders(folder)
    present = os.path.lexists(path)
    if present and not is_regular(os.lstat(path)):
        raise PayloadError("%s is not a file; move it away" % path)
    sweep(folder, base)
    beside = os.path.join(folder, ".%s.%d.cephdeploy" % (base, os.getpid()))
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.lockf(handle, os.F_TLOCK, 0)
            os.fchown(handle, uid, gid)
            if present:
                copy_attributes(path, handle, int(mode))
            os.fchmod(handle, int(mode))
            write_all(handle, content)
            os.fsync(handle)
            digest = digest_of(path) if os.path.lexists(path) else ""
            if expect != b"*" and digest != expect.decode():
                os.unlink(beside)
                return CHANGED, [b"", b"the file is not what the plan saw"]
            if by:
                keep_file(text(by), name, path, sha256(content))
            os.rename(beside, path)
        except BaseException:
            try:
                os.unlink(beside)
            except OSError:
                pass  # renamed already
            raise
        finally:
            os.close(handle)
        sync_directory(folder)
    except OSError as error:
        raise PayloadError(unwritten(path, folder, error)) from error
    return 0, [b"", b""]


def do_restore(fields):
    path, source, expect, by = fields
    found = kept(text(source), text(path))
    if not found:
        return NOTHING_KEPT, nothing_kept(source, path)
    mode, owner, group, _written, data = found
    if mode is not None:
        return put([path, b"%d" % mode, owner, group, expect, data, by])
    return do_remove([path, expect, by])


def do_remove(fields):
    """A file; not what a link leads to: others may need that, and the link would lead nowhere."""
    path, expect, by = text(fields[0]), fields[1], text(fields[2])
    place = followed(path)
    if not os.path.lexists(place):
        return 0, [b"", b""]
    if os.path.islink(path):
        raise PayloadError(
            "%s is a link to %s, which others may need; remove both by hand, or the link alone" % (path, place)
        )
    if expect != b"*" and digest_of(place) != expect.decode():
        return CHANGED, [b"", b"the file is not what the plan saw"]
    if by:
        keep_file(by, path, place, "")
    os.unlink(place)
    sync_directory(os.path.dirname(place))
    return 0, [b"", b""]


def do_directory(fields):
    path, mode, owner, group = text(fields[0]), int(fields[1]), text(fields[2]), text(fields[3])
    path = followed(path)
    uid, gid = once(owner_id, owner), once(group_id, group)
    make_folders(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700 & mode)
    except FileExistsError:
        pass
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except NotADirectoryError:
        raise PayloadError("%s is not a directory; move it away" % path) from None
    try:
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
    finally:
        os.close(handle)
    return 0, [b"", b""]
