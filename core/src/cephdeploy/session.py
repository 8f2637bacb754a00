"""One conversation with one host: batches of requests out, answers back, over any transport's channel.

It knows the frames and what stands between us and a root shell (sudo in its moods, no python3); it
knows nothing of what is asked or why.
"""

from __future__ import annotations

import ast
import secrets
import shlex
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import Literal, Protocol

from .errors import HostError
from .requests import (
    Answer,
    Chain,
    Chained,
    Group,
    Hold,
    Kept,
    Look,
    MakeDirectory,
    Ran,
    Remove,
    Request,
    Restart,
    Restore,
    Run,
    Seen,
    Unit,
    Write,
)
from .values import Secret
from .wire import FrameReader, WireError, encode

__all__ = ["Channel", "Session", "bootstrap"]


class Channel(Protocol):
    """A started command's standard streams, as a transport gives them."""

    @property
    def timeout(self) -> float:
        """Seconds that a login may take to start what it was asked to."""
        ...

    def send(self, data: bytes) -> None:
        """Write all of ``data``.

        :raises OSError: the line is down.
        """
        ...

    def receive(self, count: int, timeout: float) -> bytes:
        """Up to ``count`` bytes of standard output as soon as there are any; empty at the end.

        :raises TimeoutError: nothing came for ``timeout`` seconds.
        :raises OSError: the line is down, also when the host gives no sign of life on a silent line.
        """
        ...

    def ending(self) -> tuple[int | None, bytes]:
        """Exit status, if it was told, and the tail of standard error; waits no more than a moment."""
        ...

    def close(self) -> None:
        """Let go of the streams and of the connection; may be called again."""
        ...


def bootstrap(*, sudo: bool) -> str:
    """The command line that starts the payload: it reads its own text from standard input.

    Nothing of the job is in it, so nothing of the job is in a process list. Any login shell takes it (sh,
    csh, fish): plain words, and one in single quotes without a quote, ``!``, ``$`` or backslash in it.
    """
    start = "import sys,zlib;i=sys.stdin.buffer;exec(zlib.decompress(i.read(int(i.readline()))))"
    # what sudo says is understood below: in English, whatever the login's language
    become = ["env", "LC_ALL=C", "sudo", "-n", "--"] if sudo else []
    return shlex.join([*become, "python3", "-I", "-S", "-c", start])


@cache
def _source() -> bytes:
    """The payload's text without its docstrings, comments and annotations: half of the bytes on the line."""
    package = resources.files(__package__)
    text = "".join(package.joinpath(name).read_text() for name in ("wire.py", "payload.py"))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            node.body = [item for item in node.body if not _is_text(item)] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(tree).encode()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


#: Seconds that a host gets over the deadlines of what it was asked.
_SLACK = 30.0
#: Seconds for a request that has no deadline of its own: systemd and the file system answer within it.
_USUAL = 120.0


