"""The secret that libvirt keeps for QEMU: defined, set, compared by digest, never seen."""

from __future__ import annotations

import base64

import pytest

from cephdeploy.errors import PreflightError
from cephdeploy.kinds import CephUser, LibvirtSecret
from cephdeploy.planner import Plan
from cephdeploy.requests import Group, Ran, Run
from cephdeploy.testing import FakeSecret, FakeSite, apply_twice, assert_no_secrets

UUID = "7b6ec0e6-4a5b-4f3d-8f8c-2d1a0c9e8f70"
USAGE = "client.cinder secret"


@pytest.fixture
def site() -> FakeSite:
    return FakeSite({"ceph1": [], "cmp": ["nova-compute"]})


def applied(site: FakeSite) -> Plan:
    def declare(s):  # type: ignore[no-untyped-def]
        yield CephUser.of(s, "client.cinder", {"mon": "profile rbd"})
        yield LibvirtSecret(host="cmp", uuid=UUID, usage=USAGE, value=s.key("client.cinder"))

    plan = apply_twice(site.deployment_of(declare))
    assert_no_secrets(site, plan)
    return plan


def test_a_secret_is_defined_and_set(site: FakeSite) -> None:
    plan = applied(site)
    assert [change.address.kind for change in plan] == ["user", "secret"]
    secret = site.hosts["cmp"].secrets[UUID]
    assert (secret.usage, secret.ephemeral, secret.private) == (USAGE, False, False)
    assert secret.base64 == site.ceph.users["client.cinder"].key


def test_another_key_is_set_without_a_new_definition(site: FakeSite) -> None:
    applied(site)
    site.ceph.users["client.cinder"].key = site.ceph.users["client.admin"].key
    site.forget()
    (change,) = applied(site)
    assert [difference.name for difference in change.differences] == ["value"]
    assert not [argv for argv in site.commands if "secret-define" in argv]
    assert site.hosts["cmp"].secrets[UUID].base64 == site.ceph.users["client.cinder"].key


@pytest.mark.fault("F39")
def test_a_value_that_is_garbage_or_missing_is_put_right(site: FakeSite) -> None:
    for value in (b"garbage", None):
        site.hosts["cmp"].secrets[UUID] = FakeSecret(USAGE, value)
        plan = applied(site)
        assert [d.name for d in plan.changes[-1].differences] == ["value"]
        assert site.hosts["cmp"].secrets[UUID].base64 == site.ceph.users["client.cinder"].key


def test_an_ephemeral_secret_is_made_to_last(site: FakeSite) -> None:
    site.hosts["cmp"].secrets[UUID] = FakeSecret(USAGE, b"x", ephemeral=True)
    applied(site)
    assert not site.hosts["cmp"].secrets[UUID].ephemeral


def test_a_secret_that_is_right_is_left_alone(site: FakeSite) -> None:
    key = site.ceph.add_user("client.cinder", {"mon": "profile rbd"}).key
    site.hosts["cmp"].secrets[UUID] = FakeSecret(USAGE, base64.b64decode(key))
    assert not applied(site)


@pytest.mark.fault("F38")
def test_a_usage_that_another_secret_has_is_explained_with_both_ways_out(site: FakeSite) -> None:
    old = "00000000-4a5b-4f3d-8f8c-2d1a0c9e8f70"
    site.hosts["cmp"].secrets[old] = FakeSecret(USAGE, b"x")
    with pytest.raises(PreflightError) as raised:
        applied(site)
    assert f"libvirt's secret {old} has the usage '{USAGE}' already, and {UUID} is wanted" in str(raised.value)
    assert "ceph.secret_uuids" in str(raised.value) and f"virsh secret-undefine {old}" in str(raised.value)
    assert list(site.hosts["cmp"].secrets) == [old]


@pytest.mark.fault("F38")
def test_a_uuid_that_is_in_use_for_something_else_is_refused(site: FakeSite) -> None:
    site.hosts["cmp"].secrets[UUID] = FakeSecret("something else", b"x")
    with pytest.raises(PreflightError, match=r"in use for 'something else'.*pin another uuid by ceph.secret_uuids"):
        applied(site)


def test_a_private_secret_cant_be_compared_and_is_refused(site: FakeSite) -> None:
    site.hosts["cmp"].secrets[UUID] = FakeSecret(USAGE, b"x", private=True)
    with pytest.raises(PreflightError, match="is private and can't be compared; virsh secret-undefine"):
        applied(site)


def test_secrets_of_others_are_not_touched(site: FakeSite) -> None:
    other = FakeSecret("volume", b"x", type="volume")
    site.hosts["cmp"].secrets["00000000-4a5b-4f3d-8f8c-2d1a0c9e8f70"] = other
    applied(site)
    assert other == FakeSecret("volume", b"x", type="volume")


def test_a_host_without_libvirt_is_named(site: FakeSite) -> None:
    site.hosts["cmp"].libvirt = False
    with pytest.raises(PreflightError, match="cmp: there is no virsh; install libvirt, or take the role"):
        applied(site)


def test_a_libvirt_that_does_not_answer_is_named(site: FakeSite) -> None:
    site.hosts["cmp"].programs["virsh"] = lambda argv, stdin, user: (1, "", "error: failed to connect\n")
    with pytest.raises(PreflightError, match="libvirt does not answer: error: failed to connect; look at libvirtd"):
        applied(site)


def test_the_key_goes_down_by_standard_input_and_comes_up_as_a_digest_only(site: FakeSite) -> None:
    applied(site)
    runs = [request for request in site.hosts["cmp"].log if isinstance(request, Run)]
    assert {request.keep for request in runs if "secret-get-value" in str(request.argv)} == {"digest"}
    key = site.ceph.users["client.cinder"].key
    for request in runs:
        ((answer,),) = site.hosts["cmp"].exchange([Group(requests=(request,))])
        assert isinstance(answer, Ran) and key.encode() not in answer.out
