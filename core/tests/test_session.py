"""A conversation over a channel that a test holds: what a host may say, and what is then known."""

from __future__ import annotations

import hashlib
import io
import time

import pytest

from cephdeploy import program
from cephdeploy.contents import Contents
from cephdeploy.errors import HostError
from cephdeploy.protocol import Batch
from cephdeploy.requests import Chain, Group, Kept, Look, MakeDirectory, Ran, Request, Restart, Run, Seen, Unit, Write
from cephdeploy.session import Session, bootstrap
from cephdeploy.values import Secret
from cephdeploy.wire import encode, received


class Line:
    """A channel whose host is a script: before its hello, its answers, its last words and its status.

    ``NONCE`` in what it says becomes the session's own.
    """

    timeout = 1.0

    def __init__(
        self, *says: bytes | type[Exception], errors: bytes = b"", status: int | None = 0, hello: bool = True
    ) -> None:
        self.says = [*([FRAME(b"hello", b"0", b"3.11")] if hello else []), *says]
        self.errors = errors
        self.status = status
        self.sent = b""
        self.closed = 0

    def send(self, data: bytes) -> None:
        self.sent += data

    @property
    def nonce(self) -> bytes:
        length, _, rest = self.sent.partition(b"\n")
        return rest[int(length) :].partition(b"\n")[0]

    @property
    def frames(self) -> list[list[bytes]]:
        """What was sent behind the payload."""
        length, _, rest = self.sent.partition(b"\n")
        left = io.BytesIO(rest[int(length) :])
        return received(left.readline().strip(), left) or []

    def receive(self, count: int, timeout: float) -> bytes:
        assert 0 < timeout <= 10_000
        if not self.says:
            return b""
        said = self.says.pop(0)
        if isinstance(said, bytes):
            return said.replace(b"NONCE", self.nonce)
        raise said("nothing came")

    def ending(self) -> tuple[int | None, bytes]:
        return self.status, self.errors

    def close(self) -> None:
        self.closed += 1


def FRAME(*fields: bytes) -> bytes:  # noqa: N802
    return encode(b"NONCE", fields)


DONE = FRAME(b"done")


def ask(line: Line, *requests: Request) -> list[object]:
    return list(Session("compute1", line, sudo=False).exchange([Group(requests=requests)])[0])


def begins(line: Line, *, sudo: bool = True) -> str:
    with pytest.raises(HostError) as raised:
        Session("compute1", line, sudo=sudo).exchange([])
    text = str(raised.value)
    assert text.startswith("compute1: ")
    assert "\n" not in text
    return text.removeprefix("compute1: ")


