"""What can go wrong, by what the person at the terminal can do about it; each has its exit status.

An error's text is one lower-case sentence that names the host, the thing, and what would fix it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

__all__ = [
    "CephdeployError",
    "ChangeError",
    "ExitCode",
    "GraphError",
    "HostError",
    "LockedError",
    "PluginError",
    "PreflightError",
    "ProofError",
    "SettingsError",
    "SiteFileError",
    "StalePlanError",
    "UsageError",
    "near",
    "nearest",
]


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known: ``; did you mean 'x'?``, or nothing."""
    import difflib

    found = difflib.get_close_matches(name[:64], list(known), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def near(name: str, known: Iterable[str]) -> str:
    """As :func:`nearest`; where none is near, all of them."""
    names = list(known)
    return nearest(name, names) or (f"; there are: {', '.join(names)}" if names else "")


class ExitCode(IntEnum):
    """Every status that the command can end with."""

    #: Done, or nothing to do.
    OK = 0
    #: A change, a health check or a probe of verify failed; the recap names it.
    FAILED = 1
    #: There are changes to make; only with ``--detailed-exitcode``.
    CHANGES = 2
    #: Some hosts are done and others are not; ``run`` again goes on.
    PARTLY = 3
    #: The site file or a host is not fit for this run; nothing was changed.
    INVALID = 4
    #: Another run holds the lock.
    LOCKED = 5
    #: A host could not be reached, did not prove its key, or refused the login or sudo.
    UNREACHABLE = 6
    #: What a plan saw has changed since.
    STALE = 7
    #: The command line was used wrongly.
    USAGE = 64
    #: Interrupted from the keyboard.
    INTERRUPTED = 130


class CephdeployError(Exception):
    """A failure that a person can act on: shown as one sentence, never as a traceback."""

    exit_code: ExitCode = ExitCode.FAILED


class UsageError(CephdeployError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = ExitCode.USAGE


class SettingsError(CephdeployError):
    """The site, as described, can't be set up."""

    exit_code = ExitCode.INVALID


class SiteFileError(SettingsError):
    """The site file has one or more faults, each with its place: ``file:line:col: key: message``."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class PluginError(CephdeployError):
    """A plugin broke its contract; the text names the plugin and the hook."""

    exit_code = ExitCode.INVALID


class GraphError(CephdeployError):
    """The plugins' declarations don't fit together: a conflict, a cycle, or a missing producer."""

    exit_code = ExitCode.INVALID


class PreflightError(CephdeployError):
    """A host is not fit for what is planned; nothing was changed."""

    exit_code = ExitCode.INVALID


class HostError(CephdeployError):
    """A host could not be reached, proved another key, or refused the login or sudo.

    :param host: the name of the host in the site file.
    """

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, host: str, message: str) -> None:
        super().__init__(f"{host}: {message}")
        self.host = host
        self._message = message

    def __reduce__(self) -> tuple[type[HostError], tuple[str, str]]:
        return type(self), (self.host, self._message)


class ChangeError(CephdeployError):
    """A change was sent and did not come true."""


class LockedError(CephdeployError):
    """Another run holds a host's lock; nothing was changed."""

    exit_code = ExitCode.LOCKED


class StalePlanError(ChangeError):
    """What the plan saw is not what is there any more; nothing was written over it."""

    exit_code = ExitCode.STALE


class ProofError(CephdeployError):
    """A probe of verify found that the thing does not work."""
