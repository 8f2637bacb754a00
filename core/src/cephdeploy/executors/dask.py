"""Lines held by the workers of a dask cluster: each host is reached from a worker's machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SettingsError
from . import Executor, Reach
from ._private import check_private

__all__ = ["dask"]


def dask(reaches: Mapping[str, Reach], transports: Callable[[str], Any]) -> Executor:
    """The entry point ``dask`` of ``cephdeploy.executors``.

    Where the scheduler is and what proves us to it, dask's own configuration says.

    :param transports: gives the driver of a transport's name; a function that the workers can import.
    :raises SettingsError: distributed is not installed or not configured.
    :raises UsageError: the line to the scheduler or to a worker is open to others; or a worker has another version of
        cephdeploy.
    :raises HostError: the scheduler can't be reached, or has no worker, or not the one that a host needs.
    """
    try:
        from dask import config
        from distributed.comm import normalize_address

        from .workers import Workers
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"executor: dask needs dask's distributed ({error}): pip install 'cephdeploy-core[dask]', "
            "or the distribution's python3-distributed"
        ) from None
    address = config.get("scheduler-address", None)
    if not address:
        raise SettingsError(
            "executor: dask needs a scheduler: set DASK_SCHEDULER_ADDRESS, such as tls://bastion1:8786, "
            "or scheduler-address in dask's configuration"
        )
    address = normalize_address(address)
    check_private("scheduler", address)
    return Workers(reaches, transports, address)
