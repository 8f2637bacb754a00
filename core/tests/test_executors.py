"""Executors with a driver that a test holds: which lines are opened, closed and opened again."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cephdeploy.conversation import BrokenError, Said
from cephdeploy.deployment import _reach
from cephdeploy.errors import HostError, SettingsError
from cephdeploy.executors import WINDOW, Executor, Reach, _shard, loop, threads
from cephdeploy.executors._lines import Lines, most
from cephdeploy.executors.dask import dask
from cephdeploy.executors.process import process
from cephdeploy.protocol import Parcel
from cephdeploy.settings import SiteSettings
from cephdeploy.transports import Target

PARCEL = Parcel([], seconds=1)


class World:
    """The hosts: which have a line to us, and what they do when they are asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: list[str] = []
        self.logins: Counter[str] = Counter()
        self.most_open = 0
        self.coming = self.most_coming = 0
        self.unreachable: set[str] = set()
        self.breaks: set[str] = set()
        self.asked: Callable[[str], Any] = lambda name: None

    def login(self, name: str) -> None:
        with self.lock:
            if name in self.unreachable:
                raise HostError(name, "no route")
            self.logins[name] += 1
            self.open.append(name)
            self.most_open = max(self.most_open, len(self.open))

    def knocks(self, step: int) -> None:
        with self.lock:
            self.coming += step
            self.most_coming = max(self.most_coming, self.coming)

    def gone(self, name: str) -> None:
        with self.lock:
            self.open.remove(name)

    def said(self, name: str) -> Said:
        if name in self.breaks:
            raise BrokenError("the connection broke", {})
        return {b"0.0": [b"0.0", b"0", name.encode()]}


@pytest.fixture
def world() -> World:
    return World()


class Waiting:
    """A transport that blocks, and its channel, and the session over it."""

    def __init__(self, world: World, target: Target) -> None:
        self.world, self.name, self.user = world, target.name, "root"

    def start(self, command: str) -> Waiting:
        self.world.login(self.name)
        return self

    def carry(self, parcel: Parcel) -> Said:
        self.world.asked(self.name)
        return self.world.said(self.name)

    def close(self) -> None:
        self.world.gone(self.name)


class Living:
    """The same in an event loop."""

    def __init__(self, world: World, target: Target) -> None:
        self.world, self.name, self.user = world, target.name, "root"

    async def open(self, command: str) -> Living:
        self.world.knocks(1)
        await asyncio.sleep(0)
        self.world.knocks(-1)
        self.world.login(self.name)
        return self

    async def carry(self, parcel: Parcel) -> Said:
        if (waiting := self.world.asked(self.name)) is not None:
            await waiting
        return self.world.said(self.name)

    async def close(self) -> None:
        self.world.gone(self.name)


Made = Callable[..., Executor]


