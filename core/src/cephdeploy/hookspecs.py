"""The questions that core puts to every plugin, in the order of a run.

A hook answers with data: resources, or probes. It opens no connection and starts no process. Each takes
the frozen :class:`~cephdeploy.site.Site`; an implementation may yield nothing.

The order in which plugins answer means nothing: what comes before what follows from the values that
resources take from each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from .resource import Resource
    from .settings import Component
    from .site import Site
    from .verify import Probe

__all__ = [
    "API",
    "configure_service",
    "distribute_keys",
    "hookimpl",
    "prepare_ceph",
    "settings",
    "unwire",
    "verify",
]

#: The version of these hooks. A plugin that needs a newer one says so: ``CEPHDEPLOY_API = 2``.
API = 1

_hookspec = pluggy.HookspecMarker("cephdeploy")
hookimpl = pluggy.HookimplMarker("cephdeploy")


@_hookspec
def settings() -> Component:  # type: ignore[empty-body]
    """Name the plugin's part of the site file and the roles that it knows.

    Called once, before the site file is read.

    :return: the section's name, its typed model, and the roles with a line on each.
    """


@_hookspec
def prepare_ceph(site: Site) -> Iterable[Resource]:  # type: ignore[empty-body]
    """Declare what the cluster must have: pools, users and their caps.

    Called once a run, after the hosts' facts are known. Everything else of the same plugin waits for it.

    :return: resources on the admin host. Caps of one user that several plugins declare add up.
    """


@_hookspec
def distribute_keys(site: Site) -> Iterable[Resource]:  # type: ignore[empty-body]
    """Declare what the component's hosts need to reach the cluster: ceph.conf, keyrings, libvirt secrets.

    Called once a run. On each host, what the same plugin configures there waits for it.
    """


@_hookspec
def configure_service(site: Site) -> Iterable[Resource]:  # type: ignore[empty-body]
    """Declare the component's own side: packages, options, directories, and the services to restart.

    Called once a run. Options of one file that several plugins declare merge, or conflict by name.
    """


@_hookspec
def verify(site: Site) -> Iterable[Probe]:  # type: ignore[empty-body]
    """Declare probes that use the thing for real and clean up after themselves.

    Called once a run, after everything has converged, and by ``cephdeploy verify`` alone.
    """


@_hookspec
def unwire(site: Site) -> Iterable[Resource]:  # type: ignore[empty-body]
    """Declare what should stand in place of what the plugin set, once the component is off Ceph.

    Called by ``cephdeploy unwire`` alone. Without it, options go back to their defaults.

    :return: options of the same files, with the values that a service needs in order to start.
    """
