"""What differs from one Debian suite to the next, as data: nothing here runs anything."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cephdeploy_lab.errors import WrongUseError

_CEPH = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common", "python3-rbd")

_CONTROLLER = (
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "python3-memcache",
    "python3-pymysql",
    "python3-openstackclient",
    "keystone",
    "glance-api",
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
    "cinder-backup",
    "placement-api",
    "nova-api",
    "nova-scheduler",
    "nova-conductor",
)

# nova-compute-kvm needs QEMU for x86 only; nova-compute-qemu would bring QEMU for every processor there is
_COMPUTE = (
    "libvirt-daemon-system",
    "libvirt-daemon",
    "libvirt-clients",
    "libvirt-daemon-driver-qemu",
    "qemu-system-x86",
    "qemu-utils",
    "qemu-block-extra",
    "seabios",
    "nova-compute",
    "nova-compute-kvm",
    "python3-libvirt",
)

# one driver of libvirt is one package there: what keeps a compute's secrets, and what reads RBD pools
_DRIVERS = ("libvirt-daemon-driver-secret", "libvirt-daemon-driver-storage-rbd")

_EVERY_HOST = ("openssh-server", "dbus", "iproute2", "curl", "procps", "sudo", "apt-utils")

# An operator's controllers and computes have no Ceph of their own before an integration. What can go, goes; on
# Debian python3-rbd has to stay, since python3-nova depends on python3-ceph, and qemu-block-extra as well,
# since nova-compute-kvm depends on it.
_CEPH_ELSEWHERE = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-base", "ceph-common")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One Debian suite, and what the lab installs from it."""

    name: str
    ceph: str
    openstack: str
    packages: tuple[str, ...]
    absent: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "controller": _CEPH_ELSEWHERE,
            "compute": _CEPH_ELSEWHERE,
        }
    )
    """For each role that has a layer of its own: packages of the base that its hosts start without."""
    several_stores: bool = True
    """Glance's own guide names its stores in enabled_backends; the older ones knew of a single store only."""
    glance_by_catalog: bool = True
    """Nova finds Glance in the catalog; to list its addresses is deprecated."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What the scripts in the hosts have to know of the suite."""
        return {
            "SEVERAL_STORES": "yes" if self.several_stores else "",
            "GLANCE_BY_CATALOG": "yes" if self.glance_by_catalog else "",
        }


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="bookworm",
            ceph="16.2 Pacific",
            openstack="2022.2 Zed",
            packages=(*_CEPH, *_CONTROLLER, *_COMPUTE, *_EVERY_HOST),
            several_stores=False,
            glance_by_catalog=False,
        ),
        Suite(
            name="trixie",
            ceph="18.2 Reef",
            openstack="2025.1 Epoxy",
            packages=(*_CEPH, *_CONTROLLER, *_COMPUTE, *_DRIVERS, *_EVERY_HOST),
        ),
        Suite(
            name="sid",
            ceph="20.2 Tentacle",
            openstack="2026.2",
            packages=(*_CEPH, *_CONTROLLER, *_COMPUTE, *_DRIVERS, *_EVERY_HOST),
        ),
    )
}

DEFAULT = "bookworm"


def suite_named(name: str) -> Suite:
    """Return the suite of that name, or say which ones there are."""
    if name in SUITES:
        return SUITES[name]
    near = difflib.get_close_matches(name, SUITES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the lab knows {', '.join(SUITES)}"
    raise WrongUseError(f"suite {name!r} is not one that the lab can build; {hint}")
