"""Debian and what is like it."""

from __future__ import annotations

from dataclasses import replace

from . import Account, Distro

__all__ = ["debian", "ubuntu"]

debian = Distro(
    name="debian",
    # where apt looks too
    record="/var/lib/dpkg/status",
    install=(
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        # an operator's own configuration file is never replaced by a package's
        "-oDpkg::Options::=--force-confdef",
        "-oDpkg::Options::=--force-confold",
        "-oDPkg::Lock::Timeout=120",
        "--",
    ),
    packages={
        "rbd-client": ("ceph-common", "python3-rados", "python3-rbd"),
        "rbd-python": ("python3-rados", "python3-rbd"),
        "qemu-rbd": ("qemu-block-extra",),
    },
    versions={
        "cinder": "cinder-common",
        "glance": "glance-common",
        "nova": "nova-common",
        "libvirt": "libvirt-daemon",
        "librbd": "librbd1",
    },
    # since bookworm's libvirt the QEMU processes' group is their own or kvm; libvirt is what nova is in
    qemu=Account("libvirt-qemu", "libvirt"),
    configs={
        "glance-api": ("/etc/glance/glance-api.conf",),
        # the package's unit hands over both, and the second wins
        "nova-compute": ("/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"),
    },
    repository="/etc/apt/sources.list.d/{name}.sources",
    refresh=("apt-get", "update", "-oDPkg::Lock::Timeout=120"),
    refreshed="/var/cache/apt/pkgcache.bin",
)

# the names are Debian's; it is a driver of its own so that a site or a package can tell them apart
ubuntu = replace(debian, name="ubuntu")
