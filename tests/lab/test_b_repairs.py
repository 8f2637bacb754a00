"""One thing broken by hand shows in the next plan as exactly that, and a run repairs exactly that."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .conftest import Lab, addresses

CINDER_RESTARTS = frozenset({"controller1/service:cinder-volume.service", "controller1/service:cinder-backup.service"})
NOVA_RESTART = frozenset({"compute1/service:nova-compute.service"})


@dataclass(frozen=True)
class Breakage:
    """Something done by hand, and what the plan must say of it."""

    host: str
    command: str
    changes: frozenset[str]
    differs: frozenset[str]


BREAKAGES = {
    "a cap": Breakage(
        "ceph1",
        "ceph auth caps client.cinder mon 'profile rbd' osd 'profile rbd pool=volumes' mgr "
        "'profile rbd pool=volumes, profile rbd pool=vms'",
        frozenset({"ceph1/user:client.cinder"}),
        frozenset({"osd"}),
    ),
    "a keyring's mode": Breakage(
        "controller1",
        "chmod 0644 /etc/ceph/ceph.client.glance.keyring",
        frozenset(
            {"controller1/keyring:/etc/ceph/ceph.client.glance.keyring", "controller1/service:glance-api.service"}
        ),
        frozenset({"mode"}),
    ),
    "the libvirt secret's value": Breakage(
        "compute1",
        "uuid=$(virsh -q secret-list | awk '{print $1}'); echo bm90IHRoZSBrZXk= | "
        "virsh -q secret-set-value --secret $uuid --file /dev/stdin",
        frozenset({"compute1/secret:*"}),
        frozenset({"value"}),
    ),
    "one ini option": Breakage(
        "compute1",
        "sed -i 's/^hw_disk_discard.*/hw_disk_discard = ignore/' /etc/nova/nova.conf",
        frozenset({"compute1/options:/etc/nova/nova.conf"}) | NOVA_RESTART,
        frozenset({"[libvirt] hw_disk_discard"}),
    ),
    "one package": Breakage(
        "compute1",
        "dpkg --force-depends --remove qemu-block-extra",
        frozenset({"compute1/packages:all"}) | NOVA_RESTART,
        frozenset({"qemu-block-extra"}),
    ),
    "a pool's application": Breakage(
        "ceph1",
        "ceph osd pool application disable images rbd --yes-i-really-mean-it",
        frozenset({"ceph1/pool:images"}),
        frozenset({"application"}),
    ),
    "ceph.conf's monitors": Breakage(
        "controller1",
        "sed -i 's/^\\(\\s*mon_host\\).*/\\1 = 192.0.2.1/' /etc/ceph/ceph.conf",
        frozenset({"controller1/ceph-conf:/etc/ceph/ceph.conf", "controller1/service:glance-api.service"})
        | CINDER_RESTARTS,
        frozenset({"[global] mon_host"}),
    ),
    "a stopped service": Breakage(
        "controller1",
        "systemctl stop cinder-backup",
        frozenset({"controller1/service:cinder-backup.service"}),
        frozenset({"state"}),
    ),
}


def matches(found: set[str], wanted: frozenset[str]) -> bool:
    """Whether the addresses are those; the libvirt secret's name is a uuid, written as a star."""
    return {
        address.split("/secret:")[0] + "/secret:*" if "/secret:" in address else address for address in found
    } == wanted


@pytest.mark.parametrize("what", BREAKAGES)
def test_one_thing_broken_by_hand_is_shown_and_repaired_as_exactly_that(lab: Lab, what: str) -> None:
    assert lab.plan() == []
    breakage = BREAKAGES[what]
    lab.on(breakage.host, breakage.command)

    changes = lab.plan()

    assert matches(addresses(changes), breakage.changes), addresses(changes)
    first = next(change for change in changes if "/service:" not in str(change["address"]) or len(changes) == 1)
    assert {d["name"] for d in first["differences"]} == breakage.differs  # type: ignore[attr-defined]
    ended = lab.run()
    assert ended.status == 0, ended.said
    assert lab.plan() == []


def test_what_an_operator_added_stays(lab: Lab) -> None:
    lab.on(
        "ceph1",
        "ceph auth caps client.glance mon 'profile rbd' mgr 'profile rbd pool=images' "
        "osd 'profile rbd pool=images, profile rbd pool=backups'",
    )
    lab.on("controller1", "sed -i 's/^enabled_backends = ceph$/enabled_backends = lvm,ceph/' /etc/cinder/cinder.conf")
    assert lab.plan() == []
    lab.on("controller1", "sed -i 's/^enabled_backends = lvm,ceph$/enabled_backends = ceph/' /etc/cinder/cinder.conf")


