"""The hosts of a command: the site file read, the plugins chosen, every host reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import SettingsError, UsageError, nearest
from ._asked import Asked
from ._ending import interruptible
from ._output import Output

if TYPE_CHECKING:
    from ..deployment import Deployment
    from ..journal import Past
    from ..report.header import Header
    from ..settings import SiteSettings

__all__ = ["opened"]


@contextmanager
def opened(
    asked: Asked,
    plugins: Sequence[str],
    limit: Sequence[str],
    out: Output,
    undo: Past | None = None,
    off: bool = False,
    holder: str = "",
) -> Iterator[tuple[Deployment, Header]]:
    """The site's hosts, reached, and what is said of them first."""
    import time

    from .. import deployment
    from ..report.header import Header

    settings = deployment.load(asked.site, plugins)
    chosen = tuple(plugins) or _fitting(settings, asked)
    for name in limit:
        if name not in settings.hosts:
            option = "--host" if undo else "--limit"
            raise UsageError(f"{option} {name}: {asked.site} has no such host{nearest(name, settings.hosts)}")
    began = time.monotonic()
    with interruptible("nothing was changed"), out.waiting("reaching the hosts"):
        opened = deployment.Deployment.open(
            settings, chosen, undo=undo, only=limit if undo else (), off=off, holder=holder
        )
    with opened:
        yield (
            opened,
            Header.of(
                opened.site,
                opened.plugins.names,
                path=str(asked.site),
                chosen=bool(plugins),
                limit=limit,
                seconds=time.monotonic() - began,
            ),
        )


def _fitting(settings: SiteSettings, asked: Asked) -> tuple[str, ...]:
    """The installed plugins that the site has a host for.

    :raises UsageError: none is installed.
    :raises SettingsError: no host has a role of any.
    """
    from ..plugins import Plugins, installed

    known = installed()
    if not known:
        raise UsageError(
            "no plugin is installed; cephdeploy-glance, cephdeploy-cinder and cephdeploy-nova are some, beside "
            "cephdeploy-core"
        )
    components = Plugins(list(known)).components()
    present = {role for host in settings.hosts.values() for role in host.roles}
    found = tuple(name for name, component in components.items() if present & set(component.roles))
    if not found:
        roles = ", ".join(sorted({role for component in components.values() for role in component.roles}))
        raise SettingsError(f"no host in {asked.site} has a role that an installed plugin knows; there are: {roles}")
    return found
