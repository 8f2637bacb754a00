"""The way back on real parts: a component off Ceph again, and a run taken back to the last byte."""

from __future__ import annotations

import json

from .conftest import ALL, Lab

FILES = "find /etc/nova /etc/cinder /etc/glance /etc/ceph /etc/tmpfiles.d -type f -exec sha256sum {} + | sort -k2"


def files(lab: Lab) -> dict[str, str]:
    """Every file of the services and of Ceph's clients, with its digest."""
    return {host: lab.on(host, FILES) for host in ("controller1", "compute1", "compute2")}


def last_run(lab: Lab) -> str:
    """The newest run that changed something."""
    runs = json.loads(lab.cephdeploy("history", "-f", "json").out)["runs"]
    return str(next(run["run"] for run in runs if run["steps"]))


def test_nova_is_taken_off_ceph_and_put_back_by_a_rollback_of_that(lab: Lab) -> None:
    assert lab.run().status == 0
    before = files(lab)

    ended = lab.cephdeploy("unwire", "nova", "--yes")

    assert ended.status == 0, ended.said
    assert "images_type = rbd" not in lab.on("compute1", "cat /etc/nova/nova.conf")
    assert lab.on("compute1", "ls /etc/ceph").split() == ["ceph.conf", "nova", "rbdmap"]
    # libvirt's and cinder's plugins want it still
    assert "client.cinder" in lab.on("compute1", "virsh -q secret-list")
    assert lab.on("ceph1", "ceph osd pool ls").split().count("vms") == 1

    ended = lab.cephdeploy("rollback", last_run(lab), "--yes")

    assert ended.status == 0, ended.said
    assert files(lab) == before
    assert lab.plan() == []


def test_a_component_is_not_taken_off_while_its_pool_holds_data(lab: Lab) -> None:
    lab.on("ceph1", "rbd create --size 1 vms/somebody_disk")
    try:
        ended = lab.cephdeploy("unwire", "nova", "--yes")
        assert ended.status == 4
        assert "pool vms holds 1 images" in ended.err
    finally:
        lab.on("ceph1", "rbd rm --no-progress vms/somebody_disk")
    assert lab.plan() == []


def test_a_run_is_taken_back_to_the_last_byte_and_made_again(lab: Lab) -> None:
    lab.on("compute1", "sed -i 's/^hw_disk_discard.*/hw_disk_discard = ignore/' /etc/nova/nova.conf")
    lab.on("controller1", "chmod 0600 /etc/ceph/ceph.client.glance.keyring")
    before, modes = files(lab), lab.on("controller1", "stat -c '%a %n' /etc/ceph/*")
    assert lab.run().status == 0
    run = last_run(lab)

    shown = lab.cephdeploy("show", run)
    ended = lab.cephdeploy("rollback", run, "--yes")

    assert "options /etc/nova/nova.conf" in shown.out
    assert ended.status == 0, ended.said
    assert files(lab) == before
    assert lab.on("controller1", "stat -c '%a %n' /etc/ceph/*") == modes
    kept = lab.on("compute1", "stat -c '%a %U' /var/lib/cephdeploy/kept /var/lib/cephdeploy/kept/*/*")
    assert set(kept.split("\n")[:-1]) <= {"700 root", "600 root"}
    assert lab.run().status == 0
    assert lab.plan() == []


def test_a_second_operator_is_refused_and_told_who_is_at_work(lab: Lab) -> None:
    lab.on("compute1", "chmod 0600 /etc/ceph/ceph.client.cinder.keyring")
    hold = (
        "exec 9>>/run/cephdeploy/lock; python3 -c 'import fcntl, time; fcntl.lockf(9, fcntl.LOCK_EX); time.sleep(20)'"
    )
    lab.on("compute1", f"printf 'ann on bastion' > /run/cephdeploy/lock; ({hold}) >/dev/null 2>&1 & sleep 1")
    ended = lab.run()
    assert ended.status == 5
    assert "compute1: another run holds it: ann on bastion" in ended.err
    lab.on("compute1", "while ! python3 -c 'import fcntl; fcntl.lockf(open(\"/run/cephdeploy/lock\", \"a\"), "
                       "fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null; do sleep 0.5; done")  # fmt: skip
    assert lab.cephdeploy("run", "--plugins", ALL, "--yes", "--no-verify").status == 0
