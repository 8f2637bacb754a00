"""What a run did is taken back on real hosts, to the last byte; and what is kept for it is for root alone."""

from __future__ import annotations

import os
import stat
import time

import pytest

from .hosts import ADMIN, ALL, Hosts

KEPT = "var/lib/cephdeploy/kept"


def name_of_last_run(hosts: Hosts) -> str:
    return max(hosts.state.rglob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns).stem


def without_stubs(files: dict[str, tuple[str, int, int, bytes]]) -> dict[str, tuple[str, int, int, bytes]]:
    """Files and what they are; a folder that a run made stays, empty."""
    return {key: value for key, value in files.items() if stat.S_ISREG(int(value[0], 8))}


def test_a_run_that_is_taken_back_leaves_every_file_as_it_was(hosts: Hosts) -> None:
    before = without_stubs(hosts.files())
    ran = hosts.run()
    assert ran.status == 0, ran.said
    after = without_stubs(hosts.files())
    assert after != before
    cluster = hosts.cluster()

    back = hosts.cephdeploy("rollback", name_of_last_run(hosts), "--yes")

    assert back.status == 0, back.said
    assert without_stubs(hosts.files()) == before
    assert hosts.behind() == []
    assert hosts.left() == []
    # data and who may read it stay
    assert hosts.cluster() == cluster
    assert hosts.files("srv/state/secrets").keys() == {f"{name}:/srv/state/secrets" for name in hosts.names}
    assert hosts.leaks(ran.said, back.said) == []

    again = hosts.run()
    assert again.status == 0, again.said
    assert without_stubs(hosts.files()) == after


@pytest.mark.parametrize("record", [3, 4, 5, 6, 8, 10, 12, 14, 18, 22, 26])
def test_a_run_that_was_killed_is_taken_back_too(hosts: Hosts, record: int) -> None:
    """Also where it was killed between the word that a step is sent and its sending."""
    before = without_stubs(hosts.files())
    assert hosts.run(journal=record, when="after").status == -9
    back = hosts.cephdeploy("rollback", name_of_last_run(hosts), "--yes")
    assert back.status == 0, back.said
    assert without_stubs(hosts.files()) == before
    assert hosts.leaks(back.said) == []


def test_a_rollback_that_was_killed_is_finished_by_the_next(hosts: Hosts) -> None:
    before = without_stubs(hosts.files())
    assert hosts.run().status == 0
    run = name_of_last_run(hosts)
    assert hosts.cephdeploy("rollback", run, "--yes", journal=8, when="after").status == -9
    again = hosts.cephdeploy("rollback", run, "--yes")
    assert again.status == 0, again.said
    assert without_stubs(hosts.files()) == before
    assert hosts.behind() == []


def test_one_host_alone_is_taken_back(hosts: Hosts) -> None:
    before = without_stubs(hosts.files())
    assert hosts.run().status == 0
    after = without_stubs(hosts.files())
    back = hosts.cephdeploy("rollback", name_of_last_run(hosts), "--host", "compute1", "--yes")
    assert back.status == 0, back.said
    for key, value in without_stubs(hosts.files()).items():
        assert value == (before if key.startswith("compute1:") else after)[key]


def test_what_is_kept_is_for_root_alone_and_let_go_by_its_age(hosts: Hosts) -> None:
    assert hosts.run().status == 0
    run = name_of_last_run(hosts)
    kept = hosts.files(KEPT)
    assert any(b"TheOperatorsOwn" in content for *_, content in kept.values())
    for key, (mode, owner, group, _) in kept.items():
        wanted = "40700" if stat.S_ISDIR(int(mode, 8)) else "100600"
        assert (mode, owner, group) == (wanted, 0, 0), key

    for name in hosts.names:
        folder = hosts.path(name, f"{KEPT}/{run}")
        if folder.exists():
            os.utime(folder, (time.time() - 91 * 86400,) * 2)
    site = hosts.write_site("other.yml", glance={"chunk_size": 16}, libvirt={"concurrent_management_ops": 7})
    second = hosts.cephdeploy("run", "--plugins", ALL, "--yes", "--no-verify", site=site)
    assert second.status == 0, second.said
    for name in ("controller1", "compute1"):
        assert [path.name for path in hosts.path(name, KEPT).iterdir()] == [name_of_last_run(hosts)]
    back = hosts.cephdeploy("rollback", run, "--yes")
    assert back.status == 4, back.said
    assert f"run {run} kept nothing of" in back.err
    assert "it was let go after 90 days" in back.err


@pytest.mark.fault("F33")
def test_a_service_that_does_not_come_up_is_put_back_at_once(hosts: Hosts) -> None:
    before = without_stubs(hosts.files())
    hosts.path("controller1", "/srv/state/units/cinder-backup.service/fails").write_text("CephBackupDriver")
    ended = hosts.run()
    assert ended.status == 3, ended.said
    assert "put back as before, and it runs again" in ended.said
    assert "last words" in ended.said or "did not stay up" in ended.said
    now = without_stubs(hosts.files())
    assert now["controller1:/etc/cinder/cinder.conf"] == before["controller1:/etc/cinder/cinder.conf"]
    # glance shares no file of its own with it, but ceph.conf with all: half of a configuration is worse than either
    controller = {key: value for key, value in now.items() if key.startswith("controller1:")}
    assert controller == {key: value for key, value in before.items() if key.startswith("controller1:")}
    assert [unit for unit in hosts.behind() if not unit.startswith("controller1/cinder-backup")] == []
    assert "compute1:/etc/ceph/ceph.client.cinder.keyring" in now

    hosts.path("controller1", "/srv/state/units/cinder-backup.service/fails").unlink()
    again = hosts.run()
    assert again.status == 0, again.said
    assert hosts.behind() == []
    assert hosts.leaks(ended.said, again.said) == []


def test_the_admin_host_keeps_nothing_of_the_operators(hosts: Hosts) -> None:
    assert hosts.run().status == 0
    assert hosts.files(KEPT).keys().isdisjoint({f"{ADMIN}:/{KEPT}"})


def test_taking_components_off_ceph_is_taken_back_with_the_secret_in_libvirt(hosts: Hosts) -> None:
    assert hosts.run().status == 0
    after, secrets = without_stubs(hosts.files()), hosts.files("srv/state/secrets")

    off = hosts.cephdeploy("unwire", *ALL.split(","), "--yes")
    assert off.status == 0, off.said
    assert without_stubs(hosts.files()) != after
    assert hosts.files("srv/state/secrets").keys() < secrets.keys()

    back = hosts.cephdeploy("rollback", name_of_last_run(hosts), "--yes")
    assert back.status == 0, back.said
    assert without_stubs(hosts.files()) == after
    assert hosts.files("srv/state/secrets") == secrets
    assert hosts.behind() == []
    assert hosts.leaks(off.said, back.said) == []
