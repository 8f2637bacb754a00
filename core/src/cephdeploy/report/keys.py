"""Every key of the site file with its default, from the same schema that editors use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .words import plain

if TYPE_CHECKING:
    from ..settings import Component
    from .paper import Line, Paper

__all__ = ["Key", "keys", "keys_text"]


@dataclass(frozen=True)
class Key:
    """One key; ``*`` in it stands for a name of the operator's choice.

    :param default: as it would stand in the file; empty: there is none, or it has keys below it.
    """

    key: str
    default: str
    required: bool
    description: str


def keys(components: Iterable[Component]) -> list[Key]:
    """All keys that the installed plugins and the core know."""
    from ..sitefile import writing

    schema = writing.schema(components)
    return list(_below(schema, schema.get("$defs", {}), ""))


def _below(part: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> Iterator[Key]:
    for name, found in part.get("properties", {}).items():
        key, inner = f"{prefix}{name}", _followed(found, known)
        below = [*_below(inner, known, f"{key}."), *_below_any(inner, known, key)]
        value = found.get("default", inner.get("default"))
        default = "" if below or value is None else json.dumps(value)
        text = str(found.get("description") or inner.get("description") or "")
        yield Key(key, default, name in part.get("required", ()), text)
        yield from below


def _below_any(part: Mapping[str, Any], known: Mapping[str, Any], key: str) -> Iterator[Key]:
    more = part.get("additionalProperties")
    patterns = part.get("patternProperties", {}).values()
    for found in [*([more] if isinstance(more, Mapping) else []), *patterns]:
        yield from _below(_followed(found, known), known, f"{key}.*.")
    if isinstance(part.get("items"), Mapping):
        yield from _below(_followed(part["items"], known), known, f"{key}[].")


def _followed(part: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference leads to; of alternatives, the one that has keys."""
    for choice in part.get("anyOf", ()):
        inner = _followed(choice, known)
        if {"properties", "additionalProperties", "patternProperties", "items"} & inner.keys():
            return inner
    if "$ref" in part:
        return _followed(known[part["$ref"].rpartition("/")[2]], known)
    return part


def keys_text(found: Iterable[Key], paper: Paper) -> list[Line]:
    """Each key on a line, what it is for below it."""
    made = []
    for key in found:
        said = "  (required)" if key.required else f"  {key.default}" if key.default else ""
        made.append(paper.line((key.key, "bold"), (plain(said), "cyan")))
        if key.description:
            made += [paper.line("    ", (text, "dim")) for text in paper.wrapped(plain(key.description), 4)]
    return made
