"""What an operator may say in the site file, as typed and frozen values; touches no host.

A plugin subclasses :class:`Settings` for its own section and builds it from the types of ``types.py``
(``HostName``, ``PoolName``, ``Entity``, ``LocalPath``, …), which refuse whatever could be taken for an
option, a second line or a second word where the value is used.
"""

from .base import Settings
from .clashes import PURPOSES, Clash, clashes
from .component import Component
from .parts import CephSettings, HostGroup, HostSettings, OpenStackSettings, PoolSettings, SshSettings
from .ranges import MAX_HOSTS, AddressRange, HostRange, names_of
from .repositories import RepositorySettings, signing_key
from .serial import DEFAULT_SERIAL, Serial
from .site import CoreSettings, SiteFile, SiteSettings, expand
from .types import (
    Address,
    Entity,
    HostName,
    Jump,
    LocalPath,
    Name,
    PoolName,
    Port,
    PowerOfTwo,
    RemotePath,
    Role,
    UserName,
)

__all__ = [
    "DEFAULT_SERIAL",
    "MAX_HOSTS",
    "PURPOSES",
    "Address",
    "AddressRange",
    "CephSettings",
    "Clash",
    "Component",
    "CoreSettings",
    "Entity",
    "HostGroup",
    "HostName",
    "HostRange",
    "HostSettings",
    "Jump",
    "LocalPath",
    "Name",
    "OpenStackSettings",
    "PoolName",
    "PoolSettings",
    "Port",
    "PowerOfTwo",
    "RemotePath",
    "RepositorySettings",
    "Role",
    "Serial",
    "Settings",
    "SiteFile",
    "SiteSettings",
    "SshSettings",
    "UserName",
    "clashes",
    "expand",
    "names_of",
    "signing_key",
]
