"""Which lines are open: so many at once, and the one that was used last closed first for another."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from ..errors import HostError

__all__ = ["Lines", "least", "most"]

T = TypeVar("T")

#: File descriptors that are left for all else: the program's files, pipes, the connections to OpenStack.
_SPARED = 128


def most(limit: int, each: int) -> int:
    """How many lines may be open at once.

    :param limit: file descriptors that this process may have (``ulimit -n``).
    :param each: how many a line takes.
    """
    return max((limit - _SPARED) // each, 8)


def least(lines: int, each: int) -> int:
    """How many file descriptors this process must have for so many lines at once."""
    return lines * each + _SPARED


class Lines(Generic[T]):
    """The open lines by host, and what became of those that broke.

    A run asks its hosts in the same order again and again: to close the line that was idle for longest would close each
    just before it is wanted. To close the one that was used last keeps most hosts at one connection.

    :param most: as many may be open; those at work, and those that are to be kept, are never closed for it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: OrderedDict[str, T] = OrderedDict()
        self._kept: set[str] = set()
        self._busy: dict[str, T] = {}
        self._coming: set[str] = set()
        self._broken: dict[str, str] = {}

    def taken(self, host: str) -> T | None:
        """The host's line for a batch, or None where one is to be opened: then :meth:`opened` or :meth:`refused` tells.

        :raises HostError: it broke before. What was under way there may go on, so it is not tried again.
        """
        if host in self._broken:
            raise HostError(host, f"its line broke before: {self._broken[host]}")
        line = self._idle.pop(host, None)
        if line is None:
            self._coming.add(host)
        else:
            self._busy[host] = line
        return line

    def surplus(self) -> list[T]:
        """Lines to close before those that are wanted are opened."""
        many = len(self._idle) + len(self._busy) + len(self._coming) - self._most
        hosts = [host for host in reversed(self._idle) if host not in self._kept][: max(many, 0)]
        return [self._idle.pop(host) for host in hosts]

    def opened(self, host: str, line: T) -> None:
        self._coming.remove(host)
        self._busy[host] = line

    def refused(self, host: str) -> None:
        """A line could not be opened; the next batch may try."""
        self._coming.remove(host)

    def freed(self, host: str, *, keep: bool = False) -> None:
        """A batch is done, and the line idle.

        :param keep: from now on it stays open.
        """
        self._idle[host] = self._busy.pop(host)
        if keep:
            self._kept.add(host)

    def lost(self, host: str, why: str = "") -> None:
        """A line is of no use any more; it is for the caller to close."""
        del self._busy[host]
        if why:
            self._broken[host] = why

    def all(self) -> list[T]:
        """Every line, to close it."""
        return [*self._idle.values(), *self._busy.values()]
