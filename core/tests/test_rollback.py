"""Taking back what a run did: by hand, and at once where a service does not come up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from cephdeploy.deployment import Deployment
from cephdeploy.engine import Result, Status
from cephdeploy.errors import PreflightError, UsageError
from cephdeploy.journal import Journal, Past, recall
from cephdeploy.planner import Action
from cephdeploy.plugins import Plugins, installed
from cephdeploy.report.header import Header
from cephdeploy.report.paper import Paper
from cephdeploy.report.plan_text import plan_text
from cephdeploy.requests import Answer, Ran, Request, Restore, Write
from cephdeploy.testing import FakeSite, FakeUnit

ALL = ["glance", "cinder", "cinder_backup", "nova", "libvirt"]
if missing := sorted({*ALL} - {*installed()}):
    pytest.skip(f"needs these plugins installed beside core: {', '.join(missing)}", allow_module_level=True)
HOSTS = {
    "ceph1": [],
    "controller1": ["glance-api", "cinder-volume", "cinder-backup"],
    "compute1": ["nova-compute"],
}


def ran(site: FakeSite, runs: Path, **sections: object) -> str:
    """A run of everything; its name."""
    run, result = tried(site, runs, **sections)
    assert result.ok, result
    return run


def tried(site: FakeSite, runs: Path, **sections: object) -> tuple[str, Result]:
    """A run of everything, which may fail; its name, and what came of it."""
    with site.deployment(ALL, **sections) as deployment, Journal.begin(runs) as journal:
        journal.write("begin", plugins=ALL, hosts=list(HOSTS))
        return journal.run, deployment.apply(deployment.plan(), journal=journal)


def undoing(
    site: FakeSite, undo: Past | None = None, only: Sequence[str] = (), *, off: Sequence[str] = ()
) -> Deployment:
    """The deployment of a rollback, or of taking plugins off Ceph."""
    for host in site.hosts.values():
        host.down, host.closed = "", False
    return Deployment.open(
        site.site_settings(ALL),
        Plugins(off or ALL),
        reach=lambda settings, name: site.hosts[name],
        undo=undo,
        only=only,
        off=bool(off),
    )


def taken_back(site: FakeSite, runs: Path, run: str, *only: str) -> tuple[str, list[str]]:
    """A rollback of a run, made true; its own name, and what it changed."""
    with undoing(site, recall(run, runs), only) as undo, Journal.begin(runs) as journal:
        journal.write("begin", plugins=ALL, hosts=list(HOSTS))
        plan = undo.plan(limit=only)
        result = undo.apply(plan, journal=journal)
        assert result.ok, result
        assert not undo.plan(limit=only).changes
        return journal.run, [str(change.address) for change in plan]


def files(site: FakeSite) -> dict[tuple[str, str], object]:
    """Every configuration file of every host; packages stay."""
    return {
        (name, path): (file.content, file.mode, file.owner, file.group)
        for name, host in site.hosts.items()
        for path, file in host.files.items()
        if path.startswith("/etc/")
    }


def test_a_first_run_taken_back_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    before = files(site)
    run = ran(site, tmp_path)
    pools, users = dict(site.ceph.pools), set(site.ceph.users)
    _, changed = taken_back(site, tmp_path, run)
    assert files(site) == before
    # what holds data, or could, stays
    assert site.ceph.pools == pools
    assert set(site.ceph.users) == users
    assert site.hosts["compute1"].secrets == {}
    assert {"controller1/service:glance-api.service", "compute1/service:nova-compute.service"} <= set(changed)


def test_what_an_operator_changed_elsewhere_in_the_file_since_stays(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    run = ran(site, tmp_path)
    host = site.hosts["compute1"]
    host.put("/etc/nova/nova.conf", host.text("/etc/nova/nova.conf") + "\n[cinder]\ncatalog_info = theirs\n")
    taken_back(site, tmp_path, run)
    text = host.text("/etc/nova/nova.conf")
    assert "catalog_info = theirs" in text
    assert "images_type = rbd" not in text


def test_caps_go_back_to_what_they_were(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    old = {"mon": "allow r", "osd": "allow rwx pool=images"}
    site.ceph.add_user("client.glance", old)
    run = ran(site, tmp_path)
    assert site.ceph.users["client.glance"].caps != old
    taken_back(site, tmp_path, run)
    assert site.ceph.users["client.glance"].caps == old


def test_a_whole_file_that_somebody_changed_since_is_not_written_over(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    run = ran(site, tmp_path)
    site.hosts["controller1"].put("/etc/ceph/ceph.client.glance.keyring", "theirs\n")
    with pytest.raises(PreflightError, match=r"ceph.client.glance.keyring was changed by another hand since run"):
        taken_back(site, tmp_path, run)


def everything(site: FakeSite) -> object:
    """Files, caps, libvirt's secrets, and what each service that runs has read."""
    return (
        files(site),
        {entity: dict(user.caps) for entity, user in site.ceph.users.items()},
        {name: {uuid: secret.value for uuid, secret in host.secrets.items()} for name, host in site.hosts.items()},
        {
            (name, unit): {path: text for path, text in one.started_with.items() if path.startswith("/etc/")}
            for name, host in site.hosts.items()
            for unit, one in host.units.items()
        },
    )


