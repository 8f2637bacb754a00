"""The kinds of resource that core knows: one module for each family."""

from __future__ import annotations

from .ceph import CephPool, CephUser
from .command import Command
from .files import Block, Directory, File, Keyring
from .libvirt import LibvirtSecret
from .options import CephConf, IniOptions
from .packages import Packages
from .services import Service

__all__ = [
    "Block",
    "CephConf",
    "CephPool",
    "CephUser",
    "Command",
    "Directory",
    "File",
    "IniOptions",
    "Keyring",
    "LibvirtSecret",
    "Packages",
    "Service",
]
