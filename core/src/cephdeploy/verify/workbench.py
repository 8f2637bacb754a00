"""What a proof may use: OpenStack as the operator and as a member, the hosts, and what proofs share."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

from ..errors import CephdeployError, HostError, ProofError
from ..requests import Answer, Chain, Chained, Group, Ran, Request, Run
from ..requests import Host as Line
from ..values import Fingerprint
from .cleaning import BASES, CLONES, SORTS, Thing, purged, removed, worded
from .disk import GREETING, image, qcow2
from .evidence import Configuration, log_line
from .marks import PREFIX, Mark

if TYPE_CHECKING:
    from ..site import Host, Site

__all__ = ["Parent", "Workbench"]

T = TypeVar("T")

#: Seconds after which a process counts as one that stays.
_SETTLED: Final = 6.0
#: Seconds after which OpenStack calls a service down that does not report, with a reserve for clocks that differ.
_FORGOTTEN: Final = 90.0


@dataclass(frozen=True)
class Parent:
    """What ``rbd info`` says that an image was cloned from."""

    pool: str
    image: str
    snapshot: str

    @classmethod
    def of(cls, info: str) -> Self | None:
        """The parent in the JSON of ``rbd info``; None for an image that was copied."""
        parent = json.loads(info).get("parent")
        return cls(parent["pool"], parent["image"], parent["snapshot"]) if parent else None

    def __str__(self) -> str:
        return f"{self.pool}/{self.image}@{self.snapshot}"


@dataclass
class Workbench:
    """What a proof may use, and what the proofs of one verify share.

    What a proof makes it hands to :meth:`made` at once, by its sort, or gives :meth:`cleanup` what undoes it.
    """

    site: Site
    hosts: Mapping[str, Line]
    connect: Callable[[], Any]
    #: Called with what is under way, in a few words.
    doing: Callable[[str], None] = lambda what: None
    mark: Mark = field(default_factory=Mark.own)
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))
    _cleanups: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    #: The stage of :meth:`made` for what is a clone of others of its sort.
    CLONES: ClassVar[int] = CLONES
    _shared: dict[str, Any] = field(default_factory=dict)
    _took: dict[str, float] = field(default_factory=dict)
    _made: list[Thing] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    @property
    def cloud(self) -> Any:
        """An ``openstack.connection.Connection`` as the operator: OS_* or clouds.yaml."""
        return self.shared("a connection to OpenStack", self.connect)

    @property
    def admin(self) -> bool:
        """Whether the operator's own role is admin."""
        return "admin" in self.shared("a list of the operator's roles", lambda: _roles(self.cloud))

    @property
    def member(self) -> Any:
        """A connection as an ordinary member of a project: what admin may do proves nothing for tenants.

        The operator's own if that is no admin; otherwise of a project and a user made for the purpose. The
        operator's own also where these can't be made: :attr:`member_is` says so.
        """
        return self._member[0]

    @property
    def member_is(self) -> str:
        """Who :attr:`member` is, in a few words."""
        return self._member[1]

    @property
    def _member(self) -> tuple[Any, str, str]:
        made: tuple[Any, str, str] = self.shared("a member", lambda: _a_member(self))
        return made

    def name(self, what: str) -> str:
        """A name for something that a proof makes."""
        return f"{PREFIX}{self.run_id}-{what}"

    def run(self, host: str, *argv: str, user: str = "", timeout: float = 60) -> str:
        """Run a command on a host and give what it printed.

        :raises ProofError: it failed.
        """
        ran = self.attempt(host, *argv, user=user, timeout=timeout)
        if ran.status != 0:
            raise ProofError(f"{' '.join(argv)} on {host}: {ran.reason}")
        return ran.text

    def attempt(self, host: str, *argv: str, user: str = "", timeout: float = 60) -> Ran:
        """Run a command on a host; how it ended."""
        (ran,) = self.ask(host, Run(argv=argv, user=user, timeout=timeout))
        assert isinstance(ran, Ran)
        return ran

    def ask(self, host: str, *requests: Request) -> list[Answer]:
        """The answers to requests that have nothing to do with each other, in one round trip."""
        groups = [Group(requests=(request,), parallel=True) for request in requests]
        return [answers[0] for answers in self.hosts[host].exchange(groups)]

    def ceph(self, *argv: str) -> str:
        """Run ``ceph`` or ``rbd`` on the admin host."""
        return self.run(self.site.ceph.admin, *self.site.ceph.prefix, *argv)

    def parent(self, pool: str, image: str) -> Parent | None:
        """What an RBD image was cloned from: the one thing that can't lie."""
        return Parent.of(self.ceph("rbd", "info", f"{pool}/{image}", "--format", "json"))

    def upload_image(self, name: str) -> Any:
        """A small raw image in Glance, taken away when the proof is over.

        :return: the image as the API shows it, active.
        :raises ProofError: it did not become active.
        """
        uploaded = self._uploaded(name, image(), "raw")
        self.cleanup(self.cloud.image.delete_image, uploaded.id)
        return uploaded

    def image(self, disk_format: str = "raw") -> Any:
        """A small image in Glance that boots and says so: one for all proofs, which members may use too.

        :param disk_format: ``raw``, or ``qcow2`` for one that can't be cloned.
        """
        data = image() if disk_format == "raw" else qcow2()
        return self.shared(
            f"a {disk_format} image",
            lambda: self._uploaded(self.name(disk_format), data, disk_format, track=True),
        )

    def _uploaded(self, name: str, data: bytes, disk_format: str, *, track: bool = False) -> Any:
        self.doing(f"uploading {name}")
        images = self.cloud.image
        image = images.create_image(
            name=name,
            data=data,
            disk_format=disk_format,
            container_format="bare",
            visibility="shared",
            validate_checksum=False,
            description=str(self.mark),
        )
        if track:
            self.made("image", image.id)
        found = self.wait(lambda: _ended(images.get_image(image.id)), timeout=120)
        if found is None or found.status != "active":
            raise ProofError(f"image {image.id} is {found.status if found else 'not active after 120 s'}")
        return found

    def share(self, image: Any) -> Any:
        """Let the member use an image of the operator's; the image as the member sees it."""
        connection, _, project = self._member
        if project:
            with contextlib.suppress(Exception):  # it is shared already
                self.cloud.image.add_member(image.id, member_id=project)
        return connection.image.get_image(image.id)

    def volume(self) -> Any:
        """A volume of the member's, made from the raw image: one for all proofs, to be read only.

        :raises ProofError: it did not become available.
        """
        image = self.share(self.image())
        return self.shared("a volume", lambda: self.make_volume("volume", image_id=image.id))

    def make_volume(self, what: str, *, size: int = 1, stage: int = BASES, **source: str) -> Any:
        """A volume of the member's.

        :param source: ``image_id`` or ``snapshot_id``.
        :raises ProofError: it did not become available; with cinder-volume's last words.
        """
        self.doing(f"making {what}")
        block = self.member.block_storage
        made = block.create_volume(name=self.name(what), size=size, description=str(self.mark), **source)
        self.made("volume", made.id, CLONES if "snapshot_id" in source else stage)
        return self.settled("volume", made.id, "available", service="cinder-volume", timeout=240)

    def settled(self, sort: str, ident: str, wanted: str, *, service: str, timeout: float) -> Any:
        """A volume, snapshot or backup as soon as it is ``wanted``.

        :raises ProofError: it got another end; with the last words of the service.
        """
        get = getattr(self.member.block_storage, f"get_{sort}")

        def ended() -> Any:
            found = get(ident)
            return found if found.status == wanted or found.status.startswith("error") else None

        found = self.wait(ended, timeout=timeout)
        if found is not None and found.status == wanted:
            return found
        state = found.status if found is not None else f"not {wanted} after {timeout:.0f} s"
        reason = getattr(found, "fail_reason", None) or self.last_words(service, about=ident)
        raise ProofError(f"{sort} {ident} is {state}{': ' if reason else ''}{reason}")

    def guest(self) -> Any:
        """A guest of the member's from the raw image, running: one for all proofs. As the operator sees it.

        :raises ProofError: it did not start; with Nova's fault and nova-compute's last words.
        """
        image, _ = self.share(self.image()), self.shared("a flavor", self._flavor)
        return self.shared("a guest", lambda: self.boot("guest", imageRef=image.id))

    def boot(self, what: str, **server: Any) -> Any:
        """Start a guest of the member's without a network; the server as the operator sees it."""
        self.doing(f"booting {what}")
        body = {
            "name": self.name(what),
            "flavorRef": self.shared("a flavor", self._flavor),
            "networks": "none",
            "description": str(self.mark),
            **server,
        }
        # 2.37: a server may have no network
        answer = self.member.compute.post("/servers", json={"server": body}, microversion="2.37")
        if answer.status_code != 202:
            raise ProofError(f"Nova refuses a guest: {answer.text}")
        ident = str(answer.json()["server"]["id"])
        self.made("server", ident)

        def ended() -> Any:
            found = self.cloud.compute.get_server(ident)
            return found if found.status in ("ACTIVE", "ERROR") else None

        found = self.wait(ended, timeout=240)
        if found is not None and found.status == "ACTIVE":
            return found
        fault = (found.fault or {}).get("message", "") if found is not None else "still building after 240 s"
        said = self.last_words("nova-compute", about=ident)
        raise ProofError(f"guest {ident} does not start: {fault}{'; nova-compute says: ' if said else ''}{said}")

    def _flavor(self) -> str:
        if self.admin:
            with contextlib.suppress(Exception):
                flavor = self.cloud.compute.create_flavor(
                    name=self.name("flavor"), ram=128, vcpus=1, disk=1, description=str(self.mark)
                )
                self.made("flavor", flavor.id)
                return str(flavor.id)
        flavors = [one for one in self.cloud.compute.flavors() if one.disk]
        if not flavors:
            raise ProofError("there is no flavor to boot a guest with; make one, or let the operator be admin")
        return str(min(flavors, key=lambda one: (one.ram, one.vcpus, one.disk)).id)

    def console(self, server: Any, *, timeout: float = 40) -> str:
        """What the boot sector of :meth:`image` says on a guest's serial console, once it runs.

        :raises ProofError: it says nothing.
        """

        def said() -> str | None:
            log = self.cloud.compute.get_server_console_output(server.id).get("output") or ""
            return GREETING if GREETING in log else None

        found = self.wait(said, timeout=timeout)
        if found is None:
            raise ProofError(
                f"guest {server.id} is ACTIVE on {server.compute_host} and says nothing on its console after "
                f"{timeout:.0f} s: it can't read its disk. {self.last_words('nova-compute', about=server.id)}"
            )
        return found

    def made(self, sort: str, ident: str, stage: int | None = None) -> None:
        """Have something taken away when all proofs are over.

        :param sort: ``server``, ``volume``, ``snapshot``, ``backup``, ``image``, ``flavor``, ``user`` or ``project``.
        :param stage: when, if not with the others of its sort: what is a clone of others goes before them.
        """
        self._made.append(Thing(sort, ident, SORTS[sort].stage if stage is None else stage))

    def remove(self, sort: str, ident: str, *, timeout: float = 120) -> None:
        """Take something away now, and wait until it is gone.

        :raises ProofError: it does not go.
        """
        things = [thing for thing in self._made if (thing.sort, thing.id) == (sort, ident)]
        left = removed(self, things, timeout)
        if left:
            raise ProofError("; ".join(left))
        self._made = [thing for thing in self._made if thing not in things]

    def cleanup(self, undo: Callable[..., object], *args: object, **kwargs: object) -> None:
        """Call ``undo`` when the proof is over; the last handed in goes first."""
        self._cleanups.callback(undo, *args, **kwargs)

    def shared(self, what: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once for all proofs; a second try after a failure only repeats that.

        :raises ProofError: it could not be made before.
        """
        if what not in self._shared:
            began = time.monotonic()
            try:
                self._shared[what] = make()
                self._took[what] = time.monotonic() - began
            except Exception as error:
                self._shared[what] = ProofError(f"left out: there is no {what.partition(' ')[2]}, see above")
                if isinstance(error, CephdeployError) and not isinstance(error, ProofError):
                    self._shared[what] = error  # no connection: each proof says so
                raise
        found = self._shared[what]
        if isinstance(found, CephdeployError):
            raise found
        return found  # type: ignore[no-any-return]

    def took(self, what: str) -> float:
        """How many seconds something shared took to make."""
        return self._took.get(what, 0.0)

    def wait(self, look: Callable[[], T | None], *, timeout: float, every: float = 0.3) -> T | None:
        """What ``look`` gives as soon as that is not None; None after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        while True:
            found = look()
            if found is not None or time.monotonic() > until:
                return found
            time.sleep(every)

    def service_is_up(
        self, host: Host, service: str, state: Callable[[], tuple[str, str | None]], *, name: str, timeout: float = 100
    ) -> str:
        """What OpenStack says of a service, and what systemd says of its process.

        The first lags behind by a minute, and the second calls a service active that dies every few seconds or can't
        reach Ceph: only both together are a proof, and a report by the process that runs now.

        :param state: asks OpenStack for its word, of which ``up`` is well, and for when the service last reported
            (UTC, as the APIs write it).
        :param name: what the service is called there.
        :raises ProofError: it is not up, with the service's last words.
        """
        unit, seen = host.distro.unit(service), list[tuple[str, str]]()

        def well() -> bool | None:
            (known, reported), (main, active, began, now) = state(), self._process(host, unit)
            if not seen or seen[-1] != (main, active):
                seen.append((main, active))
            # also one that never gets to work writes to OpenStack's database, once, as it starts
            own = now - began > _FORGOTTEN or _seconds(reported) >= began + _SETTLED
            if known == "up" and active == "active" and now - began >= _SETTLED and own:
                return True
            processes = {process for process, _ in seen if process != "0"}
            return False if len(processes) > 2 or active in ("failed", "inactive") else None

        found = self.wait(well, timeout=timeout, every=1)
        if found:
            return f"up, process {seen[-1][0]}"
        active, words = seen[-1][1], self.last_words(service, host=host.name, seconds=120)
        how = (
            f"{unit} is {active}"
            if found is None or active in ("failed", "inactive")
            else f"{unit} dies again and again"
        )
        known = state()[0]
        if found is None and known == "up":
            known = "up, by a report from before or at its last start,"
        raise ProofError(
            f"{name} is {known} for OpenStack, and {how}{': ' if words else ''}{words}{self._why(host, service)}"
        )

    def _process(self, host: Host, unit: str) -> tuple[str, str, float, float]:
        """The main process of a unit, its state, when it began, and what time it is there: seconds of the epoch."""
        asked = "MainPID,ActiveState,ExecMainStartTimestampMonotonic"
        shown, uptime, clock = self.ask(
            host.name,
            Run(argv=("systemctl", "show", "-p", asked, unit)),
            Run(argv=("cat", "/proc/uptime")),
            Run(argv=("date", "+%s")),
        )
        assert isinstance(shown, Ran) and isinstance(uptime, Ran) and isinstance(clock, Ran)
        values = dict(line.split("=", 1) for line in shown.text.splitlines() if "=" in line)
        age = float((uptime.text.split() or ["0"])[0]) - int(values.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        now = float(clock.text.strip() or 0)
        return values.get("MainPID", "0"), values.get("ActiveState", ""), now - age, now

    def _why(self, host: Host, service: str) -> str:
        """What options of ours have to do with a service that does not start."""
        if service != "cinder-backup":
            return ""
        told = self.configuration(host, service).told("DEFAULT", "backup_driver")
        return f"; {told} on {host.name}" if "Driver" not in told.rpartition(" is ")[2].split(" ")[0] else ""

    def left_in(self, pools: Iterable[str], ids: Collection[str]) -> list[str]:
        """What of these ids still lies in pools or in their trash; what deferred deletion left there is emptied."""
        return purged(self, pools, ids)

    # Evidence

    def configuration(self, host: Host, service: str) -> Configuration:
        """What a service on a host reads."""
        files = host.distro.config_files(service)
        project = service.partition("-")[0]
        chain = Chain(unit=host.distro.unit(service), path=files[0], project=project, default=files)
        (answer,) = self.ask(host.name, chain)
        return Configuration(answer.files if isinstance(answer, Chained) else ())

    def key(self, entity: str) -> Fingerprint | None:
        """The fingerprint of a cephx user's key in Ceph; None: Ceph has no such user."""
        argv = (*self.site.ceph.prefix, "ceph", "auth", "get-key", entity)
        return self.fingerprint(self.site.ceph.admin, *argv)

    def fingerprint(self, host: str, *argv: str) -> Fingerprint | None:
        """The fingerprint of what a command prints, made on the host; None: it failed."""
        (ran,) = self.ask(host, Run(argv=argv, keep="digest"))
        return Fingerprint(ran.text) if isinstance(ran, Ran) and ran.status == 0 and ran.text else None

    def caps(self, entity: str) -> Mapping[str, str]:
        """The caps of a cephx user."""
        argv = (*self.site.ceph.prefix, "ceph", "auth", "get", entity, "-f", "json")
        ran = self.attempt(self.site.ceph.admin, *argv)
        found = json.loads(ran.text or "[]") if ran.status == 0 else []
        return dict(found[0]["caps"]) if found else {}

    def last_words(self, service: str, *, about: str = "", host: str = "", seconds: float = 0) -> str:
        """The last error in the logs of a service, with its host; of any host with its role, unless one is named.

        :param about: what it should be about, such as a volume's id.
        :param seconds: how far back; the proof's own time unless told.
        """
        back = int(seconds or time.monotonic() - self._since) + 2
        for one in [self.site.hosts[host]] if host else self.site.with_role(service)[:8]:
            project = service.partition("-")[0]
            try:
                since, log, journal = self.ask(
                    one.name,
                    Run(argv=("date", "-d", f"-{back} seconds", "+%F %T")),
                    Run(argv=("tail", "-n", "4000", f"/var/log/{project}/{service}.log")),
                    Run(argv=("journalctl", "-q", "-o", "cat", "-n", "40", "-u", one.distro.unit(service))),
                )
            except HostError:
                continue
            assert isinstance(since, Ran) and isinstance(log, Ran) and isinstance(journal, Ran)
            lines = log.text.splitlines() or journal.text.splitlines()
            said = log_line(lines, since=since.text.strip(), about=about)
            if said:
                return f"{one.name}: {said}"
        return ""


def _seconds(moment: str | None) -> float:
    """A moment as OpenStack's APIs write it, UTC without saying so, in seconds of the epoch; 0 for none."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() if moment else 0.0


def _ended(image: Any) -> Any:
    return image if image.status in ("active", "killed", "deactivated") else None


def _roles(cloud: Any) -> tuple[str, ...]:
    try:
        return tuple(cloud.session.auth.get_access(cloud.session).role_names)
    except Exception as error:
        raise CephdeployError(f"OpenStack does not let the operator in: {error}") from error


def _a_member(bench: Workbench) -> tuple[Any, str, str]:
    """A connection, who it is, and the project that images must be shared with."""
    cloud = bench.cloud
    if not bench.admin:
        return cloud, "as a member", ""
    bench.doing("making a project and a user")
    try:
        identity, name, password = cloud.identity, bench.name("member"), secrets.token_urlsafe(24)
        domain = cloud.session.auth.get_access(cloud.session).project_domain_id
        role = identity.find_role("member") or identity.find_role("_member_")
        if role is None:
            return cloud, "as admin only: there is no role 'member'", ""
        project = identity.create_project(name=name, domain_id=domain, description=str(bench.mark))
        bench.made("project", project.id)
        user = identity.create_user(
            name=name, domain_id=domain, password=f"{password}.aA1", description=str(bench.mark)
        )
        bench.made("user", user.id)
        identity.assign_project_role_to_user(project, user, role)
        connection = cloud.connect_as(
            username=name, password=f"{password}.aA1", project_id=project.id, user_domain_id=domain
        )
        connection.authorize()
    except Exception as error:  # identity may be read-only, or not the operator's to write to
        return cloud, f"as admin only: no member can be made ({worded(error)})", ""
    return connection, "as a member", str(project.id)