def test_a_rollback_can_be_taken_back_too_and_so_on(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    site.ceph.add_user("client.glance", {"mon": "allow r", "osd": "allow rwx pool=images"})
    run = ran(site, tmp_path)
    after = everything(site)
    back, _ = taken_back(site, tmp_path, run)
    before = everything(site)
    assert before != after
    for _ in range(2):
        back, _ = taken_back(site, tmp_path, back)
        assert everything(site) == after
        back, _ = taken_back(site, tmp_path, back)
        assert everything(site) == before
    # and a run makes it all anew
    assert ran(site, tmp_path) != run
    assert everything(site) == after


def test_taking_components_off_ceph_is_taken_back_with_libvirts_secret(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    ran(site, tmp_path)
    site.hosts["ceph1"].programs["rbd"] = lambda argv, stdin, user: (0, b"[]", b"")
    after = everything(site)
    off = ["nova", "libvirt", "cinder", "cinder_backup"]
    with undoing(site, off=off) as deployment, Journal.begin(tmp_path) as journal:
        journal.write("begin", plugins=ALL, hosts=list(HOSTS))
        assert deployment.apply(deployment.plan(), journal=journal).ok
    assert site.hosts["compute1"].secrets == {}
    without = everything(site)
    back, _ = taken_back(site, tmp_path, journal.run)
    assert everything(site) == after
    taken_back(site, tmp_path, back)
    assert everything(site) == without


def test_what_never_began_on_one_host_does_not_keep_the_rest_from_being_taken_back(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    before = files(site)

    def full(request: Request) -> Answer | None:
        if isinstance(request, Write) and request.path == "/etc/nova/nova.conf":
            return Ran(status=1, err=b"/etc/nova/nova.conf is as it was: no space left in /etc/nova")
        return None

    site.hosts["compute1"].interfere.append(full)
    run, result = tried(site, tmp_path)
    assert result.of(Status.FAILED)
    site.hosts["compute1"].interfere.clear()
    taken_back(site, tmp_path, run)
    assert files(site) == before


def test_a_line_that_broke_before_the_host_did_anything_leaves_nothing_to_take_back_there(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    before = files(site)
    site.hosts["compute1"].cut_before(lambda request: isinstance(request, Write))
    run, result = tried(site, tmp_path)
    assert result.of(Status.UNKNOWN)
    taken_back(site, tmp_path, run)
    assert files(site) == before


def test_a_secret_that_had_no_value_before_keeps_its_value(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    ran(site, tmp_path)
    (secret,) = site.hosts["compute1"].secrets.values()
    value, secret.value = secret.value, None
    run = ran(site, tmp_path)
    taken_back(site, tmp_path, run)
    (secret,) = site.hosts["compute1"].secrets.values()
    assert secret.value == value


def test_one_host_is_taken_back_alone_and_no_other_is_looked_at(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    before = files(site)
    run = ran(site, tmp_path)
    after = files(site)
    site.hosts["controller1"].put("/etc/ceph/ceph.client.glance.keyring", "theirs\n")
    site.forget()
    taken_back(site, tmp_path, run, "compute1")
    assert site.round_trips["controller1"] == 0
    assert {key: value for key, value in files(site).items() if key[0] == "compute1"} == {
        key: value for key, value in before.items() if key[0] == "compute1"
    }
    with pytest.raises(UsageError, match=rf"run {run} changed nothing on compute9; it changed ceph1, compute1, contr"):
        taken_back(site, tmp_path, run, "compute9")
    assert after != before


def test_a_service_that_another_run_restarted_is_restarted_with_what_is_taken_back(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)

    class KilledError(BaseException):
        pass

    class Dying(Journal):
        def write(self, event: str, **what: object) -> None:
            if event == "send" and any("service:nova" in step for step in what["steps"]):  # type: ignore[attr-defined]
                raise KilledError
            super().write(event, **what)

    before = everything(site)
    with site.deployment(ALL) as deployment, Dying.begin(tmp_path) as journal:
        journal.write("begin", plugins=ALL, hosts=list(HOSTS))
        with pytest.raises(KilledError):
            deployment.apply(deployment.plan(), journal=journal)
    second = ran(site, tmp_path)
    assert second
    taken_back(site, tmp_path, journal.run, "compute1")
    unit = site.hosts["compute1"].units["nova-compute.service"]
    assert b"images_type = rbd" not in unit.started_with["/etc/nova/nova.conf"]
    assert before


def test_a_password_that_was_copied_is_neither_shown_nor_stored_when_it_is_taken_back(tmp_path: Path) -> None:
    site = FakeSite(HOSTS, release="flamingo")
    host = site.hosts["controller1"]
    password = "Tr0ub,4dor;x"
    host.put(
        "/etc/cinder/cinder.conf",
        re.sub(r"(?m)^password = .*$", f"password = {password}", host.text("/etc/cinder/cinder.conf")),
    )
    run = ran(site, tmp_path)
    assert host.text("/etc/cinder/cinder.conf").count(password) == 2

    def undone(request: Request) -> Answer | None:
        """Another hand, such as configuration management, has put it back at once."""
        return Ran(status=0) if isinstance(request, Restore) and request.path == "/etc/cinder/cinder.conf" else None

    host.interfere.append(undone)
    with undoing(site, recall(run, tmp_path)) as undo, Journal.begin(tmp_path) as journal:
        plan = undo.plan()
        shown = [f"{one.have!r} {one.want!r}" for change in plan for one in change.differences]
        result = undo.apply(plan, journal=journal)
    details = [one.detail for one in result.outcomes]
    assert any("[glance] password is <secret" in detail for detail in details)
    written = "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert not [text for text in [*shown, *details, written] if password in text or "4dor" in text]


@pytest.mark.fault("F33")
def test_a_service_that_does_not_come_up_is_put_back_with_what_shares_its_files(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    before = files(site)
    host = site.hosts["controller1"]
    host.units["cinder-backup.service"] = FakeUnit(
        crashes=lambda files: b"CephBackupDriver" in files["/etc/cinder/cinder.conf"]
    )
    with site.deployment(ALL) as deployment, Journal.begin(tmp_path) as journal:
        result = deployment.apply(deployment.plan(), journal=journal)
    ended = {str(one.address): one for one in result.outcomes}
    backup = ended["controller1/service:cinder-backup.service"]
    assert backup.status == Status.FAILED
    assert "put back as before, and it runs again" in backup.detail
    assert ended["controller1/options:/etc/cinder/cinder.conf"].status == Status.ROLLED_BACK
    assert ended["controller1/service:cinder-volume.service"].status == Status.ROLLED_BACK
    assert ended["compute1/service:nova-compute.service"].status == Status.CHANGED
    mine = {key: value for key, value in files(site).items() if key[0] == "controller1"}
    assert mine == {key: value for key, value in before.items() if key[0] == "controller1"}


@pytest.mark.fault("F33")
def test_two_services_that_do_not_come_up_are_each_put_back(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    ran(site, tmp_path)
    before = files(site)
    host = site.hosts["controller1"]
    for unit, path, bad in (
        ("glance-api", "/etc/glance/glance-api.conf", b"chunk_size = 16"),
        ("cinder-volume", "/etc/cinder/cinder.conf", b"connect_timeout = 7"),
    ):
        host.units[f"{unit}.service"] = FakeUnit(crashes=lambda files, path=path, bad=bad: bad in files[path])
    wishes = {"glance": {"chunk_size": 16}, "cinder": {"backends": {"ceph": {"rados_connect_timeout": 7}}}}
    with site.deployment(ALL, **wishes) as deployment, Journal.begin(tmp_path) as journal:
        result = deployment.apply(deployment.plan(), journal=journal)
    failed = result.of(Status.FAILED)
    assert [one.address.name for one in failed] == ["cinder-volume.service", "glance-api.service"]
    assert all("put back as before, and it runs again" in one.detail for one in failed)
    assert files(site) == before


@pytest.mark.fault("F33")
def test_what_can_not_be_put_back_stays_changed_and_a_rollback_takes_it_back(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    before = files(site)
    host = site.hosts["compute1"]
    host.units["nova-compute.service"] = FakeUnit(
        crashes=lambda files: b"images_type = rbd" in files["/etc/nova/nova.conf"]
    )

    def full(request: Request) -> Answer | None:
        if isinstance(request, Restore) and request.path == "/etc/nova/nova.conf":
            return Ran(status=1, err=b"/etc/nova/nova.conf is as it was: no space left in /etc/nova; make room")
        return None

    host.interfere.append(full)
    with site.deployment(ALL) as deployment, Journal.begin(tmp_path) as journal:
        ended = {str(one.address): one for one in deployment.apply(deployment.plan(), journal=journal).outcomes}
    failed = ended["compute1/service:nova-compute.service"]
    assert "can't put back nova.conf: /etc/nova/nova.conf is as it was: no space left" in failed.detail
    assert f"then: cephdeploy rollback {journal.run}" in failed.detail
    assert ended["compute1/options:/etc/nova/nova.conf"].status == Status.CHANGED
    assert ended["compute1/ceph-conf:/etc/ceph/nova/ceph.conf"].status == Status.ROLLED_BACK
    host.interfere.clear()
    taken_back(site, tmp_path, journal.run)
    assert files(site) == before


def test_after_a_rollback_and_its_own_rollback_nothing_is_left_to_restart(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    ran(site, tmp_path)
    host = site.hosts["compute1"]
    host.put("/etc/nova/nova.conf", host.text("/etc/nova/nova.conf").replace("= unmap", "= ignore"))
    run = ran(site, tmp_path)
    taken_back(site, tmp_path, run)
    host.put("/etc/nova/nova.conf", host.text("/etc/nova/nova.conf").replace("= ignore", "= unmap"))
    with site.deployment(ALL) as deployment:
        assert not deployment.plan().changes


def test_a_run_with_fewer_plugins_restarts_nothing_for_that(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    ran(site, tmp_path)
    with site.deployment(["glance", "cinder", "nova"]) as deployment:
        assert not deployment.plan().changes


def test_what_a_run_made_is_removed_and_what_it_changed_is_changed_in_the_plans_words(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    nova = "[DEFAULT]\nx = y\n"
    site.hosts["compute1"].put("/etc/nova/nova.conf", nova, owner="root", group="nova", mode=0o640)
    run = ran(site, tmp_path)
    with undoing(site, recall(run, tmp_path)) as undo:
        plan = undo.plan(limit=["compute1"])
    actions = {change.address.name: change.action for change in plan}
    assert actions["/etc/ceph/ceph.client.cinder.keyring"] == actions["/etc/ceph/nova/ceph.conf"] == Action.REMOVE
    assert actions["/etc/nova/nova.conf"] == Action.CHANGE
    header = Header(path="site.yml", hosts={}, ceph="", releases={}, plugins=(), seconds=0)
    lines = [line.plain for line in plan_text(plan, header, Paper())]
    assert "  - /etc/ceph/nova/ceph.conf" in [line.rstrip() for line in lines]
    (secret,) = (line.split() for line in lines if " secret " in line)
    assert secret[0] == "-"
    (restart,) = (line for line in lines if "restart, because" in line)
    assert restart.count(" ceph.conf") == 1
    assert lines[-1].startswith(f"Plan: 1 to change, {len(plan) - 2} to remove, 1 restart.")