class Session:
    """A live host. One batch at a time; not for use by several threads at once.

    :param name: the host's name in the site file, for errors.
    :param channel: a started :func:`bootstrap`; closed by :meth:`close`, and when this raises.
    :param sudo: whether the login is not root and must become it.
    :raises HostError: from :meth:`exchange` and the constructor, with what would fix it.
    """

    def __init__(self, name: str, channel: Channel, *, sudo: bool) -> None:
        self.name = name
        self._channel = channel
        self._sudo = sudo
        self._nonce = secrets.token_hex(8).encode()
        self._frames = FrameReader(self._nonce, self._receive)
        self._until = time.monotonic() + channel.timeout
        try:
            self._begin()
        except BaseException:
            channel.close()
            raise

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """Send groups of requests in one round trip; the answers, in the groups' order.

        :raises HostError: the line is down, or the host stopped answering; it names what is unknown now.
        """
        frames = []
        wanted: dict[bytes, Request] = {}
        for number, group in enumerate(groups):
            frames.append(encode(self._nonce, [b"group", b"%d" % group.parallel, b"%d" % group.gate]))
            for place, request in enumerate(group.requests):
                key = b"%d.%d" % (number, place)
                wanted[key] = request
                accept = ",".join(map(str, request.accept)) if isinstance(request, Run) else ""
                doer, *rest = _encoded(request)
                frames.append(encode(self._nonce, [key, doer, accept.encode(), *rest]))
        frames.append(encode(self._nonce, [b"go"]))
        answers: dict[bytes, Answer] = {}
        self._until = time.monotonic() + _SLACK + sum(map(_budget, wanted.values()))
        try:
            self._channel.send(b"".join(frames))
            while True:
                fields = self._frames.frame()
                if fields is None:
                    raise EOFError(self._last_words() or "the host closed it")
                if fields == [b"done"]:
                    break
                if len(fields) < 2 or fields[0] not in wanted or not _is_status(fields[1]):
                    raise WireError("it answered what was not asked")
                answers[fields[0]] = _decoded(wanted[fields[0]], int(fields[1]), fields[2:])
        except TimeoutError as error:
            raise HostError(self.name, f"the host stopped answering: {error}; {_unknown(wanted, answers)}") from error
        except (WireError, OSError, EOFError) as error:
            raise HostError(self.name, f"the connection broke: {error}; {_unknown(wanted, answers)}") from error
        if len(answers) < len(wanted):
            why = "a process of ours on the host was killed (out of memory?)"
            raise HostError(self.name, f"{why}; {_unknown(wanted, answers)}")
        return [
            [answers[b"%d.%d" % (number, place)] for place in range(len(group.requests))]
            for number, group in enumerate(groups)
        ]

    def close(self) -> None:
        """Close the line; the payload ends with it. One that is down already is no error."""
        with suppress(OSError, EOFError):
            self._channel.close()

    def _begin(self) -> None:
        """Send the payload and wait for its first word."""
        # 9 KB and not 26: what fits into the first window of a line costs no round trip of its own
        source = zlib.compress(_source() + b"\nmain(%r)\n" % self._nonce)
        try:
            try:
                self._channel.send(b"%d\n" % len(source) + source)
            except TimeoutError:
                raise
            except (OSError, EOFError):
                pass  # it ended before it had read all: what it said is read below
            hello = self._frames.frame()
        except TimeoutError as error:
            said = self._noise() or "it said nothing"
            raise HostError(
                self.name,
                f"the login let us in and did not start python3 in {self._channel.timeout:g} s ({said}); look at "
                "what its shell starts with, such as ~/.bashrc, and at a slow PAM or NSS, or raise ssh.connect_timeout",
            ) from error
        except WireError as error:
            raise HostError(self.name, f"the host does not speak our protocol: {error}") from error
        except OSError as error:
            raise HostError(self.name, f"the connection broke at the login: {error}; nothing was done") from error
        if hello is None:
            raise HostError(self.name, self._why_not())
        if len(hello) != 3 or hello[0] != b"hello":
            raise HostError(self.name, f"the host does not speak our protocol: it began with {hello[:1]!r}")
        uid, version = hello[1].decode(errors="replace"), hello[2].decode(errors="replace")
        if uid != "0":
            raise HostError(self.name, "the login is not root and sudo is off; set ssh.sudo: true or ssh.user: root")
        if tuple(int(part) for part in version.split(".") if part.isdecimal()) < (3, 6):
            raise HostError(self.name, f"its python3 is {version}; install 3.6 or newer")

    def _receive(self, count: int) -> bytes:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it is past the deadline of all that was asked")
        return self._channel.receive(count, left)

    def _noise(self) -> str:
        return _last_line(bytes(self._frames.noise + self._frames.buffer))

    def _last_words(self) -> str:
        status, errors = self._channel.ending()
        return _last_line(errors) or ("" if status is None else f"exit status {status}")

    def _why_not(self) -> str:
        """Why the payload did not start: from the exit status and what was said on standard error."""
        status, errors = self._channel.ending()
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
    return 0 < len(field) < 6 and field.isdigit()


def _budget(request: Request) -> float:
    """Seconds after which a host that is well has answered."""
    match request:
        case Run():
            return request.timeout + 5
        case Restart():
            return request.timeout + request.settle + _USUAL
    return _USUAL


