"""A host as a dictionary, which answers requests as the payload on a real one does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from posixpath import basename, dirname
from typing import TYPE_CHECKING

from ..errors import HostError
from ..requests import (
    ANY,
    CHANGED,
    KILLED,
    MISSING,
    NOTHING_KEPT,
    SKIPPED,
    Answer,
    Chain,
    Chained,
    Dpkg,
    Group,
    Hold,
    Host,
    Kept,
    Look,
    MakeDirectory,
    Ran,
    Remove,
    Request,
    Restart,
    Restore,
    Run,
    Seen,
    Unit,
    Write,
)
from ..values import Secret
from ._ceph import FakeCeph, key_in
from ._programs import Program, Said, Unscripted, Words

if TYPE_CHECKING:
    from ..distros import Distro

__all__ = ["FakeDirectory", "FakeFile", "FakeHost", "FakeSecret", "FakeUnit", "Program", "Said", "Unscripted"]


@dataclass
class FakeFile:
    """A file."""

    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode()


@dataclass
class FakeDirectory:
    """A directory; one that was never named but has a file in it is root's and open to read."""

    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


@dataclass
class FakeUnit:
    """A systemd unit.

    :param argv: of its main process: where :class:`~cephdeploy.requests.Chain` finds its files.
    :param crashes: whether it dies soon after each start, for :class:`~cephdeploy.requests.Restart` to see;
        a callable is asked with the files that it starts with.
    :param stop_seconds: how long its stop takes.
    :param started_with: the files of the host as they were at its last start.
    """

    load: str = "loaded"
    active: str = "active"
    sub: str = "running"
    enabled: str = "enabled"
    argv: tuple[str, ...] = ()
    crashes: bool | Callable[[Mapping[str, bytes]], bool] = False
    stop_seconds: float = 1
    pid: int = 1000
    restarts: int = 0
    starts: int = 1
    started_with: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def stop(self) -> None:
        """As after ``systemctl stop``."""
        self.active, self.sub, self.pid = "inactive", "dead", 0


@dataclass
class FakeSecret:
    """A secret of libvirt's. ``value`` is what it decodes to."""

    usage: str
    value: bytes | None = field(default=None, repr=False)
    ephemeral: bool = False
    private: bool = False
    type: str = "ceph"

    @property
    def base64(self) -> str | None:
        """What ``virsh secret-get-value`` prints."""
        return base64.b64encode(self.value).decode() if self.value is not None else None


