"""What a run is about: the site's hosts with their roles and facts, and its cluster; frozen.

Hooks take one :class:`Site`, which can grow without breaking a plugin. Nothing here asks a host.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import total_ordering
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from .errors import PluginError, SettingsError, near
from .values import Address, Ref

if TYPE_CHECKING:
    from .distros import Distro
    from .settings import PoolSettings, Settings, SiteSettings

__all__ = ["CephCluster", "Host", "Release", "Site"]

S = TypeVar("S", bound="Settings")

#: The namespace of the libvirt secrets' uuids; any fixed one serves, and it may never change.
_SECRETS: Final = uuid.UUID("5b0c1f5e-93a5-5a3c-9c1e-3d0a6f1f3f6a")


@total_ordering
@dataclass(frozen=True)
class Release:
    """An OpenStack release by its year and half: ``Release(2025, 1)`` is Epoxy, ``(2022, 2)`` is Zed."""

    year: int
    half: int

    #: The major version that each project had in Zed; all have gone up by one a release since Stein.
    _ZED: ClassVar[Mapping[str, int]] = {"cinder": 21, "glance": 25, "nova": 26}

    @classmethod
    def of(cls, project: str, version: str) -> Release:
        """The release that a project's version belongs to, such as nova 26.2.2.

        Source: the projects' release notes; one major version a release from Stein (2019.1) on.
        """
        number = re.match(r"(?:\d+:)?(\d+)", version)
        if number is None:
            raise SettingsError(f"{project}'s version '{version}' has no number to tell its release from")
        major = int(number.group(1))
        halves = 2022 * 2 + 1 + major - cls._ZED[project]
        return cls(halves // 2, halves % 2 + 1)

    def __lt__(self, other: Release) -> bool:
        return (self.year, self.half) < (other.year, other.half)

    def __str__(self) -> str:
        return "zed" if (self.year, self.half) == (2022, 2) else f"{self.year}.{self.half}"


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host: what the site file says of it and what it said of itself.

    :param versions: of the packages that decide what is written, such as ``{"nova": "26.2.2"}``; what
        is not installed is not in it.
    """

    name: str
    address: str
    roles: tuple[str, ...]
    distro: Distro
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CephCluster:
    """The cluster that the site uses.

    :param admin: the host where ``ceph`` may be run as client.admin.
    :param prefix: what stands before ``ceph`` and ``rbd`` there (``cephadm shell --``).
    :param fsid: the cluster's id.
    :param mon_host: the monitors, as ``ceph config generate-minimal-conf`` writes them.
    :param version: such as ``16.2.15``.
    """

    admin: str
    cluster: str
    conf: str
    prefix: tuple[str, ...]
    fsid: str
    mon_host: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every hook is given.

    :param known_roles: the roles that there are, in case the one that it is given is not on a host; core's own.
    """

    settings: SiteSettings
    hosts: Mapping[str, Host]
    ceph: CephCluster
    known_roles: Callable[[str], Iterable[str]] | None = field(default=None, repr=False, compare=False)

    def component(self, model: type[S]) -> S:
        """A plugin's own part of the site file.

        :param model: the class that the plugin's ``settings`` hook named.
        """
        for section in self.settings.components.values():
            if isinstance(section, model):
                return section
        return model()

    def with_role(self, role: str) -> tuple[Host, ...]:
        """The hosts that have ``role``, in the order of their names.

        :raises PluginError: no host and no component has it, and it is nearly the name of one that some component has.
        """
        found = tuple(host for _, host in sorted(self.hosts.items()) if role in host.roles)
        if not found and self.known_roles is not None:
            self._refuse_misspelt(role, tuple(self.known_roles(role)))
        return found

    @staticmethod
    def _refuse_misspelt(role: str, known: tuple[str, ...]) -> None:
        """A role of a plugin that is not installed is in order, so only what one letter or two make is refused."""
        if role in known:
            return
        import difflib

        likeness = min(0.85, (len(role) - 1) / max(len(role), 1))
        if meant := difflib.get_close_matches(role, known, n=1, cutoff=likeness):
            raise PluginError(f"no component has the role '{role}'{near(role, meant)}")

    def pool(self, key: str) -> PoolSettings:
        """What the site file's ``pools`` says under ``key``; the defaults if it says nothing."""
        from .settings import PoolSettings

        return self.settings.pools.get(key) or PoolSettings()

    def pool_name(self, key: str) -> str:
        """What the pool is called in Ceph.

        :param key: what it is for: ``images``, ``volumes``, ``backups``, ``vms``, or a key of the site's own.
        """
        return self.pool(key).name or key

    def key(self, entity: str) -> Ref:
        """The secret key of a cephx user, once it is there. Some plugin must declare the user."""
        return Ref(Address(self.ceph.admin, "user", entity), "key")

    def secret_uuid(self, entity: str) -> str:
        """The uuid of the libvirt secret for ``entity``.

        A function of the cluster's fsid alone: cinder.conf, nova.conf and libvirt agree without an
        exchange, and two clusters never collide. A site pins another by ``ceph.secret_uuids``.
        """
        pinned = self.settings.ceph.secret_uuids.get(entity)
        return str(pinned or uuid.uuid5(_SECRETS, f"{self.ceph.fsid} {entity}"))

    def release(self, project: str) -> Release:
        """The OpenStack release of a project on this site: the oldest of its hosts'.

        :raises SettingsError: no host has the project's package.
        """
        versions = [host.versions[project] for host in self.hosts.values() if project in host.versions]
        found = [Release.of(project, version) for version in versions]
        if not found:
            raise SettingsError(f"{project} is installed on no host of the site; install it, or take its roles away")
        return min(found)
