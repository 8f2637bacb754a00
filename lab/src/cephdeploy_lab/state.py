"""Where a lab keeps what it has: its folder, the lock, and the files that it hands to whoever uses it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cephdeploy_lab.errors import BusyError, WrongUseError

FOLDER_VARIABLE = "CEPHDEPLOY_LAB_DIR"
_FOLDERS = Path("/var/lib/cephdeploy-lab")
_LOCK = Path("/run/lock/cephdeploy-lab.lock")
_BUILDING = Path("/run/lock/cephdeploy-lab.building")

NEEDED_MB = 8192
NEEDED_MB_WITH_BASE = 4096


@dataclass(frozen=True)
class Folder:
    """The state folder of one lab."""

    path: Path

    @property
    def base(self) -> Path:
        """The root that the hosts share; `down` keeps it."""
        return self.path / "base"

    @property
    def unfinished_base(self) -> Path:
        return self.path / "base.partial"

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def key(self) -> Path:
        return self.path / "id_ed25519"

    @property
    def public_key(self) -> Path:
        return self.path / "id_ed25519.pub"

    @property
    def known_hosts(self) -> Path:
        return self.path / "known_hosts"

    @property
    def clouds(self) -> Path:
        return self.path / "clouds.yaml"

    @property
    def hosts_json(self) -> Path:
        return self.path / "hosts.json"

    @property
    def ready(self) -> Path:
        """Exists once `up` has seen everything work."""
        return self.path / "ready"

    def log(self, name: str) -> Path:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{name}.log"

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.hosts.mkdir(exist_ok=True)
        self.logs.mkdir(exist_ok=True)

    def forget_lab(self) -> None:
        """Remove everything but the base."""
        for entry in (self.key, self.public_key, self.known_hosts, self.clouds, self.hosts_json, self.ready):
            entry.unlink(missing_ok=True)
        for folder in (self.hosts, self.logs):
            shutil.rmtree(folder, ignore_errors=True)

    def forget_unfinished_base(self) -> None:
        shutil.rmtree(self.unfinished_base, ignore_errors=True)

    def forget_base(self) -> None:
        for folder in (self.base, self.unfinished_base):
            shutil.rmtree(folder, ignore_errors=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


def folder_of(suite: str) -> Folder:
    """Return the folder of a suite's lab: the one that the environment names, or the usual one."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named and not named.startswith("/"):
        raise WrongUseError(
            f"{FOLDER_VARIABLE} is {named!r}, which is no absolute path; give it one that begins with /"
        )
    return Folder(Path(named) if named else _FOLDERS / suite)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the machine's only lab lock: bridge and addresses are the same for every lab."""
    with _held(_LOCK, "another `cephdeploy lab` is at work on this machine"):
        yield


@contextmanager
def building(folder: Folder) -> Iterator[None]:
    """Hold the lock on one folder's base, which may be built while another folder's lab is up."""
    _BUILDING.mkdir(parents=True, exist_ok=True)
    with _held(_BUILDING / quote(str(folder.path), safe=""), f"another `cephdeploy lab` builds {folder.base}"):
        yield


@contextmanager
def _held(lock: Path, what: str) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise BusyError(f"{what} (process {holder}); wait for it to end") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def check_free_space(folder: Folder) -> None:
    """Refuse to begin what the disk can't hold."""
    place = folder.path
    while not place.exists():
        place = place.parent
    needed = NEEDED_MB_WITH_BASE if folder.base.exists() else NEEDED_MB
    free = shutil.disk_usage(place).free // 2**20
    if free < needed:
        raise WrongUseError(
            f"{place} has {free} MB free and the lab needs {needed} MB; free some,"
            f" or set {FOLDER_VARIABLE} to a folder on a larger disk"
        )


@dataclass(frozen=True, kw_only=True)
class HostEntry:
    """What the lab tells about one host."""

    name: str
    address: str
    roles: tuple[str, ...]


def hosts_document(hosts: Sequence[HostEntry]) -> str:
    """Render hosts.json: each host's address, and its roles as plain words."""
    document = {host.name: {"address": host.address, "roles": list(host.roles)} for host in hosts}
    return json.dumps(document, indent=2) + "\n"


def etc_hosts(hosts: Sequence[HostEntry], gateway: str) -> str:
    """Render the /etc/hosts that every host of the lab gets."""
    lines = ["127.0.0.1 localhost", f"{gateway} lab"]
    lines += [f"{host.address} {host.name}" for host in hosts]
    return "\n".join(lines) + "\n"


def known_hosts_document(keys: Sequence[tuple[HostEntry, str]]) -> str:
    """Render known_hosts from the public halves of the hosts' own keys, under name and address."""
    lines = []
    for host, key in keys:
        kind, value = key.split()[:2]
        lines.append(f"{host.name},{host.address} {kind} {value}")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one step, with its final mode from the start."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    beside.replace(path)
