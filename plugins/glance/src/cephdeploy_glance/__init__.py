"""Glance: images in a Ceph pool, cloned copy-on-write by Cinder and Nova."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cephdeploy import Check, Component, Host, Proof, Release, Settings, Site, hookimpl
from cephdeploy.kinds import CephConf, CephPool, CephUser, Directory, IniOptions, Keyring, Packages, Service
from cephdeploy.resource import Resource
from cephdeploy.settings import Name, PowerOfTwo, RemotePath, UserName
from cephdeploy.values import Default, Items

from .proof import image_is_in_ceph

__all__ = ["GlanceSettings"]

ROLE = "glance-api"
POOL = "images"


class GlanceSettings(Settings):
    """Where images are kept, and what clients are told of it."""

    user: UserName = "glance"
    """cephx user, without ``client.``."""
    store: Name = "rbd"
    """The store's name in ``enabled_backends``."""
    file_store: RemotePath | None = "/var/lib/glance/images/"
    """Where images of before are; that store stays, so that they can still be read. None: no such store."""
    show_image_direct_url: bool = True
    """Tell clients where an image lies. Nova clones from it, and so does Cinder up to 2025.1; without it
    every disk is a full copy. Whoever reaches this API sees locations (OSSN-0090): expose another
    glance-api, without it, to users."""
    chunk_size: Annotated[PowerOfTwo, Field(le=32)] = 8
    """MiB of each of Ceph's objects: a power of two, and 32 at most, as librbd makes no larger ones."""


@hookimpl
def settings() -> Component:
    return Component("glance", GlanceSettings, {ROLE: "runs glance-api"})


def _user(site: Site) -> CephUser:
    wish = site.component(GlanceSettings)
    pool = site.pool_name(POOL)
    caps = {"mon": "profile rbd", "osd": f"profile rbd pool={pool}", "mgr": f"profile rbd pool={pool}"}
    return CephUser.of(site, f"client.{wish.user}", caps)


def _conf(site: Site, host: Host) -> CephConf:
    return CephConf.of(site, host)


def _keyring(site: Site, host: Host) -> Keyring:
    return Keyring.of(site, host, _user(site).entity, ROLE)


@hookimpl
def prepare_ceph(site: Site) -> Iterator[Resource]:
    yield CephPool.of(site, POOL)
    yield _user(site)


@hookimpl
def distribute_keys(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        yield _conf(site, host)
        yield _keyring(site, host)


@hookimpl
def configure_service(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        packages = Packages.of(site, host, "rbd-client")
        options = IniOptions.of(host, ROLE, _options(site))
        stores = _reserved_stores(host, packages)
        yield packages
        yield options
        yield from stores
        needed = [packages, options, *stores, _conf(site, host), _keyring(site, host)]
        yield Service.of(host, ROLE, restart_on=needed)


_STAGING = "/var/lib/glance/os_glance_staging_store"
_TASKS = "/var/lib/glance/os_glance_tasks_store"


def _reserved_stores(host: Host, packages: Packages) -> list[Directory]:
    """With several stores Glance keeps uploads under way in two of its own."""
    account = host.distro.account(ROLE)
    return [
        Directory(
            host=host.name, path=path, owner=account.user, group=account.group, mode=0o750, after=(packages.address,)
        )
        for path in (_STAGING, _TASKS)
    ]


def _options(site: Site) -> dict[str, dict[str, str | Items | Default | None]]:
    """glance-api.conf by release. Source: glance_store's rbd driver and Glance's multi-store guide."""
    wish = site.component(GlanceSettings)
    rbd: dict[str, str | Items | Default | None] = {
        "rbd_store_pool": site.pool_name(POOL),
        "rbd_store_user": wish.user,
        "rbd_store_ceph_conf": site.ceph.conf,
        "rbd_store_chunk_size": str(wish.chunk_size),
    }
    # under [glance_store], where the how-to has it, this one is ignored without a word
    default: dict[str, str | Items | Default | None] = {"show_image_direct_url": str(wish.show_image_direct_url)}
    if site.release("glance") < Release(2019, 2):
        return {
            "DEFAULT": default,
            "glance_store": {"stores": Items("rbd", "file", "http"), "default_store": "rbd", **rbd},
        }
    if site.release("glance") >= Release(2021, 2):
        rbd["rbd_thin_provisioning"] = "True"
    former = ("file:file",) if wish.file_store else ()
    return {
        "DEFAULT": {**default, "enabled_backends": Items(f"{wish.store}:rbd", otherwise=former)},
        # the single-store options, which do nothing once enabled_backends is set
        "glance_store": {"default_backend": wish.store, "stores": None, "default_store": None},
        wish.store: rbd,
        **({"file": {"filesystem_store_datadir": Default(wish.file_store)}} if wish.file_store else {}),
        "os_glance_staging_store": {"filesystem_store_datadir": Default(_STAGING)},
        "os_glance_tasks_store": {"filesystem_store_datadir": Default(_TASKS)},
    }


@hookimpl
def verify(site: Site) -> Iterator[Check | Proof]:
    wish = site.component(GlanceSettings)
    pool = site.pool_name(POOL)
    for host in site.with_role(ROLE):
        yield Check.uses_pool(site, host, wish.user, pool, ROLE)
        yield Check.refused_by_pool(site, host, wish.user, site.pool_name("volumes"), ROLE)
    yield Proof(
        title="an image that goes in through Glance lies in Ceph, with its snapshot",
        prove=lambda bench: image_is_in_ceph(bench, pool, shows_location=wish.show_image_direct_url),
        uses=(ROLE,),
        pools=(pool,),
    )


@hookimpl
def unwire(site: Site) -> Iterator[Resource]:
    """Glance needs a store to start with: the file store, which was kept for the images of before."""
    wish = site.component(GlanceSettings)
    if wish.file_store is not None and site.release("glance") >= Release(2019, 2):
        stores = {"DEFAULT": {"enabled_backends": "file:file"}, "glance_store": {"default_backend": "file"}}
        kept = {"file": {"filesystem_store_datadir": wish.file_store}}
        for host in site.with_role(ROLE):
            yield IniOptions.of(host, ROLE, {**stores, **kept})
