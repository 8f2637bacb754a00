"""One host of the lab: what it is, how it is started, reached and ended."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cephdeploy_lab.base import SCRIPTS
from cephdeploy_lab.errors import LabError, WrongUseError
from cephdeploy_lab.network import Namespace
from cephdeploy_lab.state import Folder, HostEntry, write

INSIDE = "/usr/local/lib/cephdeploy-lab"
_DEVICES = ("/dev/net/tun", "/dev/kvm")


@dataclass(frozen=True, kw_only=True)
class Host(HostEntry):
    """A host of the lab; `layer` names the role's layer over the base, if it has one."""

    layer: str | None = None
    units: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    all_capabilities: bool = False


CEPH1 = Host(name="ceph1", address="10.77.0.10", roles=("ceph", "monitor", "manager", "osd"))
CONTROLLER1 = Host(
    name="controller1",
    address="10.77.0.11",
    roles=("controller",),
    layer="controller",
    units=("mariadb.service", "rabbitmq-server.service", "memcached.service"),
    # Cinder's copies of whole images run in a privsep context that asks for CAP_NET_ADMIN in newer suites
    all_capabilities=True,
)
# nova-compute's unit asks for these, which the base has and a hypervisor would not: Debian's Wants= is generous
_ELSEWHERE = tuple(
    f"{name}.service" for name in ("keystone", "mariadb", "mysql", "postgresql", "rabbitmq-server", "memcached")
)

# a lab has two computes unless more are asked for by name
COMPUTES = tuple(
    Host(
        name=f"compute{number}",
        address=f"10.77.0.{20 + number}",
        roles=("compute",),
        layer="compute",
        masked=_ELSEWHERE,
        devices=_DEVICES,
        all_capabilities=True,
    )
    for number in range(1, 10)
)
HOSTS = (CEPH1, CONTROLLER1, *COMPUTES[:2])
KNOWN = (CEPH1, CONTROLLER1, *COMPUTES)


def host_named(name: str, among: Sequence[Host] = HOSTS) -> Host:
    """Return the host of that name."""
    for host in among:
        if name in (host.name, host.address):
            return host
    near = difflib.get_close_matches(name, [host.name for host in among], n=1)
    hint = f"did you mean {near[0]}?" if near else f"its hosts are {', '.join(host.name for host in among)}"
    raise WrongUseError(f"the lab has no host {name!r}; {hint}")


def chosen(names: str) -> tuple[Host, ...]:
    """Return the hosts that a list of names, with commas between, asks for."""
    asked = {host_named(name.strip(), KNOWN) for name in names.split(",")}
    found = tuple(host for host in KNOWN if host in asked)
    computes = [host.name for host in found if host in COMPUTES]
    if computes and CONTROLLER1 not in found:
        raise WrongUseError(f"{', '.join(computes)} can't do without {CONTROLLER1.name}; name it as well")
    return found


