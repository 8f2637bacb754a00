"""Cinder: volumes in Ceph pools, one for each backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from cephdeploy import Check, Component, Host, Proof, Release, Settings, Site, hookimpl
from cephdeploy.kinds import CephConf, CephPool, CephUser, IniOptions, Keyring, LibvirtSecret, Packages, Service
from cephdeploy.resource import Resource
from cephdeploy.settings import PURPOSES, Name, PoolName, UserName
from cephdeploy.values import Items, Same

from .proof import backend_is_up, copy_is_a_copy, life_of_a_volume, volume_is_a_clone

__all__ = ["Backend", "CinderSettings"]

ROLE = "cinder-volume"
#: Where images lie, to clone them from.
IMAGES = "images"


#: Sections that cinder.conf has for other things, beside those of oslo's libraries, in lower case.
#: Source: cinder/opts.py, and the sections of keystoneauth, keystonemiddleware, castellan and barbican.
_TAKEN = frozenset(
    (
        *("default", "audit_middleware_notifications", "backend_defaults", "barbican", "barbican_service_user"),
        *("brcd_fabric_example", "castellan_configuration_source", "cisco_fabric_example", "coordination", "cors"),
        *("database", "fc-zone-manager", "glance", "healthcheck", "key_manager", "keystone_authtoken", "nova"),
        *("privsep", "profiler", "sample_castellan_source", "sample_remote_file_source", "service_user", "ssl"),
        "vault",
    )
)


def _backend_name(name: str) -> str:
    if name.lower() in _TAKEN or name.lower().startswith("oslo_"):
        raise ValueError(f"can't be a backend's name: cinder.conf has [{name}] for something else")
    return name


def _pool(key: str) -> str:
    if key in PURPOSES and key != "volumes":
        raise ValueError(f"must be 'volumes' or a key of your own: in '{key}' Cinder could delete what is not its own")
    return key


def _some(backends: Mapping[str, Backend]) -> Mapping[str, Backend]:
    if not backends:
        raise ValueError("must have one backend at least, such as ceph: {}")
    return backends


class Backend(Settings):
    """One backend of cinder-volume."""

    pool: Annotated[PoolName, AfterValidator(_pool)] = "volumes"
    """A key of ``pools``."""
    user: UserName = "cinder"
    """cephx user, without ``client.``; Nova uses the same by default."""
    rados_connect_timeout: int = 5
    """Seconds after which a call to dead monitors fails. -1 waits as long as librados does."""
    max_clone_depth: int = 5
    """How many clones of clones before one is flattened."""
    flatten_volume_from_snapshot: bool = False


BackendName = Annotated[Name, AfterValidator(_backend_name)]


class CinderSettings(Settings):
    """The backends by their section's name in cinder.conf; a second one is one more key."""

    backends: Annotated[Mapping[BackendName, Backend], AfterValidator(_some)] = Field(
        default_factory=lambda: {"ceph": Backend()}
    )


@hookimpl
def settings() -> Component:
    return Component("cinder", CinderSettings, {ROLE: "runs cinder-volume"})


def _backends(site: Site) -> Mapping[str, Backend]:
    return site.component(CinderSettings).backends


def _users(site: Site) -> list[str]:
    return sorted({backend.user for backend in _backends(site).values()})


@hookimpl
def prepare_ceph(site: Site) -> Iterator[Resource]:
    images = site.pool_name(IMAGES)
    for backend in _backends(site).values():
        pool = site.pool_name(backend.pool)
        caps = {
            "mon": "profile rbd",
            # reading is enough to clone an image; Cinder's manual, "Ceph RADOS Block Device", 2026
            "osd": f"profile rbd pool={pool}, profile rbd-read-only pool={images}",
            "mgr": f"profile rbd pool={pool}",
        }
        yield CephPool.of(site, backend.pool)
        yield CephUser.of(site, f"client.{backend.user}", caps)


def _keys(site: Site, host: Host) -> list[Resource]:
    keyrings = [Keyring.of(site, host, f"client.{user}", ROLE) for user in _users(site)]
    return [CephConf.of(site, host), *keyrings]


