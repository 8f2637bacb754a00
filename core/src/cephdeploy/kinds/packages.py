"""Packages of the host's own distribution: one question and one transaction a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from ..distros import asked, told
from ..errors import PluginError, near
from ..requests import Answer, Ran, Request, Run
from ..resource import Resource, State, Unfit, Upstream
from .command import Command
from .files import File

if TYPE_CHECKING:
    from ..site import Host, Site

__all__ = ["Packages", "repositories"]


def repositories(site: Site, host: Host) -> list[Resource]:
    """The package repositories that the site file has for a host, and the reading of their lists."""
    found: list[Resource] = []
    for wish in site.settings.repositories:
        if wish.roles and not set(wish.roles) & set(host.roles):
            continue
        path = host.distro.repository.format(name=wish.name)
        found.append(File(host=host.name, path=path, content=wish.content))
        if host.distro.refresh:
            found.append(
                Command(
                    host=host.name,
                    title=f"read the package lists of {wish.name}",
                    argv=host.distro.refresh,
                    unless=("test", host.distro.refreshed, "-nt", path),
                    after=(found[-1].address,),
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Packages(Resource):
    """Packages that must be installed; versions are the distribution's business.

    Every plugin's wishes for one host merge into one resource.

    :param query: as in :class:`cephdeploy.distros.Distro`, and so is ``record``.
    :param install: installs its further arguments without asking.
    :param allowed: whether cephdeploy may install (the setting ``packages``).
    """

    kind: ClassVar[str] = "packages"
    slow: ClassVar[bool] = True

    packages: tuple[str, ...]
    install: tuple[str, ...]
    query: tuple[str, ...] = ()
    record: str = ""
    allowed: bool = True

    @classmethod
    def of(cls, site: Site, host: Host, *roles: str) -> Self:
        """The packages that the host's distribution has for roles such as ``rbd-client``.

        :raises PluginError: it has none for one of them.
        """
        known = host.distro.packages
        for role in roles:
            if role not in known:
                name = host.distro.name
                raise PluginError(f"the distribution '{name}' has no packages for '{role}'{near(role, known)}")
        names = dict.fromkeys(name for role in roles for name in known[role])
        return cls(
            host=host.name,
            packages=tuple(names),
            install=host.distro.install,
            query=host.distro.query,
            record=host.distro.record,
            allowed=site.settings.packages,
            after=tuple(resource.address for resource in repositories(site, host)),
        )

    @property
    def name(self) -> str:
        return "all"

    def merged(self, other: Self) -> Self:
        after = tuple(dict.fromkeys((*self.after, *other.after)))
        packages = tuple(dict.fromkeys((*self.packages, *other.packages)))
        return replace(self, packages=packages, after=after)

    def probe(self) -> Sequence[Request]:
        return (asked(sorted(self.packages), query=self.query, record=self.record),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        (ran,) = answers
        assert isinstance(ran, Ran)
        if ran.status > (0 if self.record else len(self.packages)):
            raise Unfit(f"{self.record or self.query[0]} does not tell what is installed: {ran.reason}")
        installed = told(ran)
        return State({name: "installed" if name in installed else None for name in sorted(self.packages)})

    def want(self, have: State | None, upstream: Upstream) -> State:
        if not self.allowed and have is not None and None in have.values.values():
            missing = ", ".join(name for name, state in have.values.items() if state is None)
            raise Unfit(f"{missing} is not installed, and the site file says packages: false; install it by hand")
        return State(dict.fromkeys(sorted(self.packages), "installed"))

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        missing = [name for name in want.values if have is None or have.values.get(name) is None]
        return (Run(argv=(*self.install, *missing), timeout=1800),)
