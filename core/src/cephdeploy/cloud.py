"""The operator's own way into OpenStack: by clouds.yaml or ``OS_*``, as its other clients take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import CephdeployError

if TYPE_CHECKING:
    from .settings import OpenStackSettings

__all__ = ["connected"]


def connected(wish: OpenStackSettings | None, *, purpose: str) -> Any:
    """An ``openstack.connection.Connection`` that has logged in.

    :param wish: the site file's ``openstack`` section; without one the environment and clouds.yaml alone.
    :param purpose: what needs it, for the error: ``cephdeploy image``.
    :raises CephdeployError: no openstacksdk, or no credentials that OpenStack takes.
    """
    try:
        import openstack
    except ImportError:
        raise CephdeployError(
            f"{purpose} needs openstacksdk: pip install 'cephdeploy-core[verify]', or the distribution's "
            "python3-openstacksdk"
        ) from None
    files = [str(wish.clouds)] if wish is not None and wish.clouds else None
    try:
        config = openstack.config.OpenStackConfig(config_files=files)
        connection = openstack.connection.Connection(config=config.get_one(cloud=wish.cloud if wish else None))
        connection.authorize()
    except Exception as error:
        raise CephdeployError(
            f"OpenStack does not let you in: {error}; set openstack.cloud in the site file, or OS_CLOUD or OS_*"
        ) from error
    return connection
