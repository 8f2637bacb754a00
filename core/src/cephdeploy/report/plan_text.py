"""A plan as an operator reads it: host by host, only what differs, equal hosts once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..graph import BARRIER
from ..kinds.services import Service
from ..planner import Action
from ..values import Address
from . import words

if TYPE_CHECKING:
    from ..planner import Change, Difference, Plan
    from .header import Header
    from .paper import Line, Paper, Piece

__all__ = ["SIGNS", "STYLES", "plan_text"]

SIGNS = {Action.CREATE: "+", Action.CHANGE: "~", Action.REMOVE: "-", Action.RUN: "▶", Action.RESTART: "↻"}
STYLES = {
    Action.CREATE: "green",
    Action.CHANGE: "yellow",
    Action.REMOVE: "red",
    Action.RUN: "magenta",
    Action.RESTART: "cyan",
}

#: The widest column of names; a longer one stands on a line of its own.
_NAMES = 46
#: As many batches as are told by their sizes.
_SIZES = 6
#: Where details begin that don't fit beside the names: below them.
_BELOW = 8


class Detail(NamedTuple):
    """One line beside a resource.

    :param old: what is there; None: nothing to compare with.
    """

    new: str
    name: str = ""
    old: str | None = None
    style: str = ""


class Row(NamedTuple):
    """One resource of one host, without the host's name: rows of equal hosts are equal."""

    action: Action
    label: str
    details: tuple[Detail, ...]
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """Hosts on which the same is to be done, and the notes to each row."""

    hosts: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, ...], ...]


def plan_text(plan: Plan, header: Header, paper: Paper, *, verbose: bool = False, command: str = "") -> list[Line]:
    """The plan's lines.

    :param verbose: with the unified diff of each file.
    :param command: what carries the plan out, for the last line; empty: nothing is said of it.
    """
    if not plan.changes:
        return [*header.lines(paper), paper.line((_nothing(plan, header), "bold green"))]
    found = blocks(plan, verbose=verbose)
    column = _column((row.label for block in found for row in block.rows), paper)
    made = [*header.lines(paper), paper.line()]
    for block in found:
        made += _block(block, column, paper)
    made.append(paper.line())
    made.append(paper.line(("Plan: ", "bold"), (f"{_summary(plan)}.", "bold"), (_rest(plan), "dim")))
    if command:
        made.append(paper.line(("run it: ", "dim"), command))
    return made


def _nothing(plan: Plan, header: Header) -> str:
    resources = words.count(plan.unchanged, "resource")
    are = "is as it should be" if plan.unchanged == 1 else "are as they should be"
    limit = f" to {header.scope}" if header.limit else ""
    return f"Nothing to do{limit}: {resources} on {words.count(len(header.hosts), 'host')} {are}."


def _summary(plan: Plan) -> str:
    parts = [
        (plan.count(Action.CREATE), "{:,} to add"),
        (plan.count(Action.CHANGE), "{:,} to change"),
        (plan.count(Action.REMOVE), "{:,} to remove"),
        (plan.count(Action.RUN), "{:,} to run"),
        (plan.count(Action.RESTART), "{:,} restarts"),
    ]
    said = [text.format(number) for number, text in parts if number]
    return ", ".join("1 restart" if text == "1 restarts" else text for text in said)


def _rest(plan: Plan) -> str:
    if not plan.unchanged:
        return ""
    return f"  {words.count(plan.unchanged, 'other is', 'others are')} as wanted already."


# Folding: what is equal on several hosts is shown once


def blocks(plan: Plan, *, verbose: bool = False) -> list[Block]:
    """The plan by hosts, in its order; hosts with equal rows together."""
    by_host: dict[str, list[Change]] = {}
    for change in plan:
        by_host.setdefault(change.address.host, []).append(change)
    waves = _waves(plan)
    # as sets: a batch that waits for another has its steps in another order
    folded: dict[frozenset[Row], dict[str, dict[Row, tuple[str, ...]]]] = {}
    drawn: dict[object, Row] = {}
    for host, changes in by_host.items():
        rows = {}
        for change in changes:
            alike = _hostless(change, waves.get(change.address, ""), verbose=verbose)
            row = drawn.get(alike) or drawn.setdefault(alike, _row(change, waves, verbose=verbose))
            rows[row] = change.notes
        folded.setdefault(frozenset(rows), {})[host] = rows
    found = []
    for hosts in folded.values():
        order = tuple(next(iter(hosts.values())))
        found.append(Block(tuple(sorted(hosts, key=words.natural)), order, tuple(_notes(hosts, row) for row in order)))
    return found


