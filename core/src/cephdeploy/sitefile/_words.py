"""What pydantic finds wrong, in words that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from ..errors import nearest
from ..settings import SiteFile
from ._faults import is_private, printed, shown
from ._reading import Part

__all__ = ["Keys", "worded"]


_PRIVATE_KEYS = re.compile(r"pass|secret|token|credential|keyring", re.IGNORECASE)
_LIMITS: Final[Mapping[str, str]] = {
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have {min_length} items or more",
    "too_long": "must have {max_length} items or fewer",
}
_TYPES: Final[tuple[tuple[str, str], ...]] = (
    (r"int_.*", "must be a whole number"),
    (r"(float|decimal|finite)_.*", "must be a number"),
    (r"(path|bytes|secret).*", "must be text"),
    (r"(list|tuple|set|frozen_set|iterable)_type", "must be a list, such as [a, b]"),
    (
        r"(model|dict|mapping|dataclass|model_attributes|typed_dict)_type",
        "must be a mapping of keys to values",
    ),
    (r"uuid_.*", "must be a uuid, such as 457eb676-33da-42ec-9a8c-9293d545c337"),
    (r"none_required", "must be left empty"),
)


def worded(item: ErrorDetails, part: Part, keys: tuple[str, ...]) -> str:
    """What pydantic found wrong, in our words; never with the value, if it could be a secret."""
    kind, context = item["type"], item.get("ctx", {})
    written = part.written if isinstance(part.value, str | int | float | bool) else ""
    private = any(_PRIVATE_KEYS.search(key) for key in keys) or is_private(written)
    if kind in {"value_error", "assertion_error"}:
        return printed(str(context.get("error") or "is not valid"), 400)
    if kind in {"literal_error", "enum"}:
        expected = str(context.get("expected", ""))
        near = "" if private else nearest(written, re.findall(r"'([^']*)'", expected))
        return f"must be {expected}{near}"
    if kind in _LIMITS:
        return _LIMITS[kind].format_map(context)
    if kind.startswith("string_"):
        if part.value is None or isinstance(part.value, dict | list):
            return "must be text"
        return "must be text: put it in quotes" + ("" if private else f', "{shown(written)}"')
    if kind.startswith("bool_"):
        word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(written.lower())
        return "must be true or false" + (f"; did you mean '{word}'?" if word else "")
    for pattern, words in _TYPES:
        if re.fullmatch(pattern, kind):
            return words
    if private:
        return "is not valid"
    return printed(item["msg"][:1].lower() + item["msg"][1:], 200)


class Keys:
    """Which keys a place of the file may have: by the JSON Schema, as it knows unions and plugins' models."""

    def __init__(self, model: type[SiteFile]) -> None:
        self._model = model
        self._schema: dict[str, Any] | None = None

    def at(self, keys: Iterable[str]) -> tuple[str, ...]:
        if self._schema is None:
            self._schema = self._model.model_json_schema()
        places = list(self._branches(self._schema))
        for key in keys:
            places = [
                branch for place in places for below in self._below(place, key) for branch in self._branches(below)
            ]
        return tuple(dict.fromkeys(key for place in places for key in place.get("properties", ())))

    def _branches(self, place: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if "$ref" in place and self._schema is not None:
            yield from self._branches(self._schema["$defs"][place["$ref"].rpartition("/")[2]])
            return
        yield place
        for some in ("anyOf", "oneOf", "allOf"):
            for branch in place.get(some, ()):
                yield from self._branches(branch)

    @staticmethod
    def _below(place: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
        if key in place.get("properties", {}):
            yield place["properties"][key]
            return
        for below in (
            place.get("additionalProperties"),
            place.get("items"),
            *place.get("patternProperties", {}).values(),
        ):
            if isinstance(below, Mapping):
                yield below
