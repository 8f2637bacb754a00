"""The walk that touches hosts: few round trips, nothing believed that was not seen, failures contained."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from cephdeploy.engine import Event, Finished, Result, Started, Status, Stopping
from cephdeploy.errors import CephdeployError, ExitCode, HostError
from cephdeploy.kinds import CephConf, CephPool, CephUser, File, Keyring, LibvirtSecret
from cephdeploy.requests import Answer, Group, Host, Pick, Ran, Request, Run, Write
from cephdeploy.resource import Resource, State, Upstream
from cephdeploy.site import Site
from cephdeploy.testing import FakeSite, apply_twice, cephx_key, plugin_of


def a_site(computes: int = 2) -> FakeSite:
    return FakeSite({"ceph1": [], **{f"cmp{n}": ["nova-compute"] for n in range(1, computes + 1)}})


def a_file(path: str, host: str = "cmp1", content: str = "x", **more: object) -> File:
    return File(host=host, path=path, content=content, **more)  # type: ignore[arg-type]


def run(site: FakeSite, *resources: Resource) -> Result:
    deployment = site.deployment_of(lambda s: resources)
    return deployment.apply(deployment.plan())


def ended(result: Result) -> dict[str, str]:
    return {f"{o.address.host}{o.address.name}": str(o.status) for o in result.outcomes}


def demo(site: Site) -> Iterable[Resource]:
    for name in ("volumes", "images", "vms"):
        yield CephPool.of(site, name)
    for name in ("cinder", "glance", "nova"):
        yield CephUser.of(site, f"client.{name}", {"mon": "profile rbd"})
    for host in site.with_role("nova-compute"):
        yield CephConf.of(site, host)
        yield Keyring.of(site, host, "client.cinder", "nova-compute")
        uuid = site.secret_uuid("client.cinder")
        yield LibvirtSecret(host=host.name, uuid=uuid, usage="client.cinder", value=site.key("client.cinder"))


# round trips


def test_looking_is_one_round_trip_a_host_and_equal_questions_are_asked_once() -> None:
    site = a_site()
    deployment = site.deployment_of(demo)
    site.forget()
    deployment.plan()
    assert site.round_trips == {"ceph1": 1, "cmp1": 1, "cmp2": 1}
    asked = [argv[:4] for argv in site.hosts["ceph1"].commands]
    assert sorted(asked) == [("ceph", "auth", "ls", "-f"), ("ceph", "osd", "pool", "ls")]


def test_what_is_ready_on_a_host_travels_in_one_batch() -> None:
    site = a_site()
    deployment = site.deployment_of(demo)
    plan = deployment.plan()
    site.forget()
    assert deployment.apply(plan).ok
    # ceph.conf waits for nothing; keyring and secret wait for the key
    assert site.round_trips == {"ceph1": 1, "cmp1": 2, "cmp2": 2}


def test_what_is_ready_behind_things_that_are_right_travels_in_the_first_batch() -> None:
    site = a_site(1)
    site.hosts["cmp1"].put("/right", "x")
    right = a_file("/right")
    deployment = site.deployment_of(
        lambda s: [right, a_file("/one"), a_file("/two", after=(right.address,)), a_file("/three")]
    )
    plan = deployment.plan()
    site.forget()
    assert deployment.apply(plan).ok
    assert site.round_trips["cmp1"] == 1


def test_an_empty_plan_sends_nothing() -> None:
    site = a_site()
    apply_twice(site.deployment_of(demo))
    deployment = site.deployment_of(demo)
    plan = deployment.plan()
    site.forget()
    result = deployment.apply(plan)
    assert result.ok and result.exit_code == ExitCode.OK and result.unchanged == 12
    assert not any(site.round_trips.values())


class Beside(Host):
    """A host that is asked in a thread of its own, and answers when all are asked."""

    def __init__(self, host: Host, pool: ThreadPoolExecutor, meet: threading.Barrier) -> None:
        self.name, self.host, self.pool, self.meet = host.name, host, pool, meet

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        self.meet.wait()
        return self.host.exchange(groups)

    def ask(self, groups: Sequence[Group], *, looks: bool = False) -> Future[list[list[Answer]]]:
        return self.pool.submit(self.exchange, groups)


def test_hosts_are_worked_on_side_by_side() -> None:
    site = a_site(2)
    deployment = site.deployment_of(lambda s: [a_file("/f", "cmp1"), a_file("/f", "cmp2")])
    plan = deployment.plan()
    with ThreadPoolExecutor(2) as pool:
        both = threading.Barrier(2, timeout=10)
        for name, host in deployment.hosts.items():
            deployment.hosts[name] = Beside(host, pool, both)
        assert deployment.apply(plan).ok


# failures


def refuse(path: str) -> object:
    def answer(request: Request) -> Ran | None:
        wanted = isinstance(request, Write) and request.path == path
        return Ran(status=1, err=f"{path}: No space left on device".encode()) if wanted else None

    return answer


def test_what_waits_for_a_failed_step_is_skipped_with_the_cause_and_the_rest_goes_on() -> None:
    site = a_site()
    site.hosts["cmp1"].interfere.append(refuse("/bad"))  # type: ignore[arg-type]
    bad, next_one = a_file("/bad"), a_file("/next", after=(a_file("/bad").address,))
    last = a_file("/last", "cmp2", after=(next_one.address,))
    result = run(site, bad, next_one, last, a_file("/good"), a_file("/good", "cmp2"))
    assert ended(result) == {
        "cmp1/bad": "failed",
        "cmp1/next": "skipped",
        "cmp2/last": "skipped",
        "cmp1/good": "changed",
        "cmp2/good": "changed",
    }
    details = {o.address.name: o.detail for o in result.outcomes}
    assert details["/bad"] == "/bad: No space left on device"
    assert details["/next"] == details["/last"] == "cmp1/file:/bad failed"
    assert result.exit_code == ExitCode.PARTLY


def test_a_failed_pool_stops_its_own_plugin_and_no_other() -> None:
    site = a_site(1)

    def refuse_images(request: Request) -> Ran | None:
        wanted = isinstance(request, Run) and "init" in request.argv and "images" in request.argv
        return Ran(status=1, err=b"rbd: no") if wanted else None

    site.hosts["ceph1"].interfere.append(refuse_images)

    def plugin(name: str) -> tuple[str, object]:
        return name, plugin_of(
            name=name,
            roles=["nova-compute"],
            prepare_ceph=lambda s: [CephPool.of(s, name)],
            configure_service=lambda s: [a_file(f"/{name}")],
        )

    deployment = site.deployment([plugin("images"), plugin("volumes")])
    assert ended(deployment.apply(deployment.plan())) == {
        "ceph1images": "failed",
        "ceph1volumes": "changed",
        "cmp1/images": "skipped",
        "cmp1/volumes": "changed",
    }


def test_a_run_after_a_failure_goes_on_where_it_stopped() -> None:
    site = a_site()
    site.hosts["cmp1"].interfere.append(refuse("/bad"))  # type: ignore[arg-type]
    resources = [a_file("/bad"), a_file("/next", after=(a_file("/bad").address,)), a_file("/good")]
    run(site, *resources)
    site.hosts["cmp1"].interfere.clear()
    plan = apply_twice(site.deployment_of(lambda s: resources))
    assert [change.address.name for change in plan] == ["/bad", "/next"]


def test_nothing_done_is_a_failure_and_not_partly() -> None:
    site = a_site()
    site.hosts["cmp1"].interfere.append(refuse("/bad"))  # type: ignore[arg-type]
    assert run(site, a_file("/bad")).exit_code == ExitCode.FAILED


def test_changed_is_said_of_what_was_seen_and_never_of_what_was_sent() -> None:
    site = a_site()
    lie = lambda request: Ran(status=0) if isinstance(request, Write) else None  # noqa: E731
    site.hosts["cmp1"].interfere.append(lie)
    (outcome,) = run(site, a_file("/f")).outcomes
    assert outcome.status == Status.FAILED
    assert outcome.detail.startswith("still differs after the change: content is None, not sha256:")


@pytest.mark.fault("F04")
def test_a_broken_line_leaves_its_steps_unknown_and_other_hosts_go_on() -> None:
    site = a_site()
    site.hosts["cmp1"].cut_after(lambda request: isinstance(request, Write))
    result = run(site, a_file("/1"), a_file("/2"), a_file("/1", "cmp2"))
    assert ended(result) == {"cmp1/1": "unknown", "cmp1/2": "unknown", "cmp2/1": "changed"}
    assert "cmp1: the connection broke" in result.outcomes[0].detail
    assert "/1" in site.hosts["cmp1"].files
    assert [c.address.name for c in site.deployment_of(lambda s: [a_file("/1"), a_file("/2")]).plan()] == ["/2"]


def test_a_line_that_breaks_while_looking_ends_the_plan() -> None:
    site = a_site()
    deployment = site.deployment_of(lambda s: [a_file("/1")])
    site.hosts["cmp1"].down = "the connection broke"
    with pytest.raises(HostError, match="cmp1: the connection broke"):
        deployment.plan()


def test_a_key_in_what_a_command_says_is_taken_out() -> None:
    site = a_site()
    key = cephx_key("x")
    said = Ran(status=1, err=f"bad key {key}".encode())
    site.hosts["cmp1"].interfere.append(lambda request: said if isinstance(request, Write) else None)
    (outcome,) = run(site, a_file("/f")).outcomes
    assert key not in outcome.detail and "<secret>" in outcome.detail


# the journal, and the listener


class Notes:
    """A journal in memory."""

    run = "20261122-101112-ab12"

    def __init__(self, stop_at: int = 1000) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self._stop_at = stop_at
        self.hear: Callable[[str], None] = lambda event: None

    def write(self, event: str, **what: object) -> None:
        self.extend(event, [what])

    def extend(self, event: str, several: Sequence[Mapping[str, object]]) -> None:
        if len(self.events) == self._stop_at:
            raise CephdeployError("can't write the journal")
        self.events += [(event, dict(what)) for what in several]
        self.hear(event)


def test_each_step_is_in_the_journal_before_it_is_sent_and_after_it_ended() -> None:
    site = a_site()
    notes = Notes()
    seen: list[int] = []
    site.hosts["cmp1"].interfere.append(lambda request: seen.append(len(notes.events)))
    deployment = site.deployment_of(lambda s: [a_file("/f")])
    plan = deployment.plan()
    seen.clear()
    deployment.apply(plan, journal=notes)
    assert set(seen) == {2}
    step = {"host": "cmp1", "kind": "file", "name": "/f", "action": "create", "caps": {}}
    assert notes.events == [
        ("plan", {"steps": [{**step, "attributes": ["content", "owner", "mode"]}]}),
        ("send", {"host": "cmp1", "steps": ["cmp1/file:/f"]}),
        ("end", {"step": "cmp1/file:/f", "status": "changed", "detail": ""}),
    ]


@pytest.mark.fault("F06")
def test_without_a_journal_no_further_change_is_made() -> None:
    site = a_site()
    deployment = site.deployment_of(lambda s: [a_file("/f")])
    with pytest.raises(CephdeployError, match="can't write the journal"):
        deployment.apply(deployment.plan(), journal=Notes(stop_at=0))
    assert not site.writes


def test_the_listener_hears_what_starts_and_what_ends() -> None:
    site = a_site()
    deployment = site.deployment_of(lambda s: [a_file("/f")])
    heard: list[Event] = []
    result = deployment.apply(deployment.plan(), listener=heard.append)
    assert heard == [Started("cmp1", (a_file("/f").address,)), Finished(result.outcomes[0])]


@pytest.mark.fault("F41")
@pytest.mark.usefixtures("hears_interrupts")
@pytest.mark.parametrize("at", ["send", "started", "end", "finished"])
def test_an_interrupt_wherever_it_comes_loses_no_answer_and_ends_the_run(at: str) -> None:
    site = a_site()
    deployment = site.deployment_of(lambda s: [a_file("/f"), a_file("/g", after=(a_file("/f").address,))])
    heard: list[str] = []
    notes = Notes()

    def interrupt(moment: str) -> None:
        heard.append(moment)
        if moment == at and heard.count(at) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    def listen(event: Event) -> None:
        interrupt(type(event).__name__.lower())

    notes.hear = interrupt
    with pytest.raises(KeyboardInterrupt):
        deployment.apply(deployment.plan(), journal=notes, listener=listen)
    ends = [what["status"] for event, what in notes.events if event == "end"]
    assert ends == ["changed"]
    assert site.writes == [("cmp1", "/f")]
    # where an answer was still to come, it is said that it is waited for
    assert (Stopping.__name__.lower() in heard) == (at in ("send", "started"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# kinds of a plugin's own


class Quota(Resource):
    """A kind that asks one question with its own pick, and whose change accepts a status."""

    kind = "quota"
    wish: str = "ours"

    @property
    def name(self) -> str:
        return self.wish

    @property
    def path(self) -> tuple[str, ...]:
        return () if self.wish == "all" else ("list",)

    def probe(self) -> list[Request]:
        pick = None if self.wish == "all" else Pick(self.path, "name", (self.wish,))
        return [Run(argv=("quota", "show"), pick=pick)]

    def read(self, answers: Iterable[Answer]) -> State | None:
        (ran,) = answers
        assert isinstance(ran, Ran)
        return State({"said": ran.text})

    def want(self, have: State | None, upstream: Upstream) -> State:
        assert have is not None
        return State({"said": have.values["said"]} if "full" not in str(have.values["said"]) else {"said": "done"})

    def change(self, have: State | None, want: State) -> list[Request]:
        return [Run(argv=("quota", "set"), accept=(0, 3))]


def quotas(site: FakeSite, *wishes: str) -> list[Quota]:
    found = []
    for wish in wishes:
        made = Quota(host="ceph1")
        object.__setattr__(made, "wish", wish)
        found.append(made)
    return found


def test_a_question_without_a_pick_is_not_answered_by_a_cut_one() -> None:
    site = a_site()
    text = '{"list": [{"name": "a"}, {"name": "b"}]}'
    site.hosts["ceph1"].programs["quota"] = lambda argv, stdin, user: (0, text, "")
    deployment = site.deployment_of(lambda s: quotas(site, "a", "all", "b"))
    states = deployment.plan().states
    said = {address.name: state.values["said"] for address, state in states.items() if state is not None}
    assert said["all"] == text
    assert said["a"] == said["b"] == '[{"name": "a"}, {"name": "b"}]'
    assert site.commands.count(("quota", "show")) == 2


def test_a_status_that_a_change_accepts_is_no_failure() -> None:
    site = a_site()
    state = {"text": "full"}

    def quota(argv: tuple[str, ...], stdin: bytes, user: str) -> tuple[int, str, str]:
        if argv[1] == "set":
            state["text"] = "done"
            return 3, "", ""
        return 0, state["text"], ""

    site.hosts["ceph1"].programs["quota"] = quota
    assert len(apply_twice(site.deployment_of(lambda s: quotas(site, "all")))) == 1