class FakeHost(Host):
    """A host, for :class:`~cephdeploy.requests.Host`: all of it may be set before and looked at after.

    :param distro: names what a program such as ``dpkg-query`` is called here.
    :param ceph: the cluster that ``rbd`` and, on the admin host, ``ceph`` reach.
    """

    def __init__(self, name: str, distro: Distro, ceph: FakeCeph | None = None) -> None:
        self.name = name
        self.distro = distro
        self.ceph = ceph or FakeCeph()
        self.files: dict[str, FakeFile] = {}
        self.directories: dict[str, FakeDirectory] = {}
        #: Path to what access lists say besides: ``{"user:qemu": "--x"}``.
        self.acls: dict[str, dict[str, str]] = {}
        #: Path of a symbolic link to where it leads.
        self.links: dict[str, str] = {}
        #: User to its groups, its own first.
        self.accounts: dict[str, tuple[str, ...]] = {"root": ("root",)}
        #: Name to version of what is installed, and of what could be.
        self.packages: dict[str, str] = {}
        self.available: dict[str, str] = {}
        #: Package to what its installation adds besides, as a function of the host.
        self.on_install: dict[str, Callable[[FakeHost], None]] = {}
        self.units: dict[str, FakeUnit] = {}
        self.secrets: dict[str, FakeSecret] = {}
        #: Whether there is a virsh, and a libvirt behind it.
        self.libvirt = False
        #: Programs of the test's own; one of a known name stands before the fake's.
        self.programs: dict[str, Program] = {}
        #: What runs kept: (run, name) to the file before and the digest of what was written.
        self.kept: dict[tuple[str, str], tuple[FakeFile | None, str]] = {}
        #: Somebody else who holds the host's lock.
        self.locked_by = ""
        #: Asked before each request: an answer instead of the deed, None to let it be done, or HostError.
        self.interfere: list[Callable[[Request], Ran | None]] = []
        #: Every request that was carried out or interfered with, in order; what was left out is not here.
        self.log: list[Request] = []
        #: Every batch.
        self.trips: list[tuple[Group, ...]] = []
        #: Whether the line is broken; a new deployment mends it.
        #: Why its line is down; empty while it is not.
        self.down = ""
        self.closed = False
        self._last_pid = 1000

    # what tests ask

    def put(self, path: str, content: str | bytes, mode: int = 0o644, owner: str = "root", group: str = "root") -> None:
        """Put a file there."""
        self.files[path] = FakeFile(content.encode() if isinstance(content, str) else content, mode, owner, group)

    def text(self, path: str) -> str:
        """The text of a file."""
        return self.files[self._real(path)].text

    @property
    def commands(self) -> list[tuple[str, ...]]:
        """The arguments of every command that ran."""
        return [request.argv for request in self.log if isinstance(request, Run)]

    @property
    def restarts(self) -> list[str]:
        """Every unit that was restarted, in order."""
        return [request.name for request in self.log if isinstance(request, Restart)]

    @property
    def writes(self) -> list[str]:
        """Every path that was written, in order."""
        return [request.path for request in self.log if isinstance(request, Write)]

    def forget(self) -> None:
        """Empty the log."""
        self.log.clear()
        self.trips.clear()

    def cut_before(self, when: Callable[[Request], bool]) -> None:
        """Break the line just before the first request for which ``when`` says so; what came before is done."""

        def cut(request: Request) -> Ran | None:
            if not when(request):
                return None
            self.interfere.remove(cut)
            self.down = "the connection broke"
            raise HostError(self.name, "the connection broke; what was under way is unknown")

        self.interfere.append(cut)

    def cut_after(self, when: Callable[[Request], bool]) -> None:
        """Break the line just after the first request for which ``when`` says so: done, and never answered."""

        def cut(request: Request) -> Ran | None:
            if not when(request):
                return None
            self.interfere.remove(cut)
            self._carry_out(request)
            self.down = "the connection broke"
            raise HostError(self.name, "the connection broke; what was under way is unknown")

        self.interfere.append(cut)

    def may_read(self, user: str, path: str) -> bool:
        """Whether an account may read a file; the directories above it don't matter here."""
        return self._may(user, path, 4)

    def _may(self, user: str, path: str, bit: int) -> bool:
        real = self._real(path)
        found = self.files.get(real) or self.directories.get(real, FakeDirectory())
        if user in ("", "root"):
            return True
        if found.owner == user:
            return bool(found.mode & bit << 6)
        listed = self.acls.get(real, {})
        letter = {4: "r", 2: "w", 1: "x"}[bit]
        if f"user:{user}" in listed:
            return letter in listed[f"user:{user}"]
        if any(letter in listed.get(f"group:{group}", "") for group in self.accounts[user]):
            return True
        return bool(found.mode & (bit << 3 if found.group in self.accounts[user] else bit))

    # the protocol

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """Carry out groups of requests; see :class:`~cephdeploy.requests.Host`."""
        if self.down:
            raise HostError(self.name, self.down)
        self.trips.append(tuple(groups))
        found = []
        shut = False
        for group in groups:
            answers: list[Answer] = []
            failed = shut
            for request in group.requests:
                if failed:
                    answers.append(Ran(status=SKIPPED, err=b"left out: an earlier request failed"))
                    continue
                answer = self._answer(request)
                answers.append(answer)
                accepted = request.accept if isinstance(request, Run) else ()
                failed = isinstance(answer, Ran) and answer.status != 0 and answer.status not in accepted
            found.append(answers)
            shut = shut or (group.gate and failed)
        return found

    def close(self) -> None:
        """Let go."""
        self.closed = True

    def _answer(self, request: Request) -> Answer:
        self.log.append(request)
        for asked in list(self.interfere):
            answer = asked(request)
            if answer is not None:
                return answer
        return self._carry_out(request)

    def _carry_out(self, request: Request) -> Answer:
        match request:
            case Run():
                return self._run(request)
            case Look():
                return self._look(request)
            case Dpkg():
                return self._dpkg_record(request)
            case Write():
                return self._write(request)
            case Kept():
                return self._look_at_kept(request)
            case Restore():
                return self._restore(request)
            case Remove():
                return self._remove(request)
            case Hold():
                return self._hold(request)
            case MakeDirectory():
                return self._make_directory(request)
            case Unit():
                return Ran(status=0, out=self._shown(request.name).encode())
            case Restart():
                return self._restart(request)
            case Chain():
                return self._chain(request)

    # files

    def _real(self, path: str) -> str:
        for _ in range(40):
            if path not in self.links:
                return path
            path = self.links[path]
        raise AssertionError(f"{self.name}: {path}: too many links")

    def _is_directory(self, path: str) -> bool:
        inside = path.rstrip("/") + "/"
        return path in self.directories or any(name.startswith(inside) for name in (*self.files, *self.directories))

    def _look(self, request: Look) -> Seen:
        path = self._real(request.path)
        target = path if request.path in self.links else ""
        if file := self.files.get(path):
            digest = hashlib.sha256(file.content).hexdigest()
            content = file.content if request.content else None
            return Seen(
                type="file",
                mode=file.mode,
                owner=file.owner,
                group=file.group,
                digest=digest,
                content=content,
                target=target,
            )
        if self._is_directory(path):
            found = self.directories.get(path, FakeDirectory())
            return Seen(type="directory", mode=found.mode, owner=found.owner, group=found.group, target=target)
        return Seen(type="absent", target=target)

    def _known(self, owner: str, group: str) -> Ran | None:
        """A failure if there is no such user or group."""
        if owner not in self.accounts and not owner.isdigit():
            return Ran(status=1, err=_nobody("user", owner))
        groups = {name for names in self.accounts.values() for name in names}
        if group not in groups and not group.isdigit():
            return Ran(status=1, err=_nobody("group", group))
        return None

    def _write(self, request: Write) -> Ran:
        if unknown := self._known(request.owner, request.group):
            return unknown
        path = self._real(request.path)
        if path != request.path and path not in self.files:
            return Ran(status=1, err=f"{request.path} is a link that leads nowhere".encode())
        if self._is_directory(path):
            return Ran(status=1, err=f"{path} is not a file; move it away".encode())
        present = hashlib.sha256(self.files[path].content).hexdigest() if path in self.files else ""
        if request.expect not in (ANY, present):
            return Ran(status=CHANGED, err=b"the file is not what the plan saw")
        content = request.content.reveal() if isinstance(request.content, Secret) else request.content
        if request.run:
            self._keep(request.run, request.path, self.files.get(path), hashlib.sha256(content).hexdigest())
        self.files[path] = FakeFile(content, request.mode, request.owner, request.group)
        return Ran(status=0)

    def _keep(self, run: str, name: str, file: FakeFile | None, written: str) -> None:
        self.kept.setdefault((run, name), (file, written))

    def _look_at_kept(self, request: Kept) -> Seen | Ran:
        if (request.run, request.name) not in self.kept:
            return Ran(status=NOTHING_KEPT, err=f"run {request.run} kept nothing of {request.name} here".encode())
        file, written = self.kept[request.run, request.name]
        if file is None:
            return Seen(type="absent", written=written)
        digest = hashlib.sha256(file.content).hexdigest()
        content = file.content if request.content else None
        return Seen(
            type="file",
            mode=file.mode,
            owner=file.owner,
            group=file.group,
            digest=digest,
            content=content,
            written=written,
        )

    def _restore(self, request: Restore) -> Ran:
        found = self._look_at_kept(Kept(run=request.kept, name=request.path))
        if isinstance(found, Ran):
            return found
        file, _ = self.kept[request.kept, request.path]
        if file is not None:
            return self._write(
                Write(
                    path=request.path,
                    content=file.content,
                    mode=file.mode,
                    owner=file.owner,
                    group=file.group,
                    expect=request.expect,
                    run=request.run,
                )
            )
        return self._remove(Remove(path=request.path, expect=request.expect, run=request.run))

    def _remove(self, request: Remove) -> Ran:
        path = self._real(request.path)
        if path != request.path and path not in self.files:
            return Ran(status=1, err=f"{request.path} is a link that leads nowhere".encode())
        if path not in self.files:
            return Ran(status=0)
        if path != request.path:
            return Ran(status=1, err=f"{request.path} is a link to {path}, which others may need".encode())
        if request.expect not in (ANY, hashlib.sha256(self.files[path].content).hexdigest()):
            return Ran(status=CHANGED, err=b"the file is not what the plan saw")
        if request.run:
            self._keep(request.run, request.path, self.files[path], "")
        del self.files[path]
        return Ran(status=0)

    def _hold(self, request: Hold) -> Ran:
        if self.locked_by:
            return Ran(status=CHANGED, err=f"another run holds it: {self.locked_by}".encode())
        return Ran(status=0)

    def _make_directory(self, request: MakeDirectory) -> Ran:
        path = self._real(request.path)
        if path in self.files:
            return Ran(status=1, err=f"{path} is not a directory; move it away".encode())
        if unknown := self._known(request.owner, request.group):
            return unknown
        self.directories[path] = FakeDirectory(request.mode, request.owner, request.group)
        return Ran(status=0)

    # units

    def _facts(self, name: str) -> dict[str, str]:
        unit = self.units.get(name)
        if unit is None:
            return {
                "Type": "simple",
                "ActiveState": "inactive",
                "LoadState": "not-found",
                "MainPID": "0",
                "NRestarts": "0",
                "Result": "success",
                "SubState": "dead",
                "UnitFileState": "",
            }
        return {
            "Type": "simple",
            "ActiveState": unit.active,
            "LoadState": unit.load,
            "MainPID": str(unit.pid),
            "NRestarts": str(unit.restarts),
            "Result": "exit-code" if unit.active == "failed" else "success",
            "SubState": unit.sub,
            "UnitFileState": unit.enabled,
        }

    def _shown(self, name: str) -> str:
        return "".join(f"{key}={value}\n" for key, value in sorted(self._facts(name).items()))

    def _restart(self, request: Restart) -> Ran:
        unit = self.units.get(request.name)
        if unit is None:
            said = f"Failed to {request.verb} {request.name}: Unit {request.name} not found."
            return Ran(status=5, err=f"\n{said}".encode())
        if unit.stop_seconds > request.timeout:
            unit.active, unit.sub = "deactivating", "stop-sigterm"
            said = f"{request.name}: {request.verb} is not done after {request.timeout:g} seconds and goes on; "
            return Ran(status=KILLED, err=f"\n{said}it is deactivating".encode())
        self._last_pid += 1
        unit.pid = self._last_pid
        unit.starts += 1
        unit.restarts = 0
        unit.started_with = {path: file.content for path, file in self.files.items()}
        if unit.crashes(unit.started_with) if callable(unit.crashes) else unit.crashes:
            unit.active, unit.sub, unit.restarts, unit.pid = "activating", "auto-restart", 1, 0
            said = f"{request.name} did not stay up: activating (auto-restart), started 2 times"
            return Ran(status=1, err=f"Traceback: the service's last words\n{said}".encode())
        unit.active, unit.sub = "active", "running"
        return Ran(status=0, out=self._shown(request.name).encode())

    def _chain(self, request: Chain) -> Chained:
        unit = self.units.get(request.unit)
        words = unit.argv if unit is not None and unit.pid else ()
        if not words and unit is not None and not request.default:
            words = unit.argv if any(word.startswith("--config-") for word in unit.argv) else ()
        names = self._reading_order(words, request) if words else [*request.default] or [request.path]
        known = [(name, self.files.get(self._real(name))) for name in names]
        return Chained(files=tuple((name, file.content) for name, file in known if file is not None))

    def _reading_order(self, words: Sequence[str], request: Chain) -> list[str]:
        """The files that oslo.config reads for a command line; ``~`` and relative paths are not known here."""
        named: list[tuple[str, str]] = []
        for at, word in enumerate(words):
            option, equals, value = word.partition("=")
            if option in ("--config-file", "--config-dir") and (equals or at + 1 < len(words)):
                named.append((option, value if equals else words[at + 1]))
        program = next((basename(w) for w in words if not w.startswith("-") and "python" not in basename(w)), "")
        project = request.project
        own = basename(request.path).removesuffix(".conf")
        names = [name for name in dict.fromkeys((project, own, program)) if name]
        files: list[str] = []
        if "--config-file" not in dict(named):
            files += [f"/usr/share/{project}/{name}-dist.conf" for name in names]
            files += [f"/etc/{project}/{name}.conf" for name in names]
        if "--config-dir" not in dict(named):
            files += [path for name in names for path in self._conf_directory(f"/etc/{project}/{name}.conf.d")]
        for option, value in named:
            files += [value] if option == "--config-file" else self._conf_directory(value)
        return files

    def _conf_directory(self, path: str) -> list[str]:
        found = (name for name in self.files if dirname(name) == path.rstrip("/") and name.endswith(".conf"))
        return sorted(name for name in found if not basename(name).startswith("."))

    # programs

    def _run(self, request: Run) -> Ran:
        program = self._program(request.argv, request.accept)
        if program is None:
            return Ran(status=MISSING, err=f"no program '{request.argv[0]}' here".encode())
        if request.user and request.user not in self.accounts:
            return Ran(status=1, err=_nobody("user", request.user))
        stdin = request.stdin.reveal() if isinstance(request.stdin, Secret) else request.stdin
        if request.feed is not None:
            if isinstance(nothing := self._look_at_kept(request.feed), Ran):
                return replace(nothing, status=1)
            file, _ = self.kept[request.feed.run, request.feed.name]
            stdin = file.content if file is not None else b""
        status, output, complaint = program(request.argv, stdin, "" if request.user == "root" else request.user)
        out = output.encode() if isinstance(output, str) else output
        err = complaint.encode() if isinstance(complaint, str) else complaint
        if request.pick is not None and status == 0:
            try:
                found = json.loads(out)
                for step in request.pick.path:
                    found = found[step]
                out = json.dumps([one for one in found if one.get(request.pick.key) in request.pick.values]).encode()
            except (ValueError, LookupError, TypeError, AttributeError):
                said = f"'{' '.join(request.argv)}' did not answer with the JSON that is expected of it"
                return Ran(status=1, err=said.encode())
        elif request.pick is not None:
            out = b""
        if request.save and request.run and status == 0:
            self._keep(request.run, request.save, FakeFile(out.strip(), 0o600), "")
        if request.keep == "digest" and request.until:
            secret, mark, rest = out.partition(request.until.encode())
            out = (hashlib.sha256(secret.strip()).hexdigest().encode() if secret.strip() else b"") + mark + rest
        elif request.keep == "digest":
            out = hashlib.sha256(out.strip()).hexdigest().encode() if status == 0 else b""
        elif request.keep == "nothing":
            out = b""
        return Ran(status=status, out=out, err=err[-8192:])

    def _program(self, argv: tuple[str, ...], accept: tuple[int, ...]) -> Program | None:
        """What runs; None when the host has no such program. Raises Unscripted when the fake has none."""
        name = argv[0]
        if name in self.programs:
            return self.programs[name]
        name = basename(name)
        debian = self.distro.install[0] == "apt-get"
        with_ceph = "ceph-common" in self.packages
        known: dict[str, tuple[Program, bool]] = {
            "apt-get": (self._apt, debian),
            "ceph": (self._ceph, with_ceph),
            "ceph-authtool": (self._authtool, with_ceph),
            "ceph-conf": (self._ceph_conf, with_ceph),
            "cephadm": (self._cephadm, "/usr/sbin/cephadm" in self.files),
            "dnf": (self._dnf, not debian),
            "dpkg-query": (self._dpkg, debian),
            "rados": (self._client, with_ceph),
            "rbd": (self._client, with_ceph),
            "rpm": (self._rpm, not debian),
            "systemctl": (self._systemctl, True),
            "systemd-tmpfiles": (self._tmpfiles, True),
            "test": (self._test, True),
            "virsh": (self._virsh, self.libvirt),
            "yum": (self._dnf, not debian),
        }
        if name not in known and MISSING in accept:
            return None
        if name not in known:
            why = f"the fake has no program of that name; add one: host.programs['{name}'] = callable"
            raise Unscripted(argv, self.name, why)
        program, there = known[name]
        return program if there else None

    def _ceph(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        keyring, conf = "/etc/ceph/ceph.client.admin.keyring", "/etc/ceph/ceph.conf"
        if not all(path in self.files and self.may_read(user, path) for path in (conf, keyring)):
            return 1, "", "[errno 13] RADOS permission denied (error connecting to the cluster)\n"
        return self.ceph.ceph(argv, self.name)

    def _ceph_conf(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        """One option as a client sees it."""
        from ..dialects import DIALECTS

        valued = ("-c", "--conf", "-n", "--name", "--lookup")
        given = Words(argv, self.name, valued=valued)
        option, name = given.option("--lookup"), given.option("-n", "--name") or "client.admin"
        path = given.option("-c", "--conf") or "/etc/ceph/ceph.conf"
        if option is None or given.words:
            raise Unscripted(argv, self.name)
        if self._real(path) not in self.files or not self.may_read(user, path):
            return 1, "", f"global_init: unable to open config file from search list {path}\n"
        found = DIALECTS["ceph"].read(self.files[self._real(path)].content)
        for section in (name, name.partition(".")[0], "global"):
            if assigned := found.get((section, option)):
                return 0, f"{assigned.value}\n", ""
        return 1, "", ""

    def _authtool(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        """The key that a keyring file has for a user."""
        given = Words(argv, self.name, valued=("-n", "--name"), flags=("-p", "--print-key"))
        entity = given.option("-n", "--name") or "client.admin"
        if len(given.words) != 1 or not {"-p", "--print-key"} & set(given.options):
            raise Unscripted(argv, self.name)
        (path,) = given.words
        if self._real(path) not in self.files:
            return 1, "", f"can't open {path}: (2) No such file or directory\n"
        if not self.may_read(user, path):
            return 1, "", f"can't open {path}: (13) Permission denied\n"
        key = key_in(self.text(path), entity)
        return (1, "", f"entity {entity} not found\n") if key is None else (0, f"{key}\n", "")

    def _cephadm(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        if argv[1:3] != ("shell", "--") or len(argv) < 4:
            raise Unscripted(argv, self.name)
        if argv[3] == "ceph":
            return self.ceph.ceph(argv[3:], self.name)
        if argv[3] in ("rbd", "rados"):
            return self.ceph.client(argv[3:], stdin, self.name, lambda path: None, trusted=True)
        raise Unscripted(argv, self.name)

    def _client(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        def read(path: str) -> bytes | None:
            file = self.files.get(self._real(path))
            if file is None:
                return None
            if not self.may_read(user, path):
                raise PermissionError(path)
            return file.content

        return self.ceph.client(argv, stdin, self.name, read)

    # packages

    def _dpkg_record(self, request: Dpkg) -> Ran:
        if request.record != self.distro.record:
            return Ran(status=1, err=f"{request.record}: No such file or directory".encode())
        there = [f"{name} {self.packages[name]}\n" for name in request.names if name in self.packages]
        return Ran(status=0, out="".join(there).encode())

    def _dpkg(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self.name, valued=("--showformat", "-f"), flags=("--show", "-W"))
        shape = given.option("--showformat", "-f")
        if shape is None:
            raise Unscripted(argv, self.name, "the fake wants --showformat")
        out = err = ""
        for name in given.words:
            if name not in self.packages:
                err += f"dpkg-query: no packages found matching {name}\n"
                continue
            said = shape.replace("${Package}", name).replace("${Version}", self.packages[name])
            out += said.replace("${db:Status-Status}", "installed").replace("\\n", "\n")
        return 1 if err else 0, out, err

    def _rpm(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self.name, valued=("--queryformat", "--qf"), flags=("--query", "-q"))
        shape = given.option("--queryformat", "--qf") or "%{NAME}-%{VERSION}\\n"
        out, missing = "", 0
        for name in given.words:
            if name not in self.packages:
                out += f"package {name} is not installed\n"
                missing += 1
                continue
            said = shape.replace("%{NAME}", name).replace("%{VERSION}", self.packages[name])
            out += said.replace("\\n", "\n")
        return missing, out, ""

    def _apt(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        words = [word for word in argv[1:] if not word.startswith("-")]
        if words[:1] == ["update"]:
            return 0, "", ""
        if words[:1] != ["install"]:
            raise Unscripted(argv, self.name)
        if unknown := [name for name in words[1:] if not self._install(name)]:
            return 100, "", "".join(f"E: Unable to locate package {name}\n" for name in unknown)
        return 0, "", ""

    def _dnf(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        words = [word for word in argv[1:] if not word.startswith("-")]
        if words[:1] != ["install"]:
            raise Unscripted(argv, self.name)
        if unknown := [name for name in words[1:] if not self._install(name)]:
            return 1, "", f"Error: Unable to find a match: {' '.join(unknown)}\n"
        return 0, "", ""

    def _install(self, name: str) -> bool:
        if name in self.packages:
            return True
        if name not in self.available:
            return False
        self.packages[name] = self.available[name]
        if more := self.on_install.get(name):
            more(self)
        return True

    # the rest

    def _systemctl(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self.name, valued=("-p", "--property"), flags=("--value", "--quiet", "-q", "--no-pager"))
        match given.words:
            case ["daemon-reload"]:
                return 0, "", ""
            case ["is-active", name]:
                active = self._facts(name)["ActiveState"]
                return 0 if active == "active" else 3, f"{active}\n", ""
            case ["is-enabled", name]:
                enabled = self._facts(name)["UnitFileState"]
                if name not in self.units:
                    return 1, "", f"Failed to get unit file state for {name}: No such file or directory\n"
                return 0 if enabled == "enabled" else 1, f"{enabled}\n", ""
            case ["enable", name] if name in self.units:
                self.units[name].enabled = "enabled"
                return 0, "", ""
            case ["show", name]:
                wanted = (given.option("-p", "--property") or "").split(",")
                facts = {key: value for key, value in self._facts(name).items() if key in wanted or wanted == [""]}
                bare = "--value" in given.options
                return 0, "".join(f"{value}\n" if bare else f"{key}={value}\n" for key, value in facts.items()), ""
        raise Unscripted(argv, self.name)

    def _test(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        words = list(argv[1:])
        if "-a" in words:  # every part must hold
            at = words.index("-a")
            first = self._test(("test", *words[:at]), stdin, user)
            return first if first[0] else self._test(("test", *words[at + 1 :]), stdin, user)
        wanted = True
        while words[:1] == ["!"]:
            wanted, words = not wanted, words[1:]
        if len(words) != 2:
            raise Unscripted(argv, self.name)
        path = self._real(words[1])
        file = self.files.get(path)
        match words[0]:
            case "-e":
                found = file is not None or self._is_directory(path)
            case "-f":
                found = file is not None
            case "-d":
                found = self._is_directory(path)
            case "-s":
                found = file is not None and bool(file.content)
            case "-r" | "-w" | "-x":
                there = file is not None or self._is_directory(path)
                found = there and self._may(user, path, {"r": 4, "w": 2, "x": 1}[words[0][1]])
            case "-L" | "-h":
                found = words[1] in self.links
            case _:
                raise Unscripted(argv, self.name)
        return 0 if found == wanted else 1, "", ""

    def _tmpfiles(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self.name, flags=("--create",))
        if "--create" not in given.options or not given.words:
            raise Unscripted(argv, self.name)
        for name in given.words:
            path = name if "/" in name else f"/etc/tmpfiles.d/{name}"
            if path not in self.files:
                return 1, "", f"Failed to open '{name}': No such file or directory\n"
            for line in self.files[path].text.splitlines():
                if not line.strip() or line.startswith("#"):
                    continue
                sort, made, mode, owner, group, _, argument, *_ = (*line.split(), *"-----")
                there = self.directories.get(made, FakeDirectory())  # what is '-' stays as it is
                owner = there.owner if owner == "-" else owner
                group = there.group if group == "-" else group
                if sort == "a+":
                    for entry in argument.split(","):
                        who, _, rights = entry.rpartition(":")
                        self.acls.setdefault(made, {})[who] = rights
                    continue
                if sort == "e" and mode == "-" and line.split()[3:5] == ["-", "-"]:
                    continue  # an age alone: for the cleaning, later
                if sort.rstrip("!") not in ("d", "D"):
                    raise Unscripted(argv, self.name, f"the fake does not know the line '{line}'")
                if self._known(owner, group):
                    return 73, "", f"{path}:1: Failed to resolve user '{owner}': Unknown user\n"
                self.directories[made] = FakeDirectory(there.mode if mode == "-" else int(mode, 8), owner, group)
        return 0, "", ""

    def _virsh(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        if ";" in argv[-1]:
            said = [self._virsh((*argv[:-1], *one.split()), stdin, user) for one in argv[-1].split(";")]
            return said[-1][0], "".join(str(out) for _, out, _ in said), "".join(str(err) for _, _, err in said)
        given = Words(
            argv, self.name, valued=("-c", "--connect", "--secret", "--file"), flags=("-q", "--quiet", "--plain")
        )
        match given.words:
            case ["echo", *words]:
                return 0, " ".join(words) + "\n", ""
            case ["secret-list"]:
                lines = [f" {uuid}   {secret.type} {secret.usage}\n" for uuid, secret in sorted(self.secrets.items())]
                if not {"-q", "--quiet"} & set(given.options):
                    lines.insert(0, " UUID                                   Usage\n" + "-" * 60 + "\n")
                return 0, "".join(lines), ""
            case ["secret-dumpxml", uuid]:
                secret = self.secrets.get(uuid)
                return (0, _xml(uuid, secret), "") if secret else _no_secret(uuid)
            case ["secret-get-value", uuid]:
                secret = self.secrets.get(uuid)
                if secret is None:
                    return _no_secret(uuid)
                if secret.private:
                    return 1, "", "error: Invalid secret: secret is private\n"
                if secret.base64 is None:
                    return 1, "", f"error: Secret not found: secret '{uuid}' does not have a value\n"
                return 0, f"{secret.base64}\n", ""
            case ["secret-define", file]:
                return self._define(self._input(argv, file, stdin).decode())
            case ["secret-set-value", *more] if len(more) <= 1:
                uuid = more[0] if more else given.option("--secret") or ""
                if given.option("--file") is None:
                    raise Unscripted(argv, self.name, "a value on the command line is seen by every user; use --file")
                if uuid not in self.secrets:
                    return _no_secret(uuid)
                self.secrets[uuid].value = _decoded(self._input(argv, given.options["--file"], stdin))
                return 0, "Secret value set\n", ""
            case ["secret-undefine", uuid]:
                if self.secrets.pop(uuid, None) is None:
                    return _no_secret(uuid)
                return 0, f"Secret {uuid} deleted\n", ""
        raise Unscripted(argv, self.name)

    def _input(self, argv: tuple[str, ...], path: str, stdin: bytes) -> bytes:
        if path == "/dev/stdin":
            return stdin
        if path not in self.files:
            raise Unscripted(argv, self.name, f"there is no {path}")
        return self.files[path].content

    def _define(self, xml: str) -> Said:
        found = {name: re.search(rf"<{name}[^>]*>\s*([^<]*?)\s*</{name}>", xml, re.DOTALL) for name in ("uuid", "name")}
        uuid, usage = found["uuid"], found["name"]
        sort = re.search(r"<usage type='(\w+)'", xml)
        if uuid is None or usage is None or sort is None:
            raise Unscripted(("virsh", "secret-define"), self.name, "the xml has no uuid, or no usage with a name")
        failed = "error: Failed to set attributes from /dev/stdin\n"
        for other, secret in self.secrets.items():
            if (secret.usage == usage[1]) != (other == uuid[1]):
                why = f"a secret with UUID {other} already defined for use with {secret.usage}"
                return 1, "", f"{failed}error: internal error: {why}\n"
        secret = self.secrets.setdefault(uuid[1], FakeSecret(usage[1], type=sort[1]))
        private = "private='yes'" in xml
        if secret.private and not private:
            return 1, "", f"{failed}error: internal error: cannot change private flag on existing secret\n"
        secret.private, secret.ephemeral = private, "ephemeral='yes'" in xml
        return 0, f"Secret {uuid[1]} created\n", ""


def _nobody(what: str, name: str) -> bytes:
    return f"there is no {what} '{name}' here; install the package that makes it".encode()


def _no_secret(uuid: str) -> Said:
    said = f"error: failed to get secret '{uuid}'\nerror: Secret not found: no secret with matching uuid '{uuid}'\n"
    return 1, "", said


def _xml(uuid: str, secret: FakeSecret) -> str:
    def said(flag: bool) -> str:
        return "yes" if flag else "no"

    inner = {"ceph": "name", "volume": "volume", "iscsi": "target"}.get(secret.type, "name")
    return (
        f"<secret ephemeral='{said(secret.ephemeral)}' private='{said(secret.private)}'>\n  <uuid>{uuid}</uuid>\n"
        f"  <usage type='{secret.type}'>\n    <{inner}>{secret.usage}</{inner}>\n  </usage>\n</secret>\n\n"
    )


def _decoded(text: bytes) -> bytes:
    """As libvirt decodes base64: what does not belong is passed over, so garbage is taken, too."""
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
    return base64.b64decode(kept + b"=" * (-len(kept) % 4))
