"""The conversation with one host, without a line: what to send, what to wait for, what it means.

Each method is a generator: it yields bytes to send, a :class:`Receive` or :data:`ENDING`, and is sent what
came of it. So one text serves a thread that waits and an event loop that does not. It knows the frames and
what stands between us and a root shell (sudo in its moods, no python3); it knows nothing of what is asked.
"""

from __future__ import annotations

import re
import secrets
import shlex
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from . import program
from .errors import HostError
from .frames import CHUNK, FrameReader
from .protocol import Batch, Fields, Parcel
from .wire import WireError, bundle, encode

__all__ = ["ENDING", "BrokenError", "Conversation", "Receive", "Said", "Talk", "bootstrap", "failure"]


@dataclass(frozen=True)
class Receive:
    """A wish: up to ``count`` bytes as soon as there are any, or a TimeoutError after ``timeout`` seconds."""

    count: int
    timeout: float


#: A wish: the exit status, if it was told, and the tail of standard error.
ENDING = "ending"

T = TypeVar("T")
#: A part of a conversation that comes to a ``T``.
Talk = Generator[bytes | Receive | str, Any, T]

#: A host's answers by their key.
Said = dict[bytes, Fields]


class BrokenError(Exception):
    """The line went, or the host stopped answering.

    :param why: the first half of a sentence.
    :param said: what had been answered by then.
    """

    def __init__(self, why: str, said: Said) -> None:
        super().__init__(why)  # and not what was said: there may be keys in it
        self.why = why
        self.said = said

    def __reduce__(self) -> tuple[type[BrokenError], tuple[str, Said]]:
        return type(self), (self.why, self.said)


def bootstrap(*, sudo: bool) -> str:
    """The command line that starts the payload: it reads its own text from standard input.

    Nothing of the job is in it, so nothing of the job is in a process list. Any login shell takes it (sh,
    csh, fish): plain words, and one in single quotes without a quote, ``!``, ``$`` or backslash in it.
    """
    start = (
        "import sys,zlib;i=sys.stdin.buffer;"
        "SENT=zlib.decompress(i.read(int(i.readline()))).decode().split(chr(0));exec(SENT[0]);START(i)"
    )
    # what sudo says is understood below: in English, whatever the login's language
    become = ["env", "LC_ALL=C", "sudo", "-n", "--"] if sudo else []
    return shlex.join([*become, "python3", "-I", "-S", "-c", start])


def failure(name: str, batch: Batch, error: BrokenError | WireError) -> HostError:
    """What a person is told when a batch does not come back as it should.

    :param name: the host's name in the site file.
    """
    if isinstance(error, BrokenError):
        return HostError(name, f"{error.why}; {batch.unknown(error.said)}")
    return HostError(name, f"the host does not speak our protocol: {error}")


#: Of python3 there.
_VERSION = re.compile(rb"\d{1,4}\.\d{1,4}")


class _HungryError(Exception):
    """There is no byte left to read frames from."""


