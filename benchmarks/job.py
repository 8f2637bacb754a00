"""The job that every contestant does on every host: a compute host is made a client of a Ceph cluster.

Data alone. How it is done, and how it is found out what there is to do, is each contestant's own business.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DIRECTORIES",
    "FILES",
    "FSID",
    "NOVA_CONF",
    "OPTIONS",
    "SECRET_KEY",
    "SECRET_USAGE",
    "SECRET_UUID",
    "SECRET_XML",
    "UNIT",
    "Directory",
    "File",
]


@dataclass(frozen=True)
class File:
    path: str
    content: str
    owner: str
    group: str
    mode: int


@dataclass(frozen=True)
class Directory:
    path: str
    owner: str
    group: str
    mode: int


FSID = "7f9c2b1e-5d0a-4c8e-9a43-0b6d2e5f1a77"
UNIT = "nova-compute.service"
NOVA_CONF = "/etc/nova/nova.conf"

SECRET_UUID = "c6403ec0-1a52-4a5b-9d2e-8f0b7c1d3e55"
SECRET_USAGE = "client.cinder secret"
SECRET_KEY = "bm8ga2V5LCBvbmx5IGZvciBiZW5jaG1hcmtzIQ=="
SECRET_XML = f"""<secret ephemeral='no' private='no'>
  <uuid>{SECRET_UUID}</uuid>
  <usage type='ceph'>
    <name>{SECRET_USAGE}</name>
  </usage>
</secret>
"""

_CEPH_CONF = f"""[global]
fsid = {FSID}
mon_host = [v2:10.77.0.10:3300/0,v1:10.77.0.10:6789/0]

[client]
rbd_cache = true
rbd_cache_writethrough_until_flush = true
rbd_concurrent_management_ops = 20
admin_socket = /var/run/ceph/guests/$cluster-$type.$id.$pid.$cctid.asok
log_file = /var/log/qemu/qemu-guest-$pid.log
"""

FILES = (
    File("/etc/ceph/ceph.conf", _CEPH_CONF, "root", "root", 0o644),
    File("/etc/ceph/ceph.client.cinder.keyring", f"[client.cinder]\n\tkey = {SECRET_KEY}\n", "nova", "nova", 0o640),
    File(
        "/etc/ceph/ceph.client.cinder-backup.keyring",
        "[client.cinder-backup]\n\tkey = bm8ga2V5LCBhbmQgZm9yIGJhY2t1cHMgb25seQ==\n",
        "cinder",
        "cinder",
        0o640,
    ),
)

DIRECTORIES = (
    Directory("/run/ceph/guests", "libvirt-qemu", "libvirt", 0o770),
    Directory("/var/log/qemu", "libvirt-qemu", "libvirt", 0o770),
)

OPTIONS = {
    "DEFAULT": {"force_raw_images": "True"},
    "libvirt": {
        "images_type": "rbd",
        "images_rbd_pool": "vms",
        "images_rbd_ceph_conf": "/etc/ceph/ceph.conf",
        "rbd_user": "cinder",
        "rbd_secret_uuid": SECRET_UUID,
        "disk_cachemodes": "network=writeback",
        "hw_disk_discard": "unmap",
        "inject_password": "False",
        "inject_key": "False",
        "inject_partition": "-2",
    },
    "workarounds": {"ensure_libvirt_rbd_instance_dir_cleanup": "True"},
}
