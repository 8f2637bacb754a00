"""What stands between a login and a root python3, on a real sshd with a real sudo."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cephdeploy.errors import HostError
from cephdeploy.requests import Group, Ran, Run
from cephdeploy.session import Session, bootstrap
from cephdeploy.transports import Target

if TYPE_CHECKING:
    from .conftest import Sshd

pytestmark = pytest.mark.ssh


def whoami(session: Session) -> str:
    answer = session.exchange([Group(requests=(Run(argv=("id", "-un")),))])[0][0]
    assert isinstance(answer, Ran)
    return answer.text.strip()


@pytest.mark.parametrize("login", ["root", "alice"])
def test_root_is_root_and_a_login_with_nopasswd_becomes_it(server: Sshd, login: str) -> None:
    session = server.connect(user=login)
    try:
        assert whoami(session) == "root"
    finally:
        session.close()


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ("asked", "sudo asks the login for a password"),
        ("stranger", "sudo asks the login for a password"),
        ("outsider", "the login is not in sudoers"),
        ("limited", "sudoers does not let the login run python3 as root"),
        ("terminal", "sudo wants a terminal"),
    ],
)
@pytest.mark.fault("F27")
def test_sudo_that_refuses_is_told_apart_at_once(server: Sshd, login: str, why: str) -> None:
    begun = time.monotonic()
    with pytest.raises(HostError) as raised:
        server.connect(user=login)
    assert str(raised.value).startswith(f"compute1: {why}")
    assert time.monotonic() - begun < 5


@pytest.mark.fault("F28")
def test_sudo_is_tried_once_and_without_a_password(server: Sshd) -> None:
    before = server.log().count("Accepted publickey for asked")
    with pytest.raises(HostError):
        server.connect(user="asked")
    assert server.log().count("Accepted publickey for asked") == before + 1


def test_a_host_without_sudo_says_so(server: Sshd) -> None:
    with pytest.raises(HostError, match="there is no sudo here; log in as root"):
        server.connect(user="sudoless")


def test_a_host_without_python_says_so(server: Sshd) -> None:
    with pytest.raises(HostError, match="there is no python3 in the login's path; install it"):
        server.connect(user="pythonless")


def test_a_login_that_is_not_root_with_sudo_off_says_so(server: Sshd) -> None:
    with pytest.raises(HostError, match="the login is not root and sudo is off"):
        server.connect(user="alice", sudo=False)


@pytest.mark.fault("F29")
def test_noise_of_a_login_script_is_skipped(server: Sshd) -> None:
    session = server.connect(user="noisy")
    try:
        assert whoami(session) == "root"
    finally:
        session.close()


@pytest.mark.fault("F30")
def test_a_login_in_vietnamese_works_and_its_commands_speak_english(server: Sshd) -> None:
    session = server.connect(user="vietnamese")
    try:
        answer = session.exchange([Group(requests=(Run(argv=("ls", "/no/such/place")),))])[0][0]
        assert isinstance(answer, Ran)
        assert "No such file" in answer.reason
    finally:
        session.close()


@pytest.mark.parametrize("login", ["csh", "fish"])
def test_the_command_survives_other_shells(server: Sshd, login: str) -> None:
    if not Path({"csh": "/bin/tcsh", "fish": "/usr/bin/fish"}[login]).exists():
        pytest.skip(f"{login} is not here; install tcsh and fish")
    session = server.connect(user=login)
    try:
        assert whoami(session) == "root"
    finally:
        session.close()


def test_a_login_that_hangs_ends_with_what_it_said_last(server: Sshd) -> None:
    begun = time.monotonic()
    with pytest.raises(HostError, match=r"did not start python3 in 1 s \(one moment please\); look at .*bashrc"):
        server.connect(user="hanging", timeout=1.0)
    assert time.monotonic() - begun < 4


def test_a_login_that_says_garbage_and_ends_is_an_error(server: Sshd) -> None:
    with pytest.raises(HostError, match="let us in and did not start python3"):
        server.connect(user="garbage")


def test_the_local_machine_speaks_the_same(tmp_path: Path) -> None:
    from cephdeploy.transports.local import LocalTransport

    transport = LocalTransport(Target(name="here", address="localhost"))
    session = Session("here", transport.start(bootstrap(sudo=os.geteuid() != 0)), sudo=os.geteuid() != 0)
    try:
        assert whoami(session) == "root"
    finally:
        session.close()