def _notes(hosts: Mapping[str, Mapping[Row, tuple[str, ...]]], row: Row) -> tuple[str, ...]:
    """One row's notes on all the block's hosts; a note that is not on each of them names its own."""
    of: dict[str, list[str]] = {}
    for host, notes in hosts.items():
        for note in notes[row]:
            of.setdefault(note, []).append(host)
    return tuple(
        words.plain(
            note if len(on) == len(hosts) or any(host in note for host in on) else f"{words.ranges(on)}: {note}"
        )
        for note, on in of.items()
    )


def _hostless(change: Change, wave: str, *, verbose: bool) -> object:
    """What a row is made of: equal for the same change on another host."""
    _, kind, name = change.address
    causes = tuple((cause.kind, cause.name) for cause in change.because)
    return change.action, kind, name, change.differences, causes, wave, change.diff if verbose else ""


def _row(change: Change, waves: Mapping[Address, str], *, verbose: bool) -> Row:
    diff = tuple(words.lines(change.diff)) if verbose and change.diff else ()
    name = words.label(change.address, full=verbose)
    return Row(change.action, name, tuple(_details(change, waves)), diff)


# What is said of a change


def _details(change: Change, waves: Mapping[Address, str]) -> Iterator[Detail]:
    if change.action == Action.RESTART:
        yield Detail(_restart(change))
        if change.address in waves:
            yield Detail(waves[change.address], style="dim")
    elif change.address.kind == "packages":
        missing = [one.name for one in change.differences if one.have is None]
        yield Detail(f"install {words.plain(', '.join(missing))}")
    elif change.action == Action.RUN:
        yield from (Detail(words.value(one.name, one.want)) for one in change.differences)
    elif change.action == Action.CREATE:
        yield from _created(change)
    elif change.action == Action.REMOVE:
        pass  # the sign says all
    else:
        for one in change.differences:
            have, want = words.value(one.name, one.have), words.value(one.name, one.want)
            if have == want:
                want += " (another text)"
            yield Detail(want, words.plain(one.name), have, "red" if one.want is None else "")


def _created(change: Change) -> Iterator[Detail]:
    given = {one.name: words.value(one.name, one.want) for one in change.differences if one.want is not None}
    if given == {"state": "present"}:
        return
    kind = change.address.kind
    if {"owner", "mode"} <= given.keys():
        who = f"{given.pop('owner')} {given.pop('mode')}"
        rest = [f"{'key' if kind == 'keyring' else name} {text}" for name, text in given.items()]
        yield Detail("   ".join([who, *rest]))
    elif kind == "secret" and {"usage", "value"} <= given.keys():
        usage = f"'{given['usage']}'" if " " in given["usage"] else given["usage"]
        yield Detail(f"for {usage}, value {given['value']}")
    elif sum(len(name) + len(text) + 4 for name, text in given.items()) > 56 or any("[" in name for name in given):
        yield from (Detail(text, words.plain(name)) for name, text in given.items())
    else:
        quoted = {name: f"'{text}'" if " " in text and text[0] not in "(<" else text for name, text in given.items()}
        yield Detail("   ".join(f"{words.plain(name)} {text}" for name, text in quoted.items()))


def _restart(change: Change) -> str:
    differences: dict[str, Difference] = {one.name: one for one in change.differences}
    state = differences.get("state")
    stands = words.value("state", state.have) if state is not None else ""
    if change.because:
        causes = list(dict.fromkeys(words.short(address) for address in change.because))
        verb = "changes" if len(causes) == 1 else "change"
        why = f"restart, because {words.listed(causes)} {verb}"
        return f"{why}; it is {stands} now" if stands else why
    if stands:
        return f"start, because it is {stands}"
    noted = differences.get("configuration")
    if noted is not None and noted.have == "pending":
        return "restart, because an earlier run changed its configuration and did not come to restart it"
    return "restart"


