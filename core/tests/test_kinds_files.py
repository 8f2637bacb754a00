"""Files, keyrings, directories and blocks: ours as they should be, others' untouched, secrets unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from cephdeploy.errors import PreflightError
from cephdeploy.kinds import Block, CephUser, Directory, File, Keyring
from cephdeploy.planner import Action, Plan
from cephdeploy.requests import Look, Write
from cephdeploy.resource import Clash, Resource
from cephdeploy.site import Site
from cephdeploy.testing import FakeFile, FakeSite, apply_twice, assert_no_secrets
from cephdeploy.values import Ref, Secret, Text

CAPS = {"mon": "profile rbd"}
KEYRING = "/etc/ceph/ceph.client.cinder.keyring"


@pytest.fixture
def site() -> FakeSite:
    return FakeSite({"ceph1": [], "ctl": ["cinder-volume", "glance-api"]})


def applied(site: FakeSite, declare: Callable[[Site], Iterable[Resource]]) -> Plan:
    plan = apply_twice(site.deployment_of(declare))
    assert_no_secrets(site, plan)
    return plan


def a_file(content: str | Secret | Text | Ref = "a\n", **more: object) -> File:
    return File(host="ctl", path="/etc/x/y.conf", content=content, **more)  # type: ignore[arg-type]


def keyring(site: Site) -> list[Resource]:
    user = CephUser.of(site, "client.cinder", CAPS)
    return [user, Keyring.of(site, site.hosts["ctl"], "client.cinder", "cinder-volume")]


def names(plan: Plan) -> list[list[str]]:
    return [[difference.name for difference in change.differences] for change in plan]


# files


def test_a_file_is_created_with_its_owner_and_mode(site: FakeSite) -> None:
    plan = applied(site, lambda s: [a_file(mode=0o640, group="cinder")])
    assert [change.action for change in plan] == [Action.CREATE]
    assert site.hosts["ctl"].files["/etc/x/y.conf"] == FakeFile(b"a\n", 0o640, "root", "cinder")


def test_a_file_is_changed_and_the_diff_shows_how(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf", "b\n")
    plan = applied(site, lambda s: [a_file()])
    (change,) = plan
    assert (change.action, names(plan)) == (Action.CHANGE, [["content"]])
    assert "-b" in change.diff.splitlines() and "+a" in change.diff.splitlines()


def test_a_file_that_is_right_is_left_alone(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf", "a\n")
    assert not applied(site, lambda s: [a_file()])
    assert not site.writes


@pytest.mark.parametrize(("what", "name"), [({"mode": 0o600}, "mode"), ({"owner": "cinder"}, "owner")])
def test_a_drift_of_mode_or_owner_is_put_right(site: FakeSite, what: dict[str, object], name: str) -> None:
    site.hosts["ctl"].files["/etc/x/y.conf"] = FakeFile(b"a\n", **what)  # type: ignore[arg-type]
    assert names(applied(site, lambda s: [a_file()])) == [[name]]
    assert site.hosts["ctl"].files["/etc/x/y.conf"] == FakeFile(b"a\n")


@pytest.mark.fault("F15")
def test_a_file_that_changed_since_the_plan_is_not_written_over(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf", "b\n")
    deployment = site.deployment_of(lambda s: [a_file()])
    plan = deployment.plan()
    site.hosts["ctl"].put("/etc/x/y.conf", "somebody else's\n")
    (outcome,) = deployment.apply(plan).outcomes
    assert outcome.status == "failed" and "somebody else changed it: plan again" in outcome.detail
    assert site.hosts["ctl"].text("/etc/x/y.conf") == "somebody else's\n"


@pytest.mark.fault("F15")
def test_a_file_that_appeared_since_the_plan_is_not_written_over(site: FakeSite) -> None:
    deployment = site.deployment_of(lambda s: [a_file()])
    plan = deployment.plan()
    site.hosts["ctl"].put("/etc/x/y.conf", "")
    assert not deployment.apply(plan).ok
    assert site.hosts["ctl"].text("/etc/x/y.conf") == ""


def test_a_directory_in_a_files_place_is_refused(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf/z", "")
    with pytest.raises(PreflightError, match=r"ctl: /etc/x/y.conf is a directory, not a file; move it away"):
        applied(site, lambda s: [a_file()])


@pytest.mark.fault("F11")
def test_a_symbolic_link_stays_one(site: FakeSite) -> None:
    site.hosts["ctl"].links["/etc/x/y.conf"] = "/srv/y.conf"
    site.hosts["ctl"].put("/srv/y.conf", "b\n")
    applied(site, lambda s: [a_file()])
    assert site.hosts["ctl"].files["/srv/y.conf"].content == b"a\n"
    assert site.hosts["ctl"].links == {"/etc/x/y.conf": "/srv/y.conf"}


def test_a_secret_file_is_compared_by_fingerprint_and_never_fetched(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf", "old secret")
    (change,) = applied(site, lambda s: [a_file(Secret("new secret"))])
    assert change.diff == "" and "new secret" not in repr(change)
    looks = [r for r in site.hosts["ctl"].log if isinstance(r, Look) and r.path == "/etc/x/y.conf"]
    assert looks and not any(look.content for look in looks)


def test_a_sensitive_file_shows_no_diff(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf", "old")
    (change,) = applied(site, lambda s: [a_file("new", sensitive=True)])
    assert change.diff == ""


def test_a_text_without_references_is_a_plain_file(site: FakeSite) -> None:
    applied(site, lambda s: [a_file(Text("a = {b}\n", {"b": "c"}))])
    assert site.hosts["ctl"].text("/etc/x/y.conf") == "a = c\n"


def test_a_password_in_a_diff_is_hidden(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/x/y.conf", "password = hunter2\nold = 1\n")
    (change,) = applied(site, lambda s: [a_file("password = hunter3\nnew = 1\n")])
    assert "hunter" not in change.diff and "password = <hidden>" in change.diff and "+new = 1" in change.diff


def test_an_owner_that_does_not_exist_fails_by_name(site: FakeSite) -> None:
    deployment = site.deployment_of(lambda s: [a_file(owner="nobody-here")])
    (outcome,) = deployment.apply(deployment.plan()).outcomes
    assert outcome.status == "failed" and "there is no user 'nobody-here' here; install" in outcome.detail


# keyrings


def test_a_keyring_is_created_for_its_service_alone(site: FakeSite) -> None:
    plan = applied(site, keyring)
    assert [change.address.kind for change in plan] == ["user", "keyring"]
    found = site.hosts["ctl"].files[KEYRING]
    assert found == FakeFile(site.ceph.keyring("client.cinder").encode(), 0o640, "cinder", "cinder")
    assert site.hosts["ctl"].may_read("cinder", KEYRING) and not site.hosts["ctl"].may_read("glance", KEYRING)


def test_the_value_of_a_keyring_is_known_only_after_the_user_is_there(site: FakeSite) -> None:
    plan = site.deployment_of(keyring).plan()
    assert "(known after apply)" in repr(plan.changes[1])


def test_a_keyring_made_by_hand_of_what_ceph_prints_is_taken_over(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", CAPS)
    site.hosts["ctl"].put(KEYRING, site.ceph.keyring("client.cinder"), 0o640, "cinder", "cinder")
    assert not applied(site, keyring)


def test_a_keyring_that_all_may_read_is_put_right(site: FakeSite) -> None:
    applied(site, keyring)
    site.hosts["ctl"].files[KEYRING].mode = 0o644
    assert names(applied(site, keyring)) == [["mode"]]
    assert site.hosts["ctl"].files[KEYRING].mode == 0o640


def test_a_new_key_on_ceph_changes_the_keyring_and_nothing_else(site: FakeSite) -> None:
    applied(site, keyring)
    site.ceph.users["client.cinder"].key = site.ceph.users["client.admin"].key
    plan = applied(site, keyring)
    assert [change.address.name for change in plan] == [KEYRING] and names(plan) == [["content"]]


def test_a_keyring_travels_as_a_secret(site: FakeSite) -> None:
    applied(site, keyring)
    (write,) = [r for r in site.hosts["ctl"].log if isinstance(r, Write)]
    assert isinstance(write.content, Secret)


def test_two_services_cant_own_one_keyring() -> None:
    def made(owner: str) -> Keyring:
        return Keyring(host="a", path="/k", content="x", owner=owner)

    assert made("cinder").merged(made("cinder")) == made("cinder")
    with pytest.raises(Clash, match="one wants it for cinder:root and the other for glance:root; give one of them"):
        made("cinder").merged(made("glance"))


# directories


def a_directory(mode: int = 0o770) -> Directory:
    return Directory(host="ctl", path="/run/ceph", mode=mode, owner="cinder", group="cinder")


def test_a_directory_is_created_changed_and_left_alone(site: FakeSite) -> None:
    assert names(applied(site, lambda s: [a_directory()])) == [["owner", "mode"]]
    assert not applied(site, lambda s: [a_directory()])
    assert names(applied(site, lambda s: [a_directory(0o750)])) == [["mode"]]
    assert site.hosts["ctl"].directories["/run/ceph"].mode == 0o750


def test_a_file_in_a_directorys_place_is_refused(site: FakeSite) -> None:
    site.hosts["ctl"].put("/run/ceph", "")
    with pytest.raises(PreflightError, match="/run/ceph is a file, not a directory"):
        applied(site, lambda s: [a_directory()])


# blocks


def a_block(*lines: str) -> Block:
    return Block(host="ctl", path="/etc/hosts", label="cephdeploy", lines=lines)


def test_a_block_is_added_changed_and_left_alone_and_the_rest_stays(site: FakeSite) -> None:
    before = site.hosts["ctl"].text("/etc/hosts")
    applied(site, lambda s: [a_block("10.0.0.1 a")])
    assert site.hosts["ctl"].text("/etc/hosts") == f"{before}# begin cephdeploy\n10.0.0.1 a\n# end cephdeploy\n"
    assert not applied(site, lambda s: [a_block("10.0.0.1 a")])
    site.hosts["ctl"].files["/etc/hosts"].content += b"10.0.0.9 mine\n"
    applied(site, lambda s: [a_block("10.0.0.2 b", "10.0.0.3 c")])
    after = site.hosts["ctl"].text("/etc/hosts")
    assert after == f"{before}# begin cephdeploy\n10.0.0.2 b\n10.0.0.3 c\n# end cephdeploy\n10.0.0.9 mine\n"


def test_a_block_after_a_last_line_without_end_begins_a_line_of_its_own(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/hosts", "127.0.0.1 localhost")
    applied(site, lambda s: [a_block("10.0.0.1 a")])
    assert site.hosts["ctl"].text("/etc/hosts").startswith("127.0.0.1 localhost\n# begin cephdeploy\n")


def test_a_block_without_its_end_is_refused(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/hosts", "# begin cephdeploy\n127.0.0.1 localhost\n")
    with pytest.raises(PreflightError, match="without its '# end cephdeploy'; put it right"):
        applied(site, lambda s: [a_block("10.0.0.1 a")])


def test_a_blocks_file_keeps_its_owner_and_mode(site: FakeSite) -> None:
    site.hosts["ctl"].files["/etc/hosts"] = FakeFile(b"\n", 0o664, "root", "cinder")
    applied(site, lambda s: [a_block("10.0.0.1 a")])
    found = site.hosts["ctl"].files["/etc/hosts"]
    assert (found.mode, found.group) == (0o664, "cinder")
