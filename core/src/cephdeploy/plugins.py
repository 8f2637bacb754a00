"""Finding plugins and asking them: the one module that knows stevedore and pluggy.

Many that all answer are pluggy's: the components. Exactly one that is chosen is a stevedore driver:
a distribution, a transport.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from . import hookspecs
from .errors import CephdeployError, PluginError, SettingsError, UsageError, near
from .fields import fault
from .graph import Declaration, Phase
from .resource import Resource

if TYPE_CHECKING:
    from .settings import Component
    from .site import Site
    from .values import Address
    from .verify import Probe

__all__ = ["GROUP", "Installed", "Plugins", "driver", "installed"]

GROUP = "cephdeploy.plugins"
#: What the site file calls the drivers of a group.
_DRIVERS = {
    "cephdeploy.transports": "transport",
    "cephdeploy.executors": "executor",
    "cephdeploy.distros": "distribution",
}
_HOOKS = ("settings", "prepare_ceph", "distribute_keys", "configure_service", "verify", "unwire")


@dataclass(frozen=True)
class Installed:
    """A plugin that is installed, told by its metadata alone: nothing was imported."""

    name: str
    entry_point: EntryPoint

    @property
    def distribution(self) -> str:
        """The distribution that it is from. Its metadata is read when it is asked for: a start needs none."""
        return self.entry_point.dist.name if self.entry_point.dist else "?"

    @property
    def version(self) -> str:
        """The version of that distribution."""
        return self.entry_point.dist.version if self.entry_point.dist else "?"


def installed(group: str = GROUP) -> dict[str, Installed]:
    """What is installed in an entry-point group, by name.

    :raises PluginError: two distributions provide one name.
    """
    return dict(_installed(group, tuple(sys.path)))


@cache
def _all_points(path: tuple[str, ...]) -> Any:
    """Read once for each ``sys.path``: a scan costs 10 ms."""
    return entry_points()


def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(_all_points(path).select(group=group))


@cache
def _installed(group: str, path: tuple[str, ...]) -> dict[str, Installed]:
    found: dict[str, Installed] = {}
    # importlib.metadata and not stevedore's cache: that is stale for two minutes after a reinstall and
    # forgets which distribution an entry point is from
    for point in _points(group, path):
        one = Installed(point.name, point)
        other = found.get(one.name)
        if other is not None and (other.distribution, other.entry_point.value) != (one.distribution, point.value):
            raise PluginError(
                f"two distributions provide the {group} '{one.name}': {other.distribution} {other.version} and "
                f"{one.distribution} {one.version}; uninstall one of them"
            )
        found[one.name] = one
    return dict(sorted(found.items()))


def driver(group: str, name: str) -> Any:
    """The one driver of that name, imported; what it is, the group says.

    :raises SettingsError: there is none of that name: the site file, which names it, is to be mended.
    """
    return _driver(group, name, tuple(sys.path))


@cache
def _driver(group: str, name: str, path: tuple[str, ...]) -> Any:
    """Found once for each ``sys.path``: each host asks for its distribution's."""
    known, what = installed(group), _DRIVERS.get(group, group)
    if name not in known:
        raise SettingsError(f"no {what} '{name}' is installed{near(name, known)}")
    try:
        return _uncached(group, name).driver
    except Exception as error:
        raise PluginError(f"the {what} '{name}' does not import: {error}") from error


def _uncached(group: str, name: str) -> Any:
    """A DriverManager that reads the entry points anew, and raises what an import raises."""
    from stevedore import DriverManager

    class Fresh(DriverManager):  # type: ignore[type-arg]  # not generic in the oldest that will do
        def list_entry_points(self) -> list[EntryPoint]:
            return list(_points(group, tuple(sys.path)))

    def complain(manager: object, point: EntryPoint, error: BaseException) -> None:
        raise error

    return Fresh(group, name, invoke_on_load=False, on_load_failure_callback=complain)


