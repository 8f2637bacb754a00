"""The library: a site with its plugins and hosts, planned, applied and verified.

What the command line itself uses. No global state, no print and no exit in it.

    with Deployment.open(load("site.yml"), ["glance", "cinder"], holder="ann on bastion1") as deployment:
        plan = deployment.plan()
        result = deployment.apply(plan)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import baseline, engine, facts, planner
from .cloud import connected
from .contents import Contents
from .errors import SettingsError, UsageError
from .executors import Line, Reach
from .graph import Declaration, Graph, build
from .kinds.ceph import CephUser
from .lock import Locked
from .plugins import Plugins, author_of, driver, installed
from .requests import Host
from .timings import Timings
from .transports import Target

if TYPE_CHECKING:
    from .engine import Listener, Result
    from .journal import Past, Record
    from .planner import Plan
    from .session import Session
    from .settings import Component, SiteSettings
    from .site import Site
    from .values import Address
    from .verify import ProbeResult

__all__ = ["Deployment", "components", "connect", "in_play", "load", "target"]


def components(plugins: Sequence[str] = ()) -> list[Component]:
    """What plugins say of their part of the site file: these, or every one that is installed."""
    return list(Plugins(list(plugins) or list(installed())).components().values())


def load(path: str | Path, plugins: Sequence[str] = ()) -> SiteSettings:
    """Read a site file.

    A section or a role of a plugin that does not take part now is no error. Such a plugin is imported only when
    the file names one.

    :param plugins: those that take part, if that is known.
    :raises SiteFileError: with every fault and its place.
    """
    from . import sitefile

    known = installed().keys() >= set(plugins)
    return sitefile.load(Path(path), components(plugins if known else ()), all_components=components)


def in_play(settings: SiteSettings, chosen: Mapping[str, Component]) -> list[str]:
    """The hosts that the chosen plugins' roles are on, and the admin host.

    :raises SettingsError: a plugin's roles are all without a host.
    """
    names = {settings.ceph.admin}
    for plugin, component in chosen.items():
        hosts = {name for name, host in settings.hosts.items() if set(host.roles) & set(component.roles)}
        if component.roles and not hosts:
            roles = " or ".join(component.roles)
            raise SettingsError(
                f"plugin '{plugin}' has no host: none in the site file has the role {roles}; "
                f"add it to a host's roles, or leave '{plugin}' out of --plugins"
            )
        names |= hosts
    return sorted(names)


def target(settings: SiteSettings, name: str) -> Target:
    """How a host of the site is reached."""
    ssh, host = settings.ssh, settings.hosts[name]
    return Target(
        name=name,
        address=str(host.address),
        user=host.user or ssh.user,
        port=host.port or ssh.port,
        key=host.key or ssh.key,
        known_hosts=ssh.known_hosts,
        config=ssh.config,
        jump=host.jump or ssh.jump,
        sudo=ssh.sudo,
        timeout=ssh.connect_timeout,
        keepalive=ssh.keepalive,
    )


def connect(settings: SiteSettings, name: str) -> Session:
    """A session of its own with a host of the site.

    :raises HostError: unreachable, another host key, a login refused; nothing was sent.
    """
    from .executors.threads import connected

    return connected(_reach(settings, name), _transport(settings.transport))


def _reach(settings: SiteSettings, name: str) -> Reach:
    return Reach(
        transport=settings.transport,
        target=target(settings, name),
        sudo=settings.ssh.sudo,
        bastion=settings.hosts[name].bastion,
    )


def _transport(name: str) -> Any:
    return driver("cephdeploy.transports", name)


@dataclass(frozen=True)
class Deployment:
    """A site whose hosts are connected and whose facts are known. A context manager."""

    site: Site
    graph: Graph
    hosts: dict[str, Host]
    plugins: Plugins
    timings: Timings = field(default_factory=Timings)
    _stack: ExitStack = field(repr=False, default_factory=ExitStack)

    @classmethod
    def open(
        cls,
        settings: SiteSettings,
        plugins: Sequence[str] | Plugins,
        *,
        reach: Callable[[SiteSettings, str], Host] | None = None,
        undo: Past | None = None,
        only: Collection[str] = (),
        off: bool = False,
        holder: str = "",
    ) -> Self:
        """Connect to every host in play, ask for facts, and let the plugins declare.

        :param reach: makes a host of a name, in place of the site's executor; tests hand over fake ones.
        :param undo: a past run: the deployment is of its rollback, and the plugins declare nothing.
        :param only: of that rollback these hosts alone, and no other is reached but the admin host; empty: all.
        :param off: the deployment is of taking the plugins' components off Ceph.
        :param holder: who, from where, since when, to be told to whoever is refused: holds the lock of every host
            until the lines are closed, so that there is one run at a time. The admin host's at once: of two
            operators one gets it, and the other has nothing to let go. Every other host's by the next that it is
            asked. Empty: nothing is held, which is enough to look.
        :raises LockedError: somebody else holds the admin host's. :meth:`plan` raises it for another host's.
        :raises HostError: for the first host that can't be reached, with all others that can't.
        """
        chosen = plugins if isinstance(plugins, Plugins) else Plugins(plugins)
        if not chosen.names:
            raise UsageError("no plugin is chosen; name some by --plugins, such as --plugins glance,cinder,nova")
        names = in_play(settings, chosen.components()) if undo is None else _of(undo, settings, only)
        timings = Timings()
        with ExitStack() as stack:
            hosts = _reached(settings, names, reach, stack, timings)
            if holder:
                admin = settings.ceph.admin
                hosts[admin] = Locked(hosts[admin], holder, keep=True)
            site = facts.gather(settings, hosts)
            if holder:
                hosts |= {name: Locked(host, holder) for name, host in hosts.items() if name != admin}
            graph = build(
                _declared(chosen, site, undo, only, off),
                serial=lambda role: settings.serial_of(role),
                find_author=lambda address: author_of(address, site, chosen.names),
            )
            return cls(site, graph, hosts, chosen, timings, stack.pop_all())

    def plan(self, *, limit: Collection[str] = ()) -> Plan:
        """Look at every resource and compare; changes nothing.

        :raises PreflightError: with a line for each reason why a host is not fit.
        """
        for name in limit:
            if name not in self.hosts:
                raise UsageError(f"--limit {name}: no such host in this run; there are: {', '.join(self.hosts)}")
        return planner.plan(self.graph, engine.observe(self.graph, self.hosts), limit=limit)

    def apply(self, plan: Plan, *, journal: Record | None = None, listener: Listener = lambda event: None) -> Result:
        """Make the plan true; see :func:`cephdeploy.engine.apply`."""
        return engine.apply(plan, self.hosts, journal=journal, listener=listener)

    def verify(
        self,
        *,
        limit: Collection[str] = (),
        listener: Callable[[ProbeResult], None] = lambda result: None,
        doing: Callable[[str], None] = lambda what: None,
    ) -> list[ProbeResult]:
        """Run the plugins' probes; see :func:`cephdeploy.verify.verify`."""
        from . import verify as proofs

        probes = self.plugins.probes(self.site)
        return proofs.verify(
            self.site, probes, self.hosts, connect=self._openstack, listener=listener, limit=limit, doing=doing
        )

    def _openstack(self) -> Any:
        return connected(self.site.settings.openstack, purpose="a proof through OpenStack")

    def close(self) -> None:
        """Close every line."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _of(past: Past, settings: SiteSettings, only: Collection[str]) -> list[str]:
    """The hosts of a past run, or those of them that are meant alone; and the admin host.

    :raises UsageError: the run changed nothing on one that is meant.
    :raises SettingsError: the site does not have one of them any more.
    """
    changed = {step.host for step in past.steps if step.sent}
    if other := sorted(set(only) - changed):
        there = ", ".join(sorted(changed))
        raise UsageError(f"run {past.run} changed nothing on {other[0]}; it changed {there}")
    names = {settings.ceph.admin, *(set(only) or changed)}
    if gone := sorted(names - settings.hosts.keys()):
        raise SettingsError(
            f"run {past.run} changed {gone[0]}, which the site file does not have any more; put it back there, or take "
            "back the other hosts, each by --host"
        )
    return sorted(names)


def _declared(
    chosen: Plugins, site: Site, undo: Past | None, only: Collection[str], off: bool
) -> Iterable[Declaration]:
    """What a deployment is of: a rollback, taking components off, or the usual."""
    if undo is not None:
        from . import rollback

        return rollback.declarations(undo, site, hosts=only)
    if off:
        return _turned(chosen, site)
    return [*baseline.declarations(site), *_sparing(chosen, site)]


def _others(chosen: Plugins) -> Plugins:
    """The installed plugins that take no part."""
    return Plugins([name for name in installed() if name not in chosen.names])


def _turned(chosen: Plugins, site: Site) -> list[Declaration]:
    """The chosen plugins' declarations turned round; what the site's other plugins declare too stays."""
    from . import unwire

    declared, theirs = chosen.declarations(site), _others(chosen).declarations(site)
    return list(unwire.declarations(declared, theirs, chosen.instead(site), common=site.ceph.conf))


def _sparing(chosen: Plugins, site: Site) -> list[Declaration]:
    """The chosen plugins' declarations; a user's exact caps spare what the site's other plugins ask for."""
    declared = chosen.declarations(site)
    users = {one.resource.address for one in declared if isinstance(one.resource, CephUser) and one.resource.exact}
    if not users:
        return declared
    spared: dict[Address, CephUser] = {}
    for one in _others(chosen).declarations(site):
        if isinstance(one.resource, CephUser) and one.resource.address in users:
            known = spared.get(one.resource.address)
            spared[one.resource.address] = known.merged(one.resource) if known else one.resource
    return [
        replace(one, resource=replace(one.resource, spared=spared[one.resource.address].caps))
        if isinstance(one.resource, CephUser) and one.resource.address in spared
        else one
        for one in declared
    ]


def _reached(
    settings: SiteSettings,
    names: Sequence[str],
    reach: Callable[[SiteSettings, str], Host] | None,
    stack: ExitStack,
    timings: Timings,
) -> dict[str, Host]:
    """The hosts by name, each with its line: of the site's executor, or of ``reach``."""
    if reach is not None:
        hosts = {name: reach(settings, name) for name in names}
        for host in hosts.values():
            stack.callback(host.close)
        return hosts
    make = driver("cephdeploy.executors", settings.executor)
    executor = make({name: _reach(settings, name) for name in names}, _transport)
    stack.callback(executor.close)
    contents = Contents()
    return {name: Line(name, executor, contents, timings) for name in names}
