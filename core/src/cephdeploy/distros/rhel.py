"""Red Hat Enterprise Linux with RDO's packages, and what is like it."""

from __future__ import annotations

from dataclasses import replace

from . import Account, Distro

__all__ = ["centos7", "fedora", "rhel"]

rhel = Distro(
    name="rhel",
    query=("rpm", "--query", "--queryformat", "%{NAME} %{VERSION}\\n"),
    install=("dnf", "install", "--assumeyes", "--"),
    packages={
        # RDO's cinder requires no ceph package at all: python3-rbd is ours to add
        "rbd-client": ("ceph-common", "python3-rados", "python3-rbd"),
        "rbd-python": ("python3-rados", "python3-rbd"),
        # a package of its own since RHEL 8; RDO's nova requires it, a hand-made one may not
        "qemu-rbd": ("qemu-kvm-block-rbd",),
    },
    versions={
        "cinder": "openstack-cinder",
        "glance": "openstack-glance",
        "nova": "openstack-nova-common",
        "libvirt": "libvirt-daemon",
        "librbd": "librbd1",
    },
    unit_prefix="openstack-",
    qemu=Account("qemu", "libvirt"),
    configs={
        "glance-api": ("/etc/glance/glance-api.conf",),
        "nova-compute": ("/etc/nova/nova.conf",),
    },
    repository="/etc/yum.repos.d/{name}.repo",
)

fedora = replace(
    rhel,
    name="fedora",
    packages={**rhel.packages, "qemu-rbd": ("qemu-block-rbd",)},
)

# the how-to's: Python 2, yum, and QEMU's rbd driver inside qemu-kvm-ev
centos7 = replace(
    rhel,
    name="centos7",
    install=("yum", "install", "--assumeyes", "--"),
    packages={
        "rbd-client": ("ceph-common", "python-rados", "python-rbd"),
        "rbd-python": ("python-rados", "python-rbd"),
        "qemu-rbd": ("qemu-kvm-ev",),
    },
)
