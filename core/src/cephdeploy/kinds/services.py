"""Services: a restart is a difference between the configuration that is wanted and the one in use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from ..requests import Answer, Look, MakeDirectory, Ran, Request, Restart, Seen, Unit, Write
from ..resource import Clash, Resource, State, Unfit, Upstream
from ..values import UNKNOWN, Address, Unknown

if TYPE_CHECKING:
    from ..site import Host

__all__ = ["Service"]

_STAMPS = "/var/lib/cephdeploy/started-with"
_PENDING = "pending"


@dataclass(frozen=True, kw_only=True)
class Service(Resource):
    """A systemd unit that runs, with the configuration that it should have been started with.

    The host keeps a stamp for each unit: a digest of that configuration. Before a watched resource is
    changed the stamp becomes ``pending``, so a run that dies between the change and the restart leaves
    a difference that the next run repairs. A unit that has no stamp is taken over as it runs.

    :param role: the service's name in OpenStack's words, such as ``cinder-volume``: rolling batches are
        made of the hosts that have it.
    :param unit: the systemd unit.
    :param restart_on: resources of the same host whose change needs a restart.
    :param settle: seconds that the service must stay up for after it, to count as healthy.
    :param stop_timeout: seconds for the stop and start (nova-compute of 2026.2 needs 163).
    """

    kind: ClassVar[str] = "service"
    slow: ClassVar[bool] = True

    role: str
    unit: str
    restart_on: tuple[Address, ...] = ()
    settle: float = 6
    stop_timeout: float = 300

    @classmethod
    def of(cls, host: Host, role: str, *, restart_on: Iterable[Resource]) -> Self:
        """The unit that the host's distribution has for ``role``."""
        watched = tuple(sorted({resource.address for resource in restart_on}))
        return cls(host=host.name, role=role, unit=host.distro.unit(role), restart_on=watched)

    @property
    def name(self) -> str:
        return self.unit

    def merged(self, other: Self) -> Self:
        if replace(self, restart_on=(), after=()) != replace(other, restart_on=(), after=()):
            raise Clash("they differ in more than what restarts it")
        return replace(
            self,
            restart_on=tuple(sorted({*self.restart_on, *other.restart_on})),
            after=tuple(dict.fromkeys((*self.after, *other.after))),
        )

    def needs(self) -> Iterable[Address]:
        return self.restart_on

    @property
    def _stamp(self) -> str:
        return f"{_STAMPS}/{self.unit}"

    def probe(self) -> Sequence[Request]:
        return (Unit(name=self.unit), Look(path=self._stamp, content=True))

    def read(self, answers: Sequence[Answer]) -> State | None:
        shown, stamp = answers
        assert isinstance(shown, Ran)
        if shown.status != 0:
            raise Unfit(f"systemd does not answer: {shown.reason}")
        facts = dict(line.split("=", 1) for line in shown.text.splitlines() if "=" in line)
        if facts.get("LoadState") != "loaded":
            raise Unfit(
                f"there is no unit {self.unit} ({facts.get('LoadState', 'unknown')}); install {self.role}, "
                "or take the role from the host"
            )
        noted = stamp.content.decode() if isinstance(stamp, Seen) and stamp.content else None
        running = facts.get("ActiveState") == "active" and facts.get("SubState") in ("running", "exited")
        state = "running" if running else f"{facts.get('ActiveState')} ({facts.get('SubState')})"
        return State({"state": state, "configuration": noted})

    def want(self, have: State | None, upstream: Upstream) -> State:
        assert have is not None
        parts = [upstream.digest(address) for address in self.restart_on]
        known = not any(isinstance(part, Unknown) for part in parts)
        digest = hashlib.sha256("".join(map(str, parts)).encode()).hexdigest()[:16] if known else UNKNOWN
        causes = tuple(address for address in self.restart_on if upstream.changing(address))
        noted = have.values["configuration"]
        if noted is None and not causes and have.values["state"] == "running":
            return have
        return State({"state": "running", "configuration": digest}, raw={"causes": causes})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        return (
            Restart(name=self.unit, settle=self.settle, timeout=self.stop_timeout),
            *self._note(str(want.values["configuration"])),
        )

    def pending(self) -> Sequence[Request]:
        """What to send before a watched resource is changed: a restart must survive a crash."""
        return self._note(_PENDING)

    def _note(self, text: str) -> Sequence[Request]:
        return (
            MakeDirectory(path=_STAMPS, mode=0o700, owner="root", group="root"),
            Write(path=self._stamp, content=text.encode(), mode=0o600, owner="root", group="root"),
        )
