"""Two operators at once: one works, the other is told so; and a holder that died holds nothing."""

from __future__ import annotations

import os
import queue
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .hosts import ADMIN, ALL, PATIENCE, Hosts, Network

ROUNDS = 50
RUN = ("run", "--plugins", ALL, "--yes", "--no-verify")
REFUSED = re.compile(
    r"ceph1: another run holds it: root on \S+, 'cephdeploy run' \(process (\d+)\), since \d{4}-\d\d-\d\d "
    r"\d\d:\d\d:\d\d [+-]\d{4}; nothing was changed. Wait for it, or end it there"
)


def wish(number: int) -> dict[str, object]:
    """The site of one of the operators: its number stands in files of both hosts."""
    return {
        "glance": {"chunk_size": 2 ** (number % 6)},
        "cinder": {"backends": {"ceph": {"max_clone_depth": number}}},
        "cinder_backup": {"chunk_size": number},
        "libvirt": {"concurrent_management_ops": number},
    }


def settled(hosts: Hosts) -> set[int]:
    """The operators whose wishes stand in the files: one, or the state is mixed."""
    found = set()
    for name, path, option in (
        ("controller1", "/etc/cinder/cinder.conf", "rbd_max_clone_depth"),
        ("controller1", "/etc/cinder/cinder.conf", "backup_ceph_chunk_size"),
        ("compute1", "/etc/ceph/ceph.conf", "rbd_concurrent_management_ops"),
        ("controller1", "/etc/glance/glance-api.conf", "rbd_store_chunk_size"),
    ):
        values = re.findall(rf"^\s*{option} = (\d+)$", hosts.path(name, path).read_text(), re.M)
        assert len(values) == 1, f"{option} stands {len(values)} times in {path}"
        value = int(values[0])
        found.add(next((one for one in found if 2 ** (one % 6) == value), -1) if "store" in option else value)
    return found


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


@pytest.mark.fault("F16")
def test_two_operators_at_once_are_one_that_works_and_one_that_is_told_fifty_times(
    networks: list[Network], capsys: pytest.CaptureFixture[str]
) -> None:
    rounds: queue.Queue[int] = queue.Queue()
    for number in range(ROUNDS):
        rounds.put(number)

    def rounds_on(network: Network) -> list[str]:
        said = []
        with network.hosts() as hosts:
            # one after the other: what every round changes is there
            first = hosts.cephdeploy(*RUN, site=hosts.write_site("0.yml", **wish(1)))
            assert first.status == 0, first.said
            while not rounds.empty():
                try:
                    turn = rounds.get_nowait()
                except queue.Empty:
                    break
                number = 3 + 2 * (turn % 10)
                sites = {one: hosts.write_site(f"{one}.yml", **wish(one)) for one in (number, number + 1)}
                states = {one: hosts.folder / f"state-{turn}-{one}" for one in sites}
                running = {one: hosts.start(*RUN, site=site, state=states[one]) for one, site in sites.items()}
                ended = {one: run.ended() for one, run in running.items()}
                winners = {one for one, end in ended.items() if end.status == 0}
                assert winners, [end.said for end in ended.values()]
                for one in ended.keys() - winners:
                    assert ended[one].status == 5, ended[one].said
                    told = REFUSED.search(ended[one].err)
                    assert told, ended[one].said
                    assert int(told[1]) in {running[winner].pid for winner in winners}
                    assert not list(states[one].rglob("*.jsonl"))
                found = settled(hosts)
                assert len(found) == 1, f"a mixed state: {found}"
                assert found <= winners
                assert hosts.behind() == []
                said.append("refused" if len(winners) == 1 else "after")
        return said

    with ThreadPoolExecutor(len(networks)) as pool:
        results = [one for said in pool.map(rounds_on, networks) for one in said]
    with capsys.disabled():
        print(f"\n{len(results)} rounds of two operators: {results.count('refused')} times one was refused, ", end="")
        print(f"{results.count('after')} times one came after the other", flush=True)
    assert len(results) == ROUNDS
    assert results.count("refused") > ROUNDS // 2


def held(hosts: Hosts) -> bool:
    """Whether a run has said on the admin host that it is the one."""
    path = hosts.path(ADMIN, "/run/cephdeploy/lock")
    return path.exists() and bool(path.read_text())


@pytest.mark.fault("F17")
@pytest.mark.fault("F18")
@pytest.mark.parametrize("days", [-1, 1, 4000])
def test_a_holder_that_was_killed_holds_nothing_whatever_the_clocks_say(hosts: Hosts, days: int) -> None:
    first = hosts.run(journal=1, when="after")
    assert first.status == -9
    assert held(hosts)
    for name in hosts.names:
        when = time.time() + 86400 * days
        os.utime(hosts.path(name, "/run/cephdeploy/lock"), (when, when))
    began = time.monotonic()
    again = hosts.rerun()
    assert again.status == 0, again.said
    assert time.monotonic() - began < PATIENCE / 2


@pytest.mark.fault("F17")
def test_what_a_killed_holder_had_begun_on_a_host_keeps_the_lock_until_its_own_end(hosts: Hosts) -> None:
    pause = hosts.path("controller1", "/srv/state/units/glance-api.service/pause")
    pause.write_text("4\n")
    running = hosts.start(*RUN)
    until(lambda: "glance-api" in hosts.path("controller1", "/srv/state/restarts").read_text())
    running.signal(signal.SIGKILL)
    running.ended()
    refused = hosts.run()
    if refused.status == 5:
        assert "another run holds it: root on" in refused.err
    pause.unlink()
    again = hosts.rerun()
    assert again.status == 0, again.said
    assert hosts.behind() == []
    assert hosts.restarts()["controller1/glance-api.service"] <= 2


@pytest.mark.fault("F16")
def test_a_rollback_and_a_run_dont_meet_either(hosts: Hosts) -> None:
    assert hosts.run().status == 0
    (path,) = hosts.state.rglob("*.jsonl")
    hosts.path("controller1", "/srv/state/units/glance-api.service/pause").write_text("3\n")
    site = hosts.write_site("other.yml", **wish(10))
    running = hosts.start(*RUN, site=site)
    until(lambda: len(hosts.path("controller1", "/srv/state/restarts").read_text().split("glance-api")) > 2)
    refused = hosts.cephdeploy("rollback", path.stem, "--yes", state=hosts.state)
    assert refused.status == 5, refused.said
    assert REFUSED.search(refused.err)
    assert running.ended().status == 0
    assert settled(hosts) == {10}


@pytest.mark.fault("F18")
def test_the_lock_is_the_kernels_and_not_the_file(hosts: Hosts) -> None:
    lock = hosts.path("controller1", "/run/cephdeploy/lock")
    lock.parent.mkdir(mode=0o700)
    lock.write_text("root on elsewhere, 'cephdeploy run' (process 1), since 2099-01-01 00:00:00 +0000")
    os.utime(lock, (4e9, 4e9))
    assert hosts.run().status == 0
    assert Path(lock).read_text().startswith("root on ")
    assert "2099" not in Path(lock).read_text()
