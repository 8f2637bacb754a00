"""A batch of requests: carried out group by group, and answered."""

import os
import time

from ..wire import encode
from .commands import NOW, do_run
from .disk import write_all
from .files import TOLD, do_look
from .found import FOUND
from .keeping import do_kept
from .lock import do_hold
from .packages import do_dpkg
from .reading import do_chain
from .units import do_restart, do_unit
from .words import SKIPPED, PayloadError, explained
from .writing import do_directory, do_remove, do_restore, do_write

#: Groups of one batch that run side by side.
AT_ONCE = 8
DOERS = b"run look write kept restore remove hold directory unit restart chain dpkg".split()


def doer(name):
    """What carries out a request; looked up by name, as a function is compiled when it is first named."""
    if name not in DOERS:
        raise PayloadError("no request is called %r" % name)
    return globals()["do_" + name.decode()]


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
