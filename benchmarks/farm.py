"""Hosts by the hundred on one machine: for each a real sshd in mount, UTS and process namespaces of its own.

A host's root is an overlay: this machine's own below it, read only, then a small layer with the accounts, files and
stubs that the job needs. What is written goes to memory and is gone with the host. A host takes some milliseconds
and 1.3 MiB.

    python -m benchmarks.farm 10        # ten hosts until Ctrl-C; says where its keys and its list are
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import cgroups, namespaces
from .cgroups import Cgroup

__all__ = ["Farm", "Host", "Traffic", "listed", "running"]

HERE = Path(__file__).parent
#: Keys are made once and kept: a thousand take some seconds.
STATE = HERE.parent / ".bench"
#: The hosts' common layer can't be on the file system that is the layer below it.
MEMORY = Path("/dev/shm")
ACCOUNTS = {"nova": 61001, "cinder": 61002, "libvirt": 61003, "libvirt-qemu": 61004}
STUBS = ("nova-compute", "systemctl", "virsh")
#: What runs on a host that nobody is on: sshd, and a nova-compute that does nothing.
RESIDENT = 2

_SSHD = """\
ListenAddress {address}:{port}
HostKey /etc/ssh/host
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile /etc/ssh/authorized
Subsystem sftp internal-sftp
StrictModes no
MaxStartups 500
MaxSessions 50
LogLevel VERBOSE
"""


@dataclass(frozen=True)
class Traffic:
    """What a host's sshd has logged so far."""

    connections: int = 0
    execs: int = 0
    sftps: int = 0

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.connections - other.connections,
            self.execs - other.execs,
            self.sftps - other.sftps,
        )


@dataclass(frozen=True)
class Host:
    """A running host. ``root`` is its root directory, as this machine sees it."""

    name: str
    address: str
    port: int
    pid: int

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.pid}/root")

    def traffic(self) -> Traffic:
        connections = execs = sftps = 0
        for line in (self.root / "var/log/sshd.log").read_text(errors="replace").splitlines():
            if line.startswith("Accepted publickey"):
                connections += 1
            elif line.startswith("Starting session: command"):
                execs += 1
            elif line.startswith("Starting session: subsystem"):
                sftps += 1
        return Traffic(connections, execs, sftps)


@dataclass
class Farm:
    """The running hosts, and how to reach them."""

    files: Path
    group: Cgroup
    #: The file of the network namespace that the hosts are in, if it is not this process' own.
    network: str | None = None
    hosts: list[Host] = field(default_factory=list)

    @property
    def key(self) -> Path:
        return STATE / "keys/operator"

    @property
    def known_hosts(self) -> Path:
        return self.files / "known_hosts"

    def settle(self, patience: float = 15) -> bool:
        """Wait until no connection is left on any host; whether it came to that."""
        until = time.monotonic() + patience
        while len(self.group.members()) > RESIDENT * len(self.hosts):
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True


def listed(files: Path) -> Farm:
    """A farm that another process runs, by its folder."""
    told = json.loads((files / "farm.json").read_text())
    hosts = [Host(**host) for host in told["hosts"]]
    return Farm(files, Cgroup(Path(told["group"])), told["network"], hosts)


def _key(name: str) -> Path:
    path = STATE / "keys" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def _base(place: Path) -> None:
    """The layer that all hosts share."""
    for folder in ("etc/ceph", "etc/nova", "etc/ssh", "usr/bin", "var/lib/stubs/secrets"):
        (place / folder).mkdir(parents=True)
    for stub in STUBS:
        shutil.copy(HERE / "hosts" / stub, place / "usr/bin" / stub)
    passwd, group = (Path("/etc", name).read_text() for name in ("passwd", "group"))
    for name, number in ACCOUNTS.items():
        passwd += f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        group += f"{name}:x:{number}:\n"
    (place / "etc/passwd").write_text(passwd)
    (place / "etc/group").write_text(group)
    for name in ("nova.conf", "nova-compute.conf"):
        target = place / "etc/nova" / name
        shutil.copy(HERE / "hosts" / name, target)
        os.chown(target, ACCOUNTS["nova"], ACCOUNTS["nova"])
        target.chmod(0o640)
    (place / "etc/ssh/authorized").write_text(_key("operator").with_suffix(".pub").read_text())


