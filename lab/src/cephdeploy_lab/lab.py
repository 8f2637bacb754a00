"""The whole lab: from nothing to a Ceph and an OpenStack that answer, and back to nothing."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from cephdeploy_lab import base, hosts, machine, network, state
from cephdeploy_lab.errors import BusyError, LabError, WrongUseError
from cephdeploy_lab.hosts import CEPH1, COMPUTES, CONTROLLER1, INSIDE, KNOWN, Host, Place
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
    units: Mapping[str, str]
    """What the host should run, and systemd's word for each; nothing where the host did not answer."""
    failed_units: tuple[str, ...] | None
    """None where the host did not answer."""


def up(suite: Suite, chosen: Sequence[Host], *, mirror: str | None, fresh_base: bool, say: Say) -> None:
    """Bring the lab up, unless it is."""
    mirror = _checked_machine(mirror)
    folder = state.folder_of(suite.name)
    with state.locked():
        machine.install_missing_tools(say)
        network.check_free(folder.path)
        if folder.ready.exists():
            _check_running(folder, suite, chosen, say)
            return
        if network.owner() or folder.hosts.exists():
            say("clearing what an unfinished lab left")
            _clear(folder, say)
        state.check_free_space(folder)
        folder.make()
        processes = Processes()
        with _stopping_on_signals(processes):
            with state.building(folder):
                if fresh_base or not base.is_current(folder, suite):
                    base.build(folder, suite, mirror=mirror, processes=processes, say=say)
            _Start(folder, suite, chosen, processes, say).run()


def build_base(suite: Suite, *, mirror: str | None, fresh_base: bool, say: Say) -> None:
    """Build a suite's base only, for a later `up`; another suite's lab may be up meanwhile."""
    mirror = _checked_machine(mirror)
    folder = state.folder_of(suite.name)
    if folder.ready.exists() or network.owner() == folder.path:
        raise WrongUseError(f"the lab in {folder.path} is up on its base; take it down before you build another")
    with state.building(folder):
        if base.is_current(folder, suite) and not fresh_base:
            say(f"the base for {suite.name} is there already, in {folder.base}")
            return
        machine.install_missing_tools(say)
        state.check_free_space(folder)
        processes = Processes()
        with _stopping_on_signals(processes):
            base.build(folder, suite, mirror=mirror, processes=processes, say=say)


def down(folder: Folder, *, with_base: bool, say: Say) -> None:
    """Take down whatever there is of the lab, also of one that never came up."""
    machine.check_root()
    with state.locked():
        owner = network.owner()
        there = owner == folder.path or folder.hosts.exists()
        if owner is None or owner == folder.path:
            _clear(folder, say)
        else:
            # the hosts that run have the same names and are not this folder's: only its files can go
            say(f"the lab in {owner} stays up")
            _forget(folder)
        if with_base:
            with state.building(folder):
                folder.forget_base()
            say("the base is removed")
        say("the lab is down" if there else f"no lab is up in {folder.path}")


def status(folder: Folder) -> Sequence[HostStatus]:
    """Look at every host."""
    machine.check_root()
    there = hosts.hosts_of(folder)
    with ThreadPoolExecutor(len(there)) as pool:
        return list(pool.map(lambda host: _status_of(Place(folder, host)), there))