@pytest.fixture(params=["threads", "loop"])
def made(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes an executor for hosts by their names."""
    monkeypatch.setattr(threads, "Session", lambda name, channel, *, sudo: channel)
    monkeypatch.setattr(loop, "AsyncSession", lambda name, channel, *, sudo: channel)
    sort, transport = {"threads": (threads.Threads, Waiting), "loop": (loop.Loop, Living)}[request.param]
    running: list[Executor] = []

    def make(*names: str, held: int = 100) -> Executor:
        reaches = {name: Reach(transport="test", target=Target(name=name, address=name)) for name in names}
        running.append(sort(reaches, {"test": lambda target: transport(world, target)}, held))
        return running[-1]

    yield make
    for one in running:
        one.close()
    assert world.open == []


def ask(executor: Executor, *names: str) -> None:
    """One batch to each host, one host after the other."""
    for name in names:
        assert executor.carry(name, PARCEL).result(10) == {b"0.0": [b"0.0", b"0", name.encode()]}


def test_a_host_keeps_its_line_from_batch_to_batch(made: Made, world: World) -> None:
    ask(made("one", "two"), "one", "two", "one", "two")
    assert world.logins == {"one": 1, "two": 1}


def test_the_line_that_was_used_last_is_closed_for_a_new_one(made: Made, world: World) -> None:
    ask(made("one", "two", "three", held=2), "one", "two", "three")
    assert sorted(world.open) == ["one", "three"]


def test_most_hosts_of_a_site_that_is_too_large_keep_their_line(made: Made, world: World) -> None:
    names = [f"compute{number}" for number in range(10)]
    ask(made(*names, held=8), *names, *names, *names)
    assert sum(world.logins.values()) == 10 + 2 + 2


def test_a_line_that_is_to_be_kept_is_not_closed_for_another(made: Made, world: World) -> None:
    executor = made("one", "two", "three", held=2)
    ask(executor, "one")
    executor.carry("two", replace(PARCEL, keep=True)).result(10)
    ask(executor, "three")
    assert sorted(world.open) == ["three", "two"]


def test_a_host_whose_line_was_closed_is_connected_to_again(made: Made, world: World) -> None:
    ask(made("one", "two", "three", held=2), "one", "two", "three", "two")
    assert world.logins == {"one": 1, "two": 2, "three": 1}
    assert sorted(world.open) == ["one", "two"]


def test_a_line_that_broke_is_closed_and_not_tried_again(made: Made, world: World) -> None:
    executor = made("one", "two")
    world.breaks.add("one")
    with pytest.raises(BrokenError):
        executor.carry("one", PARCEL).result(10)
    world.breaks.clear()
    with pytest.raises(HostError, match="one: its line broke before: the connection broke"):
        executor.carry("one", PARCEL).result(10)
    ask(executor, "two")
    assert world.logins == {"one": 1, "two": 1}
    assert world.open == ["two"]


def test_a_host_that_could_not_be_reached_is_tried_by_the_next_batch(made: Made, world: World) -> None:
    executor = made("one")
    world.unreachable.add("one")
    with pytest.raises(HostError, match="one: no route"):
        executor.carry("one", PARCEL).result(10)
    world.unreachable.clear()
    ask(executor, "one")


def test_many_hosts_come_to_their_turn_under_a_small_limit_of_lines(made: Made, world: World) -> None:
    names = [f"compute{number}" for number in range(200)]
    executor = made(*names, held=8)
    for _ in range(2):
        futures = [executor.carry(name, PARCEL) for name in names]
        assert not wait(futures, 30).not_done
        assert [future.result()[b"0.0"][2].decode() for future in futures] == names
    assert world.most_open <= 8


def test_hosts_are_asked_side_by_side(made: Made, world: World) -> None:
    executor = made("one", "two", "three")
    if isinstance(executor, loop.Loop):
        meeting = asyncio.Barrier(3)
        world.asked = lambda name: meeting.wait()
    else:
        all_three = threading.Barrier(3)

        def meet(name: str) -> None:
            all_three.wait(10)

        world.asked = meet
    futures = [executor.carry(name, PARCEL) for name in ("one", "two", "three")]
    assert [future.result(10)[b"0.0"][2] for future in futures] == [b"one", b"two", b"three"]


def test_no_more_hosts_are_logged_in_to_at_once_than_their_sshd_takes(made: Made, world: World) -> None:
    names = [f"compute{number}" for number in range(3 * WINDOW)]
    executor = made(*names)
    wait([executor.carry(name, PARCEL) for name in names], 30)
    assert sum(world.logins.values()) == 3 * WINDOW
    assert world.most_coming <= WINDOW


# the lines themselves


def test_lines_at_work_are_never_closed_for_another() -> None:
    lines: Lines[str] = Lines(2)
    for host in ("one", "two", "three"):
        assert lines.taken(host) is None
        assert lines.surplus() == []
        lines.opened(host, f"line to {host}")
    lines.freed("two")
    lines.taken("four")
    assert lines.surplus() == ["line to two"]


def test_lines_that_are_being_opened_count_as_open() -> None:
    lines: Lines[str] = Lines(3)
    for host in ("one", "two", "three"):
        lines.taken(host)
        lines.opened(host, host)
        lines.freed(host)
    closed = list(itertools.chain.from_iterable((lines.taken(host), lines.surplus())[1] for host in ("four", "five")))
    assert closed == ["three", "two"]
    lines.refused("four")
    lines.opened("five", "five")
    assert lines.all() == ["one", "five"]


@pytest.mark.parametrize(("descriptors", "lines"), [(1024, 298), (65536, 21802), (64, 8)])
def test_so_many_lines_are_open_as_the_limit_of_files_lets(descriptors: int, lines: int) -> None:
    assert most(descriptors, 3) == lines


def test_a_path_in_our_home_is_one_in_the_home_of_the_workers_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    target = Target(name="one", address="one", key=Path("/home/ann/.ssh/id"), known_hosts=Path("/etc/ssh/known"))
    there = _shard.sent(Reach(transport="fabric", target=target, bastion="west"))
    monkeypatch.setenv("HOME", "/var/lib/worker")
    here = _shard.here(there)
    assert (here.target.key, here.target.known_hosts) == (Path("/var/lib/worker/.ssh/id"), Path("/etc/ssh/known"))
    assert here.bastion is None


# which executor, and what it refuses


def site(**host: object) -> SiteSettings:
    hosts = {"ceph1": {"address": "10.0.0.1"}, "compute[1-2]": {"address": "10.0.0.2[1-2]", **host}}
    return SiteSettings.model_validate({"ceph": {"admin": "ceph1"}, "hosts": hosts})


def test_every_host_of_a_range_has_its_bastion() -> None:
    settings = site(bastion="west")
    assert [_reach(settings, name).bastion for name in ("ceph1", "compute1", "compute2")] == [None, "west", "west"]


def test_one_address_behind_two_bastions_is_two_hosts() -> None:
    hosts = {name: {"address": "10.0.0.1", "bastion": name} for name in ("west", "east")}
    assert SiteSettings.model_validate({"ceph": {"admin": "west"}, "hosts": hosts}).hosts.keys() == {"west", "east"}


def test_a_bastion_without_workers_is_an_error_that_says_what_to_do() -> None:
    reaches = {"compute1": _reach(site(bastion="west"), "compute1")}
    with pytest.raises(SettingsError, match=r"compute1: it has a bastion.* set executor: dask, or jump"):
        process(reaches, lambda name: None)


def test_transports_of_one_loop_get_one_and_others_get_threads() -> None:
    reaches = {"one": Reach(transport="any", target=Target(name="one", address="one"))}
    for driver, sort in ((SimpleNamespace(open=None), loop.Loop), (SimpleNamespace(), threads.Threads)):
        executor = process(reaches, lambda name, driver=driver: driver)  # type: ignore[misc]
        executor.close()
        assert isinstance(executor, sort)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The limits of open files, which the test may set."""
    limits = {"soft": 1024, "hard": 4096}

    def change(what: int, wanted: tuple[int, int]) -> None:
        assert wanted[1] == limits["hard"]
        assert wanted[0] <= limits["hard"] or limits["hard"] == resource.RLIM_INFINITY
        limits["soft"] = wanted[0]

    monkeypatch.setattr(resource, "getrlimit", lambda what: (limits["soft"], limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", change)
    return limits


@pytest.mark.parametrize(
    ("driver", "hosts", "hard", "soft", "held"),
    [
        (SimpleNamespace(open=None, descriptors=1), 100, 4096, 1024, 100),
        (SimpleNamespace(open=None, descriptors=1), 1000, 4096, 1128, 1000),
        (SimpleNamespace(open=None, descriptors=1), 5000, 4096, 4096, 3968),
        (SimpleNamespace(open=None, descriptors=1), 5000, -1, 5128, 5000),
        (SimpleNamespace(open=None, descriptors=1), 5000, 1024, 1024, 896),
        (SimpleNamespace(descriptors=1), 5000, 4096, 1152, 1024),
        (SimpleNamespace(), 5000, 4096, 1024, 298),
    ],
    ids=[
        "few hosts, nothing raised",
        "a line for each host",
        "as many as the administrator lets us",
        "no limit of the administrator",
        "the administrator lets us have no more",
        "no more threads than 1,024",
        "no more processes",
    ],
)
def test_the_limit_of_open_files_is_raised_to_what_the_lines_take(
    driver: SimpleNamespace, hosts: int, hard: int, soft: int, held: int, files: dict[str, int]
) -> None:
    files["hard"] = hard
    reaches = {str(name): Reach(transport="any", target=Target(name="one", address="one")) for name in range(hosts)}
    executor: Any = process(reaches, lambda name: driver)
    executor.close()
    assert (files["soft"], executor._lines._most) == (soft, held)


def test_no_limit_of_open_files_at_all_is_no_limit_of_lines(files: dict[str, int]) -> None:
    files["soft"] = files["hard"] = resource.RLIM_INFINITY
    reaches = {str(name): Reach(transport="any", target=Target(name="one", address="one")) for name in range(5000)}
    executor: Any = process(reaches, lambda name: SimpleNamespace(open=None, descriptors=1))
    executor.close()
    assert executor._lines._most == 5000


def test_a_cluster_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dask", "distributed", "distributed.comm"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SettingsError, match=r"pip install 'cephdeploy-core\[dask\]', or .* python3-distributed"):
        dask({}, lambda name: None)


@pytest.mark.parametrize("error", [HostError("one", "no route"), BrokenError("it broke", {b"0.0": [b"a key"]})])
def test_what_went_wrong_on_a_worker_is_told_here_as_it_was(error: HostError | BrokenError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_what_had_been_answered_before_a_line_broke_is_not_shown() -> None:
    assert "key" not in repr(BrokenError("it broke", {b"0.0": [b"a key"]}))
