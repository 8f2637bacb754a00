"""This machine itself, without SSH: for a site whose hosts include the one that cephdeploy runs on."""

from __future__ import annotations

import contextlib
import getpass
import os
import select
import subprocess
import time

from ..errors import HostError
from . import Target

__all__ = ["LocalTransport"]

_TAIL = 8192


class LocalTransport:
    """The entry point ``local`` of ``cephdeploy.transports``."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def user(self) -> str:
        return "root" if os.geteuid() == 0 else getpass.getuser()

    def start(self, command: str) -> LocalChannel:
        """Start ``command``; see :class:`cephdeploy.transports.Transport`."""
        try:
            return LocalChannel(command, self._target.timeout)
        except OSError as error:
            raise HostError(self._target.name, f"can't start a process here: {error.strerror}") from error


class LocalChannel:
    """A child process as a channel.

    In a session of its own, so that Ctrl-C on the terminal reaches it by its closed streams only.
    """

    def __init__(self, command: str, timeout: float) -> None:
        self.timeout = timeout
        self._errors = b""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._in.write(view) or 0 :]

    def receive(self, count: int, timeout: float) -> bytes:
        until = time.monotonic() + timeout
        wanted = [self._out, self._err]
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select(wanted, [], [], left)
            if self._err in ready and not self._take_errors():
                wanted.remove(self._err)
            if self._out in ready:
                return self._out.read(count) or b""
        raise TimeoutError(f"nothing came for {timeout:.0f} s")

    def ending(self) -> tuple[int | None, bytes]:
        until = time.monotonic() + 2
        while (left := until - time.monotonic()) > 0 and select.select([self._err], [], [], left)[0]:
            if not self._take_errors():
                break
        try:
            status = self._process.wait(timeout=max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            return None, self._errors
        return (status if status >= 0 else 128 - status), self._errors

    def close(self) -> None:
        for stream in (self._in, self._out, self._err):
            stream.close()
        # else it ends with the command that is under way, at the latest by its deadline
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)

    def _take_errors(self) -> bool:
        data = self._err.read(1 << 16) or b""
        self._errors = (self._errors + data)[-_TAIL:]
        return bool(data)
