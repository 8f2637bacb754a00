"""The whole lab: from nothing to a Ceph and an OpenStack that answer, and back to nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from cephdeploy_lab import base, hosts, machine, network, state
from cephdeploy_lab.errors import LabError
from cephdeploy_lab.hosts import CEPH1, COMPUTES, CONTROLLER1, HOSTS, INSIDE, Place
from cephdeploy_lab.mirror import checked
from cephdeploy_lab.openstack import PASSWORD, REGION, Cloud, clouds_document, wait_until
from cephdeploy_lab.processes import Processes
from cephdeploy_lab.state import Folder
from cephdeploy_lab.suites import DEFAULT, Suite, suite_named

_CEPH_FSID = "efde9ca7-5b57-4ed6-ae01-8cb3befe5bac"

_DATABASES = "databases.sql"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """What `lab status` shows of one host; a host that is down has no pid."""

    name: str
    address: str
    roles: tuple[str, ...]
    pid: int | None
    memory_mb: int
    failed_units: tuple[str, ...] | None
    """None where the host did not answer."""


def up(suite: Suite, *, mirror: str | None, fresh_base: bool, say: Say) -> None:
    """Bring the lab up, unless it is."""
    machine.check_root()
    machine.check_kernel()
    if mirror is not None:
        mirror = checked(mirror)
    folder = state.folder_of(suite.name)
    os.umask(0o022)
    with state.locked():
        machine.install_missing_tools(say)
        network.check_free(folder.path)
        if folder.ready.exists():
            _check_running(folder, say)
            return
        if network.owner() or folder.hosts.exists():
            say("clearing what an unfinished lab left")
            _clear(folder, say)
        state.check_free_space(folder)
        folder.make()
        processes = Processes()
        with _stopping_on_signals(processes):
            if fresh_base or not base.is_current(folder, suite):
                base.build(folder, suite, mirror=mirror, processes=processes, say=say)
            _bring_up(folder, processes, say)


def down(folder: Folder, *, with_base: bool, say: Say) -> None:
    """Take down whatever there is of the lab, also of one that never came up."""
    machine.check_root()
    with state.locked():
        there = network.owner() == folder.path or folder.hosts.exists()
        _clear(folder, say)
        if with_base:
            folder.forget_base()
            say("the base is removed")
        say("the lab is down" if there else f"no lab is up in {folder.path}")


def status(folder: Folder) -> Sequence[HostStatus]:
    """Look at every host."""
    machine.check_root()
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        return list(pool.map(lambda host: _status_of(Place(folder, host)), HOSTS))


def current_folder(suite: str | None) -> Folder:
    """Return the folder of the lab that is meant: the suite's, or else the one that is up."""
    if suite is not None:
        return state.folder_of(suite_named(suite).name)
    if os.environ.get(state.FOLDER_VARIABLE) is None and (owner := network.owner()) is not None:
        return Folder(owner)
    return state.folder_of(DEFAULT)


def _check_running(folder: Folder, say: Say) -> None:
    ended = [host.name for host in HOSTS if hosts.supervisor(Place(folder, host)) is None]
    if ended:
        raise LabError(
            f"the lab in {folder.path} was up, and {', '.join(ended)} ended since;"
            " run `cephdeploy lab down` and then `cephdeploy lab up`"
        )
    say(f"the lab is up already; what it hands over is in {folder.path}")


def _bring_up(folder: Folder, processes: Processes, say: Say) -> None:
    network.make_bridge(folder.path)
    _lay_out_hosts(folder)
    script = _Script(folder, processes, say)
    cloud = Cloud(CONTROLLER1.address)
    for host in HOSTS:
        hosts.boot(Place(folder, host))

    conductor_up = threading.Event()

    def ceph() -> None:
        script.run(CEPH1, "ceph.sh")

    def controller() -> None:
        script.run(CONTROLLER1, "controller.sh", "services")
        conductor_up.set()
        _keep_databases(folder)
        script.run(CONTROLLER1, "controller.sh", "answers")

    def compute(host: hosts.Host) -> None:
        script.run(host, "compute.sh", "configure")
        while not conductor_up.wait(0.1):
            if processes.stopped:
                return
        script.run(host, "compute.sh", "start")

    _all_at_once([ceph, controller, *(lambda host=host: compute(host) for host in COMPUTES)], processes)

    names = frozenset(host.name for host in COMPUTES)

    def computes_up() -> bool:
        services = cloud.compute_services()
        return all(services.get(name) == ("enabled", "up") for name in names)

    def services_listed() -> bool:
        services = cloud.volume_services()
        return all(services.get(name) == "up" for name in ("cinder-scheduler", "cinder-backup"))

    def wait_for(what: str, seen: Callable[[], bool]) -> None:
        wait_until(what, seen, timeout=120, stopped=lambda: processes.stopped)

    wait_for("both hypervisors report to nova", computes_up)
    say("both computes are up")
    script.run(CONTROLLER1, "controller.sh", "cells")
    wait_for("both hypervisors are discovered", lambda: cloud.hypervisors() == names)
    wait_for("both hypervisors report to placement", lambda: cloud.resource_providers() == names)
    wait_for("cinder-scheduler and cinder-backup are up", services_listed)
    wait_for("glance answers", lambda: cloud.images() == 0)
    state.write(folder.ready, "")
    say(f"the lab is ready; clouds.yaml, id_ed25519, known_hosts and hosts.json are in {folder.path}")


