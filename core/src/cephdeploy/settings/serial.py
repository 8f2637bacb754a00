"""How many hosts are changed at once."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

from .ranges import MAX_HOSTS

__all__ = ["DEFAULT_SERIAL", "Serial"]

DEFAULT_SERIAL: Final[tuple[int | str, ...]] = (1, "25%")
"""One host first, then a quarter of them at a time."""


def _batch(value: object) -> object:
    share = isinstance(value, str) and re.fullmatch(r"(?:100|[1-9][0-9]?)%", value, re.ASCII)
    count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_HOSTS
    if not (share or count):
        raise ValueError("must be a number of hosts, a share such as '25%', or a list of these")
    return value


def _batches(value: object) -> object:
    batches = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not batches:
        raise ValueError("must be a number of hosts, a share such as '25%', or a list of these")
    return batches


_ONE_BATCH: Final[dict[str, Any]] = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^(100|[1-9][0-9]?)%$"}]
}
_Batch = Annotated[int | str, BeforeValidator(_batch), WithJsonSchema(_ONE_BATCH)]

Serial = Annotated[
    tuple[_Batch, ...],
    BeforeValidator(_batches),
    WithJsonSchema({"anyOf": [*_ONE_BATCH["anyOf"], {"type": "array", "items": _ONE_BATCH, "minItems": 1}]}),
]
"""The sizes of the batches in which hosts are changed; the last one repeats, as in Ansible's ``serial``."""
