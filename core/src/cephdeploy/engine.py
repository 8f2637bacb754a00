"""The only walk that touches hosts: observe, then change in the graph's order, and observe again.

What is ready on a host travels in one round trip: the changes, and behind them the probes that show
whether they came true. "Changed" is said of what was seen, never of what was sent.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from graphlib import TopologicalSorter
from queue import SimpleQueue

from .errors import CephdeployError, ChangeError, ExitCode, HostError, LockedError, StalePlanError
from .graph import BARRIER, Graph
from .journal import NoJournal, Record
from .kinds.files import File
from .kinds.options import Options
from .kinds.services import Service
from .planner import Plan, differences, digest, recorded, shown
from .redaction import redacted
from .requests import (
    CHANGED,
    KILLED,
    Answer,
    Chain,
    Group,
    Host,
    Look,
    Pick,
    Ran,
    Remove,
    Request,
    Restart,
    Restore,
    Run,
    Write,
)
from .resource import Resource, State, Unfit, failed
from .values import UNKNOWN, Address, Ref, Unknown

__all__ = ["Event", "Finished", "Outcome", "Result", "Started", "Status", "Stopping", "apply", "observe"]


class Status(StrEnum):
    """How a step ended."""

    CHANGED = "changed"
    FAILED = "failed"
    #: Changed, and put back as it was because a service did not come up with it.
    ROLLED_BACK = "rolled back"
    SKIPPED = "skipped"
    #: The line broke after the step was sent: the next run looks, and decides.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """One step's end. ``seconds`` is of the round trip that it travelled in."""

    address: Address
    status: Status
    detail: str = ""
    seconds: float = 0.0
    #: Whether it failed because what the plan saw is not there any more.
    stale: bool = False


@dataclass(frozen=True)
class Started:
    """Steps that were sent to a host together."""

    host: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class Finished:
    """A step that ended."""

    outcome: Outcome


@dataclass(frozen=True)
class Stopping:
    """Ctrl-C was heard: nothing more is sent, and what is under way is waited for. A second one does not wait."""


@dataclass(frozen=True)
class Result:
    """What a run came to.

    :param unchanged: how many resources were right before.
    """

    outcomes: tuple[Outcome, ...]
    unchanged: int
    seconds: float

    def of(self, *statuses: Status) -> tuple[Outcome, ...]:
        """The outcomes that ended so."""
        return tuple(outcome for outcome in self.outcomes if outcome.status in statuses)

    @property
    def ok(self) -> bool:
        """Whether every step came true."""
        return all(outcome.status == Status.CHANGED for outcome in self.outcomes)

    @property
    def exit_code(self) -> ExitCode:
        """0; or 3 when something was done and something not; 1 when nothing was; 7 when nothing was, and the
        cause is that something was changed by another hand since it was looked at."""
        if self.ok:
            return ExitCode.OK
        if self.of(Status.CHANGED):
            return ExitCode.PARTLY
        stale = any(outcome.stale for outcome in self.outcomes)
        return ExitCode.STALE if stale else ExitCode.FAILED


Event = Started | Finished | Stopping
Listener = Callable[[Event], None]
#: A host's answers, once they are there.
_Answers = Future[list[list[Answer]]]


def observe(graph: Graph, hosts: Mapping[str, Host]) -> dict[Address, State | Unfit | None]:
    """The state of every resource, by one round trip to each host.

    Of many hosts that are asked for the same files one is asked first: most have the same in them, and what it has
    told need not come from the others.

    :raises HostError: a host's line broke.
    """
    by_host: dict[str, list[Resource]] = {}
    for node in graph.nodes.values():
        by_host.setdefault(node.resource.host, []).append(node.resource)
    alike: dict[frozenset[Request], list[_Look]] = {}
    for name, resources in by_host.items():
        look = _Look(hosts[name], resources)
        alike.setdefault(look.files, []).append(look)
    wait([looks[0].ask() for files, looks in alike.items() if files and len(looks) > _FEW])
    asked = deque(look for looks in alike.values() for look in looks)
    alike.clear()
    for look in asked:
        look.ask()
    states: dict[Address, State | Unfit | None] = {}
    while asked:
        states |= asked.popleft().states()
    return states


