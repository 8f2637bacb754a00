"""What the kernel offers for hosts of one's own and Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["bind", "die_with_parent", "enter_network", "host_namespaces", "mount", "own_processes", "unshare"]

NEWNS, NEWUTS, NEWPID, NEWNET = 0x20000, 0x4000000, 0x20000000, 0x40000000
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def enter_network(namespace: str) -> None:
    """Be in the network namespace that the file ``namespace`` is of."""
    handle = os.open(namespace, os.O_RDONLY)
    try:
        _checked(_libc.setns(handle, NEWNET), f"setns {namespace}")
    finally:
        os.close(handle)


def own_processes() -> None:
    """Children are again of this process' own process namespace, after ``unshare(NEWPID)``."""
    handle = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        _checked(_libc.setns(handle, NEWPID), "setns")
    finally:
        os.close(handle)


def die_with_parent() -> None:
    _checked(_libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def host_namespaces(hostname: str) -> None:
    """Mounts and a name that nobody else sees."""
    unshare(NEWNS | NEWUTS)
    _checked(_libc.mount(b"none", b"/", None, _REC | _PRIVATE, None), "mount --make-rprivate /")
    _checked(_libc.sethostname(hostname.encode(), len(hostname)), "sethostname")


def mount(sort: str, place: str, options: str = "") -> None:
    _checked(_libc.mount(b"none", place.encode(), sort.encode(), 0, options.encode()), f"mount {sort} at {place}")


def bind(source: str, place: str) -> None:
    _checked(_libc.mount(source.encode(), place.encode(), None, _BIND | _REC, None), f"bind {source} at {place}")