@pytest.mark.fault("F36")
def test_the_how_tos_own_caps_are_taken_over_and_widened(lab: Lab) -> None:
    lab.on(
        "ceph1",
        "ceph auth caps client.cinder mon 'allow r' osd 'allow class-read object_prefix rbd_children, "
        "allow rwx pool=volumes, allow rwx pool=vms, allow rx pool=images'",
    )
    (change,) = lab.plan()
    assert change["address"] == "ceph1/user:client.cinder"
    wanted = {d["name"]: d["want"] for d in change["differences"]}  # type: ignore[attr-defined]
    assert wanted["mon"] == "allow r, profile rbd"
    assert wanted["osd"].startswith("allow class-read object_prefix rbd_children, allow rwx pool=volumes")
    assert "CVE-2026-50152" in str(change["notes"])
    assert lab.run().status == 0
    assert lab.plan() == []


@pytest.mark.fault("F22")
def test_a_file_that_the_service_would_refuse_stops_the_run_with_its_line(lab: Lab) -> None:
    lab.on(
        "compute2",
        "cp -a /etc/nova/nova.conf /root/nova.conf.kept; sed -i '1i broken before any section' /etc/nova/nova.conf",
    )
    try:
        ended = lab.run()
        assert ended.status == 4
        assert "compute2" in ended.err and "/etc/nova/nova.conf:1:" in ended.err
    finally:
        lab.on("compute2", "cp -a /root/nova.conf.kept /etc/nova/nova.conf; rm /root/nova.conf.kept")
    assert lab.plan() == []


@pytest.mark.fault("F25")
def test_an_option_that_a_later_file_overrides_is_named_with_its_place(lab: Lab) -> None:
    lab.on(
        "compute2",
        "cp -a /etc/nova/nova-compute.conf /root/kept; "
        "printf '\\n[libvirt]\\nimages_type = qcow2\\n' >> /etc/nova/nova-compute.conf",
    )
    try:
        ended = lab.run()
        assert ended.status == 4
        assert "[libvirt] images_type in /etc/nova/nova.conf has no effect" in ended.err
        assert "/etc/nova/nova-compute.conf:" in ended.err
    finally:
        lab.on("compute2", "cp -a /root/kept /etc/nova/nova-compute.conf; rm /root/kept")
    assert lab.plan() == []


@pytest.mark.fault("F38")
def test_a_secret_usage_that_is_taken_is_explained_with_both_uuids(lab: Lab) -> None:
    uuid = lab.on("compute2", "virsh -q secret-list | awk '{print $1}'").strip()
    other = "691c3607-7ca3-433a-a0c0-5805cea8afa0"
    usage = "<usage type='ceph'><name>client.cinder secret</name></usage>"
    xml = f"<secret ephemeral='no' private='no'><uuid>{other}</uuid>{usage}</secret>"
    lab.on("compute2", f"virsh -q secret-undefine {uuid}; virsh -q secret-define /dev/stdin", stdin=xml)
    try:
        ended = lab.run()
        assert ended.status == 4
        assert other in ended.err and uuid in ended.err and "secret_uuids" in ended.err
    finally:
        lab.on("compute2", f"virsh -q secret-undefine {other}")
    assert lab.run().status == 0


@pytest.mark.fault("F33")
def test_a_service_that_does_not_stay_up_fails_the_run_and_its_change_is_put_back(lab: Lab) -> None:
    lab.on(
        "controller1",
        "mkdir -p /etc/systemd/system/cinder-backup.service.d; printf '[Service]\\nExecStart=\\n"
        'ExecStart=/bin/sh -c "sleep 1; echo it can not start; exit 1"\\nRestart=always\\nRestartSec=1\\n\' '
        "> /etc/systemd/system/cinder-backup.service.d/broken.conf; systemctl daemon-reload; "
        "sed -i 's/^backup_ceph_stripe_unit.*/backup_ceph_stripe_unit = 1/' /etc/cinder/cinder.conf",
    )
    try:
        ended = lab.run()
        assert ended.status == 1, ended.said
        assert "cinder-backup.service did not stay up" in ended.said
        # it can't start with any configuration: that, too, is told
        assert "cinder.conf put back as before, and still: cinder-backup.service did not stay up" in ended.said
        assert "backup_ceph_stripe_unit = 1" in lab.on("controller1", "cat /etc/cinder/cinder.conf")
    finally:
        lab.on("controller1", "rm -r /etc/systemd/system/cinder-backup.service.d; systemctl daemon-reload")
    # what was put back is due again, and only that
    assert addresses(lab.plan()) == {"controller1/options:/etc/cinder/cinder.conf", *CINDER_RESTARTS}
    assert lab.run().status == 0
    assert lab.plan() == []
