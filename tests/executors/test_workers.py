"""Hosts that are reached from the workers of a cluster."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cephdeploy import __version__
from cephdeploy.contents import Contents
from cephdeploy.deployment import _transport
from cephdeploy.errors import HostError, SettingsError, UsageError
from cephdeploy.executors import Line, Reach
from cephdeploy.executors.dask import dask
from cephdeploy.requests import Group, Ran, Run
from cephdeploy.transports import Target
from cephdeploy.values import Secret

from .conftest import Cluster, Running

pytest.importorskip("distributed", reason="install cephdeploy-core[dask]")
psutil = pytest.importorskip("psutil")
workers = pytest.importorskip("cephdeploy.executors.workers")

HOSTS = ("ceph1", "compute1", "compute2", "compute3")
ANCESTORS = """
import os
pid = os.getpid()
while pid > 1:
    pid = int(open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[1])
    print(pid)
"""


@contextmanager
def lines(names: Sequence[str] = HOSTS, *, bastions: dict[str, str] | None = None) -> Iterator[dict[str, Line]]:
    """Hosts by the cluster that this process is configured for: each is the machine itself."""
    reaches = {
        name: Reach(
            transport="local", target=Target(name=name, address="localhost"), bastion=(bastions or {}).get(name)
        )
        for name in names
    }
    executor = dask(reaches, _transport)
    contents = Contents()
    try:
        yield {name: Line(name, executor, contents) for name in names}
    finally:
        executor.close()


def run(*argv: str, stdin: bytes | Secret = b"") -> list[Group]:
    return [Group(requests=(Run(argv=argv, stdin=stdin, timeout=60),))]


def out(answers: list[list[object]]) -> str:
    answer = answers[0][0]
    assert isinstance(answer, Ran) and answer.status == 0, answer
    return answer.text.strip()


def held_by(cluster: Cluster, line: Line) -> str:
    """The worker whose process has the line's other end."""
    pids = out(line.exchange(run("python3", "-c", ANCESTORS))).split()
    (name,) = [name for name, process in cluster.processes.items() if str(process.pid) in pids]
    return name


def children(cluster: Cluster) -> list[str]:
    """What runs below the workers: the lines' other ends."""
    found = []
    for child in [child for one in cluster.processes.values() for child in psutil.Process(one.pid).children()]:
        with suppress(psutil.NoSuchProcess):  # it ends just now
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(child.cmdline()))
    return found


def test_hosts_are_spread_evenly_over_the_workers_and_keep_theirs(cluster: Cluster) -> None:
    with lines() as hosts:
        first = {name: held_by(cluster, line) for name, line in hosts.items()}
        again = {name: held_by(cluster, line) for name, line in hosts.items()}
    assert first == again
    assert sorted(first.values()) == ["east", "east", "west", "west"]


def test_a_host_with_a_bastion_is_reached_from_there(cluster: Cluster) -> None:
    with lines(bastions=dict.fromkeys(HOSTS, "west")) as hosts:
        assert {held_by(cluster, line) for line in hosts.values()} == {"west"}


def test_a_bastion_that_is_no_worker_is_told_with_those_that_are(cluster: Cluster) -> None:
    with (
        pytest.raises(HostError, match=r"compute1: its bastion 'north' is not among the workers .*: east, west"),
        lines(bastions={"compute1": "north"}),
    ):
        pass


def test_a_host_that_can_not_be_reached_is_told_as_from_here(cluster: Cluster) -> None:
    target = Target(name="compute1", address="127.0.0.1", port=1, user="root", timeout=2)
    executor = dask({"compute1": Reach(transport="fabric", target=target)}, _transport)
    try:
        with pytest.raises(
            HostError, match=r"compute1: not reachable at 127\.0\.0\.1 port 1: nothing listens"
        ) as raised:
            Line("compute1", executor, Contents()).exchange([])
    finally:
        executor.close()
    assert raised.value.host == "compute1"


def test_many_hosts_are_asked_side_by_side_and_each_answer_is_its_own(cluster: Cluster) -> None:
    names = [f"compute{number}" for number in range(60)]
    with lines(names) as hosts:
        asked = {name: line.ask(run("echo", name)) for name, line in hosts.items()}
        assert {name: out(answers.result()) for name, answers in asked.items()} == {name: name for name in names}


def test_nothing_stays_on_the_workers_when_the_run_ends(cluster: Cluster) -> None:
    with lines() as hosts:
        for line in hosts.values():
            line.exchange([])
        assert len(children(cluster)) == len(HOSTS)
    assert children(cluster) == []


