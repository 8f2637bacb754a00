"""What runs on a host: reads a batch of requests, carries it out, answers in frames.

Sent as text after ``wire.py`` and run by the host's own python3 (3.6 and up) as root. It imports what costs next to
nothing (built-in modules, and zlib, which unpacked this text; ``signal`` and ``subprocess`` would cost 7 and 20 ms),
and json only where an answer is cut to a part. It decides nothing: what to do is in the requests, and what it means
is for the controller.

When the line goes, the command under way is left to its end or its deadline, and nothing after it is begun.
"""

# WireError, bundle, encode and received are not defined here: wire.py stands before this text
import _signal
import gc
import os
import sys
import time

OLDEST = (3, 6)
NOTHING_KEPT, KILLED, CHANGED, SKIPPED, MISSING = 2, 124, 75, 125, 127
#: Groups of one batch that run side by side.
AT_ONCE = 8
#: Seconds between asking a command to end and ending it.
GRACE = 2.0
#: A larger file is not brought over: a configuration file is not that large.
LARGEST = 1 << 24
#: What runs kept for a rollback, one folder a run, for root alone.
KEPT = "/var/lib/cephdeploy/kept"
#: Days after which what was kept is let go.
KEEP_DAYS = 90
LOCK = "/run/cephdeploy/lock"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class PayloadError(Exception):
    """What is wrong, as a sentence for a person."""


def text(value):
    """A path or an argument; any byte survives, whatever the locale."""
    return os.fsdecode(value)


def texts(value):
    return [text(word) for word in value.split(b"\0") if word]


def facts(pairs):
    return "".join(["%s=%s\n" % pair for pair in sorted(pairs.items())]).encode(errors="replace")


def owner_id(name):
    import pwd

    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise PayloadError("there is no user '%s' here; install the package that makes it" % name) from None


def group_id(name):
    import grp

    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise PayloadError("there is no group '%s' here; install the package that makes it" % name) from None


def owner_name(uid):
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid):
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


#: What was found since the batch began, or since something ran that may have changed it.
FOUND = {}


def once(find, what):
    """What a function finds of something, found once."""
    if (find, what) not in FOUND:
        FOUND[find, what] = find(what)
    return FOUND[find, what]


def owner_names(stat):
    return once(owner_name, stat.st_uid), once(group_name, stat.st_gid)


def account(name):
    """The entry of a user by name or number."""
    import pwd

    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise PayloadError("there is no user '%s' here; install the package that makes it" % name) from None


def found_program(name):
    """Where a program stands, or None."""
    folders = [""] if "/" in name else PATH.split(":")
    for folder in folders:
        candidate = os.path.join(folder, name)
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return None


def become_program(program, argv, ends, environment, entry, timeout):
    """In a child: take on the streams, the user and the program; never returns."""
    try:
        os.setsid()  # its own group, so that the deadline ends all that it started
        for new, old in enumerate(ends):
            os.dup2(old, new)
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(number, _signal.SIG_DFL)  # python ignores them, and that would be inherited
        # an alarm outlives exec: the command ends by itself should we be killed before its deadline
        _signal.alarm(int(timeout + 2 * GRACE) + 1)
        if entry:
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        os.execve(program, argv, environment)
    except BaseException as error:
        os.write(2, explained(error).encode(errors="replace"))
    finally:
        os._exit(126)


def signal_group(child, number):
    try:
        os.killpg(child, number)
    except OSError:
        pass  # it ended just now, or has not yet made its group


def question(program, argv, ends, environment):
    """Start what changes nothing, at half the cost: without a copy of ourselves in between, nor an alarm."""
    actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends)]
    signals = [_signal.SIGPIPE, _signal.SIGXFSZ]
    return os.posix_spawn(program, argv, environment, file_actions=actions, setpgroup=0, setsigdef=signals)


