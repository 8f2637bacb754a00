"""This machine itself, without SSH: for a site whose hosts include the one that cephdeploy runs on."""

from __future__ import annotations

import getpass
import os
import subprocess

from . import Target

__all__ = ["LocalTransport"]


class LocalChannel:
    """A child process as a channel."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) or 0 :]

    def receive(self, count: int) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(count) or b""

    def ending(self) -> tuple[int | None, bytes]:
        assert self._process.stderr is not None
        try:
            status = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return None, b""
        return status, self._process.stderr.read()[-4096:]

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process.wait()


class LocalTransport:
    """The entry point ``local`` of ``cephdeploy.transports``."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def user(self) -> str:
        return "root" if os.geteuid() == 0 else getpass.getuser()

    def start(self, command: str) -> LocalChannel:
        return LocalChannel(command)