def openstack_words(folder: Folder, words: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs the openstack client on the controller, as `lab` unless the words say otherwise."""
    place = Place(folder, CONTROLLER1)
    if hosts.supervisor(place) is None:
        raise LabError(f"{place.host.name} does not run; start the lab with `cephdeploy lab up`")
    return (*hosts.ssh_words(place), shlex.join(("OS_CLOUD=lab", "openstack", *words)))


def current_folder(suite: str | None) -> Folder:
    """Return the folder of the lab that is meant: the suite's, or else the one that is up."""
    if suite is not None:
        return state.folder_of(suite_named(suite).name)
    if os.environ.get(state.FOLDER_VARIABLE) is None and (owner := network.owner()) is not None:
        return Folder(owner)
    return state.folder_of(DEFAULT)


def _checked_machine(mirror: str | None) -> str | None:
    machine.check_root()
    machine.check_kernel()
    os.umask(0o022)
    return None if mirror is None else checked(mirror)


def _check_running(folder: Folder, suite: Suite, chosen: Sequence[Host], say: Say) -> None:
    there = hosts.hosts_of(folder)
    if set(there) != set(chosen):
        raise WrongUseError(
            f"the lab in {folder.path} is up with {', '.join(host.name for host in there)};"
            " run `cephdeploy lab down` before you ask for other hosts"
        )
    if (other := base.suite_of(folder)) != suite.name:
        raise WrongUseError(
            f"the lab in {folder.path} is up with {other}; run `cephdeploy lab down` before you ask for another suite"
        )
    ended = [host.name for host in there if hosts.supervisor(Place(folder, host)) is None]
    if ended:
        raise LabError(
            f"the lab in {folder.path} was up, and {', '.join(ended)} ended since;"
            " run `cephdeploy lab down` and then `cephdeploy lab up`"
        )
    say(f"the lab is up already; what it hands over is in {folder.path}")


@dataclass(frozen=True)
class _Start:
    """One lab on its way up."""

    folder: Folder
    suite: Suite
    chosen: Sequence[Host]
    processes: Processes
    say: Say

    def run(self) -> None:
        network.make_bridge(self.folder.path)
        self._lay_out_hosts()
        for host in self.chosen:
            hosts.boot(Place(self.folder, host))
        self._prepare_hosts()
        if CONTROLLER1 in self.chosen:
            self._wait_for_cloud()
        state.write(self.folder.ready, "")
        given = "clouds.yaml, id_ed25519, known_hosts and hosts.json"
        self.say(f"the lab is ready; {given} are in {self.folder.path}")

    @property
    def _computes(self) -> Sequence[Host]:
        return [host for host in self.chosen if host in COMPUTES]

    def _prepare_hosts(self) -> None:
        conductor_up = threading.Event()

        def ceph() -> None:
            self._script(CEPH1, "ceph.sh")

        def controller() -> None:
            self._script(CONTROLLER1, "controller.sh", "services")
            conductor_up.set()
            _keep_databases(self.folder, self._environment(CONTROLLER1))
            self._script(CONTROLLER1, "controller.sh", "answers")

        def compute(host: Host) -> None:
            self._script(host, "compute.sh", "configure")
            while not conductor_up.wait(0.1):
                if self.processes.stopped:
                    return
            self._script(host, "compute.sh", "start")

        single = {CEPH1: ceph, CONTROLLER1: controller}
        tasks = [task for host, task in single.items() if host in self.chosen]
        _all_at_once([*tasks, *(lambda host=host: compute(host) for host in self._computes)], self.processes)

    def _wait_for_cloud(self) -> None:
        """Wait until OpenStack itself says that everything works: that a unit is active proves nothing."""
        cloud = Cloud(CONTROLLER1.address)
        names = frozenset(host.name for host in self._computes)

        def computes_up() -> bool:
            services = cloud.compute_services()
            return all(services.get(name) == ("enabled", "up") for name in names)

        def volume_services_up() -> bool:
            services = cloud.volume_services()
            return all(services.get(name) == "up" for name in ("cinder-scheduler", "cinder-backup"))

        if names:
            self._wait_for("all hypervisors report to nova", computes_up)
            self.say(f"{' and '.join(sorted(names))} report to nova")
            self._script(CONTROLLER1, "controller.sh", "cells")
            self._wait_for("all hypervisors are discovered", lambda: cloud.hypervisors() == names)
            self._wait_for("all hypervisors report to placement", lambda: cloud.resource_providers() == names)
        self._wait_for("cinder-scheduler and cinder-backup are up", volume_services_up)
        self._wait_for("glance answers", lambda: cloud.images() == 0)

    def _wait_for(self, what: str, seen: Callable[[], bool]) -> None:
        wait_until(what, seen, timeout=120, stopped=lambda: self.processes.stopped)

    def _lay_out_hosts(self) -> None:
        """Write what each host starts with, and what the lab hands over."""
        folder = self.folder
        state.write(folder.hosts_json, state.hosts_document(self.chosen))
        words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cephdeploy-lab", "-f", str(folder.key))
        subprocess.run(words, check=True, capture_output=True, timeout=30)
        clouds = clouds_document(CONTROLLER1.address)
        databases = base.databases_file(folder, self._environment(CONTROLLER1))
        keys = []
        for host in self.chosen:
            beside = {_DATABASES: databases.read_text()} if host is CONTROLLER1 and databases.exists() else {}
            public = hosts.lay_out(
                Place(folder, host),
                authorized_key=folder.public_key.read_text(),
                etc_hosts=state.etc_hosts(self.chosen, str(network.GATEWAY.ip)),
                environment=self._environment(host),
                beside_scripts=beside,
                clouds=clouds if host is CONTROLLER1 else None,
            )
            keys.append((host, public))
        state.write(folder.known_hosts, state.known_hosts_document(keys))
        if CONTROLLER1 in self.chosen:
            state.write(folder.clouds, clouds)

    def _environment(self, host: Host) -> str:
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
            **self.suite.environment,
        }
        return "".join(f"export {name}='{value}'\n" for name, value in values.items())

    def _script(self, host: Host, name: str, *arguments: str) -> None:
        """Run one of the lab's own scripts in a host, over ssh as anybody else would."""
        place = Place(self.folder, host)
        hosts.wait_for_ssh(place, stopped=lambda: self.processes.stopped)
        self.processes.run(
            (*hosts.ssh_words(place), f"{INSIDE}/{name}", *arguments),
            what=f"{name} on {host.name}",
            log=self.folder.log(host.name),
            say=lambda line: self.say(f"{host.name}: {line}"),
            timeout=900,
        )


