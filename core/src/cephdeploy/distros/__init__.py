"""How a family of distributions names what differs: packages, units, accounts, files. Data, no logic.

A distribution is a stevedore driver of the group ``cephdeploy.distros``, named as ``ID`` stands in
its /etc/os-release (or ID and major version, such as ``centos7``, for one that differs).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..requests import Answer, Dpkg, Ran, Run

__all__ = ["Account", "Distro", "asked", "told"]


def asked(names: Iterable[str], *, query: tuple[str, ...], record: str) -> Run | Dpkg:
    """The question which versions of packages are installed, by a distribution's ``record`` or ``query``."""
    names = tuple(names)
    if record:
        return Dpkg(record=record, names=names)
    # rpm's status is the number of those that are not
    return Run(argv=(*query, *names), accept=tuple(range(len(names) + 1)))


def told(answer: Answer) -> dict[str, str]:
    """The version of each installed package, from the answer to :func:`asked`."""
    lines = answer.text.splitlines() if isinstance(answer, Ran) else []
    pairs = (line.split() for line in lines)
    return {words[0]: words[1] for words in pairs if len(words) == 2}


@dataclass(frozen=True)
class Account:
    """The user and the group that a service runs as."""

    user: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Distro:
    """One distribution, or several that name things alike.

    :param query: command that prints ``NAME VERSION`` for each installed package of its arguments.
    :param record: dpkg's own record of what is installed; read in place of asking by ``query``.
    :param install: command that installs its arguments without asking.
    :param packages: role of a package to its names: ``rbd-client`` (ceph and rbd commands, Python's
        rbd), ``qemu-rbd`` (QEMU's rbd driver).
    :param versions: project to the package whose version tells its release.
    :param units: service to its unit, where it differs from ``unit_prefix`` + service.
    :param accounts: project to what its services run as.
    :param qemu: what QEMU runs as.
    :param configs: service to the files that its unit reads, ours first, later ones winning; where
        it differs from /etc/PROJECT/PROJECT.conf.
    :param repository: where a package repository's file is written, with ``{name}`` in it.
    :param refresh: command that reads the repositories' lists anew; empty where installing does.
    :param refreshed: a file that is newer than a repository's once that was done.
    """

    name: str
    install: tuple[str, ...]
    packages: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, str]
    query: tuple[str, ...] = ()
    record: str = ""
    unit_prefix: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    qemu: Account = Account("qemu", "qemu")
    configs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repository: str = ""
    refresh: tuple[str, ...] = ()
    refreshed: str = ""

    def __post_init__(self) -> None:
        if not (self.query or self.record):
            raise TypeError(f"the distribution '{self.name}' has neither a query nor a record of packages")

    def unit(self, service: str) -> str:
        """The systemd unit of a service such as ``cinder-volume``."""
        return self.units.get(service, f"{self.unit_prefix}{service}") + ".service"

    def account(self, service: str) -> Account:
        """What a service runs as; its project's name for both unless the distribution says otherwise."""
        project = service.partition("-")[0]
        return self.accounts.get(project, Account(project, project))

    def config_files(self, service: str) -> tuple[str, ...]:
        """The files that a service reads, the one that we edit first."""
        project = service.partition("-")[0]
        return self.configs.get(service, (f"/etc/{project}/{project}.conf",))
