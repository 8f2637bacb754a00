"""A real sshd for the tests, in mount and process namespaces of its own; it listens on loopback only.

Its ``/etc`` is an overlay that is gone with it, so accounts, keys and sudoers exist nowhere else. It is in
the machine's network namespace, on addresses 127.77.x.1 to .3 and a high port that are only its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cephdeploy.plugins import driver
from cephdeploy.requests import Group, Ran, Run
from cephdeploy.session import Channel, Session, bootstrap
from cephdeploy.transports import Target

from .lines import TRANSPORTS

#: Login, shell, and what its ~/.bashrc or the like holds.
LOGINS = {
    "alice": ("/bin/sh", ""),
    "asked": ("/bin/sh", ""),
    "stranger": ("/bin/sh", ""),
    "outsider": ("/bin/sh", ""),
    "limited": ("/bin/sh", ""),
    "terminal": ("/bin/sh", ""),
    "noisy": ("/bin/bash", "echo Welcome; echo 'deadbeef 3,4'; head -c 200000 /dev/urandom; echo warned >&2"),
    "vietnamese": ("/bin/bash", "export LANG=vi_VN.UTF-8 LC_ALL=vi_VN.UTF-8 LANGUAGE=vi"),
    "hanging": ("/bin/bash", "echo one moment please; sleep 600"),
    "pythonless": ("/bin/bash", "PATH=/home/sudo-only"),
    "sudoless": ("/bin/bash", "PATH=/home/env-only"),
    "garbage": ("/bin/bash", "cat /dev/urandom | head -c 300000; exit 3"),
    "csh": ("/bin/tcsh", ""),
    "fish": ("/usr/bin/fish", ""),
}

SUDOERS = """
Defaults use_pty
Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
Defaults:outsider,limited !authenticate
Defaults:terminal requiretty
alice,noisy,vietnamese,hanging,garbage,csh,fish,sudoless ALL=(ALL:ALL) NOPASSWD: ALL
pythonless ALL=(ALL:ALL) NOPASSWD: ALL
Defaults:pythonless secure_path="/home/sudo-only"
asked ALL=(ALL:ALL) ALL
limited ALL=(ALL:ALL) NOPASSWD: /bin/true
terminal ALL=(ALL:ALL) NOPASSWD: ALL
"""

_UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")

_PREPARE = """
set -eu
mount -t tmpfs none {place}
mkdir {place}/etc {place}/work
mount -t overlay overlay -o lowerdir=/etc,upperdir={place}/etc,workdir={place}/work /etc
for folder in /home /root /run /var/lib /var/log; do mount -t tmpfs none $folder; done
chmod 0755 /home /run
mkdir -p /run/sshd /run/sudo /home/sudo-only /home/env-only /etc/sudoers.d /etc/ssh/logins
ln -s /usr/bin/env /usr/bin/sudo /home/sudo-only
ln -s /usr/bin/env /usr/bin/python3 /home/env-only
number=61000
for login in $LOGINS; do
  number=$((number + 1))
  name=${{login%%:*}} shell=${{login#*:}}
  echo "$name:x:$number:$number::/home/$name:$shell" >> /etc/passwd
  echo "$name:*:19000:0:99999:7:::" >> /etc/shadow
  echo "$name:x:$number:" >> /etc/group
  mkdir /home/$name
  cp {files}/bashrc-$name /home/$name/.bashrc
  chown -R $number:$number /home/$name
done
echo 'Defaults env_reset' > /etc/sudoers
cat {files}/sudoers >> /etc/sudoers
chmod 0440 /etc/sudoers
cp {files}/authorized /etc/ssh/authorized
exec /usr/sbin/sshd -D -f {files}/sshd_config -E {files}/sshd.log
"""

_SSHD = """
Port {port}
ListenAddress {a}
ListenAddress {b}
ListenAddress {c}
HostKey {files}/host_ed25519
HostKey {files}/host_ecdsa
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile /etc/ssh/authorized
MaxStartups 200
MaxSessions 50
LogLevel VERBOSE
Match LocalAddress {a}
  PermitOpen {b}:{port}
Match LocalAddress {b}
  PermitOpen {c}:{port} {a}:1
Match LocalAddress {c}
  AllowTcpForwarding no
"""


@dataclass(frozen=True)
class Sshd:
    """A running sshd: its three addresses are one host, and each lets through to the next one only.

    :param transport: what it is reached by.
    """

    files: Path
    addresses: tuple[str, str, str]
    port: int
    process: subprocess.Popen[bytes]
    transport: str = "fabric"

    @property
    def key(self) -> Path:
        return self.files / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.files / "known_hosts"

    @property
    def host_key(self) -> str:
        """Type and base64 of its ed25519 key."""
        return " ".join((self.files / "host_ed25519.pub").read_text().split()[:2])

    def target(self, **changes: object) -> Target:
        known: dict[str, object] = {
            "name": "compute1",
            "address": self.addresses[0],
            "port": self.port,
            "user": "root",
            "key": self.key,
            "known_hosts": self.known_hosts,
            "config": self.files / "no_config",
            "timeout": 5.0,
        }
        return Target(**(known | changes))  # type: ignore[arg-type]

    def started(self, *, sudo: bool | None = None, **changes: object) -> tuple[Channel, bool]:
        """A channel on which the payload is awaited, and whether by sudo."""
        transport = driver("cephdeploy.transports", self.transport)(self.target(**changes))
        sudo = transport.user != "root" if sudo is None else sudo
        return transport.start(bootstrap(sudo=sudo)), sudo

    def connect(self, *, sudo: bool | None = None, **changes: object) -> Session:
        """A session whose host has answered once."""
        channel, sudo = self.started(sudo=sudo, **changes)
        session = Session("compute1", channel, sudo=sudo)
        try:
            session.exchange([])
        except BaseException:
            session.close()
            raise
        return session

    def log(self) -> str:
        return (self.files / "sshd.log").read_text()

    def processes(self, mark: str) -> list[int]:
        """The ids, as this machine has them, of processes with ``mark`` among their arguments."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


def made_key(path: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *options, "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, worker: int) -> Iterator[Sshd]:
    if os.geteuid() != 0:
        pytest.skip("a real sshd in namespaces needs root")
    for program in ("/usr/sbin/sshd", "/usr/bin/sudo", "/usr/bin/unshare", "/usr/bin/python3"):
        if not Path(program).exists():
            pytest.skip(f"{program} is not here; install openssh-server, sudo, util-linux and python3")
    files = tmp_path_factory.mktemp("sshd")
    place = tmp_path_factory.mktemp("etc")
    addresses = tuple(f"127.77.{worker}.{last}" for last in (1, 2, 3))
    with socket.socket() as probe:
        probe.bind((addresses[0], 0))
        port = probe.getsockname()[1]
    made_key(files / "id_ed25519")
    made_key(files / "host_ed25519")
    made_key(files / "host_ecdsa", "-t", "ecdsa")
    (files / "authorized").write_text((files / "id_ed25519.pub").read_text())
    host_key = (files / "host_ed25519.pub").read_text()
    (files / "known_hosts").write_text("".join(f"[{one}]:{port} {host_key}" for one in addresses))
    (files / "sudoers").write_text(SUDOERS)
    for name, (_, text) in LOGINS.items():
        (files / f"bashrc-{name}").write_text(text + "\n")
    a, b, c = addresses
    (files / "sshd_config").write_text(_SSHD.format(files=files, port=port, a=a, b=b, c=c))
    logins = {name: shell if Path(shell).exists() else "/bin/sh" for name, (shell, _) in LOGINS.items()}
    unshare_log = (files / "unshare.log").open("wb")
    process = subprocess.Popen(
        [*_UNSHARE, "sh", "-c", _PREPARE.format(files=files, place=place)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LOGINS": " ".join(map(":".join, logins.items()))},
        stdin=subprocess.DEVNULL,
        stderr=unshare_log,
    )
    unshare_log.close()
    try:
        _wait_for(addresses[0], port, process, files)
        yield Sshd(files, (a, b, c), port, process)
    finally:
        process.send_signal(signal.SIGKILL)  # the process namespace ends with it
        process.wait()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each transport that goes over SSH."""
    name: str = request.param
    if name == "asyncssh":
        pytest.importorskip("asyncssh", reason="asyncssh is not here; install cephdeploy-core[asyncssh]")
    if name == "openssh" and shutil.which("ssh") is None:
        pytest.skip("ssh is not here; install openssh-client")
    return name


@pytest.fixture
def server(sshd: Sshd, transport: str) -> Sshd:
    """The sshd by each transport."""
    return replace(sshd, transport=transport)


@pytest.fixture(scope="session")
def worker() -> int:
    """A number that no other worker of pytest-xdist and no other run has at the same time."""
    return os.getpid() % 200 + 20


@pytest.fixture(scope="session")
def shared_root(sshd: Sshd) -> Iterator[Session]:
    session = sshd.connect()
    yield session
    session.close()


@pytest.fixture
def root(shared_root: Session) -> Session:
    """A session as root; shared, for tests that leave it whole."""
    return shared_root


@pytest.fixture
def folder(root: Session) -> Iterator[str]:
    """A folder on the host, on a file system of its own that is gone afterwards."""
    path = f"/home/files-{time.monotonic_ns()}"
    mount = Run(argv=("mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", path))
    made = root.exchange([Group(requests=(Run(argv=("mkdir", path)), mount))])[0]
    assert all(isinstance(answer, Ran) and answer.status == 0 for answer in made)
    yield path
    root.exchange([Group(requests=(Run(argv=("umount", "-R", path)),))])


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """An ssh-agent of the test's own; call it with a key to load."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not here; install openssh-client")
    where = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(where)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(where))
    until = time.monotonic() + 5
    while not where.exists() and time.monotonic() < until:
        time.sleep(0.01)

    def load(key: Path) -> None:
        subprocess.run(["ssh-add", "-q", str(key)], check=True)

    try:
        yield load
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str, port: int, process: subprocess.Popen[bytes], files: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            log = files / "sshd.log"
            said = (files / "unshare.log").read_text() + (log.read_text() if log.exists() else "")
            if "Operation not permitted" in said or "unshare failed" in said:
                pytest.skip(f"this machine lets nobody make namespaces or overlays: {said.strip()}")
            raise RuntimeError(f"sshd did not start: {said}")
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("sshd did not start in 20 s")
