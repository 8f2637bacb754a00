"""The operator's own connection to OpenStack, with or without a site file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cephdeploy import deployment
from cephdeploy.cloud import connected
from cephdeploy.errors import CephdeployError, ExitCode

if TYPE_CHECKING:
    from cephdeploy.cli import Asked
    from cephdeploy.settings import SiteSettings

__all__ = ["CloudError", "connect", "settings"]


class CloudError(CephdeployError):
    """OpenStack could not be asked."""

    exit_code = ExitCode.UNREACHABLE


def settings(asked: Asked) -> SiteSettings | None:
    """The site file's settings; None where there is none and none was asked for.

    :raises SettingsError: it has faults, or the one that was asked for is not there.
    """
    if asked.site == type(asked).site and not asked.site.exists():
        return None
    return deployment.load(asked.site)


def connect(settings: SiteSettings | None) -> Any:
    """A connection by the site's ``openstack`` section, or else by clouds.yaml and ``OS_*``.

    :raises CloudError: no openstacksdk, or no credentials that OpenStack takes.
    """
    try:
        return connected(settings.openstack if settings is not None else None, purpose="cephdeploy image")
    except CephdeployError as error:
        raise CloudError(str(error)) from error
