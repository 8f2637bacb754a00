"""What is broken behind our back, and how verify names it: docs/suites.md lists the same."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SABOTAGES", "Sabotage"]


@dataclass(frozen=True)
class Sabotage:
    """Something broken behind our back, and how verify's one line names it.

    :param says: a regular expression for one failed probe's title and detail.
    :param undo: what an operator has to do who is told; empty: ``run`` repairs it.
    :param suite: the only one where it is a fault; empty: it is one everywhere.
    """

    hosts: tuple[str, ...]
    command: str
    says: str
    undo: str = ""
    suite: str = ""


CAPS = "mgr 'profile rbd pool=volumes, profile rbd pool=vms' mon 'profile rbd'"
OSD = "profile rbd pool=volumes, profile rbd-read-only pool=images, profile rbd pool=vms"
COMPUTES = ("compute1", "compute2")

SABOTAGES = {
    "an option in the wrong section": Sabotage(
        ("controller1",),
        "sed -i '/^show_image_direct_url/d; s/^\\[glance_store\\]$/[glance_store]\\nshow_image_direct_url = True/' "
        "/etc/glance/glance-api.conf; systemctl restart glance-api",
        r"\[DEFAULT\] show_image_direct_url is not set; under \[glance_store\] \(/etc/glance/glance-api.conf:\d+\)",
    ),
    "an option that nobody reads": Sabotage(
        ("controller1",),
        "sed -i 's/^rbd_user/rbd-user/' /etc/cinder/cinder.conf; systemctl restart cinder-volume",
        r"@ceph is up: .*\[ceph\] rbd_user is not set; rbd-user \(/etc/cinder/cinder\.conf:\d+\) is no option of a",
    ),
    "caps cut": Sabotage(
        ("ceph1",),
        f"ceph auth caps client.cinder {CAPS} osd 'profile rbd pool=volumes, profile rbd pool=vms'",
        r"is a full copy .*client\.cinder may not read pool images: its osd caps are 'profile rbd pool=volumes, ",
    ),
    "a pool's caps cut": Sabotage(
        ("ceph1",),
        "ceph auth caps client.cinder-backup mon 'profile rbd' osd 'profile rbd-read-only pool=volumes'",
        r"client\.cinder-backup may not use pool backups: its osd caps are 'profile rbd-read-only pool=volumes'",
    ),
    "caps too wide": Sabotage(
        ("ceph1",),
        f"ceph auth caps client.cinder {CAPS} osd 'profile rbd pool=images, {OSD}'",
        r"can't write to pool images as client\.cinder .*osd caps are 'profile rbd pool=images, .*caps: exact",
        undo=f"ceph auth caps client.cinder {CAPS} osd '{OSD}'",
    ),
    "a key rotated behind our back": Sabotage(
        ("ceph1",),
        f"ceph auth rm client.cinder; ceph auth add client.cinder {CAPS} osd '{OSD}'",
        r"the key in /etc/ceph/ceph\.client\.cinder\.keyring is <secret \w+> and client\.cinder's in Ceph is <secret",
    ),
    "libvirt's secret changed": Sabotage(
        ("compute1",),
        "uuid=$(virsh -q secret-list | awk '{print $1}'); echo bm90IHRoZSBrZXk= | "
        "virsh -q secret-set-value --secret $uuid --file /dev/stdin",
        r"libvirt's secret [0-9a-f-]{36} on compute1 holds <secret \w+>, and client\.cinder's key in Ceph is <secret",
    ),
    "a keyring unreadable": Sabotage(
        ("controller1",),
        "f=/etc/ceph/ceph.client.glance.keyring; chown root:root $f; chmod 0600 $f",
        r"glance can't read /etc/ceph/ceph\.client\.glance\.keyring, which is root:root 0600",
    ),
    "the backup driver's old path": Sabotage(
        ("controller1",),
        "sed -i 's/^backup_driver.*/backup_driver = cinder.backup.drivers.ceph/' /etc/cinder/cinder.conf; "
        "systemctl restart cinder-backup",
        r"cinder-backup.*backup_driver is cinder\.backup\.drivers\.ceph \(/etc/cinder/cinder\.conf:\d+\)",
    ),
    "QEMU's rbd driver missing": Sabotage(
        ("compute1",),
        "dpkg --force-depends --remove qemu-block-extra",
        r"QEMU on compute1 has no rbd driver: qemu-block-extra is not installed",
    ),
    "a dead monitor": Sabotage(
        ("controller1",),
        "sed -i 's/^\\(\\s*mon_host\\).*/\\1 = 192.0.2.1/' /etc/ceph/ceph.conf",
        r"mon_host in /etc/ceph/ceph\.conf is 192\.0\.2\.1, and the cluster's monitors are .*10\.77\.0\.10",
    ),
    "the sockets' directory gone after a boot": Sabotage(
        ("compute2",),
        "rm -rf /run/ceph/guests /etc/tmpfiles.d/cephdeploy-guests.conf",
        r"there is no /run/ceph/guests on compute2",
    ),
    "guests on local disks": Sabotage(
        COMPUTES,
        "sed -i '/^images_type/d' /etc/nova/nova.conf; systemctl restart nova-compute",
        r"does not lie in pool vms: \[libvirt\] images_type is not set",
    ),
    "Cinder's way to the images' locations gone": Sabotage(
        ("controller1",),
        "sed -i '/^\\[glance\\]$/,/^\\[/{/^[a-z_]* *=/d}' /etc/cinder/cinder.conf; "
        "sed -i 's/^show_image_direct_url.*/show_image_direct_url = False/' /etc/glance/glance-api.conf; "
        "systemctl restart glance-api cinder-volume",
        r"is a full copy .*as a member\)\. \[glance\] auth_type is not set on controller1: from 2025\.2 on",
        suite="sid",
    ),
}