def run(argv, stdin=b"", timeout=60.0, user="", limit=1 << 20, asks=False):
    """Run a command without a shell: (status, output, errors), each cut to its last ``limit`` bytes.

    It ends when the program has ended and its output is closed. A program that leaves a daemon behind
    which holds its output open ends all the same, a moment later.

    :param asks: whether it changes nothing itself: then, should we be killed, it may go on for as long as it likes.
    """
    import select

    environment = {
        "PATH": PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        "DEBIAN_FRONTEND": "noninteractive",
        "SYSTEMD_PAGER": "",
        "SYSTEMD_COLORS": "0",
    }
    # looked up here and not by execvpe: that imports modules that ``user`` may not be able to read
    program = once(found_program, argv[0])
    if not program:
        return MISSING, b"", ("no program '%s' here" % argv[0]).encode(errors="replace")
    entry = account(user) if user else None
    if entry:
        environment.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    err_r, err_w = os.pipe()
    ours = {in_w, out_r, err_r}
    try:
        if asks and not entry and sys.version_info >= (3, 8):
            child = question(program, argv, (in_r, out_w, err_w), environment)
        else:
            become = become_program  # named here, or each child would compile it anew
            child = os.fork()
            if child == 0:
                become(program, argv, (in_r, out_w, err_w), environment, entry, timeout)
    except BaseException:
        for end in ours:
            os.close(end)
        raise
    finally:
        for end in (in_r, out_w, err_w):
            os.close(end)
    said = {out_r: bytearray(), err_r: bytearray()}
    poll = select.poll()

    def shut(end):
        poll.unregister(end)
        os.close(end)
        ours.remove(end)

    code = None
    try:
        poll.register(out_r, select.POLLIN)
        poll.register(err_r, select.POLLIN)
        os.set_blocking(in_w, False)
        poll.register(in_w, select.POLLOUT)
        unsent = memoryview(stdin)
        if not stdin:
            shut(in_w)
        deadline = time.monotonic() + timeout
        signals = [_signal.SIGKILL, _signal.SIGTERM]
        nap = 0.0005
        while True:
            if code is None:
                done, result = os.waitpid(child, os.WNOHANG)
                if done:
                    code = result
                    deadline_of_rest = time.monotonic() + 0.5
            now = time.monotonic()
            reading = len(ours) - (in_w in ours)
            if code is not None and (not reading or now > deadline_of_rest):
                break
            if code is None and now > deadline:
                if not signals:
                    break  # not even SIGKILL ends what waits for a dead disk
                signal_group(child, signals.pop())
                deadline = now + GRACE
                continue
            if reading:
                wait = min(0.25, max(deadline - now, 0.001))
            else:
                wait = nap = min(nap * 2, 0.05)
            for end, _event in poll.poll(wait * 1000):
                if end == in_w:
                    try:
                        unsent = unsent[os.write(in_w, unsent[:65536]) :]
                    except BlockingIOError:
                        continue
                    except OSError:
                        unsent = unsent[:0]  # it does not read
                    if not unsent:
                        shut(in_w)
                    continue
                data = os.read(end, 65536)
                if data:
                    said[end] += data
                    if len(said[end]) > 2 * limit:
                        del said[end][:-limit]
                else:
                    shut(end)
        killed = len(signals) < 2
        if killed:
            signal_group(child, _signal.SIGKILL)  # what it started and did not heed SIGTERM
    finally:
        for end in ours:
            os.close(end)
    if killed:
        status = KILLED
    else:
        status = os.WEXITSTATUS(code) if os.WIFEXITED(code) else 128 + os.WTERMSIG(code)
    return status, bytes(said[out_r][-limit:]), bytes(said[err_r][-limit:])


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


#: Digests of what was sent in this batch.
TOLD = set()


def told(digest, data, known):
    """A content as it travels, with a sign before it; empty when the other end has it already."""
    if digest in known or digest in TOLD:
        return b""
    TOLD.add(digest)
    return b"=" + data


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


