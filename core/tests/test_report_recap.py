"""The recap of a run, and the lines of its steps and proofs."""

from __future__ import annotations

from cephdeploy.engine import Outcome, Result, Status
from cephdeploy.graph import Graph
from cephdeploy.planner import Action, Change, Plan
from cephdeploy.report.paper import Paper
from cephdeploy.report.recap import finished_line, probe_line, recap
from cephdeploy.values import Address
from cephdeploy.verify import ProbeResult

CONF = Address("c1", "options", "/etc/nova/nova.conf")
SERVICE = Address("c1", "service", "nova-compute.service")
POOL = Address("ceph1", "pool", "vms")
PLAN = Plan(
    (
        Change(POOL, Action.CREATE, (), ("nova",)),
        Change(CONF, Action.CHANGE, (), ("nova",)),
        Change(SERVICE, Action.RESTART, (), ("nova",)),
    ),
    0,
    Graph({}, {}),
    {},
)


def recap_of(*outcomes: Outcome, hosts: tuple[str, ...] = ("c1", "ceph1")) -> list[str]:
    return [line.plain for line in recap(PLAN, Result(outcomes, 0, 6.12), hosts, Paper())]


def done(address: Address) -> Outcome:
    return Outcome(address, Status.CHANGED)


def test_a_good_run_is_one_line_a_host_and_its_time() -> None:
    assert recap_of(done(POOL), done(CONF), done(SERVICE), hosts=("c1", "ceph1", "c2")) == [
        "c1      ok        1 changed  1 restarted",
        "ceph1   ok        1 changed",
        "c2   nothing to do",
        "converged in 6.1 s",
    ]


def test_a_failure_is_said_once_with_what_was_skipped_because_of_it() -> None:
    lines = recap_of(
        done(POOL),
        Outcome(CONF, Status.FAILED, "no space left"),
        Outcome(SERVICE, Status.SKIPPED, f"{CONF} failed"),
    )
    assert "c1      failed    1 failed  1 skipped" in lines
    assert "failed    c1: /etc/nova/nova.conf: no space left" in lines
    assert "          1 step that needs it was skipped: nova-compute on c1" in lines
    assert lines[-1].startswith("not converged: 1 done, 1 failed, 1 skipped, in 6.1 s.")
    assert "run the same command again" in lines[-1]


def on(count: int, status: Status, detail: str = "") -> list[Outcome]:
    return [Outcome(Address(f"c{n:03}", CONF.kind, CONF.name), status, detail.format(host=n)) for n in range(count)]


def test_hosts_that_ended_alike_have_one_line() -> None:
    lines = recap_of(*on(700, Status.CHANGED), done(POOL), done(POOL._replace(name="images")), hosts=())
    assert lines == [
        "c[000-699]   ok        1 changed   on each of 700 hosts",
        "ceph1        ok        2 changed",
        "converged in 6.1 s",
    ]


def test_one_cause_on_many_hosts_is_said_of_the_first_and_the_others_are_named() -> None:
    failed = on(700, Status.FAILED, "no answer from 10.0.0.{host}")
    skipped = [Outcome(one.address._replace(kind="service"), Status.SKIPPED, f"{one.address} failed") for one in failed]
    lines = recap_of(*failed, *skipped)
    assert "failed    c000: /etc/nova/nova.conf: no answer from 10.0.0.0" in lines
    assert "          likewise 699 more hosts: c[001-699]" in lines
    assert any(line.startswith("          700 steps that need it were skipped: ") for line in lines)
    assert len(lines) < 10


def test_failures_with_other_causes_stand_apart() -> None:
    lines = recap_of(*on(3, Status.FAILED, "cause {host}"))
    assert [line for line in lines if "cause" in line] == [
        f"failed    c00{n}: /etc/nova/nova.conf: cause {n}" for n in range(3)
    ]


def test_an_unknown_outcome_says_that_the_next_run_looks() -> None:
    lines = recap_of(Outcome(CONF, Status.UNKNOWN, "c1: the line broke"))
    assert (
        "unknown   c1: /etc/nova/nova.conf: the line broke; whether it was done is not known, the next run looks"
        in lines
    )


def test_a_step_that_ended_is_one_line() -> None:
    good = finished_line(Outcome(SERVICE, Status.CHANGED, "", 1.23), Action.RESTART, (5, 20), Paper()).plain
    assert good == "✓ c1     nova-compute          restarted   1.2 s"
    bad = finished_line(Outcome(CONF, Status.FAILED, "bad\n\x1b[1mnews"), Action.CHANGE, (2, 4), Paper()).plain
    assert bad == "✗ c1  /etc/nova/nova.conf  failed: bad news"


def test_a_proof_is_one_line_with_what_it_saw() -> None:
    assert "0.8 s   a clone" in probe_line(ProbeResult("cinder", "volume", True, "a clone", 0.8), Paper()).plain
    failed = probe_line(ProbeResult("cinder", "volume", False, "a copy", 0.8), Paper.of("ascii")).plain
    assert failed.startswith("!! volume")
    assert failed.endswith("failed: a copy")
