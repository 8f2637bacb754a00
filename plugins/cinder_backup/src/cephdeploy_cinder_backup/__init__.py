"""Cinder backups in a Ceph pool."""

from __future__ import annotations

from collections.abc import Iterator

from cephdeploy import Check, Component, Host, Proof, Settings, Site, hookimpl
from cephdeploy.kinds import CephConf, CephPool, CephUser, IniOptions, Keyring, Packages, Service
from cephdeploy.resource import Resource
from cephdeploy.settings import PoolName, UserName

from .proof import restore_is_equal, service_is_up

__all__ = ["BackupSettings"]

ROLE = "cinder-backup"
POOL = "backups"


class BackupSettings(Settings):
    """Where backups are kept."""

    user: UserName = "cinder-backup"
    """cephx user, without ``client.``."""
    volumes_pools: tuple[PoolName, ...] = ("volumes",)
    """The pools of the volumes that are backed up, which it reads; keys of ``pools``."""
    volumes_users: tuple[UserName, ...] = ("cinder",)
    """The volumes' own cephx users: os-brick opens the source with theirs, so their keyrings are needed here too."""
    chunk_size: int = 134217728
    """Bytes of each object."""


@hookimpl
def settings() -> Component:
    return Component("cinder_backup", BackupSettings, {ROLE: "runs cinder-backup"})


@hookimpl
def prepare_ceph(site: Site) -> Iterator[Resource]:
    wish = site.component(BackupSettings)
    read = [f"profile rbd-read-only pool={site.pool_name(key)}" for key in wish.volumes_pools]
    grants = ", ".join([f"profile rbd pool={site.pool_name(POOL)}", *read])
    caps = {"mon": "profile rbd", "osd": grants, "mgr": grants}
    yield CephPool.of(site, POOL)
    yield CephUser.of(site, f"client.{wish.user}", caps)


def _keys(site: Site, host: Host) -> list[Resource]:
    wish = site.component(BackupSettings)
    users = sorted({wish.user, *wish.volumes_users})
    return [CephConf.of(site, host), *(Keyring.of(site, host, f"client.{user}", ROLE) for user in users)]


@hookimpl
def distribute_keys(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        yield from _keys(site, host)


@hookimpl
def configure_service(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        packages = Packages.of(site, host, "rbd-client")
        options = IniOptions.of(host, ROLE, {"DEFAULT": _options(site)})
        yield packages
        yield options
        yield Service.of(host, ROLE, restart_on=[packages, options, *_keys(site, host)])


def _options(site: Site) -> dict[str, str]:
    """cinder.conf. Source: cinder/backup/drivers/ceph.py."""
    wish = site.component(BackupSettings)
    return {
        # the class: the module alone, as the how-to and Ceph's manual have it, is refused since Stein
        "backup_driver": "cinder.backup.drivers.ceph.CephBackupDriver",
        "backup_ceph_conf": site.ceph.conf,
        "backup_ceph_user": wish.user,
        "backup_ceph_pool": site.pool_name(POOL),
        "backup_ceph_chunk_size": str(wish.chunk_size),
        "backup_ceph_stripe_unit": "0",
        "backup_ceph_stripe_count": "0",
        "restore_discard_excess_bytes": "True",
    }


@hookimpl
def verify(site: Site) -> Iterator[Check | Proof]:
    wish = site.component(BackupSettings)
    pool = site.pool_name(POOL)
    for host in site.with_role(ROLE):
        yield Check.uses_pool(site, host, wish.user, pool, ROLE)
        for key in wish.volumes_pools:
            yield Check.refused_by_pool(site, host, wish.user, site.pool_name(key), ROLE)
        yield Proof(
            title=f"Cinder says that the backup service on {host.name} is up",
            prove=lambda bench, host=host: service_is_up(bench, host),  # type: ignore[misc]
            host=host.name,
            quick=True,
        )
    volumes = [site.pool_name(key) for key in wish.volumes_pools]
    yield Proof(
        title="a volume comes back from its backups as it was",
        prove=lambda bench: restore_is_equal(bench, volumes, pool),
        uses=("glance-api", "cinder-volume", ROLE),
        pools=(*volumes, pool, site.pool_name("images")),
    )
