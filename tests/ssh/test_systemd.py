"""Restarts, units and configuration chains on a real systemd: throw-away units on a host of the lab."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cephdeploy.requests import Answer, Chain, Chained, Group, Ran, Request, Restart, Run, Unit, Write
from cephdeploy.session import Session, bootstrap
from cephdeploy.transports import Target
from cephdeploy.transports.fabric import FabricTransport

pytestmark = [pytest.mark.ssh, pytest.mark.lab]

LAB = Path(os.environ.get("CEPHDEPLOY_LAB_DIR", "/var/lib/cephdeploy-lab/bookworm"))
HOST = "compute2"
FOLDER = f"/run/cephdeploy-test-{os.getpid()}"

Start = Callable[..., str]


@pytest.fixture(scope="module")
def host() -> Iterator[Session]:
    if not (LAB / "hosts.json").exists():
        pytest.skip(f"the lab is not up: there is no {LAB}/hosts.json (make lab)")
    address = json.loads((LAB / "hosts.json").read_text())[HOST]["address"]
    target = Target(
        name=HOST, address=address, user="root", key=LAB / "id_ed25519", known_hosts=LAB / "known_hosts", timeout=5
    )
    session = Session(HOST, FabricTransport(target).start(bootstrap(sudo=False)), sudo=False)
    yield session
    session.exchange([Group(requests=(Run(argv=("rm", "-rf", FOLDER)),))])
    session.close()


def ask(session: Session, *requests: Request) -> list[Answer]:
    return session.exchange([Group(requests=requests)])[0]


def ran(session: Session, request: Request) -> Ran:
    answer = ask(session, request)[0]
    assert isinstance(answer, Ran)
    return answer


def put(session: Session, path: str, text: str, mode: int = 0o644) -> None:
    answer = ran(session, Write(path=path, content=text.encode(), mode=mode, owner="root", group="root"))
    assert answer.status == 0, answer.reason


@pytest.fixture
def unit(host: Session) -> Iterator[Start]:
    """Makes a unit of a command and options of its service section; it is removed afterwards."""
    made = []

    def make(command: str, *options: str) -> str:
        name = f"cephdeploy-test-{time.monotonic_ns()}.service"
        made.append(name)
        lines = "\n".join(["[Service]", f"ExecStart={command}", *options])
        put(host, f"/run/systemd/system/{name}", lines + "\n")
        assert ran(host, Run(argv=("systemctl", "daemon-reload"))).status == 0
        return name

    yield make
    for name in made:
        ask(host, Run(argv=("systemctl", "stop", name), accept=(1, 5)), Run(argv=("systemctl", "reset-failed", name)))
        ran(host, Run(argv=("rm", f"/run/systemd/system/{name}")))
    ran(host, Run(argv=("systemctl", "daemon-reload")))


def test_a_unit_that_stays_up_is_well(host: Session, unit: Start) -> None:
    name = unit("/bin/sleep 1000")
    for verb in ("restart", "restart", "start"):
        answer = ran(host, Restart(name=name, settle=0.5, verb=verb))
        assert answer.status == 0, answer.reason
        assert "ActiveState=active" in answer.text


@pytest.mark.fault("F33")
def test_a_crash_looping_unit_fails_with_how_often_it_started(host: Session, unit: Start) -> None:
    name = unit("/bin/sh -c 'echo no class in cinder.backup; sleep 0.3; exit 1'", "Restart=always", "RestartSec=100ms")
    answer = ran(host, Restart(name=name, settle=5))
    assert answer.status == 1
    assert answer.reason.startswith(f"{name} did not stay up: ")
    assert "started 2 times" in answer.reason or "exit-code" in answer.reason
    assert b"no class in cinder.backup" in answer.err


def test_a_unit_that_was_crash_looping_and_is_repaired_is_well(host: Session, unit: Start) -> None:
    put(host, f"{FOLDER}/wait", "0.1")
    name = unit(f"/bin/sh -c 'sleep $(cat {FOLDER}/wait); exit 1'", "Restart=always", "RestartSec=50ms")
    ran(host, Run(argv=("sh", "-c", f"systemctl start {name}; sleep 1")))
    put(host, f"{FOLDER}/wait", "1000")
    answer = ran(host, Restart(name=name, settle=1))
    assert answer.status == 0, answer.reason


def test_a_slow_unit_that_tells_when_it_is_ready_is_waited_for(host: Session, unit: Start) -> None:
    name = unit("/bin/sh -c 'sleep 1.5; systemd-notify --ready; sleep 1000'", "Type=notify", "NotifyAccess=all")
    begun = time.monotonic()
    answer = ran(host, Restart(name=name, settle=0.5))
    assert answer.status == 0, answer.reason
    assert time.monotonic() - begun > 1.5


@pytest.mark.fault("F33")
@pytest.mark.parametrize("kind", ["simple", "notify", "exec"])
def test_a_unit_that_fails_at_once_fails_with_its_last_words(host: Session, unit: Start, kind: str) -> None:
    name = unit("/bin/sh -c 'echo ModuleNotFoundError: rbd >&2; exit 3'", f"Type={kind}")
    answer = ran(host, Restart(name=name, settle=2))
    assert answer.status != 0
    assert b"ModuleNotFoundError: rbd" in answer.err
    assert name in answer.reason


@pytest.mark.fault("F32")
def test_a_unit_that_does_not_start_in_time_says_what_it_is_doing(host: Session, unit: Start) -> None:
    name = unit("/bin/sleep 1000", "Type=notify", "TimeoutStartSec=60")
    answer = ran(host, Restart(name=name, settle=1, timeout=1))
    assert answer.status == 124
    assert answer.reason == f"{name}: restart is not done after 1 seconds and goes on; it is activating"


def test_a_unit_that_is_done_at_once_and_well_is_well(host: Session, unit: Start) -> None:
    name = unit("/bin/true", "Type=oneshot")
    answer = ran(host, Restart(name=name, settle=0.5))
    assert answer.status == 0, answer.reason


def test_a_unit_that_is_not_there_is_seen_as_such_and_not_restarted(host: Session) -> None:
    shown = ran(host, Unit(name="cephdeploy-test-none.service"))
    assert "LoadState=not-found" in shown.text
    answer = ran(host, Restart(name="cephdeploy-test-none.service"))
    assert answer.status == 5
    assert "not found" in answer.reason


def chain(host: Session, unit: str, **options: object) -> list[str]:
    answer = ask(host, Chain(unit=unit, path=f"{FOLDER}/a.conf", project="cephdeploytest", **options))[0]  # type: ignore[arg-type]
    assert isinstance(answer, Chained), answer
    return [path for path, _content in answer.files]


def test_the_files_of_a_running_service_are_those_of_its_arguments(host: Session, unit: Start) -> None:
    for name in ("a.conf", "b.conf", "d/2.conf", "d/1.conf", "d/.hidden.conf", "d/note.txt"):
        put(host, f"{FOLDER}/{name}", "[DEFAULT]\n")
    put(host, f"{FOLDER}/service", "#!/bin/sh\nsleep 1000\n", 0o755)
    name = unit(
        f"{FOLDER}/service --config-file {FOLDER}/a.conf --verbose --config-file=b.conf --config-dir {FOLDER}/d",
        f"WorkingDirectory={FOLDER}",
    )
    # not running yet: by what its unit file says
    planned = [f"{FOLDER}/{file}" for file in ("a.conf", "d/1.conf", "d/2.conf")]
    assert chain(host, name) == planned
    assert chain(host, name, default=(f"{FOLDER}/b.conf",)) == [f"{FOLDER}/b.conf"]
    ran(host, Restart(name=name, settle=0.1))
    assert chain(host, name) == [f"{FOLDER}/{file}" for file in ("a.conf", "b.conf", "d/1.conf", "d/2.conf")]


def test_the_files_of_a_service_without_arguments_are_oslo_s_default_places(host: Session, unit: Start) -> None:
    etc = "/etc/cephdeploytest"
    try:
        for name in (
            "cephdeploytest.conf",
            "cdtest-api.conf",
            "cephdeploytest.conf.d/x.conf",
            "cdtest-api.conf.d/y.conf",
        ):
            put(host, f"{etc}/{name}", "[DEFAULT]\n")
        put(host, f"{FOLDER}/cdtest-api", "#!/bin/sh\nsleep 1000\n", 0o755)
        name = unit(f"{FOLDER}/cdtest-api")
        ran(host, Restart(name=name, settle=0.1))
        answer = ask(host, Chain(unit=name, path=f"{etc}/cephdeploytest.conf", project="cephdeploytest"))[0]
        assert isinstance(answer, Chained)
        # as oslo.config 10.7 reads them: files, then the drop-ins, which win
        assert [path.removeprefix(etc + "/") for path, _ in answer.files] == [
            "cephdeploytest.conf",
            "cdtest-api.conf",
            "cephdeploytest.conf.d/x.conf",
            "cdtest-api.conf.d/y.conf",
        ]
    finally:
        ran(host, Run(argv=("rm", "-rf", etc)))


def test_the_chain_of_a_real_service_has_the_file_that_overrides(host: Session) -> None:
    request = Chain(unit="nova-compute.service", path="/etc/nova/nova.conf", project="nova")
    answer = ask(host, request)[0]
    assert isinstance(answer, Chained)
    assert [path for path, _ in answer.files][:2] == ["/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"]