class Plugins:
    """The chosen plugins, checked against the hook specs and ready to be asked one by one."""

    def __init__(self, names: Sequence[str], *, extra: Sequence[tuple[str, ModuleType | object]] = ()) -> None:
        """
        :param names: entry-point names, in any order.
        :param extra: further plugins as they are, for tests and for tools that vendor cephdeploy.
        :raises UsageError: a name is not installed.
        :raises PluginError: a plugin does not import, or does not fit the hook specs.
        """
        self._manager = pluggy.PluginManager("cephdeploy")
        self._manager.add_hookspecs(hookspecs)
        known = installed()
        given = dict(extra)
        for name in dict.fromkeys(names):
            if name in given:
                continue
            if name not in known:
                raise UsageError(f"no plugin '{name}' is installed{near(name, known)}")
            try:
                plugin = known[name].entry_point.load()
            except Exception as error:
                raise PluginError(f"plugin '{name}' ({known[name].distribution}) does not import: {error}") from error
            self._register(name, plugin)
        for name, plugin in given.items():
            self._register(name, plugin)
        self.names = tuple(sorted(name for name, _ in self._manager.list_name_plugin()))

    def _register(self, name: str, plugin: object) -> None:
        needs = getattr(plugin, "CEPHDEPLOY_API", hookspecs.API)
        if needs > hookspecs.API:
            raise PluginError(f"plugin '{name}' needs the plugin API {needs}, and this core has {hookspecs.API}")
        for wrong in self._misfits(plugin):
            raise PluginError(f"plugin '{name}' does not fit the hooks: {wrong}")
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"plugin '{name}' does not fit the hooks: {' '.join(str(error).split())}") from error

    def _misfits(self, plugin: object) -> Iterator[str]:
        """What is wrong with a plugin's hooks, before pluggy says it in words of its own."""
        for name in dir(plugin):
            function = getattr(plugin, name, None)
            if not inspect.isroutine(function):
                continue
            if self._manager.parse_hookimpl_opts(plugin, name) is None:
                if name in _HOOKS:
                    yield f"its function '{name}' has a hook's name and no @hookimpl; mark it, or name it otherwise"
            elif name not in _HOOKS:
                yield f"there is no hook '{name}'{near(name, _HOOKS)}"
            else:
                given = inspect.signature(getattr(hookspecs, name)).parameters
                taken = inspect.signature(function).parameters.values()
                wrong = [one.name for one in taken if one.default is one.empty and one.name not in given]
                if wrong:
                    yield f"{name} takes {' and '.join(wrong)}, and is given {' and '.join(given) or 'nothing'}"

    def hooks(self, name: str) -> tuple[str, ...]:
        """The hooks that a plugin answers, in the order of a run."""
        plugin = self._manager.get_plugin(name)
        answered = {caller.name for caller in self._manager.get_hookcallers(plugin) or ()}
        return tuple(hook for hook in _HOOKS if hook in answered)

    def components(self) -> dict[str, Component]:
        """What each plugin's ``settings`` hook says, by the plugin's name."""
        from .settings import Component

        found = {}
        for name in self.names:
            for answer in self._ask(name, "settings"):
                if not isinstance(answer, Component):
                    raise PluginError(f"plugin '{name}' failed in settings: it gave {type(answer).__name__}")
                found[name] = answer
        return found

    def declarations(self, site: Site) -> list[Declaration]:
        """Every resource that the plugins declare for a site."""
        return [
            Declaration(name, phase, resource)
            for phase in Phase
            for name in self.names
            for resource in self._resources(name, phase.hook, site)
        ]

    def probes(self, site: Site) -> list[tuple[str, Probe]]:
        """Every plugin's probes, with the plugin's name."""
        from .verify import Check, Proof

        found: list[tuple[str, Probe]] = []
        for name in self.names:
            for probe in self._ask(name, "verify", site=self._asking(site)):
                failed = f"plugin '{name}' failed in verify: "
                if not isinstance(probe, Check | Proof):
                    raise PluginError(f"{failed}{type(probe).__name__} is no Check and no Proof")
                if wrong := fault(probe):
                    raise PluginError(f"{failed}the {type(probe).__name__}'s {wrong}")
                if probe.host and probe.host not in site.hosts:
                    raise PluginError(f"{failed}'{probe.title}' is on {probe.host}, a host that the site does not have")
                found.append((name, probe))
        return found

    def instead(self, site: Site) -> list[Resource]:
        """What the plugins want in place of what they set, once their components are off Ceph."""
        return [resource for name in self.names for resource in self._resources(name, "unwire", site)]

    def _resources(self, name: str, hook: str, site: Site) -> Iterator[Resource]:
        """One plugin's resources, each of a kind's own types and on a host of the site."""
        hosts = site.hosts
        for resource in self._ask(name, hook, site=self._asking(site)):
            if not isinstance(resource, Resource):
                raise PluginError(f"plugin '{name}' failed in {hook}: {type(resource).__name__} is no resource")
            if wrong := fault(resource):
                raise PluginError(f"plugin '{name}' failed in {hook}: the {type(resource).__name__}'s {wrong}")
            if resource.host not in hosts:
                raise PluginError(
                    f"plugin '{name}' failed in {hook}: {resource.address} is on a host that the site does not have"
                )
            yield resource

    def _asking(self, site: Site) -> Site:
        """The site as a hook is given it: it knows the roles that there are."""
        return replace(site, known_roles=self._known_roles)

    def _known_roles(self, role: str) -> Iterable[str]:
        """The roles of the chosen components; of all installed ones too if ``role`` is of none of these."""
        found = {one for component in self.components().values() for one in component.roles}
        for name in installed() if role not in found else ():
            if name in self.names:
                continue
            try:
                found |= {one for component in Plugins([name]).components().values() for one in component.roles}
            except CephdeployError:
                continue  # a plugin that takes no part and is broken is not what is asked about
        return sorted(found)

    def _ask(self, name: str, hook: str, **arguments: object) -> Iterator[Any]:
        """One plugin's answers to one hook; whatever goes wrong names both, and the plugin's own line."""
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name]
        caller: Callable[..., list[Any]] = self._manager.subset_hook_caller(hook, others)
        try:
            for answer in caller(**arguments):
                if answer is None:
                    continue
                if isinstance(answer, Iterable) and not isinstance(answer, str):
                    yield from answer
                else:
                    yield answer
        except Exception as error:
            if isinstance(error, CephdeployError) and not isinstance(error, PluginError):
                raise
            said = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            plugin = self._manager.get_plugin(name)
            raise PluginError(f"plugin '{name}' failed in {hook}: {said} ({_line_of(plugin, hook, error)})") from error


def _line_of(plugin: object, hook: str, error: Exception) -> str:
    """The deepest line that is the plugin's own, of those that an error came through; else the deepest."""
    own = getattr(getattr(plugin, hook, None), "__module__", "").partition(".")[0]
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    roots = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in frames]
    # a plugin that is made by a test's helper of ours is whatever is not ours
    mine = [at for at, root in enumerate(roots) if root == own or (own == "cephdeploy" and root not in (own, "pluggy"))]
    frame, line = frames[mine[-1] if mine else -1]
    return f"{frame.f_code.co_filename}:{line}"


def author_of(address: Address, site: Site, chosen: Iterable[str]) -> str | None:
    """An installed plugin, not among the chosen, that would declare ``address``: for an error's advice."""
    for name in installed():
        if name in set(chosen):
            continue
        try:
            declared = Plugins([name]).declarations(site)
        except CephdeployError:
            continue  # a plugin that can't answer for this site can't help it either
        if any(declaration.resource.address == address for declaration in declared):
            return name
    return None
