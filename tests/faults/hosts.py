"""A small site of real hosts: each a real sshd in namespaces of its own, with stubs for what a cluster would need.

A :class:`Network` is a network namespace with the addresses of every host; a :class:`Hosts` is one fresh set of
hosts in it. Each host has its own ``/etc``, ``/var/lib``, ``/run`` and ``/tmp``, and its own process ids. The state
of the stubs is files, so a test reads all there is to know of a host below ``/proc/PID/root``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..ssh.conftest import _UNSHARE, made_key

__all__ = ["ALL", "Ended", "Hosts", "Network", "canaries", "cephx_key"]

ALL = "glance,cinder,cinder_backup,nova,libvirt"
HERE = Path(__file__).parent
ADMIN = "ceph1"
ACCOUNTS = {"glance": 61001, "cinder": 61002, "nova": 61003, "libvirt": 61004, "libvirt-qemu": 61005}
#: Seconds for anything that takes a moment on a machine that is not busy.
PATIENCE = 90
PASSWORD = "TheOperatorsOwn-PlantedPassword"

_CONF = """\
[DEFAULT]
# The messaging driver's address. (string value)
#transport_url = rabbit://
transport_url = rabbit://openstack:{password}@controller1:5672/
{default}
[database]
connection = mysql+pymysql://{project}:{password}@controller1/{project}

[keystone_authtoken]
password = {password}
{sections}"""

_PARTS = {
    "glance-api": ("", "\n[glance_store]\n#stores = file,http\nstores = file,http\ndefault_store = file\n"),
    "cinder": ("#enabled_backends = <None>\nenabled_backends = lvm\n", "\n[lvm]\nvolume_backend_name = lvm\n"),
    "nova": ("", "\n[libvirt]\n#images_type = default\n"),
}
#: What each service reads at its start, as a shell writes it.
_READS = {
    "glance-api": "/etc/glance/*.conf /etc/ceph/ceph.conf /etc/ceph/ceph.client.glance.keyring",
    "cinder-volume": "/etc/cinder/*.conf /etc/ceph/ceph.conf /etc/ceph/ceph.client.cinder.keyring",
    "cinder-backup": "/etc/cinder/*.conf /etc/ceph/ceph.conf /etc/ceph/ceph.client.cinder*.keyring",
    "nova-compute": "/etc/nova/*.conf /etc/ceph/nova/ceph.conf /etc/ceph/ceph.client.cinder.keyring",
}
_VERSIONS = {"cinder": "2:21.3.1-1~deb12u1", "glance": "2:25.2.2-1~deb12u3", "nova": "2:26.2.2-1~deb12u3"}
_ROLES = {"controller1": ("glance-api", "cinder-volume", "cinder-backup"), ADMIN: ()}

#: All is copied before /tmp is replaced: what it is copied from may stand there. The last program is the first
#: process of the host: it ends with its standard input, and the host with it, however the test ends.
_PREPARE = """
set -eu
mount -t tmpfs none /srv
mkdir /srv/bin /srv/work /srv/state /srv/ceph
mount --bind {cluster} /srv/ceph
cp -a {stubs}/. /srv/bin/
mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/srv/bin,workdir=/srv/work /usr/bin
cp -a {files}/state/. /srv/state/
mount -t tmpfs none /etc
cp -a {files}/etc/. /etc/
for folder in /var/lib /var/log /run /root /home /var/tmp /dev/shm /tmp; do
  mount -t tmpfs -o mode=0755 none $folder