def hosts_of(folder: Folder) -> tuple[Host, ...]:
    """Return the hosts that the lab in this folder has, or would have."""
    try:
        names = json.loads(folder.hosts_json.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return HOSTS
    return tuple(host for host in KNOWN if host.name in names)


@dataclass(frozen=True)
class Place:
    """Where one host lives on the machine."""

    folder: Folder
    host: Host

    @property
    def path(self) -> Path:
        return self.folder.hosts / self.host.name

    @property
    def console(self) -> Path:
        return self.folder.log(f"console-{self.host.name}")

    @property
    def lowers(self) -> tuple[Path, ...]:
        """What lies under the host's own upper layer, the topmost first."""
        root = self.folder.base / "root"
        return (self.folder.base / "layers" / self.host.layer, root) if self.host.layer else (root,)

    @property
    def pid_file(self) -> Path:
        return self.path / "pid"

    @property
    def cgroup(self) -> str:
        return f"lab-{self.host.name}"


def lay_out(
    place: Place,
    *,
    authorized_key: str,
    etc_hosts: str,
    environment: str,
    beside_scripts: Mapping[str, str],
    clouds: str | None,
) -> str:
    """Write, before its first boot, what is the host's own; return the public half of its ssh key."""
    upper = place.path / "upper"
    for name in ("upper", "work", "root"):
        (place.path / name).mkdir(parents=True)
    _put(place, "/etc/hostname", place.host.name + "\n")
    _put(place, "/etc/hosts", etc_hosts)
    # an empty one would make systemd take this for the first boot, and enable units of its own choice
    _put(place, "/etc/machine-id", uuid.uuid4().hex + "\n", mode=0o444)
    for home in ("/root", "/home/operator", "/home/nosudo"):
        _put(place, f"{home}/.ssh/authorized_keys", authorized_key, mode=0o600)
    _put(place, f"{INSIDE}/lab.env", environment, mode=0o600)
    for script in SCRIPTS.iterdir():
        if script.name not in ("build-base.sh", "boot-host.sh") and script.is_file():
            _put(place, f"{INSIDE}/{script.name}", script.read_text(), mode=0o755)
    for name, text in beside_scripts.items():
        _put(place, f"{INSIDE}/{name}", text, mode=0o600)
    if clouds is not None:
        # where every user's client looks for it, and where an operator's root has it
        _put(place, "/etc/openstack/clouds.yaml", clouds, mode=0o600)
    if place.host.layer == "controller":
        _put(place, "/etc/mysql/mariadb.conf.d/99-lab.cnf", _MARIADB)
        _put(place, "/etc/systemd/system/neutron-stub.service", _NEUTRON_STUB)
    for unit in ("ssh.service", *place.host.units):
        wants = _parent(place, Path("etc/systemd/system/multi-user.target.wants") / unit)
        (wants / unit).symlink_to(f"/lib/systemd/system/{unit}")
    for unit in place.host.masked:
        mask = _parent(place, Path("etc/systemd/system") / unit)
        (mask / unit).symlink_to("/dev/null")
    key = _parent(place, Path("etc/ssh/key")) / "ssh_host_ed25519_key"
    _made(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", place.host.name, "-f", str(key)))
    return (upper / "etc/ssh/ssh_host_ed25519_key.pub").read_text()


def boot(place: Place) -> None:
    """Start the host; it is up when ssh answers."""
    host = place.host
    namespace = Namespace(host.name)
    namespace.make(host.address)
    options = [f"--bind={device}" for device in host.devices if Path(device).exists()]
    if host.all_capabilities:
        options.append("--capability=all")
    lower = ":".join(str(path) for path in place.lowers)
    with place.console.open("a") as console:
        process = subprocess.Popen(
            (
                "unshare", "--mount", "sh", str(SCRIPTS / "boot-host.sh"),
                host.name, str(place.path), lower, str(namespace.path), *options,
            ),
            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
            # what this shell has set (a proxy, a locale) is nothing to a host
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb"},
        )  # fmt: skip
    write(place.pid_file, f"{process.pid} {_started(process.pid)}\n")


def wait_for_ssh(place: Place, *, stopped: Callable[[], bool], timeout: float = 60) -> None:
    """Wait until the host's own sshd greets."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not stopped():
        if supervisor(place) is None:
            raise LabError(f"{place.host.name} ended while it booted", log=place.console)
        try:
            with socket.create_connection((place.host.address, 22), timeout=1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise LabError(f"{place.host.name} did not answer ssh within {timeout:.0f} s", log=place.console)


def ssh_words(place: Place, *, user: str = "root") -> tuple[str, ...]:
    """Return the ssh command that reaches the host and reads no configuration but the lab's."""
    folder = place.folder
    options = {
        "IdentityFile": folder.key,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": folder.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
        "ConnectTimeout": 5,
    }
    words = ["ssh", "-F", "/dev/null"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return (*words, f"{user}@{place.host.address}")


def supervisor(place: Place) -> int | None:
    """Return the pid of the host's systemd-nspawn, or None if it does not run."""
    try:
        pid, started = place.pid_file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    # a pid is given again: only with its start time it is that process
    return int(pid) if _started(int(pid)) == started else None


def init_of(place: Place) -> int | None:
    """Return the pid, seen from the machine, of the host's process 1."""
    if (pid := supervisor(place)) is None:
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return None
    return next((int(child) for child in children if _command(int(child)) == "systemd"), None)


def pids_of(place: Place) -> tuple[int, ...]:
    """Return every process of the host, also of one whose start was cut off."""
    found = []
    for group in _cgroups(place):
        try:
            found += [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
        except OSError:
            continue
    return tuple(found)


def memory_mb(place: Place) -> int:
    """Return what the host's processes have in memory, shared pages counted once."""
    total = 0
    for pid in pids_of(place):
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total // 1024


def end(place: Place, *, timeout: float = 90) -> None:
    """End the host at once; nothing of it is meant to be kept."""
    # Process 1 first: with it the kernel ends all others of the host, and nspawn puts its own things away. What is
    # left after that, or has no process 1 yet, is ended one by one.
    if (init := init_of(place)) is not None:
        _kill(init)
    deadline = time.monotonic() + timeout
    patience = time.monotonic() + (5 if init is not None else 0)
    while remaining := {*pids_of(place), *filter(None, (supervisor(place),))}:
        if time.monotonic() > deadline:
            raise LabError(
                f"{place.host.name} still has processes {timeout:.0f} s after they were killed"
                f" ({', '.join(map(str, sorted(remaining)))}); run `cephdeploy lab down` again in a minute"
            )
        if time.monotonic() > patience:
            for pid in remaining:
                _kill(pid)
        time.sleep(0.05)
    Namespace(place.host.name).remove()
    for group in _cgroups(place):
        group.rmdir()
    place.pid_file.unlink(missing_ok=True)


_MARIADB = """\
# a database that nobody will miss need not be safe on the disk
[mysqld]
bind-address = 0.0.0.0
skip-name-resolve
max_connections = 500
innodb_flush_log_at_trx_commit = 0
innodb_doublewrite = 0
innodb_buffer_pool_size = 128M
performance_schema = off
# on by default since 11.6: two logins of one user at the same time, and one of them fails
loose_innodb_snapshot_isolation = off
"""

_NEUTRON_STUB = f"""\
[Unit]
Description=What Nova asks of Neutron when no server has a network

[Service]
ExecStart={INSIDE}/neutron-stub
DynamicUser=yes
Restart=always

[Install]
WantedBy=multi-user.target
"""


def _put(place: Place, path: str, text: str, *, mode: int = 0o644) -> None:
    inside = Path(path.lstrip("/"))
    parent = _parent(place, inside)
    write(parent / inside.name, text, mode)
    owner = parent.stat()
    os.chown(parent / inside.name, owner.st_uid, owner.st_gid)


def _parent(place: Place, inside: Path) -> Path:
    """Make a file's folders in the upper layer, each with the owner and mode that it has below."""
    above = place.path / "upper"
    for folder in reversed(list(inside.parents)[:-1]):
        if (above / folder).exists():
            continue
        (above / folder).mkdir()
        for lower in place.lowers:
            if (lower / folder).is_dir():
                below = (lower / folder).stat()
                os.chown(above / folder, below.st_uid, below.st_gid)
                (above / folder).chmod(below.st_mode & 0o7777)
                break
    return above / inside.parent


def _cgroups(place: Place) -> Iterator[Path]:
    """Yield the host's control groups, the innermost first."""
    for mount in _cgroup2_mounts():
        if (top := mount / place.cgroup).is_dir():
            for path, _, _ in os.walk(top, topdown=False):
                yield Path(path)
            return


def _cgroup2_mounts() -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind = line.split()[:3]
        if kind == "cgroup2":
            yield Path(mount)


def _started(pid: int) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _made(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise LabError(f"`{' '.join(words)}` failed: {done.stderr.strip()}")
