"""What the tests know of the inside of each transport: the socket that a channel's bytes go through."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path

from cephdeploy.transports.asyncssh import AsyncsshChannel
from cephdeploy.transports.background import BlockingChannel
from cephdeploy.transports.fabric import FabricChannel
from cephdeploy.transports.openssh import OpensshChannel

__all__ = ["TRANSPORTS", "hang_up", "local_port"]

TRANSPORTS = ("fabric", "openssh", "asyncssh")
_PIDFD_GETFD = 438


def hang_up(channel: object, how: int = socket.SHUT_RDWR) -> None:
    """Shut down a channel's connection, behind the back of its transport."""
    with _socket(channel) as sock:
        sock.shutdown(how)


def local_port(channel: object) -> int:
    with _socket(channel) as sock:
        port: int = sock.getsockname()[1]
        return port


def _socket(channel: object) -> socket.socket:
    """A second handle of the connection's socket."""
    match channel:
        case FabricChannel():
            return socket.socket(fileno=os.dup(channel._transport.sock.fileno()))
        case BlockingChannel():
            return _socket(channel._channel)
        case AsyncsshChannel():
            return socket.socket(fileno=os.dup(channel._opened[-1].get_extra_info("socket").fileno()))
        case OpensshChannel():
            return _taken(channel._process.pid)
    raise TypeError(type(channel))


def _taken(pid: int) -> socket.socket:
    """The one TCP socket of another process."""
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        if handle.readlink().name.startswith("socket:"):
            pidfd = os.pidfd_open(pid)
            try:
                number = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, pidfd, int(handle.name), 0)
            finally:
                os.close(pidfd)
            if number < 0:
                raise OSError(ctypes.get_errno(), "can't take the socket of ssh")
            sock = socket.socket(fileno=number)
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                return sock
            sock.close()
    raise ProcessLookupError(f"process {pid} has no connection")
