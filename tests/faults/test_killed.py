"""A run that is ended at any point, in any way, is finished by the next one, as if nothing had happened.

Each point has fresh hosts. By default every journal record is a point once, with the transports taken in turn, and
every batch of changes once by each transport, each in another way; ``CEPHDEPLOY_TEST_EVERY_POINT=1`` tries every way
at each.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cephdeploy.journal import past

from ..ssh.lines import TRANSPORTS
from .command import CUTS
from .hosts import Ended, Hosts, Network

EVERY = bool(os.environ.get("CEPHDEPLOY_TEST_EVERY_POINT"))

Fault = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """A run that nothing happened to."""

    state: dict[str, object]
    restarts: dict[str, int]
    records: int
    batches: int
    #: Batches before the first change.
    looking: int


@pytest.fixture(scope="session")
def reference(networks: list[Network], tmp_path_factory: pytest.TempPathFactory) -> Reference:
    told = tmp_path_factory.mktemp("batches") / "count"
    with networks[0].hosts() as hosts:
        looked = hosts.cephdeploy("plan", batch=-1, cut="", told=str(told))
        assert looked.status == 0, looked.said
        looking = len(told.read_text()) + len(hosts.names)  # and each host's lock
        told.unlink()
        ended = hosts.run(batch=-1, cut="", told=str(told))
        assert ended.status == 0, ended.said
        assert hosts.behind() == []
        assert hosts.leaks(ended.said) == []
        (records,) = hosts.journals()
        return Reference(hosts.end_state(), hosts.restarts(), len(records), len(told.read_text()), looking)


def tried(networks: Sequence[Network], points: Sequence[Fault], attempt: Callable[[Hosts, Fault], None]) -> list[str]:
    """Each point on fresh hosts, as many side by side as there are networks; what went wrong."""
    free: queue.Queue[Network] = queue.Queue()
    for network in networks:
        free.put(network)

    def one(point: Fault) -> str:
        network = free.get()
        try:
            with network.hosts() as hosts:
                attempt(hosts, point)
        except AssertionError as error:
            return f"{point}: {error}"
        finally:
            free.put(network)
        return ""

    with ThreadPoolExecutor(len(networks)) as pool:
        return [text for text in pool.map(one, points) if text]


def converges(hosts: Hosts, reference: Reference, first: Ended) -> None:
    """A plain run after the one that was ended reaches the same end."""
    again = hosts.rerun()
    assert again.status == 0, f"the run after it: {again.said}"
    state = hosts.end_state()
    for part, wanted in reference.state.items():
        assert isinstance(wanted, dict)
        found = state[part]
        assert isinstance(found, dict)
        other = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        assert not other, f"not as it would have been, in {part}: {other}"
    assert hosts.behind() == [], "these do not run with what stands in their files"
    assert hosts.left() == [], "temporary files are left"
    often = {unit: count for unit, count in hosts.restarts().items() if count > reference.restarts[unit] + 1}
    assert not often, f"restarted more than once too often: {often}"
    assert hosts.restarts().keys() == reference.restarts.keys(), "a restart was lost"
    assert hosts.leaks(first.said, again.said) == []
    if EVERY:
        settled = hosts.cephdeploy("plan", "--detailed-exitcode")
        assert settled.status == 0, settled.said


def shown(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}", flush=True)


@pytest.mark.fault("F05")
@pytest.mark.fault("F35")
def test_killed_at_each_record_of_its_journal_a_run_is_finished_by_the_next(
    networks: list[Network], reference: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    whens = ("after", "before") if EVERY else ("after",)
    points: list[Fault] = [{"journal": at, "when": when} for at in range(reference.records) for when in whens]

    def attempt(hosts: Hosts, point: Fault) -> None:
        hosts.write_site(transport=TRANSPORTS[point["journal"] % len(TRANSPORTS)])
        first = hosts.run(**point)
        assert first.status == -9, f"it was not killed: {first.said}"
        runs = {run.run: run for run in past(hosts.state / "cephdeploy/runs")}
        begun = point != {"journal": 0, "when": "before"}
        assert len(runs) == begun
        ended = point == {"journal": reference.records - 1, "when": "after"}
        assert all((run.exit_code is not None) == ended for run in runs.values())
        converges(hosts, reference, first)

    wrong = tried(networks, points, attempt)
    records = f"{reference.records} journal records"
    shown(capsys, f"killed at {len(points)} points of {records}: {len(wrong)} did not converge")
    assert not wrong, "\n".join(wrong)


@pytest.mark.fault("F03")
@pytest.mark.fault("F04")
@pytest.mark.fault("F05")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cut_off_or_killed_at_each_batch_a_run_is_finished_by_the_next(
    networks: list[Network], reference: Reference, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    every = [{"batch": at, "cut": cut} for at in range(reference.batches) for cut in CUTS]
    # what only looks is tried by one transport each; what changes something by all, by each in another way
    number = TRANSPORTS.index(transport)
    turned = [
        {"batch": at, "cut": CUTS[(at + 2 * number) % len(CUTS)]}
        for at in range(reference.batches)
        if at >= reference.looking or at % len(TRANSPORTS) == number
    ]
    points: list[Fault] = every if EVERY else turned

    def attempt(hosts: Hosts, point: Fault) -> None:
        hosts.write_site(transport=transport)
        first = hosts.run(**point)
        if point["cut"] == "killed":
            assert first.status == -9, first.said
        elif point["cut"] != "payload":
            # 6: a host was lost before the first change; otherwise steps are unknown, and nobody claims they failed
            assert first.status in (1, 3, 6), first.said
            assert "cut by the test" in first.said or "connection broke" in first.said, first.said
        converges(hosts, reference, first)

    wrong = tried(networks, points, attempt)
    batches = f"{reference.batches} batches ({reference.batches - reference.looking} of changes)"
    shown(capsys, f"{transport}: cut off or killed at {len(points)} points of {batches}: {len(wrong)} did not converge")
    assert not wrong, "\n".join(wrong)


def test_the_journal_of_a_killed_run_says_that_it_did_not_come_to_its_end(hosts: Hosts) -> None:
    first = hosts.run(journal=10, when="after")
    assert first.status == -9
    listed = hosts.cephdeploy("history")
    assert "did not come to its end" in listed.out, listed.said
    (run,) = past(hosts.state / "cephdeploy/runs")
    told = hosts.cephdeploy("show", run.run)
    assert told.status == 0
    assert hosts.leaks(listed.said, told.said) == []


def test_what_the_fault_tests_leave_is_nothing(network: Network) -> None:
    with network.hosts() as hosts:
        first = [root.parts[2] for root in hosts.roots.values()]
        assert hosts.run(journal=12, when="after").status == -9
    assert not [pid for pid in first if Path(f"/proc/{pid}").exists()]
    assert str(hosts.folder) not in Path("/proc/mounts").read_text()
