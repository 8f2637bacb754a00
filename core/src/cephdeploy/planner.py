"""Desired state against observed state. Pure: the same for plan, run, audit and tests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple

from .errors import CephdeployError, PreflightError
from .graph import BARRIER, Graph
from .kinds.command import Command
from .kinds.services import Service
from .redaction import veiled
from .resource import Resource, State, Unfit, Value
from .values import UNKNOWN, Address, Fingerprint, Ref, Secret, Unknown

__all__ = ["Action", "Change", "Difference", "Plan", "differences", "plan", "recorded", "shown"]


class Action(StrEnum):
    """What is done to a resource."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    RUN = "run"
    RESTART = "restart"


class Difference(NamedTuple):
    """One attribute: what is there, and what should be. None: not set."""

    name: str
    have: Value
    want: Value


@dataclass(frozen=True)
class Change:
    """What a run would do to one resource.

    :param because: resources whose change is why (of a restart).
    :param notes: consequences worth knowing before.
    :param texts: its text before and after, where it has one that may be shown.
    """

    address: Address
    action: Action
    differences: tuple[Difference, ...]
    plugins: tuple[str, ...]
    because: tuple[Address, ...] = ()
    notes: tuple[str, ...] = ()
    texts: tuple[bytes, bytes] | None = field(default=None, repr=False)

    @cached_property
    def diff(self) -> str:
        """The hunks of a unified diff of its text, passwords masked; empty where there is none. Made when it is asked
        for: most runs show none."""
        return "" if self.texts is None else _hunks(*self.texts)


@dataclass(frozen=True)
class Plan:
    """Every change, in an order in which they could be made; empty when nothing differs.

    :param unchanged: how many resources are as they should be.
    :param states: what was observed; None: does not exist.
    """

    changes: tuple[Change, ...]
    unchanged: int
    graph: Graph = field(repr=False)
    states: Mapping[Address, State | None] = field(repr=False)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def addresses(self) -> frozenset[Address]:
        """What is to be changed."""
        return frozenset(change.address for change in self.changes)

    def count(self, action: Action) -> int:
        """How many changes are of that sort."""
        return sum(change.action == action for change in self.changes)


def plan(graph: Graph, states: Mapping[Address, State | Unfit | None], *, limit: Collection[str] = ()) -> Plan:
    """The plan that makes the graph true.

    :param states: of every resource of the graph; an :class:`Unfit` where it could not be read.
    :param limit: change these hosts only; the others are looked at for what they hold (a key).
    :raises PreflightError: a host is not fit; the text has one line for each reason.
    """
    walk = _Walk(graph, states, frozenset(limit))
    for address in graph.order():
        walk.visit(address)
    if walk.unfit:
        raise PreflightError("\n".join(walk.unfit))
    good = {address: state for address, state in states.items() if not isinstance(state, Unfit)}
    return Plan(tuple(walk.changes), walk.unchanged, graph, good)


class _Walk:
    """The resources in order, each compared; what comes before one is its upstream."""

    def __init__(self, graph: Graph, states: Mapping[Address, State | Unfit | None], limit: frozenset[str]) -> None:
        self.graph = graph
        self.states = states
        self.limit = limit
        self.changes: list[Change] = []
        self.unchanged = 0
        self.unfit: list[str] = []
        self._changing: set[Address] = set()
        self._digests: dict[Address, str | Unknown] = {}
        #: What differs, once for all the resources of which it is true: on a large site most hosts are alike.
        self._found: dict[tuple[Difference, ...], tuple[Difference, ...]] = {}

    def changing(self, address: Address) -> bool:
        return address in self._changing

    def digest(self, address: Address) -> str | Unknown:
        return self._digests.get(address, "")

    def lookup(self, ref: Ref) -> object:
        state = self.states.get(ref.address)
        if not isinstance(state, State) or ref.attribute not in state.outputs:
            return UNKNOWN
        return state.outputs[ref.attribute]

    def visit(self, address: Address) -> None:
        node = self.graph.nodes[address]
        have = self.states[address]
        try:
            if isinstance(have, Unfit):
                raise have
            resource = node.resource.resolved(self.lookup)
            have = resource.foreseen(have, self)
            want = resource.want(have, self)
            found = differences(have, want)
            if want.raw.get("causes") and not found:
                # what it watches drifted and is put right: it may have been started with the drifted one, and
                # its stamp is made pending before those change
                found = (Difference("configuration", "pending", want.values["configuration"]),)
            if address in self.graph.watchers:
                # of what is declared, and not of what it comes to here: an operator's own part is theirs
                self._digests[address] = digest(resource.want(None, self))
            if not found:
                self.unchanged += 1
                return
            if self.limit and address.host not in self.limit:
                self._leave_out(address, have)
                return
            self._changing.add(address)
            self.changes.append(
                Change(
                    address,
                    _action(resource, have, want),
                    self._found.setdefault(found, found),
                    node.plugins,
                    tuple(want.raw.get("causes", ())),  # type: ignore[arg-type]
                    tuple(resource.notes(have, want)),
                    resource.text(have, want),
                )
            )
        except Unfit as unfit:
            self.unfit.append(f"{address.host}: {unfit} ({', '.join(node.plugins)})")
        except CephdeployError as error:
            self.unfit.append(f"{address}: {error} ({', '.join(node.plugins)})")

    def _leave_out(self, address: Address, have: State | None) -> None:
        """A difference on a host outside the limit: no harm unless something inside waits for it."""
        if have is None and address in self._awaited:
            raise Unfit(
                f"{address.kind} {address.name} is not there yet, and {self._awaited[address]} needs it; "
                f"run without --limit, or add --limit {address.host}"
            )

    @cached_property
    def _awaited(self) -> Mapping[Address, Address]:
        """What something inside the limit waits for, with the first that does."""
        before = self.graph.before
        found: dict[Address, Address] = {}
        for address in self.graph.nodes:
            if address.host in self.limit:
                found.update({earlier: address for earlier in before[address] if earlier not in found})
        for barrier in [address for address in found if address.kind == BARRIER]:
            found.update({earlier: found[barrier] for earlier in before[barrier] if earlier not in found})
        return found