class Conversation:
    """What is said with one host, from the first byte on.

    :param name: the host's name in the site file, for errors.
    :param timeout: seconds that a login may take to start what it was asked to.
    :param sudo: whether the login is not root and must become it.
    """

    def __init__(self, name: str, *, timeout: float, sudo: bool) -> None:
        self.name = name
        self._timeout = timeout
        self._sudo = sudo
        self._nonce = secrets.token_hex(8).encode()
        self._came: bytes | None = None
        self._frames = FrameReader(self._nonce, self._taken)
        self._begun = False

    def exchange(self, parcel: Parcel) -> Talk[Said]:
        """Send a batch; the answers that came.

        The first batch travels right behind the payload: that saves a round trip. One with a secret in it waits
        until the payload has told that it runs.

        :raises HostError: the payload does not run there; nothing was done.
        :raises BrokenError: the line is down, or the host stopped answering.
        """
        data = bundle(self._nonce, [encode(self._nonce, fields) for fields in parcel.frames])
        wanted = {fields[0] for fields in parcel.frames} - {b"group"}
        said: Said = {}
        try:
            if self._begun:
                yield data
            else:
                yield from self._begin(b"" if parcel.secret else data)
                self._begun = True
                if parcel.secret:
                    yield data
            until = time.monotonic() + parcel.seconds
            while True:
                fields = yield from self._frame(until)
                if fields is None:
                    raise EOFError((yield from self._last_words()) or "the host closed it")
                if fields == [b"done"]:
                    break
                if len(fields) < 2 or fields[0] not in wanted or not _is_status(fields[1]):
                    raise WireError("it answered what was not asked")
                said[fields[0]] = fields
        except TimeoutError as error:
            raise BrokenError(f"the host stopped answering: {error}", said) from error
        except (WireError, OSError, EOFError) as error:
            raise BrokenError(f"the connection broke: {error}", said) from error
        if len(said) < len(wanted):
            raise BrokenError("a process of ours on the host was killed (out of memory?)", said)
        return said

    def _begin(self, more: bytes) -> Talk[None]:
        """Send the payload and what shall follow it, and wait for its first word."""
        text = program.packed()
        until = time.monotonic() + self._timeout
        try:
            try:
                yield b"%d\n%b%b\n%b" % (len(text), text, self._nonce, more)
            except TimeoutError:
                raise
            except (OSError, EOFError):
                pass  # it ended before it had read all: what it said is read below
            hello = yield from self._frame(until)
        except TimeoutError as error:
            said = self._noise() or "it said nothing"
            raise HostError(
                self.name,
                f"the login let us in and did not start python3 in {self._timeout:g} s ({said}); look at "
                "what its shell starts with, such as ~/.bashrc, and at a slow PAM or NSS, or raise ssh.connect_timeout",
            ) from error
        except WireError as error:
            raise HostError(self.name, f"the host does not speak our protocol: {error}") from error
        except OSError as error:
            raise HostError(self.name, f"the connection broke at the login: {error}; nothing was done") from error
        if hello is None:
            raise HostError(self.name, (yield from self._why_not()))
        if len(hello) != 3 or hello[0] != b"hello" or not _VERSION.fullmatch(hello[2]):
            raise HostError(self.name, f"the host does not speak our protocol: it began with {hello[:1]!r}")
        uid, version = hello[1].decode(errors="replace"), hello[2].decode()
        if uid != "0":
            raise HostError(self.name, "the login is not root and sudo is off; set ssh.sudo: true or ssh.user: root")
        if tuple(map(int, version.split("."))) < (3, 6):
            raise HostError(self.name, f"its python3 is {version}; install 3.6 or newer")

    def _frame(self, until: float) -> Talk[list[bytes] | None]:
        """The next frame; None at the end of the stream."""
        while True:
            try:
                return self._frames.frame()
            except _HungryError:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError("it is past the deadline of all that was asked") from None
                self._came = yield Receive(CHUNK, left)

    def _taken(self, count: int) -> bytes:
        """What the frames are read from: the bytes that came last, and then hunger."""
        if self._came is None:
            raise _HungryError
        came, self._came = self._came, None
        return came

    def _noise(self) -> str:
        return _last_line(bytes(self._frames.noise + self._frames.buffer))

    def _last_words(self) -> Talk[str]:
        status, errors = yield ENDING
        return _last_line(errors) or ("" if status is None else f"exit status {status}")

    def _why_not(self) -> Talk[str]:
        """Why the payload did not start: from the exit status and what was said on standard error."""
        status, errors = yield ENDING
        said = errors.decode(errors="replace").strip()
        if self._sudo:
            for signs, why in _SUDO_MOODS:
                if any(sign in said for sign in signs):
                    return why
        if "python3" in said and ("not found" in said or "No such file" in said or "Unknown command" in said):
            return "there is no python3 in the login's path; install it (python3, 3.6 or newer)"
        if self._sudo and status in (126, 127):
            return "there is no sudo here; log in as root (ssh.user: root), or install sudo"
        if status == 127:
            return "there is no python3 in the login's path; install it (python3, 3.6 or newer)"
        last = _last_line(errors) or self._noise() or f"exit status {status}"
        return f"the login let us in and did not start python3: {last}"


_NOPASSWD = "give the login NOPASSWD for it in sudoers, or log in as root (ssh.user: root)"

#: What sudo and sudo-rs say, and what helps. The first that fits; sudo asks a password also of those who are
#: not in sudoers, before it tells.
_SUDO_MOODS = (
    (
        ("a password is required", "interactive authentication is required", "a terminal is required to"),
        f"sudo asks the login for a password, as it also does where sudoers does not let it run python3; {_NOPASSWD}",
    ),
    (
        ("must have a tty",),
        "sudo wants a terminal (requiretty in sudoers); add 'Defaults:LOGIN !requiretty' for the login, "
        "or log in as root (ssh.user: root)",
    ),
    (("is not in the sudoers",), f"the login is not in sudoers; {_NOPASSWD}"),
    (
        ("is not allowed to execute", "may not run sudo", "I'm sorry", "not allowed to run sudo"),
        f"sudoers does not let the login run python3 as root; {_NOPASSWD}",
    ),
    (
        (
            "sudo: not found",
            "sudo: command not found",
            "Unknown command: sudo",
            "'sudo': No such file",
        ),
        "there is no sudo here; log in as root (ssh.user: root), or install sudo",
    ),
)


def _last_line(said: bytes) -> str:
    """The last line that is not blank, cut to what fits an error, without control characters."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return "".join(letter for letter in lines[-1].strip()[-300:] if letter.isprintable()) if lines else ""


def _is_status(field: bytes) -> bool:
    """``0`` or ``0:12``: how a request ended, and its milliseconds."""
    status, _, spent = field.partition(b":")
    return 0 < len(status) < 6 and status.isdigit() and len(spent) < 9 and (not spent or spent.isdigit())
