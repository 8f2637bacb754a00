"""The record of a run: one file of JSON lines, written before and after each step, synced each time.

No secret and no file content goes into it: values appear as :func:`cephdeploy.planner.shown` shows them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from .errors import CephdeployError
from .redaction import redacted

__all__ = ["Journal", "NoJournal", "Record", "folder"]


def folder() -> Path:
    """Where runs are kept: under the user's state folder, for its owner alone."""
    import platformdirs

    return Path(platformdirs.user_state_dir("cephdeploy")) / "runs"


class Record(Protocol):
    """What the engine writes to."""

    def write(self, event: str, **what: object) -> None:
        """Append one event; it is on disk when this returns.

        :raises CephdeployError: it could not be written; no further change may be made.
        """
        ...


class NoJournal:
    """For tests and for callers that keep records of their own."""

    def write(self, event: str, **what: object) -> None:
        pass


class Journal:
    """One run's file. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path.stem
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)

    @classmethod
    def begin(cls, runs: Path | None = None) -> Self:
        """A new run's journal; its name is the time, so that runs sort."""
        runs = runs or folder()
        try:
            runs.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(1000):
                name = time.strftime("%Y%m%d-%H%M%S") + (f"-{number}" if number else "")
                try:
                    return cls(runs / f"{name}.jsonl")
                except FileExistsError:
                    continue
        except OSError as error:
            raise CephdeployError(f"can't keep a journal in {runs}: {error.strerror}") from error
        raise CephdeployError(f"can't keep a journal in {runs}: too many runs in one second")

    def write(self, event: str, **what: object) -> None:
        """Append one event; it is on disk when this returns."""
        entry = {"at": time.time(), "event": event, **{name: _cleaned(value) for name, value in what.items()}}
        line = json.dumps(entry) + "\n"
        try:
            os.write(self._file, line.encode())
            os.fsync(self._file)
        except OSError as error:
            raise CephdeployError(
                f"can't write the journal {self.path}: {error.strerror}; no change was begun"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _cleaned(value: object) -> object:
    """``value`` with every text in it redacted, before it is encoded: a pattern must not eat the quotes."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted(str(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value
