"""The record of a run: one file of JSON lines, written before and after each step; on disk before the next is begun.

No secret and no file content goes into it: values appear as :func:`cephdeploy.planner.shown` shows them.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

from .errors import CephdeployError, UsageError
from .redaction import redacted, suspect

__all__ = ["Journal", "NoJournal", "Past", "Record", "Step", "folder", "past", "recall"]


def folder() -> Path:
    """Where runs are kept: under the user's state folder, for its owner alone."""
    import platformdirs

    return Path(platformdirs.user_state_dir("cephdeploy")) / "runs"


class Record(Protocol):
    """What the engine writes to.

    ``run`` names the run: under it the hosts keep what is there before a change; empty: they keep nothing.
    """

    @property
    def run(self) -> str: ...

    def write(self, event: str, **what: object) -> None:
        """Append one event; it is on disk when this returns.

        :raises CephdeployError: it could not be written; no further change may be made.
        """
        ...

    def extend(self, event: str, several: Sequence[Mapping[str, object]]) -> None:
        """Append several of one event that is over; they are on disk with the next :meth:`write`.

        Should the machine die before that, their outcome is unknown.

        :raises CephdeployError: as :meth:`write`.
        """
        ...


class NoJournal:
    """For tests and for callers that keep records of their own."""

    run = ""

    def write(self, event: str, **what: object) -> None:
        pass

    def extend(self, event: str, several: Sequence[Mapping[str, object]]) -> None:
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
            # hosts keep things by a run's name, and several operators may use them: the time alone won't do
            made = cls(runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.jsonl")
            _sync(runs)
        except OSError as error:
            raise CephdeployError(f"can't keep a journal in {runs}: {error.strerror}; make room, or mend it") from error
        return made

    def write(self, event: str, **what: object) -> None:
        """As :meth:`Record.write`."""
        self._append(event, [what])
        with self._told():
            os.fsync(self._file)

    def extend(self, event: str, several: Sequence[Mapping[str, object]]) -> None:
        """As :meth:`Record.extend`."""
        self._append(event, several)

    def _append(self, event: str, several: Sequence[Mapping[str, object]]) -> None:
        now = time.time()
        left = "".join(_line({"at": now, "event": event, **what}) for what in several).encode()
        with self._told():
            while left:
                left = left[os.write(self._file, left) :]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The one thing that can be wrong with the file, in words for the person at the terminal."""
        try:
            yield
        except OSError as error:
            raise CephdeployError(
                f"can't write the journal {self.path}: {error.strerror}; nothing more was begun. Make room, or mend "
                "it, and run again"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _line(entry: Mapping[str, object]) -> str:
    line = json.dumps(entry)
    # the hosts of a large site have the same in their steps: each text is looked at once
    return (json.dumps(_cleaned(entry, cache(redacted))) if suspect(line) else line) + "\n"


def _cleaned(value: object, clean: Callable[[str], str]) -> object:
    """``value`` with every text in it redacted, before it is encoded: a pattern must not eat the quotes."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, clean) for item in value]
    return value


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Step:
    """One step of a past run.

    :param attributes: the names of what differed; for options ``[section] option``.
    :param caps: of a cephx user, what it held before; empty otherwise.
    :param hidden: those of ``attributes`` that are secrets.
    :param status: how it ended; empty when the run died before it was known.
    :param sent: whether it was sent to its host at all.
    """

    host: str
    kind: str
    name: str
    action: str
    attributes: tuple[str, ...]
    caps: Mapping[str, str]
    status: str
    detail: str
    sent: bool
    hidden: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """As it is written in a plan."""
        return f"{self.host}/{self.kind}:{self.name}"


@dataclass(frozen=True)
class Past:
    """A past run, as its journal has it.

    :param exit_code: None when it never came to its end: it was killed, or it is under way.
    """

    run: str
    began: float
    command: str
    who: str
    plugins: tuple[str, ...]
    hosts: tuple[str, ...]
    steps: tuple[Step, ...]
    exit_code: int | None

    @property
    def unfinished(self) -> tuple[Step, ...]:
        """What was sent and never answered: its outcome is unknown."""
        return tuple(step for step in self.steps if step.sent and step.status in ("", "unknown"))


def past(runs: Path | None = None) -> Iterator[Past]:
    """The past runs, the newest first. A file that can't be read as a journal is passed over."""
    for path in sorted((runs or folder()).glob("*.jsonl"), reverse=True):
        try:
            yield _read(path)
        except (OSError, ValueError, KeyError, TypeError):
            continue


def recall(run: str, runs: Path | None = None) -> Past:
    """One past run by its name, or by a beginning of it that fits only one.

    :raises UsageError: there is none.
    """
    found = sorted((runs or folder()).glob("*.jsonl"))
    fitting = [path for path in found if path.stem == run] or [path for path in found if path.stem.startswith(run)]
    if len(fitting) != 1 or not run:
        what = "several runs begin" if fitting else "no run is called or begins"
        raise UsageError(f"{what} with '{run}'; cephdeploy history lists them")
    try:
        return _read(fitting[0])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CephdeployError(f"the journal {fitting[0]} can't be read: {error}") from error


def _read(path: Path) -> Past:
    entries = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break  # the run was killed in the middle of a line; what stands before it holds
    if not entries:
        raise ValueError("it is empty")
    first = entries[0]
    ends = {entry["step"]: entry for entry in entries if entry["event"] == "end"}
    sent = {step for entry in entries if entry["event"] == "send" for step in entry["steps"]}
    steps = []
    for entry in entries:
        for one in entry["steps"] if entry["event"] == "plan" else ():
            address = f"{one['host']}/{one['kind']}:{one['name']}"
            end = ends.get(address, {})
            steps.append(
                Step(
                    one["host"],
                    one["kind"],
                    one["name"],
                    one["action"],
                    tuple(one["attributes"]),
                    one["caps"],
                    end.get("status", ""),
                    end.get("detail", ""),
                    address in sent,
                    tuple(one.get("hidden", ())),
                )
            )
    finish: Mapping[str, Any] = next((entry for entry in reversed(entries) if entry["event"] == "finish"), {})
    return Past(
        path.stem,
        float(first["at"]),
        str(first.get("command", "run")),
        str(first.get("who", "")),
        tuple(first.get("plugins", ())),
        tuple(first.get("hosts", ())),
        tuple(steps),
        finish.get("exit_code"),
    )
