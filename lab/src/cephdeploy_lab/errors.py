"""What can go wrong for the person at the keyboard; each error is one sentence that says what would fix it."""

from __future__ import annotations

from pathlib import Path


class LabError(Exception):
    """The lab could not do what was asked."""

    exit_code = 1

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class WrongUseError(LabError):
    """The request itself, or the machine it was made on, can't work: nothing was begun."""

    exit_code = 2


class BusyError(LabError):
    """Another process works on a lab right now; nothing was begun."""