done
mkdir -p /run/sshd /run/systemd/system /var/lib/dpkg /var/lib/glance /var/log/qemu
ln -s /srv/state/packages /var/lib/dpkg/status
chmod 1777 /tmp /var/tmp
/usr/sbin/sshd -f /etc/ssh/sshd_config -E /var/log/sshd.log
exec cat
"""

_SSHD = """
ListenAddress {address}
HostKey /etc/ssh/host
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile /etc/ssh/authorized
MaxStartups 200
"""


def cephx_key(entity: str) -> str:
    """The key that the stub of ceph makes for a user: nobody may ever see it outside a keyring and libvirt."""
    noise = hashlib.sha256(f"canary {entity}".encode()).digest()
    return base64.b64encode(struct.pack("<hiih", 1, 1_700_000_000 + noise[30], 0, 16) + noise[:16]).decode()


def canaries() -> list[bytes]:
    """Every planted secret, in each form in which it could leak."""
    found = [PASSWORD.encode()]
    for entity in ("client.admin", "client.glance", "client.cinder", "client.cinder-backup"):
        key = cephx_key(entity)
        raw = base64.b64decode(key)
        found += [key.encode(), raw.hex().encode(), base64.b64encode(key.encode()), raw[12:]]
    return found


@dataclass(frozen=True)
class Ended:
    """A finished command."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass
class Running:
    """A command under way."""

    network: Network
    number: int
    pid: int
    out: Path
    err: Path

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> Ended:
        """Wait for its end."""
        status = self.network.wait(self.number, "status")
        return Ended(status, self.out.read_text(errors="replace"), self.err.read_text(errors="replace"))


