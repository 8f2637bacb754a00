"""What is seen while hosts work: an area that moves on a terminal, plain lines elsewhere.

Writes to the console that the command line hands over, and to nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.text import Text

from .engine import Event, Started, Status, Stopping
from .report import words
from .report.paper import put
from .report.recap import finished_line
from .values import Address

if TYPE_CHECKING:
    from rich.live import Live

    from .planner import Action, Plan
    from .report.paper import Paper

__all__ = ["Progress", "Waiting"]

_FRAMES = "⠋⠙⠹⠸"
#: Steps of a run that get a line each as they come true. Of more than that, a terminal shows the number and a
#: log each tenth; what fails is always said.
_EACH = 1000
#: Hosts of the moving area; more than that would push the finished steps off the screen.
_MOST = 8

_STOPPING = "interrupted: waits for what is under way on the hosts; Ctrl-C again leaves it"


class _Area:
    """The moving area, where the output is a terminal."""

    def __init__(self, console: Console, paper: Paper, *, live: bool) -> None:
        self._console = console
        self._paper = paper
        self._began = time.monotonic()
        self._live: Live | None = None
        if live:
            from rich.live import Live

            # the area is only ever drawn from our own state: a line of a foreign print can't tear it
            self._live = Live(self, console=console, refresh_per_second=10, transient=True)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __rich__(self) -> Group:
        return Group(*self._lines())

    def _lines(self) -> list[Text]:
        raise NotImplementedError

    def print(self, line: Text) -> None:
        """A line that stays, above the area."""
        put(self._console, line, whole=self._live is None)

    def _frame(self) -> tuple[str, str]:
        return _FRAMES[int(time.monotonic() * 8) % len(_FRAMES)] + " ", "cyan"

    def _cut(self, line: Text) -> Text:
        line.truncate(max(20, self._console.width - 1), overflow="ellipsis" if self._paper.signs else "crop")
        return line

    def _elapsed(self, since: float | None = None) -> str:
        return f"{time.monotonic() - (self._began if since is None else since):.1f} s"


class Waiting(_Area):
    """One thing that takes time: said with the seconds it has taken; nothing where nobody watches."""

    def __init__(self, console: Console, paper: Paper, what: str, *, live: bool) -> None:
        super().__init__(console, paper, live=live)
        self._what = what

    def __call__(self, what: str) -> None:
        """Say what it is now that takes time."""
        self._what = what

    def _lines(self) -> list[Text]:
        return [self._cut(self._paper.line(self._frame(), self._what, (f"  {self._elapsed()}", "dim")))]


class Progress(_Area):
    """A run's progress; a listener for :func:`cephdeploy.engine.apply`. A context manager.

    On a terminal: what is under way on each host, with its seconds. Everywhere: one line a step as it ends;
    skipped steps are left to the recap.
    """

    def __init__(self, plan: Plan, console: Console, paper: Paper, *, live: bool) -> None:
        super().__init__(console, paper, live=live)
        self._actions: Mapping[Address, Action] = {change.address: change.action for change in plan}
        hosts = max((len(address.host) for address in self._actions), default=0)
        # each name once: the hosts of a large site have the same ones
        labels = {words.label(Address("", kind, name)) for kind, name in {address[1:] for address in self._actions}}
        names = max(map(paper.size, labels), default=0)
        self._widths = (hosts, min(46, names))
        #: Since when, and what. The area is drawn in another thread, so what stands here for a host is never changed.
        self._busy: dict[str, tuple[float, Sequence[Address]]] = {}
        self._ended = 0
        self._stopping = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stopping):
            self._stop()
            return
        if isinstance(event, Started):
            self._busy[event.host] = time.monotonic(), event.addresses
            return
        outcome = event.outcome
        self._ended += 1
        self._end(outcome.address)
        if outcome.status == Status.CHANGED and len(self._actions) > _EACH:
            self._tell()
        elif outcome.status != Status.SKIPPED:
            self.print(finished_line(outcome, self._actions.get(outcome.address), self._widths, self._paper))

    def _tell(self) -> None:
        """Where nothing moves, how far a large run is, ten times."""
        done, steps = self._ended, len(self._actions)
        if self._live is None and done * 10 // steps > (done - 1) * 10 // steps:
            self.print(self._paper.line(f"{self._count()} · {self._elapsed()}"))

    def _count(self) -> str:
        return f"{self._ended:,} of {words.count(len(self._actions), 'step')}"

    def _stop(self) -> None:
        """Say that the run ends once the hosts have answered; no part of the report, so on standard error."""
        self._stopping = True
        if self._live is None:
            os.write(2, f"{_STOPPING}\n".encode())

    def _end(self, address: Address) -> None:
        began, busy = self._busy.get(address.host, (0.0, ()))
        if left := [other for other in busy if other != address]:
            self._busy[address.host] = began, left
        else:
            self._busy.pop(address.host, None)

    def _lines(self) -> list[Text]:
        busy = list(self._busy.items())
        made = []
        for host, (began, addresses) in busy[:_MOST]:
            names = words.listed([words.short(address) for address in addresses])
            name = self._paper.padded(host, self._widths[0])
            time_taken = (f"{self._elapsed(began):>8}", "dim")
            made.append(self._cut(self._paper.line(self._frame(), (f"{name}", "bold"), time_taken, f"  {names}")))
        if len(busy) > _MOST:
            made.append(self._paper.line((f"  and {words.count(len(busy) - _MOST, 'more host', 'more hosts')}", "dim")))
        last = _STOPPING if self._stopping else self._count()
        made.append(self._cut(self._paper.line((f"  {last} · {self._elapsed()}", "dim"))))
        return made
