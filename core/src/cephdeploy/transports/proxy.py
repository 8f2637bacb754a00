"""A ProxyCommand as a socket."""

from __future__ import annotations

import socket
import subprocess

__all__ = ["Proxy"]


class Proxy(socket.socket):
    """The near end of a ProxyCommand, which has the far end as its standard input and output.

    paramiko's own spins at the end of the stream and leaves its process and pipes behind.
    """

    def __init__(self, command: str) -> None:
        near, far = socket.socketpair()
        super().__init__(fileno=near.detach())
        with far:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        super().close()
        self._process.terminate()
        self._process.wait()
