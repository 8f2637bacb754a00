"""How a run ended, host by host, with each failure once and what was left out because of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..engine import Status
from ..planner import Action
from . import words
from .faults import APART, likewise

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
    Action.REMOVE: "removed",
    Action.RUN: "ran",
    Action.RESTART: "restarted",
}
#: The widest column of hosts; what is longer stands on lines of its own.
_NAMES = 40
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
    made = _table(by_host, {change.address: change.action for change in plan}, paper)
    idle = [host for host in sorted(hosts, key=words.natural) if host not in by_host]
    if idle:
        made.append(paper.line((f"{words.ranges(idle)}   nothing to do", "dim")))
    left_out: dict[str, list[Outcome]] = {}
    for one in result.of(Status.SKIPPED):
        left_out.setdefault(one.detail, []).append(one)
    for failures in _alike(result.of(Status.FAILED, Status.UNKNOWN)):
        skipped = [one for failure in failures for one in left_out.get(f"{failure.address} failed", ())]
        made += _failure(failures, skipped, paper)
    if not result.ok:
        made.append(paper.line())
    made.append(_last(result, paper))
    return made


def _table(by_host: Mapping[str, Sequence[Outcome]], actions: Mapping[Address, Action], paper: Paper) -> list[Line]:
    """A line for each host; three and more that ended alike have one together."""
    ended: dict[tuple[str, str], list[str]] = {}
    for host in sorted(by_host, key=words.natural):
        worst = next((status for status in _WORST if any(one.status == status for one in by_host[host])), None)
        counts = "  ".join(_counts(by_host[host], actions))
        ended.setdefault(("ok" if worst is None else str(worst), counts), []).append(host)
    rows: list[tuple[str, str, str, str]] = []  # the first host, all of them, how each ended
    for (word, counts), hosts in ended.items():
        if len(hosts) > APART:
            rows.append((hosts[0], words.ranges(hosts), word, f"{counts}   on each of {len(hosts):,} hosts"))
        else:
            rows += [(host, host, word, counts) for host in hosts]
    width = max((len(name) for _, name, _, _ in rows if len(name) <= _NAMES), default=0)
    made = []
    for _, name, word, counts in sorted(rows, key=lambda row: words.natural(row[0])):
        if len(name) > _NAMES:
            made += [paper.line((text, "bold")) for text in paper.wrapped(name, 0)]
            name = ""
        made.append(paper.line((f"{name:{width}}   ", "bold"), (f"{word:7}", _STYLES[word]), f"   {counts}"))
    return made


def _counts(outcomes: Sequence[Outcome], actions: Mapping[Address, Action]) -> list[str]:
    done = [actions.get(one.address) for one in outcomes if one.status == Status.CHANGED]
    restarted = sum(action == Action.RESTART for action in done)
    numbers = [(len(done) - restarted, "changed"), (restarted, "restarted")]
    numbers += [(sum(one.status == status for one in outcomes), str(status)) for status in _WORST]
    return [f"{number:,} {word}" for number, word in numbers if number]


def _said(outcome: Outcome) -> str:
    """An outcome's detail in one line; the host's name stands before it already."""
    return " ".join(words.lines(outcome.detail)).removeprefix(f"{outcome.address.host}: ")


def _alike(failures: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
    """Failures of one resource with one cause on several hosts; on one or two, each by itself."""
    groups: dict[tuple[str, str, Status], list[Outcome]] = {}
    for one in failures:
        cause = words.alike(_said(one), one.address.host)
        groups.setdefault((words.label(one.address), cause, one.status), []).append(one)
    for group in groups.values():
        yield from [group] if len(group) > APART else [[one] for one in group]


def _failure(failures: Sequence[Outcome], left_out: Sequence[Outcome], paper: Paper) -> list[Line]:
    """What one host said, and who else could have said it."""
    failure, *others = failures
    word = "failed" if failure.status == Status.FAILED else "unknown"
    where = f"{failure.address.host}: {words.label(failure.address)}: "
    made = [paper.line()]
    detail = _said(failure)
    if failure.status == Status.UNKNOWN:
        detail += "; whether it was done is not known, the next run looks"
    for number, text in enumerate(paper.wrapped(where + detail, 10)):
        made.append(paper.line((f"{word:8}  ", _STYLES[word]) if number == 0 else " " * 10, text))
    if others:
        for text in paper.wrapped(likewise([one.address.host for one in others]), 10):
            made.append(paper.line(" " * 10, text))
    if left_out:
        names = words.listed([f"{words.short(one.address)} on {one.address.host}" for one in left_out])
        steps = "1 step that needs it was" if len(left_out) == 1 else f"{len(left_out):,} steps that need it were"
        for text in paper.wrapped(f"{steps} skipped: {names}", 10):
            made.append(paper.line(" " * 10, (text, "dim")))
    return made


def _last(result: Result, paper: Paper) -> Line:
    if result.ok:
        return paper.line((f"converged in {result.seconds:.1f} s", "bold green"))
    numbers = [(len(result.of(Status.CHANGED)), "done"), *((len(result.of(one)), str(one)) for one in _WORST)]
    counts = ", ".join(f"{number:,} {word}" for number, word in numbers if number)
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
