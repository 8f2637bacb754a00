"""Whose a thing is that a proof made: it says so itself, so that the next verify may take it away."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from typing import Final, Self

__all__ = ["PREFIX", "Mark"]

#: What every name begins with that a proof gives.
PREFIX: Final = "cephdeploy-proof-"


@dataclass(frozen=True)
class Mark:
    """Who made a thing, and when: it stands in the description of all that a proof makes."""

    machine: str
    process: int
    #: When that process began, as its kernel counts: numbers of processes come back.
    began: str
    at: int

    _TEXT = re.compile(r"made by cephdeploy verify on (\S+), process (\d+)/(\d+), at (\d+)")
    #: Seconds for which a verify on another machine counts as alive.
    LONGEST = 3600

    @classmethod
    def own(cls) -> Self:
        """The mark of this process."""
        return cls(platform.node() or "localhost", os.getpid(), _began(os.getpid()), int(time.time()))

    @classmethod
    def within(cls, text: object) -> Self | None:
        """The mark in a description."""
        found = cls._TEXT.search(str(text or ""))
        return cls(found[1], int(found[2]), found[3], int(found[4])) if found else None

    def __str__(self) -> str:
        return f"made by cephdeploy verify on {self.machine}, process {self.process}/{self.began}, at {self.at}"

    @property
    def dead(self) -> bool:
        """Whether the verify that made it can't clean up any more."""
        if self.machine == (platform.node() or "localhost"):
            return _began(self.process) != self.began
        return time.time() - self.at > self.LONGEST


def _began(process: int) -> str:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"
