"""Several hosts in one name: compute[1-20]."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator

from .types import address, host_name, string

__all__ = ["MAX_HOSTS", "AddressRange", "HostRange", "Range", "names_of"]

MAX_HOSTS: Final = 10_000
"""How many hosts one site may have, all ranges written out."""


_RANGE = re.compile(r"\[([0-9]{1,9})-([0-9]{1,9})\]", re.ASCII)


@dataclass(frozen=True)
class Range:
    """``before[first-last]after``; a text without brackets stands for itself once."""

    before: str
    after: str = ""
    first: str = ""
    last: str = ""

    @classmethod
    def of(cls, text: str) -> Range:
        found = _RANGE.search(text)
        if found is None:
            return cls(text)
        before, after = text[: found.start()], text[found.end() :]
        if _RANGE.search(after):
            raise ValueError("must have one range at most, such as compute[1-20]")
        if int(found[1]) > int(found[2]):
            raise ValueError(f"the range [{found[1]}-{found[2]}] ends before it begins")
        if found[2].startswith("0") and len(found[1]) != len(found[2]):
            raise ValueError(f"both ends of the range [{found[1]}-{found[2]}] must have the same width")
        made = cls(before, after, found[1], found[2])
        if len(made) > MAX_HOSTS:
            raise ValueError(f"the range [{found[1]}-{found[2]}] has more than {MAX_HOSTS:,} hosts")
        return made

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1 if self.first else 1

    def __iter__(self) -> Iterator[str]:
        if not self.first:
            yield self.before
            return
        for number in range(int(self.first), int(self.last) + 1):
            yield f"{self.before}{str(number).zfill(len(self.first))}{self.after}"

    @property
    def ends(self) -> tuple[str, str]:
        if not self.first:
            return self.before, self.before
        return f"{self.before}{self.first}{self.after}", f"{self.before}{self.last}{self.after}"


def _ranged(check: Callable[[str], str], allowed: str) -> Callable[[str], str]:
    """``check`` for both ends of a range: what stands between them differs by its digits only."""

    def checked(value: str) -> str:
        both = Range.of(value)
        try:
            for end in both.ends:
                check(end)
        except ValueError as error:
            if both.first and both.ends[0] != both.ends[1]:
                raise ValueError(f"{error}; the range goes from '{both.ends[0]}' to '{both.ends[1]}'") from None
            meant = "[" in value and "-" in value and not both.first
            raise ValueError(f"{error}; {allowed}" if meant else str(error)) from None
        return value

    return checked


HostRange = Annotated[
    str,
    AfterValidator(_ranged(host_name, "a range is written [1-20]")),
    string(r"[A-Za-z0-9](?:[A-Za-z0-9._\[\]-]*[A-Za-z0-9\]])?"),
]
"""A host name, or several with one range in them."""

AddressRange = Annotated[str, AfterValidator(_ranged(address, "a range is written [21-40]")), string()]
"""An address, or several with one range in them."""


def names_of(text: str) -> tuple[str, ...]:
    """The names that ``text`` stands for: all of a range such as ``compute[1-20]``, or itself.

    :raises ValueError: the range is none.
    """
    return tuple(Range.of(text))
