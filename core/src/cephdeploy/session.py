"""One conversation with one host: batches of requests out, answers back, over any transport's channel.

It knows the frames and what stands between us and a root shell (sudo in its moods, no python3); it
knows nothing of what is asked or why.
"""

from __future__ import annotations

import ast
import secrets
import shlex
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Protocol

from .errors import HostError
from .requests import (
    Answer,
    Chain,
    Chained,
    Group,
    Look,
    MakeDirectory,
    Ran,
    Request,
    Restart,
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

    def send(self, data: bytes) -> None:
        """Write all of ``data``; raises OSError when the line is down."""

    def receive(self, count: int) -> bytes:
        """Up to ``count`` bytes of standard output; empty at the end."""

    def ending(self) -> tuple[int | None, bytes]:
        """Exit status, if it was told, and the tail of standard error: asked once the output has ended."""

    def close(self) -> None: ...


def bootstrap(*, sudo: bool) -> str:
    """The command line that starts the payload: it reads its own text from standard input.

    Nothing of the job is in it, so nothing of the job is in a process list.
    """
    start = "import sys;i=sys.stdin.buffer;exec(i.read(int(i.readline())))"
    words = ["python3", "-I", "-S", "-c", start]
    return shlex.join(["sudo", "-n", "--", *words] if sudo else words)


@cache
def _source() -> bytes:
    """The payload's text without its docstrings and comments: a third of the bytes on the line."""
    package = resources.files(__package__)
    text = "".join(package.joinpath(name).read_text() for name in ("wire.py", "payload.py"))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            body[:] = [item for item in body if not _is_text(item)] or [ast.Pass()]
    return ast.unparse(tree).encode()


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


class Session:
    """A live host. One batch at a time; not for use by several threads at once.

    :param name: the host's name in the site file, for errors.
    :param sudo: whether the login is not root and must become it.
    :raises HostError: from :meth:`exchange` and the constructor, with what would fix it.
    """

    def __init__(self, name: str, channel: Channel, *, sudo: bool) -> None:
        self.name = name
        self._channel = channel
        self._sudo = sudo
        self._nonce = secrets.token_hex(8).encode()
        self._frames = FrameReader(self._nonce, channel.receive)
        source = _source() + b"\nmain(" + repr(self._nonce).encode() + b")\n"
        self._send(b"%d\n" % len(source) + source)
        hello = self._frame()
        if hello is None:
            raise HostError(name, self._why_not())
        if hello[1:2] != [b"0"]:
            raise HostError(name, "the login is not root and sudo is off; set ssh.sudo: true or ssh.user: root")

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """Send groups of requests in one round trip; the answers, in the groups' order."""
        frames = []
        for number, group in enumerate(groups):
            frames.append(encode(self._nonce, [b"group", b"%d" % group.parallel, b"%d" % group.gate]))
            for place, request in enumerate(group.requests):
                accept = ",".join(map(str, request.accept)) if isinstance(request, Run) else ""
                key = b"%d.%d" % (number, place)
                doer, *fields = _encoded(request)
                frames.append(encode(self._nonce, [key, doer, accept.encode(), *fields]))
        frames.append(encode(self._nonce, [b"go"]))
        self._send(b"".join(frames))
        answers: dict[bytes, Answer] = {}
        wanted = {b"%d.%d" % (n, p): r for n, g in enumerate(groups) for p, r in enumerate(g.requests)}
        while len(answers) < len(wanted):
            fields = self._frame()
            if fields is None:
                raise HostError(self.name, f"the connection broke; what was under way is unknown{self._said()}")
            if len(fields) < 2 or fields[0] not in wanted or not fields[1].isdigit():
                raise HostError(self.name, "the host answered what was not asked")
            answers[fields[0]] = _decoded(wanted[fields[0]], int(fields[1]), fields[2:])
        return [
            [answers[b"%d.%d" % (number, place)] for place in range(len(group.requests))]
            for number, group in enumerate(groups)
        ]

    def close(self) -> None:
        """Close the line; the payload ends with it."""
        self._channel.close()

    def _send(self, data: bytes) -> None:
        try:
            self._channel.send(data)
        except OSError as error:
            if not self._frames.buffer and (why := self._why_not()):
                raise HostError(self.name, why) from error
            raise HostError(self.name, f"the connection broke: {error}") from error

    def _frame(self) -> list[bytes] | None:
        try:
            return self._frames.frame()
        except (WireError, OSError) as error:
            raise HostError(self.name, f"the connection broke: {error}") from error

    def _said(self) -> str:
        status, errors = self._channel.ending()
        last = errors.decode(errors="replace").strip().splitlines()
        return f" ({last[-1][:300]})" if last else "" if status is None else f" (exit status {status})"

    def _why_not(self) -> str:
        """Why the payload did not start: from the exit status and what was said on standard error."""
        status, errors = self._channel.ending()
        said = errors.decode(errors="replace").strip()
        if "sudo" in said or "sudoers" in said:
            for sign, why in _SUDO_MOODS:
                if sign in said:
                    return why
        if status == 127 or "not found" in said or "No such file" in said:
            if self._sudo and "sudo" in said and "python3" not in said:
                return "there is no sudo here; log in as root (ssh.user) or install sudo"
            return "there is no python3 in the login's path; install it (python3, 3.6 or newer)"
        noise = bytes(self._frames.noise).decode(errors="replace").strip()
        last = (said or noise).splitlines()
        return f"the host's side did not start: {last[-1][:300] if last else f'exit status {status}'}"


_SUDO_MOODS = (
    ("a password is required", "sudo asks for a password; give the login NOPASSWD in sudoers, or log in as root"),
    (
        "you must have a tty",
        "sudo wants a terminal (requiretty in sudoers); add 'Defaults:LOGIN !requiretty' for the login",
    ),
    ("is not in the sudoers", "the login is not in sudoers; give it the right to become root, or log in as root"),
    ("may not run sudo", "the login may not run sudo here; give it the right to become root"),
    ("is not allowed to execute", "sudoers does not let the login run python3 as root; allow it, or log in as root"),
    ("I'm sorry", "sudo refuses the login; give it NOPASSWD in sudoers, or log in as root"),
    (
        "interactive authentication is required",
        "sudo asks for a password; give the login NOPASSWD in sudoers, or log in as root",
    ),
)


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
            ]
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
    if status == 0 and isinstance(request, Look) and len(fields) == 7 and fields[1].isdigit():
        sort, mode, owner, group, digest, content, target = fields
        return Seen(
            type=_sort(sort),
            mode=int(mode),
            owner=owner.decode(errors="replace"),
            group=group.decode(errors="replace"),
            digest=digest.decode(errors="replace"),
            content=content if request.content and sort == b"file" else None,
            target=target.decode(errors="replace"),
        )
    if status == 0 and isinstance(request, Chain) and len(fields) % 2 == 0:
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return Chained(files=tuple((path.decode(errors="replace"), content) for path, content in pairs))
    return Ran(status=status, out=texts[0], err=texts[1])


def _sort(sort: bytes) -> str:
    text = sort.decode(errors="replace")
    return text if text in ("absent", "file", "directory") else "other"
