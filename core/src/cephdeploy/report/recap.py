"""How a run ended, host by host, with each failure once and what was left out because of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine import Status
from ..planner import Action
from . import words

if TYPE_CHECKING:
    from ..engine import Outcome, Result
    from ..planner import Plan
    from ..values import Address
    from ..verify import ProbeResult
    from .paper import Line, Paper

__all__ = ["DONE", "finished_line", "probe_line", "recap"]

#: What is said of a step that came true.
DONE = {
    Action.CREATE: "created",
    Action.CHANGE: "changed",
    Action.RUN: "ran",
    Action.RESTART: "restarted",
}
_WORST = (Status.FAILED, Status.UNKNOWN, Status.ROLLED_BACK, Status.SKIPPED)
_STYLES = {
    "ok": "green",
    "failed": "bold red",
    "unknown": "bold yellow",
    "rolled back": "yellow",
    "skipped": "yellow",
}


def recap(plan: Plan, result: Result, hosts: Sequence[str], paper: Paper) -> list[Line]:
    """The recap's lines.

    :param hosts: all that took part, also those where nothing was to do.
    """
    by_host: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        by_host.setdefault(outcome.address.host, []).append(outcome)
    actions = {change.address: change.action for change in plan}
    width = max(map(len, by_host), default=0)
    made = []
    for host, outcomes in sorted(by_host.items(), key=lambda pair: words.natural(pair[0])):
        worst = next((status for status in _WORST if any(one.status == status for one in outcomes)), None)
        word = "ok" if worst is None else str(worst)
        counts = "  ".join(_counts(outcomes, actions))
        made.append(paper.line((f"{host:{width}}   ", "bold"), (f"{word:7}", _STYLES[word]), f"   {counts}"))
    idle = [host for host in sorted(hosts, key=words.natural) if host not in by_host]
    if idle:
        made.append(paper.line((f"{words.ranges(idle)}   nothing to do", "dim")))
    for failure in result.of(Status.FAILED, Status.UNKNOWN):
        made += _failure(failure, _left_out(failure.address, result), paper)
    if not result.ok:
        made.append(paper.line())
    made.append(_last(result, paper))
    return made


def _counts(outcomes: Sequence[Outcome], actions: dict[Address, Action]) -> list[str]:
    done = [actions.get(one.address) for one in outcomes if one.status == Status.CHANGED]
    restarted = sum(action == Action.RESTART for action in done)
    numbers = [(len(done) - restarted, "changed"), (restarted, "restarted")]
    numbers += [(sum(one.status == status for one in outcomes), str(status)) for status in _WORST]
    return [f"{number} {word}" for number, word in numbers if number]


def _said(outcome: Outcome) -> str:
    """An outcome's detail in one line; the host's name stands before it already."""
    return " ".join(words.lines(outcome.detail)).removeprefix(f"{outcome.address.host}: ")


def _left_out(cause: Address, result: Result) -> list[Outcome]:
    return [one for one in result.of(Status.SKIPPED) if one.detail == f"{cause} failed"]


def _failure(failure: Outcome, left_out: Sequence[Outcome], paper: Paper) -> list[Line]:
    word = "failed" if failure.status == Status.FAILED else "unknown"
    where = f"{failure.address.host}: {words.label(failure.address)}: "
    made = [paper.line()]
    detail = _said(failure)
    if failure.status == Status.UNKNOWN:
        detail += "; whether it was done is not known, the next run looks"
    for number, text in enumerate(paper.wrapped(where + detail, 10)):
        made.append(paper.line((f"{word:8}  ", _STYLES[word]) if number == 0 else " " * 10, text))
    if left_out:
        names = words.listed([f"{words.short(one.address)} on {one.address.host}" for one in left_out])
        steps = "1 step that needs it was" if len(left_out) == 1 else f"{len(left_out)} steps that need it were"
        for text in paper.wrapped(f"{steps} skipped: {names}", 10):
            made.append(paper.line(" " * 10, (text, "dim")))
    return made


def _last(result: Result, paper: Paper) -> Line:
    if result.ok:
        return paper.line((f"converged in {result.seconds:.1f} s", "bold green"))
    numbers = [(len(result.of(Status.CHANGED)), "done"), *((len(result.of(one)), str(one)) for one in _WORST)]
    counts = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return paper.line(
        (f"not converged: {counts}, in {result.seconds:.1f} s.", "bold red"),
        " Put it right and run the same command again: it looks at every host and goes on from there.",
    )


def finished_line(outcome: Outcome, action: Action | None, widths: tuple[int, int], paper: Paper) -> Line:
    """The line that stays of a step.

    :param widths: of the hosts' names and of the resources'.
    """
    host = (paper.padded(outcome.address.host, widths[0]) + "  ", "bold")
    name = paper.padded(words.label(outcome.address), widths[1])
    if outcome.status == Status.CHANGED:
        verb = DONE.get(action, "done") if action is not None else "done"
        time = f"{outcome.seconds:6.1f} s"
        return paper.line(("✓ ", "green"), host, f"{name}  {verb:9}", (time, "dim"))
    word, detail = str(outcome.status), _said(outcome)
    return paper.line(("✗ ", "bold red"), host, f"{name}  ", (word, _STYLES[word]), f": {detail}" if detail else "")


def probe_line(result: ProbeResult, paper: Paper) -> Line:
    """One probe of verify."""
    title, detail = words.plain(result.title), " ".join(words.lines(result.detail))
    sign = ("✓ ", "green") if result.ok else ("✗ ", "bold red")
    time = (f"{result.seconds:6.1f} s", "dim")
    if result.ok:
        return paper.line(sign, paper.padded(title, 68), time, (f"   {detail}", "dim") if detail else "")
    return paper.line(sign, paper.padded(title, 68), time, ("   failed", "bold red"), f": {detail}" if detail else "")
