"""What may be asked of a host, and what it answers: data only, sent by a session, made by kinds.

Every request is bounded: a deadline on the host itself, and a limit to what comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .values import Fingerprint, Secret

__all__ = [
    "ANY",
    "CHANGED",
    "KILLED",
    "MISSING",
    "NOTHING_KEPT",
    "SKIPPED",
    "Answer",
    "Chain",
    "Chained",
    "Dpkg",
    "Group",
    "Hold",
    "Host",
    "Kept",
    "Look",
    "MakeDirectory",
    "Pick",
    "Ran",
    "Remove",
    "Request",
    "Restart",
    "Restore",
    "Run",
    "Seen",
    "Unit",
    "Write",
]

#: How a file that is written may stand before: whatever it is. Otherwise a digest, or "" for absent.
ANY = "*"
#: The status of a :class:`Kept` and of a :class:`Restore` where the run kept nothing under that name.
NOTHING_KEPT = 2
#: The status of what was not done, as a file was not as expected or another run holds the lock.
CHANGED = 75
#: The status of a command that its deadline killed.
KILLED = 124
#: The status of a request that an earlier one of its group kept from being begun.
SKIPPED = 125
#: The status of a command whose program is not there.
MISSING = 127


@dataclass(frozen=True)
class Pick:
    """The part of a JSON answer that may leave the host: list elements whose ``key`` is in ``values``.

    ``path`` leads from the top of the document to the list. Cut on the host itself, so that a foreign
    user's key never travels.
    """

    path: tuple[str, ...]
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Run a command, without a shell, and wait for it.

    :param argv: the program and its arguments. A secret can't be one: it goes to ``stdin``.
    :param timeout: seconds after which the host kills the command and all that it started.
    :param user: the account to run as; empty for the session's own (root).
    :param keep: what comes back of its standard output: the text, the SHA-256 of its stripped bytes
        (a key that is only compared never leaves its host), or nothing.
    :param until: with ``digest``: only what stands before this becomes one, or nothing where that is blank;
        this and what is behind it comes back as it is. Where it does not occur all of the output is a secret.
    """

    argv: tuple[str, ...]
    stdin: bytes | Secret = b""
    timeout: float = 60
    user: str = ""
    keep: Literal["text", "digest", "nothing"] = "text"
    until: str = ""
    pick: Pick | None = None
    #: Other exit statuses that are an answer and not a failure.
    accept: tuple[int, ...] = ()
    #: A name under which its output is kept on the host for a rollback, readable by root alone.
    save: str = ""
    #: The run that keeps it; the engine fills it in.
    run: str = ""
    #: Standard input is what a run kept under a name: it never leaves the host.
    feed: Kept | None = None

    def __post_init__(self) -> None:
        for word in self.argv:
            if not isinstance(word, str) or "\0" in word:
                raise TypeError(f"an argument of {self.argv[0]!r} is not plain text: {word!r}")


@dataclass(frozen=True, kw_only=True)
class Look:
    """Look at a path; symbolic links are followed and reported."""

    path: str
    content: bool = False


@dataclass(frozen=True, kw_only=True)
class Dpkg:
    """Ask dpkg's own record for packages: a :class:`Ran` with a line ``NAME VERSION`` for each that is installed.

    What a dpkg that runs just now is doing is not in it yet.

    :param record: the file; apt reads it as well (its ``Dir::State::status``).
    """

    record: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Write:
    """Put a whole file in place: written beside it with its final owner and mode, synced, renamed over.

    :param expect: the digest that the present file must have (empty: must be absent), or ``ANY``. If it
        differs, nothing is written and the answer's status is ``CHANGED``.
    :param run: the run that the old content is kept for, on the host and for root alone; empty: for none.
        The engine fills it in.
    """

    path: str
    content: bytes | Secret
    mode: int
    owner: str
    group: str
    expect: str = ANY
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Look at what a run kept of a path, or under the name of a :class:`Run`'s ``save``.

    Answered by a :class:`Seen`; ``absent`` when there was nothing at the path before. Its ``written`` is
    the digest of what the run put there. Nothing kept (or pruned by age): status ``NOTHING_KEPT``.
    """

    run: str
    name: str
    content: bool = False


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Put back what a run kept of a path, with its owner and mode; what was not there before goes away, as by
    :class:`Remove`. Where the run kept nothing, its status is ``NOTHING_KEPT``.

    :param kept: the run that kept it.
    :param expect: as in :class:`Write`.
    :param run: the run that keeps what is there now, as in :class:`Write`.
    """

    path: str
    kept: str
    expect: str = ANY
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Remove a file; what is not there is no failure. Behind a link it is refused: others may need what it leads to.

    :param expect: as in :class:`Write`.
    :param run: the run that keeps it, as in :class:`Write`.
    """

    path: str
    expect: str = ANY
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Hold the host's lock for as long as the session lasts; status ``CHANGED`` when another run holds it.

    :param holder: who, from where, since when: for the one who is refused.
    :param keep: whether the session must last as long as the run does, also on a site of thousands of hosts.
    """

    holder: str
    keep: bool = False


