"""Taking back what a run did: by hand, and at once where a service does not come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from cephdeploy.engine import Status
from cephdeploy.errors import PreflightError
from cephdeploy.graph import build
from cephdeploy.journal import Journal, recall
from cephdeploy.requests import Answer, Ran, Request, Restore
from cephdeploy.rollback import declarations
from cephdeploy.testing import FakeSite, FakeUnit

ALL = ["glance", "cinder", "cinder_backup", "nova", "libvirt"]
HOSTS = {
    "ceph1": [],
    "controller1": ["glance-api", "cinder-volume", "cinder-backup"],
    "compute1": ["nova-compute"],
}


def ran(site: FakeSite, runs: Path, **sections: object) -> str:
    """A run of everything; its name."""
    with site.deployment(ALL, **sections) as deployment, Journal.begin(runs) as journal:
        journal.write("begin", plugins=ALL, hosts=list(HOSTS))
        assert deployment.apply(deployment.plan(), journal=journal).ok
        return journal.run


def taken_back(site: FakeSite, runs: Path, run: str) -> list[str]:
    """A rollback of a run, made true; what it changed."""
    past = recall(run, runs)
    with site.deployment(ALL) as deployment, Journal.begin(runs) as journal:
        graph = build(declarations(past, deployment.site))
        undo = type(deployment)(deployment.site, graph, deployment.hosts, deployment.plugins)
        plan = undo.plan()
        result = undo.apply(plan, journal=journal)
        assert result.ok, result
        assert not undo.plan().changes
        return [str(change.address) for change in plan]


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
    changed = taken_back(site, tmp_path, run)
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


def test_a_rollback_can_be_taken_back_too(tmp_path: Path) -> None:
    site = FakeSite(HOSTS)
    run = ran(site, tmp_path)
    after = files(site)
    taken_back(site, tmp_path, run)
    second = ran(site, tmp_path)
    assert second != run
    assert files(site) == after


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
