"""What a plugin hands in: its part of the site file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import PluginError
from .base import Settings
from .site import SiteFile
from .types import ROLE, SECTION

__all__ = ["Component"]


@dataclass(frozen=True)
class Component:
    """What a plugin's ``settings`` hook returns: its part of the site file.

    :param name: its section, such as ``cinder``.
    :param settings: the model of that section; every key has a default, as the section may be absent.
    :param roles: the roles of hosts that the plugin knows, each with one line on what such hosts run.
    """

    name: str
    settings: type[Settings] = Settings
    roles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(SECTION, self.name, re.ASCII):
            raise PluginError(
                f"component {self.name!r}: its name must be lower-case letters, digits and '_', beginning with a letter"
            )
        if self.name in SiteFile.model_fields:
            raise PluginError(f"component {self.name!r}: the core has a key of that name in the site file")
        for role in self.roles:
            if not re.fullmatch(ROLE, role, re.ASCII):
                raise PluginError(
                    f"component {self.name!r}: role {role!r} must be lower-case letters, digits, '-' and "
                    "'_', beginning with a letter"
                )
        needed = sorted(key for key, value in self.settings.model_fields.items() if value.is_required())
        if needed:
            raise PluginError(
                f"component {self.name!r}: its section may be absent, so these keys need a default: {', '.join(needed)}"
            )

    @classmethod
    def check(cls, components: Iterable[Component]) -> tuple[Component, ...]:
        """``components``, each of another name.

        :raises PluginError: two have the same name.
        """
        known: dict[str, Component] = {}
        for component in components:
            if known.setdefault(component.name, component) != component:
                raise PluginError(f"two plugins have a section {component.name!r} in the site file")
        return tuple(known.values())
