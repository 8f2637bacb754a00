"""What a site file may hold: core's keys, and a section and roles for each component."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from pydantic import Field, create_model

from ..settings import Component, SiteFile

__all__ = ["file_model", "roles_of"]


def file_model(components: tuple[Component, ...]) -> type[SiteFile]:
    """The model of the file with one key for each component."""
    sections: dict[str, Any] = {
        # an alias, as a section may be named like a method of pydantic's models
        f"section_{place}": (
            component.settings,
            Field(default_factory=component.settings, alias=component.name),
        )
        for place, component in enumerate(components)
    }
    return cast("type[SiteFile]", create_model("SiteFile", __base__=SiteFile, **sections))


def roles_of(components: Iterable[Component]) -> dict[str, str]:
    """Every role with what it means: the first plugin that knows it says so."""
    roles: dict[str, str] = {}
    for component in components:
        for role, text in component.roles.items():
            roles.setdefault(role, text)
    return roles