def _waves(plan: Plan) -> dict[Address, str]:
    """How the restarts of a role that has several hosts follow each other."""
    graph = plan.graph
    by_role: dict[str, list[Address]] = {}
    for change in plan:
        node = graph.nodes.get(change.address)
        if change.action == Action.RESTART and node is not None and isinstance(node.resource, Service):
            by_role.setdefault(node.resource.role, []).append(change.address)
    said = {}
    for role, addresses in by_role.items():
        left = set(addresses)
        sizes = []
        for number in range(1, len(graph.before)):
            barrier = Address("", BARRIER, f"{role} batch {number}")
            if barrier not in graph.before:
                break
            wave = left & graph.before[barrier].keys()
            left -= wave
            sizes.append(len(wave))
        sizes = [size for size in (*sizes, len(left)) if size]
        if len(sizes) > 1:
            said.update(dict.fromkeys(addresses, _batches(sizes)))
    return said


def _batches(sizes: Sequence[int]) -> str:
    if max(sizes) == 1:
        return "one host at a time"
    if len(sizes) > _SIZES:
        return f"in {len(sizes):,} batches of at most {max(sizes):,} hosts"
    return f"in batches of {', '.join(f'{size:,}' for size in sizes)} hosts"


# Lines


def _column(labels: Iterable[str], paper: Paper) -> int:
    most = _NAMES if paper.width is None else min(_NAMES, max(16, paper.width // 2 - 6))
    fitting = [size for size in map(paper.size, labels) if size <= most]
    return 4 + max(fitting, default=most) + 2


def _block(block: Block, column: int, paper: Paper) -> Iterator[Line]:
    number = len(block.hosts)
    same = "" if number == 1 else "the same on both" if number == 2 else f"the same on all {number:,}"
    *names, name = paper.wrapped(words.ranges(block.hosts), 0)
    for full in names:
        yield paper.line((full, "bold"))
    gap = paper.padded(name, column - 2) + "  " if same else name
    yield paper.line((gap, "bold"), (same, "dim"))
    for row, notes in zip(block.rows, block.notes, strict=True):
        yield from _drawn(row, notes, column, paper)


def _drawn(row: Row, notes: Sequence[str], column: int, paper: Paper) -> Iterator[Line]:
    sign, style = SIGNS[row.action], STYLES[row.action]
    details = list(_aligned(row.details, paper))
    narrow = any(detail.name and column + _length(detail, paper) > (paper.width or sys.maxsize) for detail in details)
    column = _BELOW if narrow else column
    beside = [pieces for detail in details for pieces in _fitted(detail, column, paper)]
    beside += [[(text, "yellow")] for note in notes for text in paper.wrapped(f"note: {note}", column)]
    head: list[Piece | str] = ["  ", (sign, f"bold {style}"), " "]
    if not beside:
        yield paper.line(*head, row.label)
    elif 4 + paper.size(row.label) + 2 <= column:
        yield paper.line(*head, paper.padded(row.label, column - 4), *beside.pop(0))
    else:
        yield paper.line(*head, row.label)
    for pieces in beside:
        yield paper.line(" " * column, *pieces)
    for text in row.diff:
        yield paper.line("      ", (text, _DIFF.get(text[:1], "dim")))


def _length(detail: Detail, paper: Paper) -> int:
    old = "" if detail.old is None else f"{detail.old} → "
    return paper.size(f"{detail.name}{old}{detail.new}")


_DIFF = {"+": "green", "-": "red", "@": "cyan"}


def _aligned(details: Sequence[Detail], paper: Paper) -> Iterator[Detail]:
    width = min(56, max((paper.size(detail.name) for detail in details), default=0))
    for detail in details:
        yield detail._replace(name=f"{paper.padded(detail.name, width)}   ") if detail.name else detail


def _fitted(detail: Detail, column: int, paper: Paper) -> Iterator[list[Piece]]:
    """A detail in one line, or with what is wanted below what is there."""
    inner = column + paper.size(detail.name)
    named: Piece = (detail.name, "")
    if detail.old is None:
        for number, text in enumerate(paper.wrapped(detail.new, inner)):
            yield [named if number == 0 else (" " * (inner - column), ""), _styled(text, detail.style)]
        return
    if paper.width is None or column + _length(detail, paper) <= paper.width:
        yield [named, (f"{detail.old} ", "dim"), ("→ ", ""), _styled(detail.new, detail.style)]
        return
    gap: Piece = (" " * (inner - column), "")
    for number, text in enumerate(paper.wrapped(detail.old, inner)):
        yield [named if number == 0 else gap, (text, "dim")]
    for number, text in enumerate(paper.wrapped(detail.new, inner + 2)):
        yield [gap, ("→ " if number == 0 else "  ", ""), (text, "")]


def _styled(text: str, style: str) -> Piece:
    return (text, style or ("dim" if text.startswith("(known") else ""))
