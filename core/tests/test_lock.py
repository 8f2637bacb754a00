"""One run at a time: who is refused because another holds the lock, and who because the host can't hold one."""

from __future__ import annotations

import pytest

from cephdeploy.errors import ExitCode, HostError, LockedError
from cephdeploy.lock import Locked
from cephdeploy.requests import Group, Hold, Look, Ran, Seen
from cephdeploy.testing import FakeHost, FakeSite

LOOK = Group(requests=(Look(path="/etc/hosts"),))


@pytest.fixture
def host() -> FakeHost:
    return FakeSite({"ceph1": []}).hosts["ceph1"]


def test_the_lock_is_asked_for_before_each_batch_and_its_answer_is_not_shown(host: FakeHost) -> None:
    locked = Locked(host, "ann on bastion1")
    for _ in range(2):
        ((seen,),) = locked.exchange([LOOK])
        assert isinstance(seen, Seen)
    assert [type(request) for request in host.log] == [Hold, Look, Hold, Look]
    assert host.log[0] == Hold(holder="ann on bastion1")


def test_a_lock_that_another_holds_names_who_and_nothing_of_the_batch_is_done(host: FakeHost) -> None:
    host.locked_by = "bob on bastion2"
    with pytest.raises(LockedError) as raised:
        Locked(host, "ann").exchange([LOOK])
    assert raised.value.exit_code == ExitCode.LOCKED
    why = "another run holds it: bob on bastion2; nothing was changed. Wait for it, or end it there"
    assert str(raised.value) == f"ceph1: {why}"
    assert [type(request) for request in host.log] == [Hold]


@pytest.mark.parametrize("status", [1, 2, 124])
def test_a_lock_that_can_not_be_held_is_the_hosts_failure_in_its_own_words(host: FakeHost, status: int) -> None:
    why = "/run/cephdeploy/lock is as it was: no space left in /run/cephdeploy (0 bytes and 9 inodes free); make room"
    no = Ran(status=status, err=why.encode())
    host.interfere.append(lambda request: no if isinstance(request, Hold) else None)
    with pytest.raises(HostError) as raised:
        Locked(host, "ann").exchange([LOOK])
    assert str(raised.value) == f"ceph1: can't hold its lock, and nothing was begun there: {why}"
    assert raised.value.exit_code == ExitCode.UNREACHABLE
    assert [type(request) for request in host.log] == [Hold]


def test_a_line_that_broke_is_told_as_it_is(host: FakeHost) -> None:
    host.down = "the connection broke"
    with pytest.raises(HostError, match=r"^ceph1: the connection broke$"):
        Locked(host, "ann").exchange([LOOK])
