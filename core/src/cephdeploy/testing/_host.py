"""A host as a dictionary, which answers requests as the payload on a real one does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from posixpath import basename
from typing import TYPE_CHECKING

from ..errors import HostError
from ..requests import (
    CHANGED,
    MISSING,
    SKIPPED,
    Answer,
    Chain,
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
    Unit,
    Write,
)
from ..values import Secret
from ._ceph import FakeCeph
from ._clients import Clients
from ._disk import Disk, FakeDirectory, FakeFile, nobody
from ._libvirt import FakeSecret, Libvirt
from ._packages import Packages
from ._programs import Program, Unscripted
from ._systemd import FakeUnit, Systemd

if TYPE_CHECKING:
    from ..distros import Distro

__all__ = ["FakeHost"]


class FakeHost(Host):
    """A host, for :class:`~cephdeploy.requests.Host`: all of it may be set before and looked at after.

    :param distro: names what a program such as ``dpkg-query`` is called here.
    :param ceph: the cluster that ``rbd`` and, on the admin host, ``ceph`` reach.
    """

    def __init__(self, name: str, distro: Distro, ceph: FakeCeph | None = None) -> None:
        self.name = name
        #: Whether there is a virsh, and a libvirt behind it.
        self.libvirt = False
        #: Package to what its installation adds besides, as a function of the host.
        self.on_install: dict[str, Callable[[FakeHost], None]] = {}
        #: Programs of the test's own; one of a known name stands before the fake's.
        self.programs: dict[str, Program] = {}
        #: Somebody else who holds the host's lock.
        self.locked_by = ""
        #: Asked before each request: an answer instead of the deed, None to let it be done, or HostError.
        self.interfere: list[Callable[[Request], Ran | None]] = []
        #: Every request that was carried out or interfered with, in order; what was left out is not here.
        self.log: list[Request] = []
        #: Every batch.
        self.trips: list[tuple[Group, ...]] = []
        #: Why its line is down; empty while it is not. A new deployment mends it.
        self.down = ""
        self.closed = False
        self._disk = Disk(name)
        self._systemd = Systemd(name, self._disk)
        self._packages = Packages(name, distro, self._installed)
        self._libvirt = Libvirt(name, self._disk)
        self._clients = Clients(name, self._disk, ceph or FakeCeph())

    # what it has

    @property
    def distro(self) -> Distro:
        """The distribution that runs there."""
        return self._packages.distro

    @property
    def ceph(self) -> FakeCeph:
        """The cluster that its programs reach."""
        return self._clients.cluster

    @property
    def files(self) -> dict[str, FakeFile]:
        """Path to file."""
        return self._disk.files

    @property
    def directories(self) -> dict[str, FakeDirectory]:
        """Path to directory."""
        return self._disk.directories

    @property
    def acls(self) -> dict[str, dict[str, str]]:
        """Path to what access lists say besides: ``{"user:qemu": "--x"}``."""
        return self._disk.acls

    @property
    def links(self) -> dict[str, str]:
        """Path of a symbolic link to where it leads."""
        return self._disk.links

    @property
    def accounts(self) -> dict[str, tuple[str, ...]]:
        """User to its groups, its own first."""
        return self._disk.accounts

    @property
    def kept(self) -> dict[tuple[str, str], tuple[FakeFile | None, str]]:
        """What runs kept: (run, name) to the file before and the digest of what was written."""
        return self._disk.kept

    @property
    def units(self) -> dict[str, FakeUnit]:
        """Name of a systemd unit to what it is."""
        return self._systemd.units

    @property
    def packages(self) -> dict[str, str]:
        """Name to version of what is installed."""
        return self._packages.there

    @property
    def available(self) -> dict[str, str]:
        """Name to version of what could be installed."""
        return self._packages.available

    @property
    def secrets(self) -> dict[str, FakeSecret]:
        """UUID to secret of libvirt's."""
        return self._libvirt.secrets

    # what tests ask

    def put(self, path: str, content: str | bytes, mode: int = 0o644, owner: str = "root", group: str = "root") -> None:
        """Put a file there."""
        self.files[path] = FakeFile(content.encode() if isinstance(content, str) else content, mode, owner, group)

    def text(self, path: str) -> str:
        """The text of a file."""
        return self.files[self._disk.real(path)].text

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
        return self._disk.may_read(user, path)

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
                return self._disk.look(request)
            case Dpkg():
                return self._packages.record(request)
            case Write():
                return self._disk.write(request)
            case Kept():
                return self._disk.look_at_kept(request)
            case Restore():
                return self._disk.restore(request)
            case Remove():
                return self._disk.remove(request)
            case Hold():
                return self._hold(request)
            case MakeDirectory():
                return self._disk.make_directory(request)
            case Unit():
                return self._systemd.look(request)
            case Restart():
                return self._systemd.restart(request)
            case Chain():
                return self._systemd.chain(request)

    def _hold(self, request: Hold) -> Ran:
        if self.locked_by:
            return Ran(status=CHANGED, err=f"another run holds it: {self.locked_by}".encode())
        return Ran(status=0)

    def _run(self, request: Run) -> Ran:
        program = self._program(request.argv, request.accept)
        if program is None:
            return Ran(status=MISSING, err=f"no program '{request.argv[0]}' here".encode())
        if request.user and request.user not in self.accounts:
            return Ran(status=1, err=nobody("user", request.user))
        stdin = request.stdin.reveal() if isinstance(request.stdin, Secret) else request.stdin
        if request.feed is not None:
            if isinstance(nothing := self._disk.look_at_kept(request.feed), Ran):
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
            self._disk.keep(request.run, request.save, FakeFile(out.strip(), 0o600), "")
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
        known = {
            **self._disk.programs(),
            **self._systemd.programs(),
            **self._packages.programs(),
            **self._clients.programs(installed="ceph-common" in self.packages),
            "virsh": self._libvirt.virsh if self.libvirt else None,
        }
        if name not in known and MISSING not in accept:
            why = f"the fake has no program of that name; add one: host.programs['{name}'] = callable"
            raise Unscripted(argv, self.name, why)
        return known.get(name)

    def _installed(self, package: str) -> None:
        if more := self.on_install.get(package):
            more(self)