@pytest.mark.parametrize(
    ("errors", "status", "why"),
    [
        (b"sudo: a password is required\n", 1, "sudo asks the login for a password"),
        (b"sudo: a terminal is required to read the password; either use the -S option", 1, "sudo asks the login"),
        (b"sudo: interactive authentication is required\n", 1, "sudo asks the login for a password"),
        (b"sudo: sorry, you must have a tty to run sudo\n", 1, "sudo wants a terminal"),
        (b"bob is not in the sudoers file.  This incident will be reported.\n", 1, "the login is not in sudoers"),
        (b"sudo: I'm sorry bob. I'm afraid I can't do that\n", 1, "sudoers does not let the login run python3"),
        (b"Sorry, user bob is not allowed to execute '/usr/bin/python3'", 1, "sudoers does not let the login"),
        (b"Sorry, user bob may not run sudo on compute1.\n", 1, "sudoers does not let the login run python3"),
        (b"bash: line 1: sudo: command not found\n", 127, "there is no sudo here"),
        (b"env: 'sudo': No such file or directory\n", 127, "there is no sudo here"),
        ("env: « sudo »: Aucun fichier".encode(), 127, "there is no sudo here"),
        (b"sudo: python3: command not found\n", 1, "there is no python3 in the login's path"),
        (b"sudo: unable to resolve host x\nsudo: effective uid is not 0", 1, "the login let us in and did not start"),
    ],
)
def test_what_sudo_says_becomes_what_helps(errors: bytes, status: int, why: str) -> None:
    assert begins(Line(errors=errors, status=status, hello=False)).startswith(why)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (Line(hello=False, errors=b"sh: python3: not found", status=127), "there is no python3"),
        (Line(hello=False, status=127), "there is no python3"),
        (
            Line(b"This account is disabled.\r\n", hello=False, status=1),
            "did not start python3: This account is disabled.",
        ),
        (Line(b"x\x1b[2J\x07bell\n", hello=False, status=1), "python3: x[2Jbell"),
        (Line(hello=False, status=None), "did not start python3: exit status None"),
        (Line(b"one moment\n", TimeoutError, hello=False), "did not start python3 in 1 s (one moment)"),
        (Line(ConnectionResetError, hello=False), "the connection broke at the login"),
        (Line(b"NONCE 99999999999\n", hello=False), "does not speak our protocol"),
        (Line(FRAME(b"hi"), hello=False), "does not speak our protocol"),
        (Line(FRAME(b"hello", b"1000", b"3.11"), hello=False), "the login is not root and sudo is off"),
        (Line(FRAME(b"hello", b"0", b"3.4"), hello=False), "its python3 is 3.4; install 3.6 or newer"),
        (Line(FRAME(b"hello", b"0", b"3." + b"9" * 5000), hello=False), "does not speak our protocol"),
        (Line(FRAME(b"hello", b"0", b"\x1b[2J3.9"), hello=False), "does not speak our protocol"),
    ],
)
def test_a_host_that_does_not_begin_says_why(line: Line, why: str) -> None:
    assert why in begins(line, sudo=False)


RUN = Run(argv=("ceph", "osd", "pool", "create", "volumes"))


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ((), "the connection broke: Killed"),
        ((ConnectionResetError,), "the connection broke: nothing came"),
        ((TimeoutError,), "the host stopped answering: nothing came"),
        ((b"NONCE what\n",), "the connection broke: a frame's header is none"),
        ((b"NONCE 3,4\nabc",), "the connection broke: the stream ended inside a frame"),
        ((FRAME(b"0.7", b"0", b""),), "the connection broke: it answered what was not asked"),
        ((FRAME(b"0.0", b"well", b""),), "the connection broke: it answered what was not asked"),
        ((FRAME(),), "the connection broke: it answered what was not asked"),
        ((DONE,), "a process of ours on the host was killed"),
    ],
)
def test_a_line_that_breaks_says_what_is_unknown(says: tuple[bytes | type[Exception], ...], why: str) -> None:
    with pytest.raises(HostError) as raised:
        ask(Line(*says, errors=b"Killed\n"), RUN, Look(path="/etc/hosts"))
    unknown = "what came of 'ceph osd pool create volumes' and of 1 more after it is unknown"
    assert str(raised.value).startswith(f"compute1: {why}")
    assert str(raised.value).endswith(unknown)


def test_what_was_answered_before_is_not_unknown() -> None:
    write = Write(path="/etc/ceph/ceph.conf", content=b"", mode=0o644, owner="root", group="root")
    with pytest.raises(HostError, match=r"what came of 'write /etc/ceph/ceph.conf' is unknown"):
        ask(Line(FRAME(b"0.0", b"0", b"", b"")), RUN, write)


TEXT = hashlib.sha256(b"text").hexdigest()


def test_answers_come_back_by_their_requests_whatever_their_order() -> None:
    line = Line(
        FRAME(b"0.1", b"0", b"file", b"416", b"root", b"ceph", TEXT.encode(), b"=text", b""),
        b"noise in between\n",
        FRAME(b"0.0", b"3", b"out", b"err"),
        DONE,
    )
    assert ask(line, RUN, Look(path="/x", content=True)) == [
        Ran(status=3, out=b"out", err=b"err"),
        Seen(type="file", mode=0o640, owner="root", group="ceph", digest=TEXT, content=b"text"),
    ]


@pytest.mark.parametrize(
    "request_", [Look(path="/x"), Unit(name="u"), Chain(unit="u", path="/x", project="p"), Restart(name="u")]
)
def test_a_failure_is_a_ran_with_its_reason_whatever_was_asked(request_: Request) -> None:
    answer = ask(Line(FRAME(b"0.0", b"1", b"", b"/x: Not a directory"), DONE), request_)[0]
    assert isinstance(answer, Ran)
    assert answer.reason == "/x: Not a directory"