def sync_directory(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(path):
    """What is missing of a path, as root's and open to read."""
    if not os.path.isdir(path):
        old = os.umask(0o022)
        try:
            os.makedirs(path, 0o755)
        finally:
            os.umask(old)


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


def write_all(handle, data):
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


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


SHOWN = "LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result,Type"


def shown(unit, names=SHOWN):
    """What systemd says of a unit, as a dictionary."""
    status, out, err = run(["systemctl", "show", "-p", names, "--", unit], timeout=30.0, asks=True)
    if status:
        said = err.decode(errors="replace").strip()
        raise PayloadError(said or "`systemctl show %s` ended with status %d" % (unit, status))
    return dict(line.split("=", 1) for line in out.decode(errors="replace").splitlines() if "=" in line)


def do_unit(fields):
    return 0, [facts(once(shown, text(fields[0]))), b""]


def ill(now, first):
    """What is wrong with a unit that was restarted a moment ago; empty when nothing is."""
    state, sub = now.get("ActiveState"), now.get("SubState")
    # systemd before 235 does not count; and one that was waiting to start again keeps its count over a restart
    starts = int(now.get("NRestarts") or 0) - int(first.get("NRestarts") or 0)
    if starts > 0 or now.get("MainPID") != first.get("MainPID"):
        return "did not stay up: %s (%s), started %d times" % (state, sub, max(starts, 1) + 1)
    if state in ("active", "reloading"):
        return ""
    if now.get("Type") == "oneshot" and state == "inactive" and now.get("Result") == "success":
        return ""
    return "did not stay up: %s (%s), %s" % (state, sub, now.get("Result"))


def do_restart(fields):
    """Restart, then watch: one main process must live for ``settle`` seconds."""
    unit, settle, timeout, verb = text(fields[0]), float(fields[1]), float(fields[2]), text(fields[3])
    since = time.time()
    # systemctl only asks: the job is systemd's, and has its deadline there
    status, out, err = run(["systemctl", verb, "--", unit], timeout=timeout, asks=True)
    if status not in (0, KILLED) and shown(unit, "Result").get("Result", "").startswith("start-limit"):
        # it was begun too often of late, which says nothing of how it is now
        run(["systemctl", "reset-failed", "--", unit], timeout=30.0, asks=True)
        status, out, err = run(["systemctl", verb, "--", unit], timeout=timeout, asks=True)
    if status == KILLED:
        said = "%s: %s is not done after %g seconds and goes on; it is %s" % (
            unit,
            verb,
            timeout,
            shown(unit).get("ActiveState"),
        )
        return status, [b"", evidence(unit, since, said)]
    if status:
        said = (err or out).decode(errors="replace").strip().replace("\n", " ")
        return status, [b"", evidence(unit, since, said)]
    first = now = shown(unit)
    until = time.monotonic() + settle
    while True:
        found = ill(now, first)
        if found:
            return 1, [b"", evidence(unit, since, "%s %s" % (unit, found))]
        left = until - time.monotonic()
        if left <= 0:
            FOUND[shown, unit] = now
            return 0, [facts(now), b""]
        time.sleep(min(left, 0.25))
        now = shown(unit)


def evidence(unit, since, said):
    """The unit's last words in the journal since then, and what was found: the last line is the finding."""
    command = ["journalctl", "-u", unit, "--since", "@%d" % since, "-n", "30", "--no-pager", "-q", "-o", "cat"]
    _status, out, _err = run(command, timeout=20.0, asks=True)
    return out[-6000:] + b"\n" + said.encode(errors="replace")


def arguments(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            return [text(word) for word in file.read().split(b"\0")][:-1]
    except OSError:
        return []


def planned_arguments(unit):
    """The arguments of a unit's command, where its file says which configuration it reads."""
    said = shown(unit, "ExecStart").get("ExecStart", "")
    words = said.partition(" argv[]=")[2].partition(" ; ")[0].split()
    return words if [word for word in words if word.startswith("--config-")] else []


def program_of(words):
    """The name that oslo.config knows a program by: the script's, where an interpreter runs it."""
    for word in words:
        name = os.path.basename(word)
        if word.startswith("-") or name.startswith("python") or name in ("sh", "bash", "dash", "env"):
            continue
        return name[: -len(".py")] if name.endswith(".py") else name
    return ""


def first_of(folders, name):
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return [path]
    return []


def directory_files(path):
    """The files of a ``--config-dir`` in reading order; glob leaves out hidden ones."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names if name.endswith(".conf") and not name.startswith(".")]


def reading_order(words, project, programs, home, cwd):
    """The files that oslo.config reads for a command line (``_parse_config_files`` in oslo_config/cfg.py).

    Without a ``--config-file`` its default files come first, and without a ``--config-dir`` the default
    directories next; then what the arguments name, in their order.
    """

    def placed(value):
        if value == "~" or value.startswith("~/"):
            value = home + value[1:]
        return os.path.normpath(os.path.join(cwd, value))

    named = []
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--config-file", "--config-dir") and (equals or at + 1 < len(words)):
            named.append((name, placed(value if equals else words[at + 1])))
    folders = [os.path.join(home, "." + project), home, "/etc/" + project, "/etc"]
    names = [project]
    for program in programs:
        if program and program not in names:
            names.append(program)
    files = []
    if "--config-file" not in dict(named):
        # RDO's packages add the distribution's own file under the others
        files += ["/usr/share/%s/%s-dist.conf" % (project, name) for name in names]
        for name in names:
            files += first_of(folders, name + ".conf")
    if "--config-dir" not in dict(named):
        for name in names:
            for folder in first_of(folders, name + ".conf.d"):
                files += directory_files(folder)
    for name, value in named:
        files += [value] if name == "--config-file" else directory_files(value)
    return files


#: By unit: its main process, and when that began.
PROCESSES = {}


def began(pid):
    """When a process began, in the kernel's ticks; empty when there is none."""
    try:
        with open("/proc/%s/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def main_process(unit):
    """The number of a unit's main process, or 0; as long as that lives, systemd is not asked again."""
    pid, since = PROCESSES.get(unit, ("0", ""))
    if not since or began(pid) != since:
        pid = once(shown, unit).get("MainPID", "0")
        PROCESSES[unit] = pid, began(pid)
    return pid


def do_chain(fields):
    unit, path, project, default = text(fields[0]), text(fields[1]), text(fields[2]), texts(fields[3])
    known = fields[4:]
    pid = main_process(unit)
    words = arguments(pid) if pid != "0" else []
    cwd, home = "/", "/root"
    if words:
        try:
            cwd = os.readlink("/proc/%s/cwd" % pid)
            home = account(str(os.stat("/proc/%s" % pid).st_uid)).pw_dir
        except (OSError, PayloadError):
            pass
    elif not default:
        words = planned_arguments(unit)
    if words:
        own = os.path.basename(path)
        programs = [own[: -len(".conf")] if own.endswith(".conf") else "", program_of(words)]
        files = reading_order(words, project, programs, home, cwd)
    else:
        files = default or [path]
    answer = []
    for name in files:
        try:
            data = read_file(name)
        except OSError:
            continue
        digest = sha256(data).encode()
        answer += [os.fsencode(name), digest, told(digest, data, known)]
    return 0, answer


def paragraphs(path):
    """What stands between a file's empty lines, a block after another: in fresh memory it takes longer than in used."""
    rest = b""
    with opened(path) as file:
        while True:
            block = file.read(1 << 16)
            *whole, rest = (rest + block).split(b"\n\n")
            yield from whole
            if not block:
                yield rest
                return


def do_dpkg(fields):
    """Packages by dpkg's own record, read as apt reads it: ``dpkg-query`` takes twenty times as long."""
    names, answer = set(fields[1].split(b"\0")), []
    for part in paragraphs(text(fields[0])):
        name = part[9 : part.find(b"\n")]  # the first line is "Package: " and the name; one part for each architecture
        if name in names:
            said = dict([line.split(b": ", 1) for line in part.split(b"\n") if b": " in line])
            if said[b"Status"].endswith(b" installed"):
                answer.append(b"%b %b\n" % (name, said[b"Version"]))
    return 0, [b"".join(answer), b""]


#: Whether the request under way changes nothing.
NOW = {"asks": False}

DOERS = b"run look write kept restore remove hold directory unit restart chain dpkg".split()


def doer(name):
    """What carries out a request; looked up by name, as a function is compiled when it is first named."""
    if name not in DOERS:
        raise PayloadError("no request is called %r" % name)
    return globals()["do_" + name.decode()]


def explained(error):
    """An error as a sentence, with the path that it is about."""
    if isinstance(error, OSError) and error.filename:
        return "%s: %s" % (error.filename, error.strerror)
    if isinstance(error, (PayloadError, OSError)):
        return str(error)
    return "%s: %s" % (type(error).__name__, error)


def line_is_gone():
    """Whether the controller has closed its end, or died."""
    import select

    poll = select.poll()
    poll.register(0, 0)  # a hang-up is told unasked
    for _end, event in poll.poll(0):
        if event & (select.POLLHUP | select.POLLERR):
            return True
    return False


def carry_out(changes, requests, say, failed=False):
    """The requests of one group, in order; after a failure the rest is left out. Whether all went well.

    :param changes: how many of them, from the first on, may change something.
    """
    for number, (key, name, accept, fields) in enumerate(requests):
        if failed:
            say([key, b"%d" % SKIPPED, b"", b"left out: an earlier request failed"])
            continue
        if line_is_gone():
            os._exit(1)
        since = time.monotonic()
        NOW["asks"] = number >= changes
        if not NOW["asks"] and name in (b"run", b"restart"):
            FOUND.clear()
        try:
            status, answer = doer(name)(fields)
        except Exception as error:
            status, answer = 1, [b"", explained(error).encode(errors="replace")]
        failed = status != 0 and b"%d" % status not in accept.split(b",")
        say([key, b"%d:%d" % (status, (time.monotonic() - since) * 1000), *answer])
    return not failed


def grouped(frames):
    """The groups of a batch, each (parallel, gate, how many of them may change something, requests)."""
    groups = []
    for fields in frames:
        if fields[0] == b"group":
            groups.append((fields[1] == b"1", fields[2] == b"1", int(fields[3]), []))
        else:
            groups[-1][3].append((fields[0], fields[1], fields[2], fields[3:]))
    return groups


def serve(nonce, source, sink):
    """Batches until the controller closes its end; each is answered as one bundle, whose last frame says so."""
    while True:
        frames = received(nonce, source)
        if frames is None:
            return
        sink.write(bundle(nonce, [*answers(nonce, grouped(frames)), encode(nonce, [b"done"])]))
        sink.flush()


def answers(nonce, groups):
    """The frames that a batch is answered with."""
    said = []
    children = []
    shut = False
    TOLD.clear()
    FOUND.clear()

    def say(fields):
        said.append(encode(nonce, fields))

    alone = sum(group[0] for group in groups) < 2
    for parallel, gate, changes, requests in groups:
        if shut or gate or not parallel or alone:
            ended_well = carry_out(changes, requests, say, shut)
            shut = shut or (gate and not ended_well)
            continue
        if len(children) == AT_ONCE:
            said.append(collect(children.pop(0)))
        children.append(start_child(nonce, changes, requests))
    return said + [collect(child) for child in children]


def start_child(nonce, changes, requests):
    """A group on its own beside the others; its answers come through a pipe."""
    end, inner = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(end)
            said = []
            carry_out(changes, requests, lambda fields: said.append(encode(nonce, fields)))
            write_all(inner, b"".join(said))
        finally:
            os._exit(0)
    os.close(inner)
    return end, child


def collect(started):
    """What a child answered."""
    end, child = started
    with os.fdopen(end, "rb") as answers:
        said = answers.read()
    os.waitpid(child, 0)
    return said


def settle():
    """What commands begin with and files are made with, whatever the login left."""
    os.chdir("/")
    os.umask(0o077)


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
