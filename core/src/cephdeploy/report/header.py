"""What a plan or a run is about: hosts, versions, plugins; said first, in text and in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError
from .words import count, listed, natural, plain, ranges

if TYPE_CHECKING:
    from ..site import Site
    from .paper import Line, Paper

__all__ = ["PROJECTS", "Header"]

#: Projects whose release is told.
PROJECTS = ("cinder", "glance", "nova")


@dataclass(frozen=True, kw_only=True)
class Header:
    """The frame of a plan.

    :param path: the site file, as it was named.
    :param chosen: whether the plugins were named, and not taken because the site has roles for them.
    :param seconds: that it took to reach the hosts and learn what they are.
    """

    path: str
    hosts: Mapping[str, tuple[str, ...]]
    ceph: str
    releases: Mapping[str, str]
    plugins: tuple[str, ...]
    chosen: bool = True
    limit: tuple[str, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        site: Site,
        plugins: Sequence[str],
        *,
        path: str,
        chosen: bool = True,
        limit: Sequence[str] = (),
        seconds: float = 0.0,
    ) -> Header:
        """What is known of a site once its hosts are reached."""
        return cls(
            path=path,
            hosts={name: tuple(host.roles) for name, host in sorted(site.hosts.items())},
            ceph=site.ceph.version,
            releases=_releases(site),
            plugins=tuple(plugins),
            chosen=chosen,
            limit=tuple(dict.fromkeys(limit)),
            seconds=seconds,
        )

    @property
    def versions(self) -> str:
        """``Ceph 16.2.15, OpenStack zed``."""
        said = [f"Ceph {plain(self.ceph)}"]
        distinct = dict.fromkeys(self.releases.values())
        if len(distinct) == 1:
            said.append(f"OpenStack {next(iter(distinct))}")
        else:
            said += [f"{project} {release}" for project, release in self.releases.items()]
        return ", ".join(said)

    def lines(self, paper: Paper) -> list[Line]:
        """The lines above a plan."""
        reached = f"{count(len(self.hosts), 'host')} reached in {self.seconds:.1f} s"
        made = [paper.line(f"{reached} · {self.versions}")]
        names = ", ".join(self.plugins)
        if not self.chosen:
            names += f"  (all that {plain(self.path)} has roles for; --plugins chooses)"
        made.append(paper.line((f"plugins {names}", "dim")))
        if self.limit:
            hosts = ranges(sorted(self.limit, key=natural))
            made.append(paper.line((f"limited to {hosts}; the other hosts are looked at and left alone", "dim")))
        return made

    @property
    def scope(self) -> str:
        """The hosts that may change: ``4 hosts``, or the limit's names."""
        return listed(sorted(self.limit, key=natural)) if self.limit else count(len(self.hosts), "host")


def _releases(site: Site) -> dict[str, str]:
    found = {}
    for project in PROJECTS:
        try:
            found[project] = str(site.release(project))
        except (SettingsError, ValueError):
            continue  # not on this site, or a version that tells no release
    return found
