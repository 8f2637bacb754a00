"""What ``cephdeploy init`` writes: the site file to begin with, and its schema for editors."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ..settings import Component, HostGroup, Settings, SiteFile
from ._model import file_model, roles_of
from ._reading import kind_of

__all__ = ["schema", "template"]


def schema(components: Iterable[Component]) -> dict[str, Any]:
    """The JSON Schema of the site file with the sections of ``components``, for editors."""
    known = Component.check(components)
    made = file_model(known).model_json_schema()
    made["title"] = "The site file of cephdeploy"
    made["patternProperties"] = {
        "^x-": {"description": "Not read: a place for anchors that the rest of the file refers to."}
    }
    roles = roles_of(known)
    for part in _inside(made):
        if part.get("format") == "role":
            del part["format"]
            part.pop("pattern", None)
            part["type"] = "string"
            part["enum"] = sorted(roles)
        # a host or a backend with nothing below its name
        below = part.get("patternProperties", {}) if part is not made else {}
        for key, value in below.items():
            if "$ref" in value:
                below[key] = {"anyOf": [value, {"type": "null"}]}
    # the headings of a file that sets nothing below them
    for key, part in made["properties"].items():
        if key not in made["required"] and ("$ref" in part or part.get("type") in {"object", "array"}):
            text = part.pop("description", None)
            made["properties"][key] = {"anyOf": [part, {"type": "null"}]}
            if text:
                made["properties"][key]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def template(components: Iterable[Component]) -> str:
    """The site file to begin with: hosts as an example, every other key commented out (``#key: value``)."""
    import jinja2

    known = Component.check(components)
    roles = roles_of(known)
    computes = sorted(role for role in roles if role.endswith("compute"))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["flow"] = _flow
    environment.globals["prose"] = _prose
    environment.globals["keys"] = _keys
    environment.globals["about"] = _about
    source = resources.files("cephdeploy").joinpath("templates", "site.yml.j2").read_text(encoding="utf-8")
    text = environment.from_string(source).render(
        core=SiteFile,
        host=HostGroup,
        components=known,
        roles=roles,
        computes=computes,
        controllers=sorted(roles.keys() - set(computes)),
    )
    return f"{text.rstrip()}\n"


def _keys(model: type[Settings], but: Iterable[str] = ()) -> list[tuple[str, FieldInfo, object]]:
    """The keys of a model, each with a value that shows what it looks like."""
    found = []
    for name, info in model.model_fields.items():
        if name in but:
            continue
        value = info.get_default(call_default_factory=True, validated_data={})
        if (value is None or value == ()) and info.examples:
            value = info.examples[0]
        found.append((info.alias or name, info, to_jsonable_python(value)))
    return found


def _about(model: type[Settings]) -> str:
    """What the model itself says it is, not what it inherits."""
    return (model.__dict__.get("__doc__") or "") if model is not Settings else ""


def _prose(text: str | None, indent: int = 0) -> str:
    """``text`` as comment lines."""
    start = f"{' ' * indent}# "
    if not text:
        return ""
    return textwrap.fill(
        " ".join((text or "").split()),
        width=100,
        initial_indent=start,
        subsequent_indent=start,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _flow(value: object) -> str:
    """``value`` in YAML, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z~/][A-Za-z0-9_./~-]*", value) and kind_of(value) == "str":
        return value
    return json.dumps(value)


def _inside(value: object) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item)
