"""The operator's own connection to OpenStack, with or without a site file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cephdeploy import deployment
from cephdeploy.cloud import connected
from cephdeploy.errors import UsageError

if TYPE_CHECKING:
    from cephdeploy.cli import Asked
    from cephdeploy.settings import SiteSettings

__all__ = ["connect", "settings"]


def settings(asked: Asked) -> SiteSettings | None:
    """The site file's settings; None where there is none and none was asked for.

    :raises UsageError: the one that was asked for is not there.
    """
    if asked.site.exists():
        return deployment.load(asked.site)
    if asked.site != type(asked).site:
        raise UsageError(f"there is no site file {asked.site}")
    return None


def connect(settings: SiteSettings | None) -> Any:
    """A connection by the site's ``openstack`` section, or else by clouds.yaml and ``OS_*``.

    :raises CephdeployError: no openstacksdk, or no credentials.
    """
    return connected(settings.openstack if settings is not None else None, purpose="cephdeploy image")