def recorded(change: Change) -> dict[str, object]:
    """What a journal keeps of a change: names alone, and of a cephx user the caps that it held."""
    caps = {one.name: shown(one.have) or "" for one in change.differences} if change.address.kind in _USERS else {}
    hidden = [one.name for one in change.differences if isinstance(one.have or one.want, Secret | Fingerprint)]
    return {
        "host": change.address.host,
        "kind": change.address.kind,
        "name": change.address.name,
        "action": str(change.action),
        "attributes": [one.name for one in change.differences],
        "caps": caps,
        **({"hidden": hidden} if hidden else {}),
    }


#: The kinds of a cephx user: one that a plugin declares, and one that is taken back.
_USERS = ("user", "former-caps")


def differences(have: State | None, want: State) -> tuple[Difference, ...]:
    """Each attribute in which ``have`` is not as ``want`` says."""
    present = have.values if have is not None else {}
    found = [
        Difference(name, present.get(name), value)
        for name, value in want.values.items()
        if not _same(present.get(name), value)
    ]
    if have is None and not found:
        found = [Difference("state", None, "present")]
    return tuple(found)


def _same(have: Value, want: Value) -> bool:
    if isinstance(have, Unknown) or isinstance(want, Unknown):
        return False
    if isinstance(have, Fingerprint) and isinstance(want, Secret):
        return have == want.fingerprint
    return have == want


def digest(want: State) -> str | Unknown:
    """A digest of what should be; secrets count by their fingerprints."""
    if any(isinstance(value, Unknown) for value in want.values.values()):
        return UNKNOWN
    values = {name: shown(value) for name, value in want.values.items()}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def shown(value: Value) -> str | None:
    """A value as it may be shown and stored."""
    if isinstance(value, Secret):
        return str(value.fingerprint)
    return value if value is None else repr(value) if isinstance(value, Unknown) else str(value)


def _action(resource: Resource, have: State | None, want: State) -> Action:
    if isinstance(resource, Service):
        return Action.RESTART
    if isinstance(resource, Command):
        return Action.RUN
    if have is None:
        return Action.CREATE
    return Action.REMOVE if resource.removed(want) else Action.CHANGE


@lru_cache(maxsize=64)
def _hunks(before: bytes, after: bytes) -> str:
    """A unified diff's hunks, made once for all hosts that have the same file.

    Compared as they are and shown masked: another password is a change too.
    """
    from difflib import SequenceMatcher

    old, new = _split(before), _split(after)
    olds, news = veiled(old), veiled(new)
    found: list[str] = []
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(2):
        (_, first, _, first_new, _), (_, _, stop, _, stop_new) = group[0], group[-1]
        found.append(f"@@ -{_extent(first, stop)} +{_extent(first_new, stop_new)} @@")
        for sort, first, stop, first_new, stop_new in group:
            if sort == "equal":
                # an equal line may go on with another option on either side
                sides = zip(old[first:stop], olds[first:stop], news[first_new:stop_new], strict=True)
                found += [f" {mine if mine != line else other}" for line, mine, other in sides]
            else:
                found += [f"-{line}" for line in olds[first:stop]]
                found += [f"+{line}" for line in news[first_new:stop_new]]
    return "\n".join(found)


def _split(text: bytes) -> list[str]:
    """The lines as the programs see them that read such files: a form feed, say, ends none."""
    *lines, last = re.split(r"\r\n|\n|\r", text.decode(errors="replace"))
    return [*lines, last] if last else lines


def _extent(first: int, stop: int) -> str:
    """The lines of a hunk in its head: from which, and how many unless it is one."""
    return f"{first + 1}" if stop == first + 1 else f"{first + (first < stop)},{stop - first}"