def _keep_databases(folder: Folder, environment: str) -> None:
    """Keep with the base what this lab had to make itself, so that the next need not."""
    kept = base.databases_file(folder, environment)
    if kept.exists():
        return
    words = (*hosts.ssh_words(Place(folder, CONTROLLER1)), f"cat {INSIDE}/{_DATABASES}")
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    # a lab that can't keep them is as good as any
    if done.returncode == 0 and done.stdout:
        for older in kept.parent.glob("databases-*.sql"):
            older.unlink()
        state.write(kept, done.stdout, 0o600)


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
    for group in (COMPUTES, [host for host in KNOWN if host not in COMPUTES]):
        places = [Place(folder, host) for host in group]
        running = [place.host.name for place in places if hosts.supervisor(place)]
        if running:
            say(f"ending {' and '.join(running)}")
        with ThreadPoolExecutor(len(places)) as pool:
            list(pool.map(hosts.end, places))
    network.remove_bridge(folder.path)
    _forget(folder)


def _forget(folder: Folder) -> None:
    folder.forget_lab()
    # a base that somebody builds for this suite meanwhile is not ours to clear
    with suppress(BusyError), state.building(folder):
        folder.forget_unfinished_base()


# all that is enabled was enabled by the lab, by name; what else a host starts is systemd's own
_UNITS = (
    "systemctl --failed --plain --no-legend --type=service | sed 's/ .*/ failed/';"
    " cd /etc/systemd/system && systemctl show --property=Id,ActiveState"
    " $(ls -d *.wants/*.service *.wants/*.socket 2>/dev/null | sed 's,.*/,,')"
    " | sed -n 's/^Id=//p; s/^ActiveState=//p' | paste -d' ' - - | sort -u"
)


def _status_of(place: Place) -> HostStatus:
    host = place.host
    pid = hosts.init_of(place)
    units: Mapping[str, str] | None = None
    if pid is not None:
        words = (*hosts.ssh_words(place), _UNITS)
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
            )
            if done.returncode == 0:
                units = units_of(done.stdout)
    return HostStatus(
        name=host.name,
        address=host.address,
        roles=host.roles,
        pid=pid,
        memory_mb=hosts.memory_mb(place) if pid else 0,
        units=units or {},
        failed_units=None if units is None else tuple(name for name, word in units.items() if word == "failed"),
    )


def units_of(listing: str) -> Mapping[str, str]:
    """Read lines of a unit and systemd's word for it; a service is known without its ending."""
    pairs = (line.split() for line in listing.splitlines() if len(line.split()) == 2)
    return {name.removesuffix(".service"): word for name, word in pairs}


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
