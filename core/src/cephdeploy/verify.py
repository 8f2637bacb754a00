"""Proof by use: the probes that plugins declare, run for real, each with what it found.

A :class:`Check` is a command on a host; a :class:`Proof` uses OpenStack by the operator's own
credentials. Whatever a proof makes it takes away again, also when it fails.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .errors import CephdeployError, HostError, ProofError
from .redaction import redacted
from .requests import Group, Ran, Run
from .requests import Host as Line

if TYPE_CHECKING:
    from .site import Host, Site

__all__ = ["Check", "Probe", "ProbeResult", "Proof", "Workbench", "verify"]

T = TypeVar("T")


#: How ceph's and rbd's commands say that a key lacks the right; a pool that is not there is as safe.
_REFUSED = r"not permitted|ermission denied|No such file|does not exist"


@dataclass(frozen=True, kw_only=True)
class Check:
    """Commands on one host that must succeed in turn, or must fail in a certain way.

    :param user: the account to run as, such as ``cinder``: a key that only root can read is no proof.
    :param refusal: a regular expression that what the failing command says must match; empty: the
        commands must succeed.
    """

    host: str
    title: str
    commands: tuple[tuple[str, ...], ...]
    user: str = ""
    refusal: str = ""
    timeout: float = 60

    @classmethod
    def uses_pool(cls, site: Site, host: Host, user: str, pool: str, service: str) -> Self:
        """The service's account, with its own keyring, can put an object into a pool and take it away."""
        return cls(
            host=host.name,
            title=f"{service} can use pool {pool} as client.{user}",
            commands=_put_and_remove(site, host, user, pool),
            user=host.distro.account(service).user,
        )

    @classmethod
    def refused_by_pool(cls, site: Site, host: Host, user: str, pool: str, service: str) -> Self:
        """The service's key can't write to a pool that is not its own."""
        return cls(
            host=host.name,
            title=f"{service} can't write to pool {pool} as client.{user}",
            commands=_put_and_remove(site, host, user, pool)[:1],
            user=host.distro.account(service).user,
            refusal=_REFUSED,
        )


def _put_and_remove(site: Site, host: Host, user: str, pool: str) -> tuple[tuple[str, ...], ...]:
    rados = ("rados", "--conf", site.ceph.conf, "--id", user, "--pool", pool)
    name = f"cephdeploy-check-{host.name}"
    return ((*rados, "put", name, "/etc/hostname"), (*rados, "rm", name))


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Work that is done through OpenStack's APIs.

    :param prove: does it; returns what it saw, in a few words. Raises :class:`ProofError`.
    """

    title: str
    prove: Callable[[Workbench], str]
    #: The host that it is about; empty when it is about the whole.
    host: str = ""


Probe = Check | Proof


@dataclass(frozen=True)
class ProbeResult:
    """How a probe ended."""

    plugin: str
    title: str
    ok: bool
    detail: str
    seconds: float


@dataclass
class Workbench:
    """What a proof may use. What it makes there it hands to :meth:`cleanup` at once."""

    site: Site
    hosts: Mapping[str, Line]
    connect: Callable[[], Any]
    _cleanups: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _cloud: Any = None

    @property
    def cloud(self) -> Any:
        """An ``openstack.connection.Connection`` as the operator: OS_* or clouds.yaml."""
        if self._cloud is None:
            self._cloud = self.connect()
        return self._cloud

    def run(self, host: str, *argv: str, user: str = "", timeout: float = 60) -> str:
        """Run a command on a host and give what it printed.

        :raises ProofError: it failed.
        """
        (answers,) = self.hosts[host].exchange([Group(requests=(Run(argv=argv, user=user, timeout=timeout),))])
        ran = answers[0]
        assert isinstance(ran, Ran)
        if ran.status != 0:
            raise ProofError(f"{' '.join(argv)} on {host}: {ran.reason}")
        return ran.text

    def ceph(self, *argv: str) -> str:
        """Run ``ceph`` or ``rbd`` on the admin host."""
        return self.run(self.site.ceph.admin, *self.site.ceph.prefix, *argv)

    def upload_image(self, name: str) -> Any:
        """A small raw image in Glance, taken away when the proof is over.

        :return: the image as the API shows it, active.
        :raises ProofError: it did not become active.
        """
        images = self.cloud.image
        image = images.create_image(
            name=name,
            data=_IMAGE,
            disk_format="raw",
            container_format="bare",
            visibility="private",
            validate_checksum=False,
        )
        self.cleanup(images.delete_image, image.id)
        found = self.wait(lambda: _ended(images.get_image(image.id)), timeout=120)
        if found is None or found.status != "active":
            raise ProofError(f"image {image.id} is {found.status if found else 'not active after 120 s'}")
        return found

    def cleanup(self, undo: Callable[..., object], *args: object, **kwargs: object) -> None:
        """Call ``undo`` when the proof is over; the last handed in goes first."""
        self._cleanups.callback(undo, *args, **kwargs)

    def wait(self, look: Callable[[], T | None], *, timeout: float, every: float = 0.5) -> T | None:
        """What ``look`` gives as soon as that is not None; None after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        while True:
            found = look()
            if found is not None or time.monotonic() > until:
                return found
            time.sleep(every)