@dataclass(frozen=True, kw_only=True)
class MakeDirectory:
    """Make a directory and what leads to it, and give it its owner and mode."""

    path: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Look at a systemd unit: what ``systemctl show`` says, and its main process' arguments."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Restart:
    """Restart a unit and watch it.

    :param settle: seconds for which one main process must stay up before the unit counts as healthy:
        a crash-looping service is "active" each time that systemd starts it again.
    :param timeout: seconds for the stop and start themselves (nova-compute of 2026.2 stops in 163 s).
    """

    name: str
    settle: float = 5
    timeout: float = 300
    verb: Literal["restart", "start"] = "restart"


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The configuration files that a running service reads beside ``path``, in reading order.

    From the unit's own arguments (``--config-file``, ``--config-dir``); without any, oslo.config's
    default places for ``project``. Falls back to ``default`` when the unit isn't running.
    """

    unit: str
    path: str
    project: str
    default: tuple[str, ...] = ()


Request = Run | Look | Dpkg | Write | Kept | Restore | Remove | Hold | MakeDirectory | Unit | Restart | Chain


@dataclass(frozen=True, kw_only=True)
class Group:
    """Requests that belong together: in order, the rest left out once one has failed.

    :param parallel: may run beside other groups of the batch.
    :param gate: if it fails, the groups after it in the batch are left out.
    :param probes: how many of them, at the end, change nothing.
    """

    requests: tuple[Request, ...]
    parallel: bool = False
    gate: bool = False
    probes: int = 0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a request ended.

    ``status`` is a command's exit status, ``KILLED`` or ``MISSING``; of any other request it is 0, ``CHANGED``,
    ``NOTHING_KEPT``, or 1, with the reason in ``err``; and of both ``SKIPPED``.
    """

    status: int
    out: bytes = b""
    err: bytes = b""

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.out.decode(errors="replace")

    @property
    def reason(self) -> str:
        """The last thing that it said on standard error, or else on standard output, in one line."""
        said = (self.err.strip() or self.out.strip()).decode(errors="replace").splitlines()
        lines = [line.strip() for line in said if line.strip()]
        return lines[-1] if lines else f"exit status {self.status}"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What stands at a path. ``mode`` is the permission bits; ``digest`` is of a file's bytes.

    ``target`` is where a symbolic link leads; empty when the path is none.
    """

    type: Literal["absent", "file", "directory", "other"]
    mode: int = 0
    owner: str = ""
    group: str = ""
    digest: str = ""
    content: bytes | None = field(default=None, repr=False)
    target: str = ""
    written: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        """The content as a secret's fingerprint."""
        return Fingerprint(self.digest)


@dataclass(frozen=True, kw_only=True)
class Chained:
    """The files of a :class:`Chain` in reading order, each with its bytes; ``path`` itself included."""

    files: tuple[tuple[str, bytes], ...] = field(repr=False)


Answer = Ran | Seen | Chained


class Host(Protocol):
    """A host that takes batches: one on a line, or a fake one."""

    name: str

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """Send groups of requests in one round trip; the answers, in the groups' order.

        :raises HostError: the line is down; the outcome of what was sent is unknown.
        """
        ...

    def ask(self, groups: Sequence[Group], *, looks: bool = False) -> Future[list[list[Answer]]]:
        """As :meth:`exchange`, where it can be done without waiting; here it is done by then.

        :param looks: nothing in it changes anything, so it may be asked twice.
        """
        future: Future[list[list[Answer]]] = Future()
        try:
            future.set_result(self.exchange(groups))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Let the host go; nothing that was started there stays behind."""
        ...