def _lay_out_hosts(folder: Folder) -> None:
    """Write what each host starts with, and what the lab hands over."""
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cephdeploy-lab", "-f", str(folder.key))
    subprocess.run(words, check=True, capture_output=True, timeout=30)
    etc_hosts = state.etc_hosts(HOSTS, str(network.GATEWAY.ip))
    databases = base.databases_file(folder, _environment(CONTROLLER1))
    keys = []
    for host in HOSTS:
        place = Place(folder, host)
        public = hosts.lay_out(
            place,
            authorized_key=folder.public_key.read_text(),
            etc_hosts=etc_hosts,
            environment=_environment(host),
            beside_scripts={_DATABASES: databases.read_text()} if host is CONTROLLER1 and databases.exists() else {},
        )
        keys.append((host, public))
    state.write(folder.known_hosts, state.known_hosts_document(keys))
    state.write(folder.clouds, clouds_document(CONTROLLER1.address))
    state.write(folder.hosts_json, state.hosts_document(HOSTS))


def _keep_databases(folder: Folder) -> None:
    """Keep with the base what this lab had to make itself, so that the next need not."""
    kept = base.databases_file(folder, _environment(CONTROLLER1))
    if kept.exists():
        return
    words = (*hosts.ssh_words(Place(folder, CONTROLLER1)), f"cat {INSIDE}/{_DATABASES}")
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    # a lab that can't keep them is as good as any
    if done.returncode == 0 and done.stdout:
        for older in kept.parent.glob("databases-*.sql"):
            older.unlink()
        state.write(kept, done.stdout, 0o600)


def _environment(host: hosts.Host) -> str:
    """Render what the scripts in a host have to know of the lab."""
    values = {
        "MY_ADDRESS": host.address,
        "CONTROLLER": CONTROLLER1.address,
        "AUTH_URL": f"http://{CONTROLLER1.address}:5000",
        "TRANSPORT_URL": f"rabbit://openstack:{PASSWORD}@{CONTROLLER1.address}:5672/",
        "NETWORK": str(network.GATEWAY.network),
        "CEPH_FSID": _CEPH_FSID,
        "REGION": REGION,
        "PASSWORD": PASSWORD,
    }
    return "".join(f"export {name}='{value}'\n" for name, value in values.items())


@dataclass(frozen=True)
class _Script:
    """Runs one of the lab's own scripts in a host, over ssh as anybody else would."""

    folder: Folder
    processes: Processes
    say: Say

    def run(self, host: hosts.Host, name: str, *arguments: str) -> None:
        place = Place(self.folder, host)
        hosts.wait_for_ssh(place, stopped=lambda: self.processes.stopped)
        self.processes.run(
            (*hosts.ssh_words(place), f"{INSIDE}/{name}", *arguments),
            what=f"{name} on {host.name}",
            log=self.folder.log(host.name),
            say=lambda line: self.say(f"{host.name}: {line}"),
            timeout=900,
        )


def _all_at_once(tasks: Sequence[Callable[[], None]], processes: Processes) -> None:
    """Run every task in a thread of its own; the first that fails ends the others."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures: list[Future[None]] = [pool.submit(task) for task in tasks]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            processes.stop()
            raise
        for future in done:
            if future.exception() is not None:
                processes.stop()
                raise future.exception() or AssertionError


def _clear(folder: Folder, say: Say) -> None:
    # computes first: a QEMU that waits for a cluster that is gone can't be killed for a while
    for group in (COMPUTES, (CONTROLLER1, CEPH1)):
        places = [Place(folder, host) for host in group]
        running = [place.host.name for place in places if hosts.supervisor(place)]
        if running:
            say(f"ending {' and '.join(running)}")
        with ThreadPoolExecutor(len(places)) as pool:
            list(pool.map(hosts.end, places))
    network.remove_bridge(folder.path)
    folder.forget_lab()


def _status_of(place: Place) -> HostStatus:
    host = place.host
    pid = hosts.init_of(place)
    failed = None
    if pid is not None:
        words = (*hosts.ssh_words(place), "systemctl --failed --plain --no-legend")
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
            )
        except subprocess.TimeoutExpired:
            done = None
        if done is not None and done.returncode == 0:
            failed = tuple(line.split()[0] for line in done.stdout.splitlines() if line.strip())
    return HostStatus(
        name=host.name,
        address=host.address,
        roles=host.roles,
        pid=pid,
        memory_mb=hosts.memory_mb(place) if pid else 0,
        failed_units=failed,
    )


@contextmanager
def _stopping_on_signals(processes: Processes) -> Iterator[None]:
    """Let a TERM end an `up` like an interruption from the keyboard does, and both end what it started."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        processes.stop()