def _shown(request: Request) -> str:
    match request:
        case Run():
            return shlex.join(request.argv)[:80]
        case Write():
            return f"write {request.path}"
        case Restore():
            return f"put back {request.path}"
        case Kept():
            return f"look at what was kept of {request.name}"
        case Remove():
            return f"remove {request.path}"
        case Hold():
            return "hold the lock"
        case MakeDirectory():
            return f"make {request.path}"
        case Restart():
            return f"{request.verb} {request.name}"
        case Look():
            return f"look at {request.path}"
        case Unit():
            return f"look at {request.name}"
    return f"read what {request.unit} reads"


def _unknown(wanted: dict[bytes, Request], answers: dict[bytes, Answer]) -> str:
    """Which requests have no answer: what came of them is unknown."""
    missing = [_shown(request) for key, request in wanted.items() if key not in answers]
    if not missing:
        return "all that was asked had been answered"
    more = f" and of {len(missing) - 1} more after it" if len(missing) > 1 else ""
    return f"what came of '{missing[0]}'{more} is unknown"


def _raw(value: bytes | Secret) -> bytes:
    return value.reveal() if isinstance(value, Secret) else value


def _encoded(request: Request) -> list[bytes]:
    """The doer's name and its fields, in the order that ``payload.py`` takes them."""
    match request:
        case Run():
            pick = request.pick
            return [
                b"run",
                b"%g" % request.timeout,
                request.user.encode(),
                request.keep.encode(),
                _raw(request.stdin),
                "\0".join(pick.path).encode() if pick else b"",
                pick.key.encode() if pick else b"",
                "\0".join(pick.values).encode() if pick else b"",
                "\0".join(request.argv).encode(),
                request.save.encode() if request.run else b"",
                request.run.encode(),
                request.feed.run.encode() if request.feed else b"",
                request.feed.name.encode() if request.feed else b"",
            ]
        case Look():
            return [b"look", request.path.encode(), b"1" if request.content else b"0"]
        case Write():
            return [
                b"write",
                request.path.encode(),
                b"%d" % request.mode,
                request.owner.encode(),
                request.group.encode(),
                request.expect.encode(),
                _raw(request.content),
                request.run.encode(),
            ]
        case Kept():
            return [b"kept", request.run.encode(), request.name.encode(), b"%d" % request.content]
        case Restore():
            return [
                b"restore",
                request.path.encode(),
                request.kept.encode(),
                request.expect.encode(),
                request.run.encode(),
            ]
        case Remove():
            return [b"remove", request.path.encode(), request.expect.encode(), request.run.encode()]
        case Hold():
            return [b"hold", request.holder.encode()]
        case MakeDirectory():
            return [
                b"directory",
                request.path.encode(),
                b"%d" % request.mode,
                request.owner.encode(),
                request.group.encode(),
            ]
        case Unit():
            return [b"unit", request.name.encode()]
        case Restart():
            return [
                b"restart",
                request.name.encode(),
                b"%g" % request.settle,
                b"%g" % request.timeout,
                request.verb.encode(),
            ]
        case Chain():
            return [
                b"chain",
                request.unit.encode(),
                request.path.encode(),
                request.project.encode(),
                "\0".join(request.default).encode(),
            ]


def _decoded(request: Request, status: int, fields: list[bytes]) -> Answer:
    """What a host said, as the request's answer; a failure is always a :class:`Ran`."""
    texts = [*fields, b"", b""]
    if status == 0 and isinstance(request, Look | Kept) and len(fields) >= 7 and fields[1].isdigit():
        sort, mode, owner, group, digest, content, target, written = [*fields, b""][:8]
        return Seen(
            type=_sort(sort),
            mode=int(mode),
            owner=owner.decode(errors="replace"),
            group=group.decode(errors="replace"),
            digest=digest.decode(errors="replace"),
            content=content if request.content and sort == b"file" else None,
            target=target.decode(errors="replace"),
            written=written.decode(errors="replace"),
        )
    if status == 0 and isinstance(request, Chain) and len(fields) % 2 == 0:
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return Chained(files=tuple((path.decode(errors="replace"), content) for path, content in pairs))
    return Ran(status=status, out=texts[0], err=texts[1])


def _sort(sort: bytes) -> Literal["absent", "file", "directory", "other"]:
    for known in ("absent", "file", "directory"):
        if sort == known.encode():
            return known
    return "other"
