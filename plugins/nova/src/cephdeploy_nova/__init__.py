"""Nova: guests' disks in a Ceph pool."""

from __future__ import annotations

from collections.abc import Iterator

from cephdeploy import Check, Component, Host, Proof, Settings, Site, hookimpl
from cephdeploy.kinds import CephConf, CephPool, CephUser, IniOptions, Keyring, LibvirtSecret, Packages, Service
from cephdeploy.resource import Resource
from cephdeploy.settings import UserName

from .proof import (
    compute_is_up,
    guest_from_image,
    guest_from_volume,
    guest_moves,
    snapshot_of_a_guest,
    volume_is_attached,
)

__all__ = ["NovaSettings"]

ROLE = "nova-compute"
POOL = "vms"
#: Where images lie, to clone them from.
IMAGES = "images"


class NovaSettings(Settings):
    """Where guests' disks are kept, and by whose key."""

    user: UserName = "cinder"
    """cephx user, without ``client.``; Cinder's by default, as its volumes are attached here too."""
    direct_snapshots: bool = False
    """Let Nova write to the images' pool, which snapshots of running guests need: without it they are
    full copies, and the guest is suspended meanwhile. With it, Nova's key can also delete images."""
    never_download_image: bool = False
    """Refuse to boot from an image that would have to be copied (qcow2) instead of copying it."""


@hookimpl
def settings() -> Component:
    return Component("nova", NovaSettings, {ROLE: "runs nova-compute and libvirt"})


@hookimpl
def prepare_ceph(site: Site) -> Iterator[Resource]:
    wish = site.component(NovaSettings)
    pool, images = site.pool_name(POOL), site.pool_name(IMAGES)
    reading = "profile rbd" if wish.direct_snapshots else "profile rbd-read-only"
    caps = {
        "mon": "profile rbd",
        "osd": f"profile rbd pool={pool}, {reading} pool={images}",
        "mgr": f"profile rbd pool={pool}",
    }
    yield CephPool.of(site, POOL)
    yield CephUser.of(site, _entity(site), caps)


def _entity(site: Site) -> str:
    return f"client.{site.component(NovaSettings).user}"


def _conf(site: Site) -> str:
    """A ceph.conf for nova-compute alone: the common one has a log file and a socket for each QEMU process, and
    nova-compute starts a client every few seconds."""
    return f"/etc/ceph/nova/{site.ceph.cluster}.conf"


def _keys(site: Site, host: Host) -> list[Resource]:
    return [CephConf.of(site, host, path=_conf(site)), Keyring.of(site, host, _entity(site), ROLE)]


@hookimpl
def distribute_keys(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        yield CephConf.of(site, host)
        yield from _keys(site, host)
        # libvirt hands it to each QEMU as that starts: no restart of nova-compute is due to it
        yield LibvirtSecret.of(site, host, _entity(site))


@hookimpl
def configure_service(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        packages = Packages.of(site, host, "rbd-client", "qemu-rbd")
        options = IniOptions.of(
            host,
            ROLE,
            _options(site),
            note="guests that are there keep their local disks; new ones, and those that are resized or "
            "migrated cold, get theirs in Ceph",
        )
        yield packages
        yield options
        yield Service.of(host, ROLE, restart_on=[packages, options, *_keys(site, host)])


def _options(site: Site) -> dict[str, dict[str, str]]:
    """nova.conf of a compute host. Source: nova/conf/libvirt.py and nova/conf/workarounds.py."""
    wish = site.component(NovaSettings)
    return {
        # False and rbd together: nova-compute refuses to start (LP#1816686)
        "DEFAULT": {"force_raw_images": "True"},
        "libvirt": {
            "images_type": "rbd",
            "images_rbd_pool": site.pool_name(POOL),
            "images_rbd_ceph_conf": _conf(site),
            "rbd_user": wish.user,
            "rbd_secret_uuid": site.secret_uuid(_entity(site)),
            "disk_cachemodes": "network=writeback",
            "hw_disk_discard": "unmap",
        },
        "workarounds": {
            "ensure_libvirt_rbd_instance_dir_cleanup": "True",
            **({"never_download_image_if_on_rbd": "True"} if wish.never_download_image else {}),
        },
    }


@hookimpl
def verify(site: Site) -> Iterator[Check | Proof]:
    wish = site.component(NovaSettings)
    pool, images = site.pool_name(POOL), site.pool_name(IMAGES)
    for host in site.with_role(ROLE):
        yield Check.uses_pool(site, host, wish.user, pool, ROLE)
        if not wish.direct_snapshots:
            yield Check.refused_by_pool(site, host, wish.user, images, ROLE)
        yield Proof(
            title=f"Nova says that nova-compute on {host.name} is up",
            prove=lambda bench, host=host: compute_is_up(bench, host),  # type: ignore[misc]
            host=host.name,
            quick=True,
        )
    uses = ("glance-api", ROLE)
    yield Proof(
        title=f"a guest made from an image runs from pool {pool}, copy-on-write",
        prove=lambda bench: guest_from_image(bench, pool, images, wish.user),
        uses=uses,
        pools=(pool, images),
    )
    if site.with_role("cinder-volume"):
        yield Proof(
            title="a volume is attached to a running guest",
            prove=volume_is_attached,
            uses=(*uses, "cinder-volume"),
            pools=(pool, images, site.pool_name("volumes")),
        )
    yield Proof(title="a running guest moves to another host", prove=guest_moves, uses=uses, pools=(pool, images))
    yield Proof(
        title="a snapshot of a running guest becomes an image",
        prove=lambda bench: snapshot_of_a_guest(bench, images, direct=wish.direct_snapshots),
        uses=uses,
        pools=(pool, images),
    )
    if site.with_role("cinder-volume"):
        yield Proof(
            title="a guest starts from a volume",
            prove=guest_from_volume,
            uses=(*uses, "cinder-volume"),
            pools=(pool, images, site.pool_name("volumes")),
        )
