"""cephdeploy makes an existing OpenStack use an existing Ceph, and proves that it does.

For plugin authors: ``hookimpl``, ``Component``, ``Settings``, ``Site``, the kinds in
:mod:`cephdeploy.kinds`, and ``Check`` and ``Proof`` for ``verify``. For programs: ``load`` and
``Deployment``. Names are imported when they are first used: ``cephdeploy --help`` needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .deployment import Deployment as Deployment
    from .deployment import load as load
    from .hookspecs import hookimpl as hookimpl
    from .settings import Component as Component
    from .settings import Settings as Settings
    from .site import Host as Host
    from .site import Release as Release
    from .site import Site as Site
    from .verify import Check as Check
    from .verify import Proof as Proof

__version__ = "0.1.0"

_HOMES = {
    "Check": "verify",
    "Component": "settings",
    "Deployment": "deployment",
    "Host": "site",
    "Proof": "verify",
    "Release": "site",
    "Settings": "settings",
    "Site": "site",
    "hookimpl": "hookspecs",
    "load": "deployment",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
