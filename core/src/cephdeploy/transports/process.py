"""A process of this machine as a channel: its three standard streams."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence

from . import TAIL

__all__ = ["ProcessChannel"]


class ProcessChannel:
    """A child process as a channel.

    In a session of its own: Ctrl-C on the terminal reaches it by its closed streams only, and it has no terminal to
    ask a person on.

    :param environment: its whole environment; None: ours.
    :param timeout: seconds that a login may take to start what it was asked to.
    :raises OSError: it can't be started.
    """

    def __init__(self, argv: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None) -> None:
        self.timeout = timeout
        self._errors = b""
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr
        os.set_blocking(self._in.fileno(), False)
        self._err_open = True

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._in.write(view) or 0 :]
            if view:
                self._wait(None, self._in.fileno())

    def receive(self, count: int, timeout: float) -> bytes:
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            if self._wait(left, self._out.fileno()):
                return self._out.read(count) or b""
        raise TimeoutError(f"nothing came for {timeout:.0f} s")

    def ending(self) -> tuple[int | None, bytes]:
        until = time.monotonic() + 2
        while self._err_open and (left := until - time.monotonic()) > 0:
            self._wait(left)
        try:
            status = self._process.wait(timeout=max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            return None, self._errors
        return (status if status >= 0 else 128 - status), self._errors

    def close(self) -> None:
        self._close_streams()
        self._ended(5)  # else it ends with the command that is under way, at the latest by its deadline

    def _close_streams(self) -> None:
        for stream in (self._in, self._out, self._err):
            stream.close()

    def _ended(self, seconds: float) -> bool:
        """Whether the process ends within so many seconds."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _wait(self, seconds: float | None, wanted: int | None = None) -> bool:
        """Whether the ``wanted`` stream is ready within so many seconds.

        What comes on standard error meanwhile is kept, or it would fill its pipe and stop all; it may end the wait
        early.
        """
        poll = select.poll()  # select has no place for a descriptor above 1023
        if wanted is not None:
            poll.register(wanted, select.POLLOUT if wanted == self._in.fileno() else select.POLLIN)
        if self._err_open:
            poll.register(self._err.fileno(), select.POLLIN)
        ready = {handle for handle, _ in poll.poll(None if seconds is None else max(seconds, 0) * 1000)}
        if self._err_open and self._err.fileno() in ready:
            data = self._err.read(1 << 16) or b""
            self._errors = (self._errors + data)[-TAIL:]
            self._err_open = bool(data)
        return wanted in ready