class Network:
    """A network of its own with every host's address, and the command ready to start in it.

    :param files: a folder that is ours.
    :param keys: where the key of every host and that of the operator are, or are to be.
    """

    def __init__(self, files: Path, keys: Path) -> None:
        self.files = files
        self.keys = keys
        self.addresses = {ADMIN: "10.77.1.10", "controller1": "10.77.1.11"} | {
            f"compute{number}": f"10.77.1.{20 + number}" for number in range(1, 5)
        }
        for name in ("id", "host"):
            if not (keys / name).exists():
                made_key(keys / name)
        host_key = (keys / "host.pub").read_text()
        self.known_hosts = files / "known_hosts"
        self.known_hosts.write_text("".join(f"{one} {host_key}" for one in self.addresses.values()))
        (files / "no_config").touch()
        added = "; ".join(f"ip address add {one}/32 dev lo" for one in self.addresses.values())
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", f"set -e; ip link set lo up; {added}; echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            self._holder.wait()
            raise OSError("no network namespace can be made here")
        self.inside = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"]
        self._server = subprocess.Popen(
            [*self.inside, sys.executable, "-m", "tests.faults.command", "--serve"],
            cwd=HERE.parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._told: dict[int, dict[str, int]] = {}
        self._news = threading.Condition()
        self._count = 0
        threading.Thread(target=self._listen, args=(self._server.stdout,), daemon=True).start()

    def _listen(self, said: IO[bytes]) -> None:
        for line in said:
            news = json.loads(line)
            with self._news:
                self._told.setdefault(news.pop("id"), {}).update(news)
                self._news.notify_all()

    def wait(self, number: int, what: str) -> int:
        """What the server says of a command: its ``pid``, or in the end its ``status``."""
        with self._news:
            if not self._news.wait_for(lambda: what in self._told.get(number, {}), PATIENCE):
                raise TimeoutError(f"command {number} has no {what} after {PATIENCE} s")
            return self._told[number][what]

    def start(self, words: Sequence[str], environment: Mapping[str, str], fault: Mapping[str, Any]) -> Running:
        """Start the command in a fork of a process that has imported it."""
        self._count += 1
        number = self._count
        out, err = self.files / f"{number}.out", self.files / f"{number}.err"
        asked = {
            "id": number,
            "words": list(words),
            "environment": dict(environment),
            "fault": dict(fault),
            "out": str(out),
            "err": str(err),
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(asked).encode() + b"\n")
        self._server.stdin.flush()
        return Running(self, number, self.wait(number, "pid"), out, err)

    def close(self) -> None:
        """End both processes; the namespace ends with them."""
        for process in (self._server, self._holder):
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.wait(PATIENCE)
            process.stdout.close()

    @contextmanager
    def hosts(self, *, computes: int = 1) -> Iterator[Hosts]:
        """A fresh set of hosts, with an OpenStack that knows nothing of Ceph."""
        hosts = Hosts(self, computes)
        try:
            hosts.begin()
            yield hosts
        finally:
            hosts.end()


@dataclass
class Hosts:
    """One set of hosts, and what an operator has at hand."""

    network: Network
    computes: int
    folder: Path = field(init=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(init=False, default_factory=dict)
    roots: dict[str, Path] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.network.files / f"set-{time.monotonic_ns()}"

    @property
    def names(self) -> list[str]:
        return [ADMIN, "controller1", *(f"compute{number}" for number in range(1, self.computes + 1))]

    @property
    def site(self) -> Path:
        return self.folder / "site.yml"

    @property
    def state(self) -> Path:
        """The operator's XDG_STATE_HOME."""
        return self.folder / "state"

    def roles(self, name: str) -> Sequence[str]:
        return _ROLES.get(name, ("nova-compute",))

    # their life

    def begin(self) -> None:
        self.folder.mkdir()
        cluster = self.folder / "cluster"
        cluster.mkdir()
        everything = {"mds": "allow *", "mgr": "allow *", "mon": "allow *", "osd": "allow *"}
        users = {"client.admin": {"entity": "client.admin", "key": cephx_key("client.admin"), "caps": everything}}
        known = {"fsid": "3f1b0a1e-7a64-4f0c-9b1d-6f3c2d5e8a90", "mon_host": "10.77.1.10", "pools": [], "users": users}
        (cluster / "cluster.json").write_text(json.dumps(known))
        self.write_site()
        for name in self.names:
            files = self.folder / name
            self._furnish(name, files)
            prepare = _PREPARE.format(cluster=cluster, stubs=HERE / "stubs", files=files)
            with (self.folder / f"{name}.log").open("wb") as log:
                self.processes[name] = subprocess.Popen(
                    [*self.network.inside, *_UNSHARE, "sh", "-c", prepare],
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                )
        for name, process in self.processes.items():
            self.roots[name] = self._root(name, process)

    def end(self) -> None:
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes.values():
            process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _root(self, name: str, process: subprocess.Popen[bytes]) -> Path:
        """Where this machine sees a host's files; waits until its sshd listens."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if process.poll() is not None:
                raise OSError(f"{name} did not start: {(self.folder / f'{name}.log').read_text()}")
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                root = Path(f"/proc/{child}/root")
                try:
                    if "listening" in (root / "var/log/sshd.log").read_text() and (root / "srv/state/units").exists():
                        return root
                except OSError:
                    continue
            time.sleep(0.005)
        raise TimeoutError(f"{name} did not start in {PATIENCE} s")

    def _furnish(self, name: str, files: Path) -> None:
        """What stands on a host before: accounts, an OpenStack, and the stubs' state."""
        etc, state = files / "etc", files / "state"
        (etc / "ssh").mkdir(parents=True)
        (state / "units").mkdir(parents=True)
        (state / "secrets").mkdir()
        passwd = ["root:x:0:0:root:/root:/bin/sh", "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin"]
        passwd += [f"{user}:x:{number}:{number}::/:/bin/sh" for user, number in ACCOUNTS.items()]
        group = ["root:x:0:", "nogroup:x:65534:", *(f"{user}:x:{number}:" for user, number in ACCOUNTS.items())]
        texts = {
            "passwd": "\n".join(passwd) + "\n",
            "group": "\n".join(group) + "\n",
            "shadow": "root:*:19000:0:99999:7:::\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
            "os-release": 'ID=debian\nVERSION_ID="12"\n',
            "hostname": f"{name}\n",
            "hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n",
            "ssh/sshd_config": _SSHD.format(address=self.network.addresses[name]),
            "ssh/authorized": (self.network.keys / "id.pub").read_text(),
            "ssh/host": (self.network.keys / "host").read_text(),
        }
        for path, text in texts.items():
            (etc / path).write_text(text)
        (etc / "ssh/host").chmod(0o600)
        shutil.copy("/etc/ld.so.cache", etc)
        packages = {"librbd1": "16.2.15+ds-0+deb12u1"}
        if name == ADMIN:
            (etc / "ceph").mkdir()
            packages["ceph-common"] = "16.2.15+ds-0+deb12u1"
        for role in self.roles(name):
            project = role.partition("-")[0]
            packages[f"{project}-common"] = _VERSIONS[project]
            conf = "glance-api" if project == "glance" else project
            default, sections = _PARTS[conf]
            text = _CONF.format(project=project, password=PASSWORD, default=default, sections=sections)
            self._conf(etc / project / f"{conf}.conf", text, project)
            if project == "nova":
                packages["libvirt-daemon"] = "9.0.0-4+deb12u2"
                self._conf(etc / "nova/nova-compute.conf", "[DEFAULT]\ncompute_driver = libvirt\n", project)
            unit = state / "units" / f"{role}.service"
            unit.mkdir()
            (unit / "reads").write_text(_READS[role])
            (unit / "facts").write_text(
                "Type=simple\nLoadState=loaded\nActiveState=active\nSubState=running\nMainPID=9000000\n"
                "NRestarts=0\nResult=success\nUnitFileState=enabled\n"
            )
        shape = "Package: {}\nStatus: install ok installed\nVersion: {}\n"
        (state / "packages").write_text("\n".join(shape.format(*one) for one in sorted(packages.items())))
        (state / "restarts").touch()

    def _conf(self, path: Path, text: str, owner: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o640)
        os.chown(path, 0, ACCOUNTS[owner])

    # what an operator does

    def write_site(self, name: str = "site.yml", **sections: object) -> Path:
        """A site file, as JSON, which YAML is a superset of."""
        files = self.network.files
        document = {
            "ceph": {"admin": ADMIN},
            "hosts": {
                one: {"address": self.network.addresses[one], "roles": list(self.roles(one))} for one in self.names
            },
            "ssh": {
                "user": "root",
                "key": str(self.network.keys / "id"),
                "known_hosts": str(self.network.known_hosts),
                "config": str(files / "no_config"),
                "connect_timeout": 60,
            },
            **sections,
        }
        path = self.folder / name
        path.write_text(json.dumps(document, indent=1))
        return path

    def environment(self) -> dict[str, str]:
        first = {name: [int(root.parts[2])] for name, root in self.roots.items()}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "XDG_STATE_HOME": str(self.state),
            "TMPDIR": str(home),
            "HOSTS": json.dumps(first),
            "LC_ALL": "C.UTF-8",
        }

    def start(self, *words: str, site: Path | None = None, state: Path | None = None, **fault: object) -> Running:
        """Start ``cephdeploy WORDS`` in a fork of a process that has imported it."""
        environment = self.environment() | ({"XDG_STATE_HOME": str(state)} if state else {})
        return self.network.start(["--site", str(site or self.site), *words], environment, fault)

    def cephdeploy(self, *words: str, site: Path | None = None, state: Path | None = None, **fault: object) -> Ended:
        """``cephdeploy WORDS`` to its end."""
        return self.start(*words, site=site, state=state, **fault).ended()

    def run(self, *words: str, site: Path | None = None, **fault: Any) -> Ended:
        """``run --yes`` of everything, without the proofs."""
        return self.cephdeploy("run", "--plugins", ALL, "--yes", "--no-verify", *words, site=site, **fault)

    def fresh(self, *words: str, environment: Mapping[str, str] | None = None) -> Ended:
        """``cephdeploy WORDS`` in a process that was started for it, with its own arguments and environment."""
        ended = subprocess.run(
            [*self.network.inside, sys.executable, "-m", "tests.faults.command", "--site", str(self.site), *words],
            cwd=HERE.parents[1],
            env={**self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
        return Ended(ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))

    def rerun(self) -> Ended:
        """A plain run after one that died. A command that was under way on a host may hold the lock until its end."""
        until = time.monotonic() + PATIENCE
        while (ended := self.run()).status == 5 and time.monotonic() < until:
            time.sleep(0.2)
        return ended

    # what a test looks at

    def path(self, name: str, path: str) -> Path:
        """A file of a host as this machine sees it."""
        return self.roots[name] / path.lstrip("/")

    def files(self, *tops: str) -> dict[str, tuple[str, int, int, bytes]]:
        """Everything below /etc (or ``tops``) of every host: sort and mode, owner, group, bytes."""
        found = {}
        for name in self.names:
            for top in tops or ("etc",):
                at = self.path(name, top)
                for path in [at, *at.rglob("*")] if at.exists() else ():
                    seen = path.lstat()
                    content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
                    found[f"{name}:/{path.relative_to(self.roots[name])}"] = (
                        f"{seen.st_mode:o}",
                        seen.st_uid,
                        seen.st_gid,
                        content,
                    )
        return found

    def cluster(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "cluster/cluster.json").read_text())
        found["pools"].sort(key=lambda pool: pool["pool_name"])
        return found

    def ceph_log(self) -> list[str]:
        """The commands that changed the cluster."""
        path = self.folder / "cluster/log"
        return path.read_text().splitlines() if path.exists() else []

    def edit_cluster(self, **changes: object) -> None:
        known = json.loads((self.folder / "cluster/cluster.json").read_text())
        (self.folder / "cluster/cluster.json").write_text(json.dumps(known | changes))

    def end_state(self) -> dict[str, object]:
        """All that two ways to the same end must have in common."""
        packages = {name: sorted(self.path(name, "srv/state/packages").read_text().split("\n")) for name in self.names}
        return {
            "etc": self.files(),
            "secrets": self.files("srv/state/secrets"),
            "stamps": self.files("var/lib/cephdeploy/started-with"),
            "packages": packages,
            "cluster": self.cluster(),
            "folders": {
                name: {
                    path: f"{self.path(name, path).stat().st_mode:o}"
                    for path in ("var/log/qemu", "run/ceph/guests", "var/lib/glance/os_glance_tasks_store")
                    if self.path(name, path).exists()
                }
                for name in self.names
            },
        }

    def restarts(self) -> dict[str, int]:
        """How often each unit was restarted."""
        found: dict[str, int] = {}
        for name in self.names:
            for line in self.path(name, "srv/state/restarts").read_text().splitlines():
                unit = f"{name}/{line.split()[1]}"
                found[unit] = found.get(unit, 0) + 1
        return found

    def behind(self) -> list[str]:
        """The services that do not run with what stands in their files now."""
        found = []
        for name in self.names:
            for unit in sorted(self.path(name, "srv/state/units").iterdir()):
                made = hashlib.sha256()
                for pattern in (unit / "reads").read_text().split():
                    for path in sorted(self.roots[name].glob(pattern.lstrip("/"))):
                        made.update(path.read_bytes())
                running = unit / "running"
                if not running.exists() or running.read_text().split()[0] != made.hexdigest():
                    found.append(f"{name}/{unit.name}")
        return found

    def left(self) -> list[str]:
        """Temporary files of ours that nobody will remove."""
        return sorted(
            key for key in self.files("etc", "var/lib/cephdeploy", "tmp") if key.endswith((".cephdeploy", ".new"))
        )

    def journals(self) -> list[list[dict[str, Any]]]:
        """The records of every run of the operator, the oldest first."""
        paths = sorted(self.state.rglob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]

    def leaks(self, *texts: str) -> list[str]:
        """Where a planted secret is seen that must not be: in ``texts``, in anything of the operator's, on a host.

        It may stand in a keyring, in libvirt, in the cluster, in the service's own configuration file, and in what
        root alone keeps of that for a rollback.
        """
        seen = {f"text {number}": text.encode() for number, text in enumerate(texts)}
        for path in [*self.state.rglob("*"), *(self.folder / "home").rglob("*"), *self.network.files.glob("*.plan")]:
            if path.is_file():
                seen[str(path)] = path.read_bytes()
        tops = ("tmp", "var/tmp", "dev/shm", "run", "var/log", "root", "var/lib", "etc")
        for key, (*_, content) in self.files(*tops).items():
            where = key.partition(":")[2]
            if "/kept/" in where or (where.endswith((".keyring", ".conf")) and where.startswith("/etc/")):
                continue
            seen[key] = content
        return [where for where, content in seen.items() for secret in canaries() if secret in content]