def test_nothing_stays_on_the_workers_when_the_run_is_killed(cluster: Cluster) -> None:
    code = "from tests.executors.test_workers import *\nwith lines() as hosts:\n" + (
        "    [line.exchange([]) for line in hosts.values()]; print('there', flush=True); signal.pause()"
    )
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", **cluster.environment}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"there\n"
        assert len(children(cluster)) == len(HOSTS)
        client.send_signal(signal.SIGKILL)
    until = time.monotonic() + 30
    while children(cluster):
        assert time.monotonic() < until, children(cluster)
        time.sleep(0.05)


def test_a_key_passes_the_workers_and_is_found_nowhere_there(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    distributed = pytest.importorskip("distributed")
    key = "AQD" + base64.b64encode(bytes(range(40, 66))).decode()
    where = cluster.folder / "state"
    caplog.set_level("DEBUG")
    with lines() as hosts:
        for line in hosts.values():
            assert out(line.exchange(run("cat", stdin=Secret(key)))) == key  # there and back
            failed = line.exchange(run("sh", "-c", "cat; exit 3", stdin=Secret(key)))[0][0]
            assert isinstance(failed, Ran) and failed.status == 3
            broken = line.ask(run("sh", "-c", "cat; kill -9 $PPID; sleep 5", stdin=Secret(key)))
            with pytest.raises(HostError) as raised:
                broken.result()
            assert key not in str(raised.value)
        with distributed.Client(cluster.address, set_as_default=False) as client:
            client.dump_cluster_state(str(where), format="yaml")
            tasks = json.dumps(client.run_on_scheduler(lambda dask_scheduler: repr(dask_scheduler.tasks)))
        arguments = [
            (Path("/proc") / str(one.pid) / name).read_bytes()
            for one in cluster.processes.values()
            for name in ("cmdline", "environ")
        ]
    written = {path: path.read_bytes() for path in cluster.folder.rglob("*") if path.is_file()}
    assert any(b"actor_execute" in content for content in written.values())  # the logs are as loud as that
    assert any(path.name.startswith("state") for path in written)
    shapes = (key.encode(), base64.b64decode(key[: len(key) // 4 * 4]), key.encode().hex().encode())
    for shape in shapes:
        assert [path for path, content in written.items() if shape in content] == []
        assert not any(shape in one for one in arguments)
    assert key not in tasks
    assert key not in caplog.text


# what is lost


@contextmanager
def impatience() -> Iterator[None]:
    """A worker that does not let us connect counts as lost after three seconds."""
    from dask import config

    with config.set({"distributed.comm.timeouts.connect": "3s"}):
        yield


def test_a_look_that_was_under_way_by_a_lost_worker_is_asked_by_another(running: Running) -> None:
    with running("east", "west") as cluster, impatience(), lines() as hosts:
        way = {name: held_by(cluster, line) for name, line in hosts.items()}
        looks = {name: line.ask(run("sh", "-c", "sleep 1; echo seen"), looks=True) for name, line in hosts.items()}
        cluster.kill("west")
        assert {name: out(answers.result()) for name, answers in looks.items()} == dict.fromkeys(HOSTS, "seen")
        assert sorted(way.values()) == ["east", "east", "west", "west"]
        assert {held_by(cluster, line) for line in hosts.values()} == {"east"}


def test_a_change_that_was_under_way_by_a_lost_worker_is_unknown_and_never_sent_again(
    running: Running, tmp_path: Path
) -> None:
    with running("east", "west") as cluster, lines() as hosts:
        way = {name: held_by(cluster, line) for name, line in hosts.items()}
        (idle, hit), going_on = [name for name in HOSTS if way[name] == "west"], way
        counted = {name: tmp_path / name for name in HOSTS}
        asked = {
            name: hosts[name].ask(run("sh", "-c", f"echo once >> {path}; sleep 2; echo done"))
            for name, path in counted.items()
            if name != idle
        }
        until = time.monotonic() + 30
        while not counted[hit].exists() and time.monotonic() < until:
            time.sleep(0.01)
        cluster.kill("west")
        for name, answers in asked.items():
            if name == hit:
                with pytest.raises(HostError, match=rf"{hit}: the worker 'west' was lost; what came of .* is unknown"):
                    answers.result()
            else:
                assert out(answers.result()) == "done"
                assert going_on[name] == "east"
        with pytest.raises(HostError, match=f"{hit}: its line broke before"):
            hosts[hit].exchange([])
        assert held_by(cluster, hosts[idle]) == "east"  # nothing was under way there
        assert {name: path.read_text() for name, path in counted.items() if path.exists()} == dict.fromkeys(
            asked, "once\n"
        )


def test_a_worker_that_hangs_counts_as_lost(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PULSE", 1.0)
    path = tmp_path / "done"
    with running("east", "west") as cluster, impatience(), lines() as hosts:
        idle, hit = (name for name, line in hosts.items() if held_by(cluster, line) == "west")
        look = hosts[idle].ask(run("sh", "-c", "sleep 1; echo seen"), looks=True)
        change = hosts[hit].ask(run("sh", "-c", f"echo once >> {path}; sleep 2; echo done"))
        until = time.monotonic() + 30
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        cluster.processes["west"].send_signal(signal.SIGSTOP)
        assert out(look.result(timeout=60)) == "seen"
        with pytest.raises(HostError, match=rf"{hit}: the worker 'west' was lost; what came of .* is unknown"):
            change.result(timeout=60)
        assert held_by(cluster, hosts[idle]) == "east"
        assert path.read_text() == "once\n"


def test_a_worker_that_hangs_from_the_start_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PATIENCE", 3.0)
    with running("east", "west") as cluster, impatience():
        cluster.processes["west"].send_signal(signal.SIGSTOP)
        with pytest.raises(HostError, match=r"dask: a worker of the scheduler .* does not answer in 3 s"), lines():
            pass


def test_a_host_whose_bastion_is_lost_is_not_reached_from_elsewhere(running: Running) -> None:
    with running("east", "west") as cluster, lines(bastions={"compute1": "west"}) as hosts:
        for line in hosts.values():
            line.exchange([])
        look = hosts["compute1"].ask(run("sleep", "5"), looks=True)
        cluster.kill("west")
        with pytest.raises(HostError, match="compute1: its bastion 'west' is not among the workers"):
            look.result()
        assert held_by(cluster, hosts["ceph1"]) == "east"


def test_a_bastion_that_comes_back_is_used_again(running: Running) -> None:
    bastions = {"compute1": "west"}
    with running("east", "west") as cluster, impatience(), lines(("ceph1", "compute1"), bastions=bastions) as hosts:
        hosts["compute1"].exchange([])
        cluster.kill("west")
        cluster.work("west")
        cluster.await_log("west", "Registered to:")
        assert held_by(cluster, hosts["compute1"]) == "west"


def test_a_run_without_any_worker_left_says_so(running: Running) -> None:
    with running("east") as cluster, impatience(), lines(("ceph1",)) as hosts:
        hosts["ceph1"].exchange([])
        cluster.kill("east")
        with pytest.raises(HostError, match="ceph1: no worker is left"):
            hosts["ceph1"].ask([], looks=True).result()


# what is refused


def test_a_scheduler_is_needed(certificates: dict[str, str]) -> None:
    from dask import config

    with config.set({"scheduler-address": None}), pytest.raises(SettingsError, match="DASK_SCHEDULER_ADDRESS"), lines():
        pass


@pytest.mark.parametrize("address", ["192.0.2.1:8786", "tcp://bastion1:8786", "ws://127.0.0.1:8786"])
def test_a_way_that_others_can_read_is_not_taken(address: str) -> None:
    from dask import config

    refused = pytest.raises(UsageError, match="is not reached by TLS, and keys would travel in the clear")
    with config.set({"scheduler-address": address}), refused, lines():
        pass


def test_a_scheduler_that_does_not_answer_is_told(certificates: dict[str, str]) -> None:
    from dask import config

    address = "tls://127.0.0.1:1"
    given = {**certificates, "scheduler-address": address, "distributed.comm.timeouts.connect": "1s"}
    with config.set(given), pytest.raises(HostError, match=f"no scheduler answers at {address}"), lines():
        pass


def test_a_scheduler_without_workers_is_told(running: Running) -> None:
    with running(), pytest.raises(HostError, match="has no worker; start one on each bastion"), lines():
        pass


def test_a_worker_of_another_version_is_told_with_both(running: Running, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import cephdeploy\ncephdeploy.__version__ = '0.0.9'\n")
    told = pytest.raises(UsageError, match=rf"the worker 'old' has cephdeploy 0\.0\.9, and this is {__version__}")
    with running("new", "old", old={"PYTHONPATH": str(tmp_path)}), told, lines():
        pass


def test_a_worker_without_cephdeploy_is_told(running: Running, tmp_path: Path) -> None:
    (tmp_path / "cephdeploy").mkdir()
    (tmp_path / "cephdeploy/__init__.py").touch()
    told = pytest.raises(UsageError, match=rf"the worker 'bare' can't use cephdeploy {__version__}: .*No module named")
    with running("bare", bare={"PYTHONPATH": str(tmp_path)}), told, lines():
        pass
