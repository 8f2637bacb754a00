"""What may be the name of a thing in Ceph or a path on a host, by the patterns of the site file."""

from __future__ import annotations

import re
from functools import cache
from typing import get_args

from ..errors import PluginError

__all__ = ["named"]

#: Services have users of their own beside the clients.
_ENTITY = r"(client|mon|mgr|mds|osd)\.[A-Za-z0-9_][A-Za-z0-9_.-]*"


def named(field: str, sort: str, value: object) -> None:
    """Refuse what could be taken for an option, a second word or another place than was meant.

    :param sort: a type of :mod:`cephdeploy.settings`; an entity may be a service's too.
    :raises PluginError: ``value`` is none.
    """
    # what is no text at all is told with all other fields, where the plugin is known
    if isinstance(value, str) and (wrong := _wrong(sort, value)):
        raise PluginError(f"{field} '{value}' {wrong}")


@cache
def _wrong(sort: str, value: str) -> str:
    """Hosts of a site are alike, so that each name is looked at once."""
    if sort == "Entity":
        fits = re.fullmatch(_ENTITY, value, re.ASCII)
        return "" if fits else "must be a type, a dot and a name, such as client.cinder"
    from .. import settings

    try:
        get_args(getattr(settings, sort))[1].func(value)
    except ValueError as error:
        return str(error)
    return ""