@hookimpl
def distribute_keys(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        yield from _keys(site, host)
    # since Ocata a volume is attached with the backend's own user and secret, whatever nova.conf says
    for host in site.with_role("nova-compute"):
        for user in _users(site):
            yield LibvirtSecret.of(site, host, f"client.{user}")


@hookimpl
def configure_service(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        packages = Packages.of(site, host, "rbd-client")
        options = IniOptions.of(host, ROLE, _options(site))
        yield packages
        yield options
        yield Service.of(host, ROLE, restart_on=[packages, options, *_keys(site, host)])


def _options(site: Site) -> dict[str, dict[str, str | Items | Same]]:
    """cinder.conf by release. Source: cinder/volume/drivers/rbd.py and its release notes."""
    sections: dict[str, dict[str, str | Items | Same]] = {"DEFAULT": {"enabled_backends": Items(*_backends(site))}}
    for name, backend in _backends(site).items():
        sections[name] = {
            "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
            "volume_backend_name": name,
            "rbd_pool": site.pool_name(backend.pool),
            "rbd_ceph_conf": site.ceph.conf,
            "rbd_cluster_name": site.ceph.cluster,
            "rbd_user": backend.user,
            "rbd_secret_uuid": site.secret_uuid(f"client.{backend.user}"),
            "rbd_flatten_volume_from_snapshot": str(backend.flatten_volume_from_snapshot),
            "rbd_max_clone_depth": str(backend.max_clone_depth),
            "rbd_store_chunk_size": "4",
            "rados_connect_timeout": str(backend.rados_connect_timeout),
            "report_discard_supported": "True",
        }
        if site.release("cinder") >= Release(2023, 1):
            # deleted clones' parents go to RBD's trash from then on, and somebody must empty it
            sections[name]["enable_deferred_deletion"] = "True"
    if site.release("cinder") >= Release(2025, 2):
        # Glance tells an image's locations to services only from then on; without this section Cinder asks as
        # the tenant, is refused, and every volume is a full copy where direct_url is off (LP#2161971)
        sections["glance"] = {
            option: Same("keystone_authtoken", option, secret=option == "password") for option in _CREDENTIALS
        }
    return sections


#: What keystoneauth needs in a section to log in with.
_CREDENTIALS = (
    "auth_type",
    "auth_url",
    "project_domain_name",
    "user_domain_name",
    "project_name",
    "username",
    "password",
)


@hookimpl
def verify(site: Site) -> Iterator[Check | Proof]:
    images = site.pool_name(IMAGES)
    for host in site.with_role(ROLE):
        for backend in _backends(site).values():
            pool = site.pool_name(backend.pool)
            yield Check.uses_pool(site, host, backend.user, pool, ROLE)
            yield Check.refused_by_pool(site, host, backend.user, images, ROLE)
    for host in site.with_role(ROLE):
        for name in _backends(site):
            yield Proof(
                title=f"Cinder says that {host.name}@{name} is up",
                prove=lambda bench, host=host, name=name: backend_is_up(bench, host, name),  # type: ignore[misc]
                host=host.name,
                quick=True,
            )
    # without volume types Cinder chooses the backend: the proofs look where it put the volume
    users = {name: backend.user for name, backend in _backends(site).items()}
    where = {name: site.pool_name(backend.pool) for name, backend in _backends(site).items()}
    uses, pools = ("glance-api", ROLE), (*sorted(set(where.values())), images)
    yield Proof(
        title=f"a volume in pool {' or '.join(pools[:-1])} made from an image is a clone of it",
        prove=lambda bench: volume_is_a_clone(bench, where, images, users),
        uses=uses,
        pools=pools,
    )
    yield Proof(
        title="control: a volume made from a qcow2 image is a copy",
        prove=lambda bench: copy_is_a_copy(bench, where, images),
        uses=uses,
        pools=pools,
    )
    yield Proof(
        title="a volume's snapshot is cloned, grows and goes",
        prove=lambda bench: life_of_a_volume(bench, where),
        uses=uses,
        pools=pools,
    )