def _become(name: str, address: str, port: int, key: Path, base: Path, place: Path, first: bool) -> None:
    """In a child: make the host around it, and be its sshd; returns never."""
    namespaces.host_namespaces(name)
    namespaces.mount("tmpfs", str(place))
    for folder in ("upper", "work", "root"):
        (place / folder).mkdir()
    root = place / "root"
    namespaces.mount("overlay", str(root), f"lowerdir={base}:/,upperdir={place}/upper,workdir={place}/work")
    namespaces.mount("proc", f"{root}/proc")
    namespaces.bind("/dev", f"{root}/dev")
    for folder in ("run", "tmp", "root", "var/log", "var/tmp"):
        namespaces.mount("tmpfs", f"{root}/{folder}", "mode=0755")
    for folder in ("run/sshd", "run/systemd/system"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(key, root / "etc/ssh/host")
    if first:
        shutil.copy(HERE / "hosts/ceph", root / "usr/bin/ceph")
    (root / "etc/hostname").write_text(name + "\n")
    (root / "etc/ssh/sshd_config").write_text(_SSHD.format(address=address, port=port))
    os.chroot(root)
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, 1024)
    _serve()
    os.execve(
        "/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-E", "/var/log/sshd.log"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )


def _serve() -> None:
    """Start what the stub of systemctl says is nova-compute's main process; it waits for a fifo's other end."""
    os.mkfifo("/run/nova-compute.wait", 0o444)
    pid = os.fork()
    if pid:
        Path("/run/nova-compute.pid").write_text(f"{pid}\n")
        return
    try:
        os.setgid(ACCOUNTS["nova"])
        os.setuid(ACCOUNTS["nova"])
        files = [f"--config-file=/etc/nova/{name}" for name in ("nova.conf", "nova-compute.conf")]
        os.execv("/usr/bin/nova-compute", ["nova-compute", *files])
    finally:
        os._exit(1)


def _started(host: tuple[str, str, int], files: Path, group: Cgroup, network: str | None, first: bool) -> int:
    name, address, port = host
    key, place = _key(name), files / name
    place.mkdir()
    namespaces.unshare(namespaces.NEWPID)
    try:
        pid = os.fork()
    finally:
        namespaces.own_processes() if os.getpid() != 1 else None
    if pid:
        return pid
    try:
        namespaces.die_with_parent()
        os.setsid()  # Ctrl-C is for us, who end it in order
        group.join()
        if network:
            namespaces.enter_network(network)
        _become(name, address, port, key, files / "base", place, first)
    except BaseException as error:
        os.write(2, f"{name}: {error}\n".encode())
    finally:
        os._exit(1)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(count: int, *, network: str | None = None, prefix: str = "127.77") -> Iterator[Farm]:
    """``count`` fresh hosts for a while.

    :param network: the file of the network namespace that they are in; None: this process' own.
    :param prefix: the first two bytes of their addresses, which must be local there.
    :raises OSError: a host did not come up; or this machine lets nobody make namespaces or overlays.
    """
    if os.geteuid() != 0:
        raise OSError("hosts in namespaces need root")
    names = [f"compute{number:04d}" for number in range(1, count + 1)]
    addresses = [f"{prefix}.{number // 250}.{number % 250 + 1}" for number in range(count)]
    port = 22 if network else _free_port(addresses[0])
    files = Path(tempfile.mkdtemp(prefix="bench-farm-", dir=MEMORY))
    pids: list[int] = []
    try:
        with cgroups.made("bench-hosts") as group:
            _base(files / "base")
            farm = Farm(files, group, network)
            known = []
            for number, (name, address) in enumerate(zip(names, addresses, strict=True)):
                pid = _started((name, address, port), files, group, network, first=number == 0)
                pids.append(pid)
                farm.hosts.append(Host(name, address, port, pid))
                place = address if port == 22 else f"[{address}]:{port}"
                known.append(f"{place} {_key(name).with_suffix('.pub').read_text()}")
            farm.known_hosts.write_text("".join(known))
            told = {"hosts": [asdict(host) for host in farm.hosts], "group": str(group.place), "network": network}
            told |= {"key": str(farm.key), "known_hosts": str(farm.known_hosts)}
            (files / "farm.json").write_text(json.dumps(told))
            _wait(farm)
            yield farm
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # the first of its process namespace: the rest goes with it
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        shutil.rmtree(files)


def _wait(farm: Farm) -> None:
    """Until every sshd listens, as its own log says."""
    until = time.monotonic() + 30
    for host in farm.hosts:
        log = host.root / "var/log/sshd.log"
        while True:
            with contextlib.suppress(OSError):
                if "Server listening" in log.read_text():
                    break
            if os.waitpid(host.pid, os.WNOHANG)[0]:
                raise OSError(f"{host.name} did not come up; can this machine make overlays in namespaces?")
            if time.monotonic() > until:
                raise OSError(f"{host.name}: its sshd does not listen after 30 s")
            time.sleep(0.002)


def main() -> None:
    """Hosts until Ctrl-C, for trying something on them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("count", type=int)
    began = time.monotonic()
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt), running(arguments.count) as farm:
        print(f"{len(farm.hosts)} hosts in {time.monotonic() - began:.2f} s: {farm.files}/farm.json", flush=True)
        while True:  # signal.pause() would sleep through one that comes just before it
            time.sleep(1)


if __name__ == "__main__":
    main()
