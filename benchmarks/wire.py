"""Bytes of TCP connections, as the kernel tells them of each one that ends (sock_diag's TCP_INFO).

Payload of both ways, SSH's own overhead and all; without the headers of TCP and IP.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

from . import namespaces

__all__ = ["Closings"]

_NETLINK_SOCK_DIAG, _TCP_DESTROYED = 4, 1
_RCVBUFFORCE = 33
_DIAG_INFO = 2
#: After a netlink header: struct inet_diag_msg, and attributes. See linux/inet_diag.h and linux/tcp.h.
_MESSAGE, _ATTRIBUTES, _BYTES = 16, 16 + 72, 120


class Closings:
    """Listens from now on, in this process' network namespace or another."""

    def __init__(self, network: str | None = None) -> None:
        def listen() -> None:
            if network:
                namespaces.enter_network(network)  # of this thread alone
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
            self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 1 << 24)
            self._socket.bind((0, _TCP_DESTROYED))
            self._socket.setblocking(False)

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()

    def bytes(self, port: int, connections: int, patience: float = 5) -> int:
        """Bytes of ``connections`` connections to a server's ``port`` that have ended, or are just ending.

        :raises OSError: fewer ended in time, or messages were lost.
        """
        until = time.monotonic() + patience
        total = 0
        while connections > 0:
            try:
                message = self._socket.recv(65536)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise OSError(f"{connections} connections have not ended, or the kernel did not tell") from None
                time.sleep(0.01)
                continue
            if struct.unpack_from("!H", message, _MESSAGE + 4)[0] == port:
                connections -= 1
                total += _payload(message)
        return total

    def close(self) -> None:
        self._socket.close()


def _payload(message: bytes) -> int:
    """Bytes both ways: what the other end has acknowledged, and what came from it."""
    length = struct.unpack_from("=I", message)[0]
    at = _ATTRIBUTES
    while at < length:
        size, sort = struct.unpack_from("=HH", message, at)
        if sort == _DIAG_INFO:
            return sum(struct.unpack_from("=QQ", message, at + 4 + _BYTES))
        at += (size + 3) & ~3
    return 0
