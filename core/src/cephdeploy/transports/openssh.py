"""SSH through the ``ssh`` program: all that it can do works as it does for the operator's own ``ssh``.

GSSAPI, hardware keys, certificates, ``Match exec``, and the key exchange that it prefers. One process a host.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time

from ..errors import HostError
from . import PAUSES, Target, ssh_diagnosis
from .process import ProcessChannel
from .ssh_program import Way, lay

__all__ = ["OpensshTransport"]


class OpensshTransport:
    """The entry point ``openssh`` of ``cephdeploy.transports``.

    :raises HostError: the ssh configuration can't be followed, or there is no ``ssh`` here.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._way = lay(target)

    @property
    def user(self) -> str:
        return self._way.hops[-1].user

    def start(self, command: str) -> OpensshChannel:
        """Connect and start ``command``; see :class:`cephdeploy.transports.Transport`."""
        pauses = iter(PAUSES)
        while True:
            begun = time.monotonic()
            channel = OpensshChannel(self._way, command, self._target)
            try:
                said = channel.refusal()
            except BaseException:
                channel.close()
                raise
            if said is None:
                return channel
            channel.close()
            early = time.monotonic() - begun < self._target.timeout / 2
            pause = next(pauses, None) if early and ssh_diagnosis.is_dropped(said) else None
            if pause is None:
                why = ssh_diagnosis.diagnosed(said, self._target, self._way, self._in_detail, hung=channel.hung)
                raise HostError(self._target.name, why)
            time.sleep(pause)

    def _in_detail(self) -> str:
        """What ssh says at length of an attempt that ends where the host proves its key, at the latest."""
        argv = self._way.argv("true")
        detailed = [word.replace("LogLevel=VERBOSE", "LogLevel=DEBUG1") for word in argv]
        with contextlib.suppress(subprocess.TimeoutExpired):
            ended = subprocess.run(
                detailed,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=_environment(),
                start_new_session=True,
                timeout=2 * self._target.timeout,
            )
            return ended.stderr.decode(errors="replace")
        return ""


class OpensshChannel(ProcessChannel):
    """One ``ssh`` process."""

    def __init__(self, way: Way, command: str, target: Target) -> None:
        super().__init__(way.argv(command), target.timeout, _environment())
        self._way = way
        self._keepalive = target.keepalive
        #: Whether a login was given up because nothing came.
        self.hung = False

    def refusal(self) -> str | None:
        """Wait until the login has succeeded: None; or what ssh said instead.

        A connection that is held open says nothing, and needs no login.
        """
        wanted = len(self._way.logins)
        until = time.monotonic() + 2 * self.timeout * max(wanted, 1)
        while ssh_diagnosis.succeeded(self._said(), self._way) < wanted:
            left = until - time.monotonic()
            if left <= 0:
                self.hung = True
                return self._said()
            if not self._err_open or self._process.poll() is not None:
                return self.ending_said()
            self._wait(min(left, 0.5))
        return None

    def ending_said(self) -> str:
        """All that ssh said, after its end."""
        super().ending()
        return self._said()

    def receive(self, count: int, timeout: float) -> bytes:
        data = super().receive(count, timeout)
        if not data:
            status, said = super().ending()
            why = ssh_diagnosis.hung_up(said, self._keepalive) if status in (None, 255) else None
            if why:
                raise ConnectionAbortedError(why)
        return data

    def ending(self) -> tuple[int | None, bytes]:
        status, said = super().ending()
        return status, ssh_diagnosis.remote_words(said)

    def close(self) -> None:
        self._close_streams()
        # what runs on the host ends with its input; where it is in the middle of something, the line goes
        if not self._ended(0.3):
            self._process.terminate()
            if not self._ended(2):
                self._process.kill()
                self._process.wait()

    def _said(self) -> str:
        return self._errors.decode(errors="replace")


def _environment() -> dict[str, str]:
    """Ours without the language: `SendEnv` would take it to the hosts, whose answers are read in English."""
    return {
        name: value for name, value in os.environ.items() if name != "LANG" and not name.startswith(("LC_", "LANGU"))
    }