def _ended(image: Any) -> Any:
    return image if image.status in ("active", "killed", "deactivated") else None


def _boot_sector() -> bytes:
    """An x86 boot sector that halts, with one partition: newer Glances refuse a disk that has none."""
    code = bytes.fromhex("f4ebfd")
    partition = bytes.fromhex("80000100830001000100000001000000")
    return code.ljust(446, b"\0") + partition.ljust(64, b"\0") + bytes.fromhex("55aa")


#: 8 MiB: two objects of RBD, quick to send, and nothing that anybody would boot.
_IMAGE = _boot_sector() + bytes(8 * 2**20 - 512)


def verify(
    site: Site,
    probes: Sequence[tuple[str, Probe]],
    hosts: Mapping[str, Line],
    *,
    connect: Callable[[], Any],
    listener: Callable[[ProbeResult], None] = lambda result: None,
    limit: Collection[str] = (),
) -> list[ProbeResult]:
    """Run every probe: the checks of each host in one round trip, then the proofs one by one.

    :param limit: leave out what is about other hosts than these.
    :param connect: makes the OpenStack connection; called only if a proof needs it.
    :param listener: called with each result as it is there.
    """
    if limit:
        probes = [(plugin, probe) for plugin, probe in probes if not probe.host or probe.host in limit]
    results = []
    for result in (*_checked(probes, hosts), *_proved(site, probes, hosts, connect)):
        listener(result)
        results.append(result)
    return results


def _checked(probes: Sequence[tuple[str, Probe]], hosts: Mapping[str, Line]) -> Iterator[ProbeResult]:
    by_host: dict[str, list[tuple[str, Check]]] = {}
    for plugin, probe in probes:
        if isinstance(probe, Check):
            by_host.setdefault(probe.host, []).append((plugin, probe))
    for host, checks in sorted(by_host.items()):
        groups = [
            Group(
                requests=tuple(Run(argv=argv, user=check.user, timeout=check.timeout) for argv in check.commands),
                parallel=True,
            )
            for _, check in checks
        ]
        began = time.monotonic()
        try:
            answered = hosts[host].exchange(groups)
        except HostError as error:
            for plugin, check in checks:
                yield ProbeResult(plugin, f"{check.title} ({host})", False, redacted(str(error)), 0.0)
            continue
        for (plugin, check), answers in zip(checks, answered, strict=True):
            ran = [answer for answer in answers if isinstance(answer, Ran)]
            ok, detail = _judged(check, ran)
            title = f"{check.title} ({check.host})"
            yield ProbeResult(plugin, title, ok, redacted(detail), time.monotonic() - began)


def _judged(check: Check, ran: Sequence[Ran]) -> tuple[bool, str]:
    bad = next(((argv, r) for argv, r in zip(check.commands, ran, strict=True) if r.status != 0), None)
    if not check.refusal:
        return (True, "") if bad is None else (False, f"{' '.join(bad[0])}: {bad[1].reason}")
    if bad is None:
        return False, "it was let, and must be refused; the caps are too wide"
    said = (bad[1].err + bad[1].out).decode(errors="replace")
    if re.search(check.refusal, said):
        return True, "refused"
    return False, f"it failed, but not as it must: {bad[1].reason}"


def _proved(
    site: Site, probes: Sequence[tuple[str, Probe]], hosts: Mapping[str, Line], connect: Callable[[], Any]
) -> Iterator[ProbeResult]:
    cloud = None
    for plugin, probe in probes:
        if not isinstance(probe, Proof):
            continue
        bench = Workbench(site, hosts, connect, _cloud=cloud)
        began = time.monotonic()
        try:
            with bench._cleanups:
                detail = probe.prove(bench)
            ok = True
        except CephdeployError as error:
            ok, detail = False, str(error)
        except Exception as error:  # openstacksdk raises many sorts; each is a finding about the cloud
            ok, detail = False, f"{type(error).__name__}: {error}"
        cloud = bench._cloud
        yield ProbeResult(plugin, probe.title, ok, redacted(detail), time.monotonic() - began)
