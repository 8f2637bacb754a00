"""Whether the way to an address is for us alone: keys travel on it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ..errors import UsageError

__all__ = ["check_private"]


def check_private(what: str, address: str) -> None:
    """
    :raises UsageError: others could read or write on the way to that address.
    """
    way = urlsplit(address)
    if way.scheme != "tls" and not (way.scheme == "tcp" and _is_loopback(way.hostname or "")):
        raise UsageError(
            f"the {what} at {address} is not reached by TLS, and keys would travel in the clear; start scheduler and "
            "workers with --protocol tls, and set distributed.comm.tls in dask's configuration"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
