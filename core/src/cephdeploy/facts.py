"""What each host is and what the cluster says of itself: asked once, before any plugin answers.

A fact does not change during a run, so it may decide what is declared.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .distros import Distro
from .errors import PreflightError
from .plugins import driver, installed
from .requests import Answer, Group, Look, Ran, Request, Run, Seen
from .requests import Host as Line
from .site import CephCluster, Host, Site

if TYPE_CHECKING:
    from .settings import SiteSettings

__all__ = ["distro_name", "gather"]

_CEPHADM = ("cephadm", "shell", "--")
_MINIMAL = ("ceph", "config", "generate-minimal-conf")
_VERSION = ("ceph", "version", "-f", "json")


@dataclass(frozen=True)
class _Facts:
    """One host's answers."""

    host: Host
    ceph: CephCluster | None


def gather(settings: SiteSettings, lines: Mapping[str, Line]) -> Site:
    """Ask every connected host what it is, and the admin host about the cluster.

    :raises PreflightError: a host has no systemd or an unknown distribution, or ``ceph`` does not work.
    :raises HostError: a line broke.
    """
    with ThreadPoolExecutor(min(32, len(lines) or 1)) as pool:
        found = list(pool.map(lambda name: _Asked(settings, lines[name]).facts(), lines))
    ceph = next(facts.ceph for facts in found if facts.ceph is not None)
    return Site(settings=settings, hosts={facts.host.name: facts.host for facts in found}, ceph=ceph)


class _Asked:
    """One host, asked in two round trips: what it is, and then in its own words."""

    def __init__(self, settings: SiteSettings, line: Line) -> None:
        self._settings = settings
        self._line = line
        self._wish = settings.hosts[line.name]

    def facts(self) -> _Facts:
        release, systemd, ceph, cephadm = self._ask(
            Look(path="/etc/os-release", content=True),
            Look(path="/run/systemd/system"),
            Look(path="/usr/bin/ceph"),
            Look(path="/usr/sbin/cephadm"),
        )
        if not isinstance(systemd, Seen) or systemd.type != "directory":
            raise self._unfit("systemd does not run there; cephdeploy restarts services by systemd")
        distro = self._distro(release)
        versions: Request = Run(argv=(*distro.versions_query, *distro.versions.values()), accept=(0, 1, *range(2, 20)))
        if self._line.name != self._settings.ceph.admin:
            (versioned,) = self._ask(versions)
            return _Facts(self._host(distro, versioned), None)
        has_ceph = isinstance(ceph, Seen) and ceph.type == "file"
        has_cephadm = isinstance(cephadm, Seen) and cephadm.type == "file"
        if not has_ceph and not has_cephadm:
            raise self._unfit("there is neither ceph nor cephadm; name the host that has one in ceph.admin")
        prefix = () if has_ceph else _CEPHADM
        versioned, minimal, version = self._ask(
            versions, Run(argv=(*prefix, *_MINIMAL)), Run(argv=(*prefix, *_VERSION))
        )
        return _Facts(self._host(distro, versioned), self._ceph(prefix, minimal, version))

    def _ask(self, *requests: Request) -> list[Answer]:
        groups = [Group(requests=(request,), parallel=isinstance(request, Run)) for request in requests]
        return [answers[0] for answers in self._line.exchange(groups)]

    def _unfit(self, message: str) -> PreflightError:
        return PreflightError(f"{self._line.name}: {message}")

    def _distro(self, release: Answer) -> Distro:
        name = self._wish.distro
        if name is None:
            if not isinstance(release, Seen) or release.content is None:
                raise self._unfit("there is no /etc/os-release; pin the distribution by 'distro' in the site file")
            name = distro_name(release.content.decode(errors="replace"))
            if name is None:
                raise self._unfit(
                    "no installed distribution driver fits its /etc/os-release; pin one by 'distro' in the site "
                    f"file ({', '.join(installed('cephdeploy.distros'))})"
                )
        found = driver("cephdeploy.distros", name)
        if not isinstance(found, Distro):
            raise self._unfit(f"the distribution driver '{name}' is no Distro")
        return found

    def _host(self, distro: Distro, versioned: Answer) -> Host:
        said = dict(
            line.split(maxsplit=1)
            for line in (versioned.text if isinstance(versioned, Ran) else "").splitlines()
            if len(line.split()) == 2
        )
        versions = {
            project: said[package]
            for project, package in distro.versions.items()
            if re.match(r"(?:\d+:)?\d", said.get(package, ""))
        }
        return Host(
            name=self._line.name,
            address=self._wish.address,
            roles=tuple(self._wish.roles),
            distro=distro,
            versions=versions,
        )

    def _ceph(self, prefix: tuple[str, ...], minimal: Answer, version: Answer) -> CephCluster:
        assert isinstance(minimal, Ran) and isinstance(version, Ran)
        if minimal.status != 0:
            raise self._unfit(
                f"{shlex.join((*prefix, *_MINIMAL))} failed: {minimal.reason}; it must work there as client.admin"
            )
        conf = configparser.ConfigParser(interpolation=None)
        try:
            # the minimal configuration's lines are indented by a tab
            conf.read_string("\n".join(line.strip() for line in minimal.text.splitlines()))
            fsid, mon_host = conf["global"]["fsid"], conf["global"]["mon_host"]
        except (configparser.Error, KeyError):
            raise self._unfit("ceph's minimal configuration has no fsid and mon_host") from None
        number = re.search(r"(\d+(?:\.\d+)+)", _version_text(version))
        return CephCluster(
            admin=self._line.name,
            cluster=self._settings.ceph.cluster,
            conf=self._settings.ceph.conf,
            prefix=prefix,
            fsid=fsid,
            mon_host=mon_host,
            version=number.group(1) if number else "unknown",
        )


def _version_text(version: Ran) -> str:
    try:
        return str(json.loads(version.out).get("version", ""))
    except (ValueError, AttributeError):
        return version.text


def distro_name(os_release: str) -> str | None:
    """The installed driver for an /etc/os-release: by ID and major version, then ID, then ID_LIKE."""
    fields: dict[str, str] = {}
    for line in os_release.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            fields[name.strip()] = value.strip().strip("\"'")
    identity = fields.get("ID", "")
    major = fields.get("VERSION_ID", "").partition(".")[0]
    known = installed("cephdeploy.distros")
    for name in (f"{identity}{major}", identity, *fields.get("ID_LIKE", "").split()):
        if name in known:
            return name
    return None
