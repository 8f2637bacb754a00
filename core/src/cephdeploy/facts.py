"""What each host is and what the cluster says of itself: asked once, before any plugin answers.

A fact does not change during a run, so it may decide what is declared.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING

from .distros import Distro, asked, told
from .errors import CephdeployError, HostError, PreflightError
from .plugins import driver, installed
from .requests import Answer, Dpkg, Group, Look, Ran, Run, Seen
from .requests import Host as Line
from .site import CephCluster, Host, Site

if TYPE_CHECKING:
    from .settings import SiteSettings

__all__ = ["distro_name", "gather"]

_CEPHADM = ("cephadm", "shell", "--")
_MINIMAL = ("ceph", "config", "generate-minimal-conf")
_VERSION = ("ceph", "version", "-f", "json")
#: The status of a program that is not there.
_MISSING = 127


def gather(settings: SiteSettings, lines: Mapping[str, Line]) -> Site:
    """Ask every host what it is, and the admin host about the cluster: one round trip to each.

    :raises PreflightError: a host has no systemd or an unknown distribution, or ``ceph`` does not work.
    :raises HostError: for the first host that can't be reached, with all others that can't.
    """
    guesses = _guesses()
    asked = [_Asked(settings, name, guesses) for name in lines]
    futures = [lines[one.name].ask(one.questions(), looks=True) for one in asked]
    wait(futures)
    answers: list[list[list[Answer]]] = []
    errors: list[HostError] = []
    for future in futures:
        try:
            answers.append(future.result())
        except HostError as error:
            errors.append(error)
    if errors:
        text = "\n".join(str(error) for error in errors)
        raise HostError(errors[0].host, text.removeprefix(f"{errors[0].host}: ")) from errors[0]
    hosts = {one.name: one.host(said) for one, said in zip(asked, answers, strict=True)}
    admin = next(one for one in asked if one.is_admin)
    return Site(settings=settings, hosts=hosts, ceph=admin.ceph(lines[admin.name], answers[asked.index(admin)]))


class _Asked:
    """One host: what it is asked, and what its answers say."""

    def __init__(self, settings: SiteSettings, name: str, guesses: Sequence[Distro]) -> None:
        self.name = name
        self.is_admin = name == settings.ceph.admin
        self._settings = settings
        self._wish = settings.hosts[name]
        distros = guesses if self._wish.distro is None else [self._driver(self._wish.distro)]
        #: Those with equal questions ask once.
        self._versions = list(dict.fromkeys(map(_versions, distros)))

    def questions(self) -> list[Group]:
        """What it is; and in the words of every distribution that it may be, which versions it has.

        A program that is not there costs nothing, and a round trip to every host is saved.
        """
        looks = (Look(path="/etc/os-release", content=True), Look(path="/run/systemd/system"))
        ceph = _ceph_questions(()) if self.is_admin else []
        return [*ceph, Group(requests=looks), *(Group(requests=(versions,)) for versions in self._versions)]

    def host(self, answers: Sequence[Sequence[Answer]]) -> Host:
        """The host, with what is installed of OpenStack and Ceph.

        :raises PreflightError: there is no systemd, or no distribution driver fits.
        """
        (release, systemd), *versions = answers[-1 - len(self._versions) :]
        if not isinstance(systemd, Seen) or systemd.type != "directory":
            raise self._unfit("systemd does not run there; cephdeploy restarts services by systemd")
        distro = self._distro(release)
        (versioned,) = versions[self._versions.index(_versions(distro))]
        said = told(versioned)
        known = {
            project: said[package]
            for project, package in distro.versions.items()
            if re.match(r"(?:\d+:)?\d", said.get(package, ""))
        }
        return Host(
            name=self.name,
            address=self._wish.address,
            roles=tuple(self._wish.roles),
            distro=distro,
            versions=known,
        )

    def ceph(self, line: Line, answers: Sequence[Sequence[Answer]]) -> CephCluster:
        """The cluster, by ``ceph`` or, where there is none, by ``cephadm``.

        :raises PreflightError: there is neither, or it does not work.
        """
        (minimal,), (version,) = answers[:2]
        prefix: tuple[str, ...] = ()
        if isinstance(minimal, Ran) and minimal.status == _MISSING:
            prefix = _CEPHADM
            (minimal,), (version,) = line.exchange(_ceph_questions(prefix))
            if isinstance(minimal, Ran) and minimal.status == _MISSING:
                raise self._unfit("there is neither ceph nor cephadm; name the host that has one in ceph.admin")
        return self._cluster(prefix, minimal, version)

    def _unfit(self, message: str) -> PreflightError:
        return PreflightError(f"{self.name}: {message}")

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
        return self._driver(name)

    def _driver(self, name: str) -> Distro:
        found = driver("cephdeploy.distros", name)
        if not isinstance(found, Distro):
            raise self._unfit(f"the distribution driver '{name}' is no Distro")
        return found

    def _cluster(self, prefix: tuple[str, ...], minimal: Answer, version: Answer) -> CephCluster:
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
            admin=self.name,
            cluster=self._settings.ceph.cluster,
            conf=self._settings.ceph.conf,
            prefix=prefix,
            fsid=fsid,
            mon_host=mon_host,
            version=number.group(1) if number else "unknown",
        )


def _guesses() -> list[Distro]:
    """What a host may be. A driver that can't be used is left out: a host that needs it is told why."""
    found = []
    for name in installed("cephdeploy.distros"):
        with suppress(CephdeployError):
            found.append(driver("cephdeploy.distros", name))
    return [one for one in found if isinstance(one, Distro)]


def _versions(distro: Distro) -> Run | Dpkg:
    return asked(distro.versions.values(), query=distro.query, record=distro.record)


def _ceph_questions(prefix: tuple[str, ...]) -> list[Group]:
    return [Group(requests=(Run(argv=(*prefix, *words)),), parallel=True) for words in (_MINIMAL, _VERSION)]


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
