"""Where the lines to the hosts are held: each executor carries batches to many hosts at once.

An executor is a stevedore driver of the group ``cephdeploy.executors``: a callable that takes every host's
:class:`Reach` by name and what gives the driver of a transport's name, and gives an :class:`Executor`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from ..contents import Contents
from ..conversation import BrokenError, Said, failure
from ..protocol import Batch, Parcel
from ..requests import Answer, Group, Host
from ..timings import Timings
from ..transports import Target
from ..wire import WireError

__all__ = ["WINDOW", "Executor", "Line", "Reach"]

#: Hosts that are logged in to at once: sshd and a jump host drop connections when many come together (MaxStartups).
WINDOW = 32


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How a host is reached: the name of a transport, and what it is told.

    :param sudo: whether the login must become root; None: unless it is root.
    :param bastion: the worker elsewhere that the line is to be held by; None: any, or this process.
    """

    transport: str
    target: Target
    sudo: bool | None = None
    bastion: str | None = None


class Executor(Protocol):
    """Carries batches to hosts, many at once and to each host one after the other.

    It connects to a host when the first batch for it comes. It may close an idle line and connect again later. A line
    that broke is not tried again: what was under way there may go on.
    """

    def carry(self, host: str, parcel: Parcel) -> Future[Said]:
        """Send a batch; see :meth:`cephdeploy.conversation.Conversation.exchange`.

        The future raises HostError where the host can't be reached or its line broke before, and BrokenError where
        the line breaks now. It can't be cancelled: what was sent may be done.
        """
        ...

    def close(self) -> None:
        """Close every line."""
        ...


class Line(Host):
    """A host behind an executor.

    :param contents: what is known of files, for all hosts together.
    :param timings: is told what each batch takes.
    """

    def __init__(self, name: str, executor: Executor, contents: Contents, timings: Timings | None = None) -> None:
        self.name = name
        self._executor = executor
        self._contents = contents
        self._timings = timings or Timings()

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """Send groups of requests in one round trip, and wait; see :class:`cephdeploy.requests.Host`."""
        return self.ask(groups).result()

    def ask(self, groups: Sequence[Group], *, looks: bool = False) -> Future[list[list[Answer]]]:
        """Send groups of requests in one round trip."""
        batch = Batch(groups, self._contents, looks=looks)
        answers: Future[list[list[Answer]]] = Future()
        began = time.monotonic()

        def came(said: Future[Said]) -> None:
            try:
                found = batch.answers(said.result())
                self._timings.add(batch.spent, time.monotonic() - began)
                answers.set_result(found)
            except (BrokenError, WireError) as error:
                answers.set_exception(failure(self.name, batch, error))
            except BaseException as error:
                answers.set_exception(error)

        self._executor.carry(self.name, batch.parcel).add_done_callback(came)
        return answers

    def close(self) -> None:
        """Its line is the executor's to close."""