FILE = (b"root", b"root", hashlib.sha256(b"text").hexdigest().encode(), b"=text", b"")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (Look(path="/x"), (b"file", b"9" * 5000, *FILE)),
        (Look(path="/x"), (b"file", b"-1", *FILE)),
        (Look(path="/x"), (b"file", b"", *FILE)),
        (Look(path="/x"), (b"file", b"420", *FILE[:-1])),
        (Look(path="/x"), ()),
        (Look(path="/x", content=True), (b"file", b"420", *FILE[:3], b"=other", b"")),
        (Look(path="/x", content=True), (b"file", b"420", *FILE[:3], b"text", b"")),
        (Kept(run="r", name="/x"), (b"file", b"9" * 5000, *FILE, b"")),
        (Kept(run="r", name="/x"), (b"", b"")),
        (Chain(unit="u", path="/x", project="p"), (b"/x", FILE[2])),
        (Chain(unit="u", path="/x", project="p"), (b"/x", FILE[2], b"=other")),
    ],
)
def test_an_answer_that_is_none_is_that_hosts_error_and_nobody_elses(
    request_: Request, answer: tuple[bytes, ...]
) -> None:
    with pytest.raises(HostError) as raised:
        ask(Line(FRAME(b"0.0", b"0", *answer), DONE), request_)
    assert raised.value.host == "compute1"
    assert str(raised.value).startswith("compute1: the host does not speak our protocol: ")
    assert len(str(raised.value)) < 200


def test_whatever_fails_while_an_answer_is_read_is_that_hosts_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Contents, path: str, digest: str, content: bytes) -> None:
        raise ArithmeticError

    monkeypatch.setattr(Contents, "saw", fails)
    line = Line(FRAME(b"0.0", b"0", b"file", b"420", *FILE), DONE)
    with pytest.raises(HostError, match=r"^compute1: the host does not speak our protocol: an answer of it can't be"):
        ask(line, Look(path="/x", content=True))


def test_a_secret_is_on_the_line_and_nowhere_else() -> None:
    secret = Secret("AQ-the-key")
    write = Write(path="/k", content=secret, mode=0o600, owner="root", group="root")
    line = Line(ConnectionResetError)
    with pytest.raises(HostError) as raised:
        ask(line, write, MakeDirectory(path="/d", mode=0o700, owner="root", group="root"))
    assert b"AQ-the-key" in b"".join(b"".join(fields) for fields in line.frames)
    assert "AQ-the-key" not in str(raised.value)
    assert "AQ-the-key" not in repr(write)


@pytest.mark.parametrize("sudo", [True, False])
def test_the_command_is_plain_for_every_shell_and_holds_nothing_of_the_job(sudo: bool) -> None:
    command = bootstrap(sudo=sudo)
    before, quoted, after = command.split("'")
    assert not set('!$`\\"\n') & set(command)
    assert after == ""
    assert not set("()|&;<>*?[]{}~#") & set(before)
    assert quoted.startswith("import ")
    assert command.startswith("env LC_ALL=C sudo -n -- " if sudo else "python3 -I -S")


@pytest.mark.parametrize(("looks", "changes"), [(False, b"1"), (True, b"0")])
def test_a_host_is_told_what_may_change_something(looks: bool, changes: bytes) -> None:
    group = Group(requests=(RUN, Look(path="/x"), Look(path="/y")), probes=2)
    assert Batch([group], Contents(), looks=looks).parcel.frames[0] == (b"group", b"0", b"0", changes)


def test_the_payload_is_small_on_the_line() -> None:
    assert len(program.packed()) < 11_000


def test_a_host_that_talks_without_end_does_not_keep_us() -> None:
    class Talker(Line):
        def receive(self, count: int, timeout: float) -> bytes:
            time.sleep(0.01)
            return b"blah\n"

    line = Talker(hello=False)
    line.timeout = 0.2
    assert "did not start python3 in 0.2 s (blah)" in begins(line)
