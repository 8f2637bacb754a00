"""How the text of a configuration file is read and edited without losing anything of it.

Pure: bytes in, bytes out. No file, no host and no process is touched here.

A dialect is a module with three functions, see :class:`Dialect`; :data:`DIALECTS` knows them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, TypeAlias, cast

__all__ = ["DIALECTS", "Assignment", "Dialect", "Option", "Refused"]

#: The section and the name of an option: ``("libvirt", "images_type")``.
Option: TypeAlias = tuple[str, str]


class Refused(Exception):
    """The program itself would refuse the text, or a change can't be written without harm.

    The text never repeats a line or a value of the file: either may hold a password. Callers add the
    host and the path.

    :param line: the line at fault, from 1; 0: it is the change that is at fault, not the text.
    :param reason: what is wrong, one lower-case sentence without the line.
    :param offset: the byte at fault, from 0, where that helps more than the line.
    """

    def __init__(self, line: int, reason: str, offset: int | None = None) -> None:
        super().__init__(line, reason, offset)
        self.line = line
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


@dataclass(frozen=True)
class Assignment:
    """What an option is set to, and where: the line, from 1, on which the winning assignment begins."""

    value: str
    line: int


class Dialect(Protocol):
    """What a dialect can do; the modules :mod:`.oslo` and :mod:`.ceph` do."""

    def normal(self, option: Option) -> Option:
        """The form of ``option`` in which :func:`read` returns it; equal forms are one option.

        ``normal(("RBD-1", "volume_driver"))`` is ``("rbd-1", "volume_driver")`` for oslo.config.
        """

    def read(self, text: bytes) -> dict[Option, Assignment]:
        """Each option that the file sets, in normal form, with the assignment that wins.

        A value is what the program sees before it expands variables: quotes gone, lines joined.

        :raises Refused: the program would not read this file.
        """

    def edit(self, text: bytes, changes: Mapping[Option, str | None]) -> bytes:
        """The text with each option set to its value; ``None``: with no live assignment of it left.

        Everything else stays byte for byte, also the header of a section that has no option left. Where
        an option already has that very value, and where one to be taken out is not there, nothing is
        changed: ``edit(edit(x)) == edit(x)``.

        :raises Refused: the program would not read this file, or a name or a value can't be written.
        """


class _Dialects(Mapping[str, Dialect]):
    """The dialects by name, each imported when it is first asked for."""

    _names = ("ceph", "oslo")

    def __getitem__(self, name: str) -> Dialect:
        if name not in self._names:
            raise KeyError(name)
        return _imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@cache
def _imported(name: str) -> Dialect:
    return cast(Dialect, import_module(f"{__name__}.{name}"))


#: ``oslo``: the files of OpenStack's services; ``ceph``: ceph.conf.
DIALECTS: Mapping[str, Dialect] = _Dialects()
