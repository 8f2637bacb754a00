"""Errors of many hosts, a line each: what is said by three or more of them is said once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .words import alike, count, natural, ranges

__all__ = ["APART", "folded", "likewise"]

#: ``compute1: why``, ``compute1/options:/etc/nova/nova.conf: why``.
_OF_HOST = re.compile(r"([\w.-]+)(?:/\S+)?: ")
#: As many hosts as stand apart although they say the same.
APART = 2


def folded(text: str) -> Iterator[str]:
    """The lines of an error; hosts that have the same trouble as one before are named behind that."""
    groups: dict[str, dict[str, str]] = {}
    for number, line in enumerate(text.splitlines()):
        found = _OF_HOST.match(line)
        host, key = (found[1], alike(line, found[1])) if found else (str(number), str(number))
        groups.setdefault(key, {})[host] = line
    for lines in groups.values():
        first, *others = lines
        yield lines[first]
        if len(lines) <= APART:
            yield from (lines[other] for other in others)
        else:
            yield f"  {likewise(others)}"


def likewise(hosts: Sequence[str]) -> str:
    """Hosts of which the same could be said."""
    return f"likewise {count(len(hosts), 'more host')}: {ranges(sorted(hosts, key=natural))}"