#: So few hosts are asked for their files at once: a round trip is worth more than the bytes.
_FEW = 2


class _Look:
    """One host, asked for the state of its resources."""

    def __init__(self, host: Host, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self._probes = {resource.address: tuple(resource.probe()) for resource in resources}
        slow = {resource.address for resource in resources if resource.slow_look}
        self._host = host
        self._shared = _shared(self._probes, slow)
        self._answers: _Answers | None = None

    @property
    def files(self) -> frozenset[Request]:
        """What it is asked of files' contents."""
        asked = (request for question in self._shared for request in question)
        return frozenset(one for one in asked if isinstance(one, Chain) or (isinstance(one, Look) and one.content))

    def ask(self) -> _Answers:
        """Send the questions, unless that was done."""
        if self._answers is None:
            groups = [Group(requests=g, parallel=p) for g, p in self._shared.values()]
            self._answers = self._host.ask(groups, looks=True)
        return self._answers

    def states(self) -> dict[Address, State | Unfit | None]:
        """What it answered."""
        answers = dict(zip(self._shared, self.ask().result(), strict=True))
        states: dict[Address, State | Unfit | None] = {}
        for resource in self._resources:
            try:
                states[resource.address] = resource.read(answers[_question(self._probes[resource.address])])
            except Unfit as unfit:
                states[resource.address] = unfit
        return states


Question = tuple[Request, ...]


def _question(probe: Question) -> Question:
    """A probe without which elements it picks from the answer: equal questions are asked once."""

    def asked(request: Request) -> Request:
        if isinstance(request, Run) and request.pick:
            return replace(request, pick=replace(request.pick, values=()))
        return request

    return tuple(map(asked, probe))


def _shared(probes: Mapping[Address, Question], slow: set[Address]) -> dict[Question, tuple[Question, bool]]:
    """Each distinct question with all that is to be picked from its answer, and whether it is slow."""
    shared: dict[Question, tuple[Question, bool]] = {}
    for address, probe in probes.items():
        question = _question(probe)
        known = shared.get(question)
        merged = tuple(map(_both, known[0], probe)) if known else probe
        shared[question] = (merged, address in slow)
    return shared


def _both(one: Request, other: Request) -> Request:
    if isinstance(one, Run) and isinstance(other, Run) and one.pick and other.pick:
        values = tuple(dict.fromkeys((*one.pick.values, *other.pick.values)))
        return replace(one, pick=Pick(one.pick.path, one.pick.key, values))
    return one


def apply(
    plan: Plan,
    hosts: Mapping[str, Host],
    *,
    journal: Record | None = None,
    listener: Listener = lambda event: None,
) -> Result:
    """Make the plan true. What waits for a failed step is skipped; everything else goes on.

    :param journal: told of each step before it is sent and after it was observed.
    :param listener: called from this thread with what starts and ends.
    :raises KeyboardInterrupt: Ctrl-C, and what was under way came to its end. In the main thread, as Python hears it
        nowhere else; in another it is the caller's.
    """
    return _Walk(plan, hosts, journal or NoJournal(), listener).run()


#: What reads a host's answers: None where it has asked for more.
_Reader = Callable[[_Answers], list[Outcome] | None]


class _Walk:
    """One run over one plan."""

    def __init__(self, plan: Plan, hosts: Mapping[str, Host], journal: Record, listener: Listener) -> None:
        self._plan = plan
        self._graph = plan.graph
        self._hosts = hosts
        self._journal = journal
        self._listener = listener
        self._states = dict(plan.states)
        self._todo = plan.addresses
        self._bad: dict[Address, Address] = {}  # what can't be done any more, and the step that failed
        self._outcomes: dict[Address, Outcome] = {}
        self._sorter: TopologicalSorter[Address] = TopologicalSorter(plan.graph.before)
        self._waiting: dict[str, list[Address]] = {}  # what is ready, by host
        self._busy: set[str] = set()
        self._free: set[str] = set()  # hosts that may have something to be sent
        self._arrived: SimpleQueue[tuple[str, _Reader, _Answers] | None] = SimpleQueue()  # None: Ctrl-C
        self._stopped = False

    # what a resource's ``want`` asks of what comes before it

    def changing(self, address: Address) -> bool:
        return address in self._todo

    def digest(self, address: Address) -> str | Unknown:
        resource, _ = self._resolved(address)
        return digest(resource.want(None, self))

    def _lookup(self, ref: Ref) -> object:
        state = self._states.get(ref.address)
        return state.outputs.get(ref.attribute, UNKNOWN) if state is not None else UNKNOWN

    def _resolved(self, address: Address) -> tuple[Resource, State | None]:
        return self._graph.nodes[address].resource.resolved(self._lookup), self._states.get(address)

    def run(self) -> Result:
        began = time.monotonic()
        self._journal.write("plan", steps=[recorded(change) for change in self._plan])
        self._sorter.prepare()
        with self._heard():
            while self._sorter.is_active():
                self._send_what_is_ready()
                if self._busy:
                    self._take_what_came()
                elif self._stopped:
                    raise KeyboardInterrupt
        return Result(tuple(self._outcomes.values()), self._plan.unchanged, time.monotonic() - began)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Ctrl-C is noted, and taken between two steps: anywhere else it would lose an answer that has come."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: object) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._stopped = True
            self._arrived.put(None)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _send_what_is_ready(self) -> None:
        # through all that needs no work, so that what is ready behind it travels with the rest
        while ready := sorted(self._sorter.get_ready()):
            for address in ready:
                if not self._needs_work(address):
                    self._sorter.done(address)
                else:
                    self._waiting.setdefault(address.host, []).append(address)
                    self._free.add(address.host)
        # a host takes one batch at a time; what gets ready meanwhile travels in its next
        for host in sorted(self._free - self._busy):
            if self._stopped:
                return
            if host in self._waiting:
                addresses = self._next(host)
                self._journal.write("send", host=host, steps=[str(address) for address in addresses])
                self._listener(Started(host, addresses))
                self._begin(host, addresses)
                self._busy.add(host)
        self._free.clear()

    def _take_what_came(self) -> None:
        """Wait until a host is done with its batch."""
        host, outcomes = self._ended()
        self._busy.discard(host)
        self._free.add(host)
        first = [outcome.address for outcome in outcomes if outcome.address not in self._outcomes]
        self._end(*outcomes)
        self._sorter.done(*first)

    def _ended(self) -> tuple[str, list[Outcome]]:
        """A host that is done with its batch, and with what that batch called for."""
        while True:
            arrived = self._arrived.get()
            if arrived is None:
                self._listener(Stopping())
                continue
            host, read, answers = arrived
            outcomes = read(answers)
            if outcomes is not None:
                return host, outcomes

    def _ask(self, host: str, groups: Sequence[Group], read: _Reader) -> None:
        """Send a batch; what came of it is read in :meth:`_ended`, in the walk's own thread."""
        future = self._hosts[host].ask(groups)
        future.add_done_callback(lambda answers: self._arrived.put((host, read, answers)))

    def _next(self, host: str) -> tuple[Address, ...]:
        """What a host is sent now: what is quick first, so that it does not wait for a restart's answer."""
        ready = self._waiting.pop(host)
        quick = [address for address in ready if not self._graph.nodes[address].resource.patient]
        if quick and len(quick) < len(ready):
            self._waiting[host] = [address for address in ready if address not in quick]
            return tuple(quick)
        return tuple(ready)

    def _needs_work(self, address: Address) -> bool:
        """Whether a ready address is to be sent; what waits for a failed one is settled here."""
        cause = next((self._bad[earlier] for earlier in self._graph.before[address] if earlier in self._bad), None)
        if cause is not None:
            self._bad[address] = cause
            if address in self._todo:
                self._end(Outcome(address, Status.SKIPPED, f"{cause} failed"))
            return False
        return address.kind != BARRIER and address in self._todo

    def _end(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            if outcome.status != Status.CHANGED:
                self._bad.setdefault(outcome.address, outcome.address)
            self._outcomes[outcome.address] = outcome
        ends = [{"step": str(one.address), "status": one.status, "detail": one.detail} for one in outcomes]
        self._journal.extend("end", ends)
        for outcome in outcomes:
            self._listener(Finished(outcome))

    def _begin(self, host: str, addresses: Sequence[Address]) -> None:
        """Send what is ready on one host."""
        began = time.monotonic()
        steps: list[_Step] = []
        outcomes: list[Outcome] = []
        for address in addresses:
            try:
                steps.append(self._step(address))
            except Exception as error:
                outcomes.append(Outcome(address, Status.FAILED, _told(error)))
        groups = [Group(requests=self._marks(addresses), gate=True), *(step.group() for step in steps)]
        self._ask(
            host,
            groups if steps else [],
            lambda answers: self._read(host, steps, outcomes, answers, began) if steps else outcomes,
        )

    def _read(
        self, host: str, steps: Sequence[_Step], outcomes: list[Outcome], asked: _Answers, began: float
    ) -> list[Outcome] | None:
        """What came of a batch; None where a service is being put back for it first."""
        seconds = time.monotonic() - began
        try:
            marked, *answers = asked.result()
        except HostError as error:
            lost = [Outcome(step.address, Status.UNKNOWN, redacted(str(error)), seconds) for step in steps]
            return [*outcomes, *lost]
        except LockedError as error:
            return [*outcomes, *(Outcome(step.address, Status.FAILED, redacted(str(error)), seconds) for step in steps)]
        unmarked = next((answer for answer in marked if isinstance(answer, Ran) and failed(answer)), None)
        for step, answered in zip(steps, answers, strict=True):
            if unmarked is not None:
                detail = f"nothing was changed: can't note the restart that it needs: {redacted(unmarked.reason)}"
                outcomes.append(Outcome(step.address, Status.FAILED, detail, seconds))
                continue
            try:
                self._states[step.address] = step.outcome(answered)
                outcomes.append(Outcome(step.address, Status.CHANGED, "", seconds))
            except Exception as error:
                stale = isinstance(error, StalePlanError)
                outcomes.append(Outcome(step.address, Status.FAILED, _told(error), seconds, stale))
        failing = [one.address for one in outcomes if one.status == Status.FAILED and one.address.kind == Service.kind]
        return None if self._put_back(host, failing, outcomes) else outcomes

    def _put_back(self, host: str, failing: Sequence[Address], outcomes: Sequence[Outcome]) -> bool:
        """Services did not come up: put back what this run changed of their configuration, and start them again.

        Those that share a file go back together: half of a configuration is worse than either. One such set after
        another, as one that can't go back must not keep the next from it. False where nothing was kept, or nothing
        was changed.
        """
        if not failing or not self._journal.run:
            return False
        done = {one.address: one for one in (*self._outcomes.values(), *outcomes)}
        changed = {address for address, one in done.items() if one.status == Status.CHANGED}
        for first in failing:
            services, files = self._entangled(first, changed)
            if files:
                break
        else:
            return False
        paths = sorted(files)
        restores = tuple(Restore(path=address.name, kept=self._journal.run) for address in paths)
        restarts = [
            Restart(name=one.unit, settle=one.settle, timeout=one.stop_timeout) for _, one in sorted(services.items())
        ]
        groups = [Group(requests=restores, gate=True), *(Group(requests=(one,), parallel=True) for one in restarts)]

        def read(answers: _Answers) -> list[Outcome] | None:
            found = {one.address: one for one in outcomes}
            try:
                restored, *restarted = answers.result()
            except (HostError, LockedError) as error:
                # what a later rollback finds changed, it takes back
                back, after = [], f"can't tell whether its configuration was put back: {redacted(str(error))}"
            else:
                bad, still = _reasons(restored), _reasons(ran for group in restarted for ran in group)
                back = paths[: len(paths) - len(bad)]  # in order, and after the first that fails none is tried
                after = _put_back_so(back, paths[len(back) :], [*bad, *still], self._journal.run)
            for address in (*back, *(services if len(back) == len(paths) else ())):
                if done[address].status == Status.CHANGED:
                    found[address] = Outcome(address, Status.ROLLED_BACK, f"{first} did not come up with it")
            for address in (one for one in failing if one in services):
                found[address] = replace(done[address], detail=f"{done[address].detail}; {after}")
            left = [address for address in failing if address not in services]
            ended = list(found.values())
            return None if self._put_back(host, left, ended) else ended

        self._ask(host, groups, read)
        return True

    def _entangled(self, first: Address, changed: set[Address]) -> tuple[dict[Address, Service], set[Address]]:
        """The services of a host that share changed files with one, and all those files."""
        resource = self._graph.nodes[first].resource
        assert isinstance(resource, Service)
        services, files = {first: resource}, set[Address]()
        while True:
            watched = {
                address
                for service in services.values()
                for address in service.restart_on
                if address in changed and isinstance(self._graph.nodes[address].resource, File | Options)
            }
            sharing = {one.address: one for address in watched for one in self._graph.watchers.get(address, ())}
            if watched == files and sharing.keys() <= services.keys():
                return services, files
            files = watched
            services |= sharing

    def _step(self, address: Address) -> _Step:
        resource, have = self._resolved(address)
        have = resource.foreseen(have, self)
        want = resource.want(have, self)
        if any(isinstance(value, Unknown) for value in want.values.values()):
            raise ChangeError("a value that it takes from another resource is still not known")
        changes = tuple(_kept_for(self._journal.run, request) for request in resource.change(have, want))
        return _Step(address, resource, want, changes, tuple(resource.probe()))

    def _marks(self, addresses: Iterable[Address]) -> tuple[Request, ...]:
        """A restart must survive a crash: each service is marked before what it watches is changed."""
        services = {service.address: service for a in addresses for service in self._graph.watchers.get(a, ())}
        return tuple(request for address in sorted(services) for request in services[address].pending())


@dataclass(frozen=True)
class _Step:
    """One resource's change and the probe behind it."""

    address: Address
    resource: Resource
    want: State
    changes: tuple[Request, ...]
    probes: tuple[Request, ...]

    def group(self) -> Group:
        return Group(requests=(*self.changes, *self.probes), parallel=self.resource.slow, probes=len(self.probes))

    def outcome(self, answers: Sequence[Answer]) -> State:
        """The state that was seen afterwards.

        :raises ChangeError: a command failed, or what was seen is not what was wanted.
        """
        for request, answer in zip(self.changes, answers[: len(self.changes)], strict=True):
            accepted = request.accept if isinstance(request, Run) else ()
            if isinstance(answer, Ran) and failed(answer) and answer.status not in accepted:
                sort = StalePlanError if answer.status == CHANGED else ChangeError
                raise sort(_failure(request, answer))
        state = self.resource.read(answers[len(self.changes) :])
        left = differences(state, self.want)
        if state is None or left:
            what = ", ".join(f"{d.name} is {shown(d.have)}, not {shown(d.want)}" for d in left) or "it is not there"
            raise ChangeError(f"still differs after the change: {what}")
        return state


def _kept_for(run: str, request: Request) -> Request:
    """A change that makes the host keep what it replaces, for a rollback of the run."""
    return replace(request, run=run) if isinstance(request, Write | Restore | Remove | Run) else request


def _reasons(answers: Iterable[Answer]) -> list[str]:
    """Why those failed that did."""
    return [redacted(answer.reason) for answer in answers if isinstance(answer, Ran) and answer.status]


def _put_back_so(back: Sequence[Address], left: Sequence[Address], reasons: Sequence[str], run: str) -> str:
    """How putting back went: what is as before, what is not, and the first reason."""

    def names(addresses: Sequence[Address]) -> str:
        return ", ".join(address.name.rpartition("/")[2] for address in addresses)

    if not left:
        return f"{names(back)} put back as before, and " + (f"still: {reasons[0]}" if reasons else "it runs again")
    done = f"{names(back)} put back as before; " if back else ""
    return f"{done}can't put back {names(left)}: {reasons[0]}; then: cephdeploy rollback {run}"


def _told(error: Exception) -> str:
    """What a person is told of a step's error. A kind may be anybody's: a fault in it ends its step alone."""
    if isinstance(error, Unfit | CephdeployError):
        return redacted(str(error))
    return redacted(f"the kind has a fault: {type(error).__name__}: {error}")


def _failure(request: Request, answer: Ran) -> str:
    what = " ".join(request.argv[:4]) if isinstance(request, Run) else type(request).__name__.lower()
    if answer.status == KILLED:
        return f"{what} did not end in time and was killed"
    if answer.status == CHANGED:
        return "it is not what the plan saw any more; somebody else changed it: plan again"
    return f"{what}: {answer.reason}" if isinstance(request, Run) else answer.reason
