"""Commands without a shell, with a deadline and an end to what they say."""

import _signal
import os
import sys
import time

from .accounts import account
from .found import once
from .words import KILLED, MISSING, explained

#: Seconds between asking a command to end and ending it.
GRACE = 2.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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
