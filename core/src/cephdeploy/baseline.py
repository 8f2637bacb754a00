"""What core itself declares for a site, before any plugin: name resolution and package repositories.

Both only where the site file asks for them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from .errors import SettingsError
from .graph import Declaration, Phase
from .kinds.files import Block, File
from .kinds.packages import repositories
from .settings import signing_key
from .site import Site

__all__ = ["declarations"]

#: The author of these declarations, where a plugin's name would stand.
AUTHOR = "site"


def declarations(site: Site) -> Iterator[Declaration]:
    """Repositories with their signing keys, and every host's name and address in /etc/hosts.

    :raises SettingsError: the file of a key is gone since the site file was read, or is none.
    """
    known = sorted(site.settings.hosts.items())
    lines = tuple(f"{wish.address} {name}" for name, wish in known if _is_ip(wish.address))
    keys = {one.key: _signing_key(one.name, one.key) for one in site.settings.repositories if one.key is not None}
    for host in site.hosts.values():
        for wish in site.settings.repositories:
            if wish.key is not None and (not wish.roles or set(wish.roles) & set(host.roles)):
                path = f"/etc/apt/keyrings/{wish.name}.asc" if host.distro.refresh else f"/etc/pki/rpm-gpg/{wish.name}"
                key = File(host=host.name, path=path, content=keys[wish.key])
                yield Declaration(AUTHOR, Phase.DISTRIBUTE_KEYS, key)
        for resource in repositories(site, host):
            yield Declaration(AUTHOR, Phase.CONFIGURE_SERVICE, resource)
        if site.settings.etc_hosts:
            block = Block(host=host.name, path="/etc/hosts", label="hosts of cephdeploy", lines=lines)
            yield Declaration(AUTHOR, Phase.DISTRIBUTE_KEYS, block)


def _signing_key(name: str, path: Path) -> str:
    try:
        return signing_key(path)
    except ValueError as error:
        raise SettingsError(f"the key of the repository '{name}': {error}") from None


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
