"""What is wrong with a site file, and how its words are shown: nothing that could be a key, or steer a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import yaml

__all__ = ["MAX_FAULTS", "Faults", "is_private", "printed", "shown", "unsecret"]

MAX_FAULTS: Final = 1000


@dataclass
class Faults:
    """The faults found so far, in any order."""

    file: str
    found: set[tuple[int, int, str]] = field(default_factory=set)
    places: set[tuple[int, int]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def full(self) -> bool:
        """Whether there are more than anybody reads: near names cost time."""
        return len(self.found) >= MAX_FAULTS

    def add(self, line: int, column: int, message: str, keys: Iterable[str] = ()) -> None:
        if self.full:
            return
        path = _dotted(keys)
        self.found.add((line, column, f"{path}: {message}" if path else message))
        self.places.add((line, column))

    def has(self, mark: yaml.Mark) -> bool:
        """Whether something is wrong with just what stands at ``mark``."""
        return (mark.line + 1, mark.column + 1) in self.places

    def at(self, mark: yaml.Mark, message: str, keys: Iterable[str] = ()) -> None:
        self.add(mark.line + 1, mark.column + 1, message, keys)

    def place(self, mark: yaml.Mark) -> str:
        return f"{self.file}:{mark.line + 1}:{mark.column + 1}"

    def sorted(self) -> list[str]:
        lines = [f"{self.file}:{line}:{column}: {message}" for line, column, message in sorted(self.found)]
        return [*lines, f"{self.file}: only the first {MAX_FAULTS:,} faults found are shown"] if self.full else lines


def _dotted(keys: Iterable[str]) -> str:
    return ".".join(
        key if re.fullmatch(r"[A-Za-z0-9_\[\]-]+", key, re.ASCII) and not is_private(key) else f"'{shown(key)}'"
        for key in keys
    )


def printed(text: str, longest: int = 200) -> str:
    """``text`` in one line that can't steer a terminal."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def shown(text: str) -> str:
    return "(hidden)" if is_private(text) else printed(text, 60)


def is_private(text: str) -> bool:
    """Whether ``text`` could be a key or a token that got into a wrong place."""
    long = re.search(r"[A-Za-z0-9+/_]{20,}", text, re.ASCII)
    return bool(long and re.search(r"\d", long[0]) and re.search(r"[A-Za-z]", long[0]))


def unsecret(text: str) -> str:
    """``text`` of PyYAML's, which quotes the names of anchors and tags, without what could be a key."""
    return re.sub(r"[A-Za-z0-9+/_]{20,}=*", lambda found: "(hidden)" if is_private(found[0]) else found[0], text)
